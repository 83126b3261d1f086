"""What became of everything that was put into the shard: nothing may be lost, and nothing invented."""

import json
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

STANDARD = "infra/aws/queries/quotes_current.sql"


class Accounts:
    """A bucket, compared with what was put into the shard."""

    def __init__(self, s3, bucket, top, python):
        self.s3, self.bucket, self.top, self.python = s3, bucket, top, python

    def keys(self, prefix):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def read(self, key):
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def lake(self):
        """The lake's rows as DuckDB reads them."""
        with tempfile.TemporaryDirectory() as folder:
            for key in self.keys("quotes/"):
                path = Path(folder, key)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.read(key))
            command = [self.python, "-B", Path(__file__).with_name("read_lake.py"), folder, self.top / STANDARD]
            return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    def quarantined(self):
        """What was set aside, by the id of its record."""
        found = [json.loads(self.read(key)) for key in self.keys("quarantine/")]
        return {rejected["id"].rsplit("-", 1)[-1]: rejected for rejected in found}

    def kept_by_lambda(self):
        """Sequence numbers of records in on-failure objects."""
        kept = [json.loads(self.read(key)) for key in self.keys("aws/lambda/")]
        records = [record for one in kept for record in json.loads(one["payload"])["Records"]]
        return {record["kinesis"]["sequenceNumber"] for record in records}

    def complaints(self, put, ahead=frozenset()):
        """What is wrong, given everything that was put, but for what is still ahead; and counts for people."""
        lake, quarantined, kept = self.lake(), self.quarantined(), self.kept_by_lambda()
        there = {tuple(row) for row in lake["rows"]}
        complaints, wanted = [], set()
        for one in put:
            rejected = quarantined.pop(str(one.record.sequence), None) if one.reason is not None else None
            if str(one.record.sequence) in kept or one.record.sequence in ahead:
                continue
            wanted |= one.stored()
            if one.reason is not None:
                complaints += wrong_in_quarantine(one, rejected)
        complaints += [f"lost: {row}" for row in sorted(wanted - there)]
        complaints += [f"nobody put this row: {row}" for row in sorted(there - {r for one in put for r in one.stored()})]
        complaints += [f"nobody put this poison: {rejected}" for rejected in quarantined.values()]
        current = Counter(map(tuple, lake["current"]))
        complaints += [f"{count} current rows of {minute}" for minute, count in current.items() if count != 1]
        if current.keys() != {row[:2] for row in there}:
            complaints.append(f"{len(current)} current rows are not those of the rows' symbol-minutes")
        counts = {
            "records": len(put),
            "rows": len(wanted),
            "poison": sum(one.reason is not None for one in put),
            "objects": lake["objects"],
            "stored": len(lake["rows"]),
            "kept": len(kept),
        }
        return complaints, counts


def wrong_in_quarantine(one, rejected):
    """A poisoned record is set aside whole, with a reason that says what is wrong."""
    name = f"the poison {one.record.sequence}"
    if rejected is None:
        return [f"lost: {name}"]
    form = rejected["input"]
    whole = form["text"].encode() if "text" in form else bytes.fromhex(form["hex"])
    complaints = []
    if whole != one.record.data:
        complaints.append(f"{name} is not whole")
    if one.reason not in rejected["reason"]:
        complaints.append(f"{name} is set aside for `{rejected['reason']}`, not for `{one.reason}`")
    return complaints
