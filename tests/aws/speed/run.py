"""How fast the functions start and work, and what they take, beside Python with boto3 doing the same. Prints a table for
each; nothing is asserted but that the work was done.

start     from the process's start to its first `GET next`, median of 15; the program zipped; memory after one event
collect   CPU seconds, user and system, for 1,000 quotes: messages of 25 symbols, four to an event, quotes over HTTP from a
          vendor without limits on this machine, into a Kinesis stream of ministack's
land      10,000 records of six rows, in batches as the mapping makes them, to Parquet in ministack's S3

Everything but the functions themselves runs on the same cores; CPU seconds and memory are the function's process alone. A
minute can be sampled in its first ten seconds only: `collect` waits for minutes to begin. Python writes Parquet with DuckDB.
Run by the Python of build/standins/sam, after `sam build --build-dir build/sam`:

run.py [--bootstraps DIR] [start] [collect] [land]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from datetime import datetime, timezone
from pathlib import Path

sys.dont_write_bytecode = True  # nothing beside the sources
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "event_source"))

from accounts import Accounts
from mapping import Clock, Mapping, Shard
from rows import MINUTE_MS, close, record
from runtime import Function
from world import CREDENTIALS, STANDINS, TOP, Standin, Template

FUNCTIONS = ["Request", "Collect", "Land", "Reconcile", "Replay"]
STARTS, ROUNDS, EVENTS = 15, 3, 50
SYMBOLS = [f"S{n:03}" for n in range(100)]


class Place:
    """Everything a function needs, on the stand-in."""

    def __init__(self, standin, template, bootstraps, quotes_port):
        self.standin, self.template, self.bootstraps = standin, template, bootstraps
        self.s3 = standin.client("s3")
        sqs, kinesis = standin.client("sqs"), standin.client("kinesis")
        kinesis.create_stream(StreamName="quotes", ShardCount=1)
        stream = kinesis.describe_stream_summary(StreamName="quotes")["StreamDescriptionSummary"]["StreamARN"]
        queue = lambda name: sqs.create_queue(QueueName=name)["QueueUrl"]
        self.names = {
            "MENDLAKE_STREAM_ARN": stream,
            "MENDLAKE_LIVE_QUEUE_URL": queue("live"),
            "MENDLAKE_REPLAY_QUEUE_URL": queue("replay"),
            "MENDLAKE_CALENDAR": "always",
            "MENDLAKE_FINNHUB_SECRET": "",
            "MENDLAKE_ALPACA_SECRET": "",
            "MENDLAKE_FINNHUB_BASE_URL": f"http://127.0.0.1:{quotes_port}",
        }
        self.log = open(standin.folder / "functions.log", "wb")

    def lake(self, name):
        """A bucket with a lake and a watchlist, and a ledger."""
        self.s3.create_bucket(Bucket=name)
        self.standin.client("dynamodb").create_table(**self.template.table(name))
        marker = {"v": 1, "created_at": "2026-11-20T00:00:00.000Z"}
        watched = {"v": 1, "edit": "change", "from": "2026-11-20T00:00:00Z", "add": SYMBOLS, "remove": []}
        watched |= {"who": "speed", "why": "what is measured", "made_at": "2026-11-20T00:00:00.000Z"}
        for key, value in (("mendlake.json", marker), ("control/watchlist/00000001.json", watched)):
            self.s3.put_object(Bucket=name, Key=key, Body=json.dumps(value).encode())
        return name

    def function(self, name, lake, language):
        timeout_s, memory_mb = self.template.function(name)
        given = self.names | {"MENDLAKE_BUCKET": lake, "MENDLAKE_TABLE": lake}
        variables = self.template.variables(name, **given)
        variables |= {**CREDENTIALS, "AWS_ENDPOINT_URL": self.standin.endpoint, "FINNHUB_TOKEN": "speed"}
        command = [self.bootstraps / name / "bootstrap"]
        if language == "Python":
            site = next((STANDINS / "python").glob("lib/python3*/site-packages"))
            variables["DUCKDB_IN"] = str(site)
            command = [sys.executable, HERE / "python_function.py", name]
        return Function(command, name, variables, timeout_s, memory_mb, self.log)


def status_kb(function, field):
    """A field of the process's status, in kB: `VmRSS`, or its peak `VmHWM`."""
    text = Path(f"/proc/{function.environment.process.pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith(field + ":")).split()[1])


def cpu_s(function):
    """User and system time of the process, all its threads."""
    fields = Path(f"/proc/{function.environment.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(title, header, rows):
    widths = [max(len(str(row[n])) for row in [header, *rows]) for n in range(len(header))]
    print(f"\n{title}")
    for row in [header, *rows]:
        cells = [f"{value!s:>{width}}" for value, width in zip(row[1:], widths[1:])]
        print(f"  {row[0]:<{widths[0]}}  " + "  ".join(cells))
    sys.stdout.flush()


def invoked(function, event):
    outcome = function.invoke(json.dumps(event).encode())
    assert outcome.status == "answered" and not (outcome.body or {}).get("batchItemFailures"), outcome
    return outcome


def start(place):
    # Python's ledger is not one that mendlake's functions read.
    lakes, rows = {language: place.lake(f"start-{language.lower()}") for language in ("Rust", "Python")}, []
    for name in FUNCTIONS:
        for language, lake in lakes.items():
            function, took = place.function(name, lake, language), []
            for _ in range(STARTS):
                function.environment = function.start()
                assert function.environment.is_ready(time.monotonic() + 30), f"{name} does not start"
                took.append((function.environment.ready_at - function.environment.started_at) * 1000)
                function.stop()
            size = zipped(place.bootstraps / name / "bootstrap") if language == "Rust" else "-"
            range_ms = f"{min(took):.0f}-{max(took):.0f}"
            memory = after_one(function, name, language)
            rows.append([f"{name}, {language}", f"{statistics.median(took):.0f}", range_ms, size, memory])
            function.stop()
    table("start", ["", "start ms", "range", "zip MB", "MB after one event"], rows)


def zipped(path):
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.write(path, "bootstrap")
        return f"{file.tell() / 1e6:.1f}"


def after_one(function, name, language):
    if language == "Python" and name not in ("Collect", "Land"):
        return "-"
    now = datetime.now(timezone.utc)
    minute = f"{now:%Y-%m-%dT%H:%M}:00Z"
    shard = Shard(Clock(now))
    shard.put("S000", record([close("S000", shard.clock.ms // MINUTE_MS * MINUTE_MS, shard.clock.ms)]))
    events = {
        "Request": {"time": minute},
        "Collect": messages(minute, SYMBOLS[:25]),
        "Land": json.loads(Mapping(None, shard, None, None).event(shard.records)),
        "Reconcile": {"window": "near"},
        "Replay": {"symbols": SYMBOLS[:3], "from": "2026-11-20T14:30:00Z", "to": "2026-11-20T15:30:00Z", "mode": "plan"},
    }
    if name == "Collect":
        next_minute()
        events["Collect"] = messages(f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M}:00Z", SYMBOLS[:25])
    invoked(function, events[name])
    return f"{status_kb(function, 'VmRSS') / 1024:.0f}"


def next_minute():
    time.sleep(60 - time.time() % 60 + 0.1)


def messages(minute, symbols):
    """An event of the live queue: 25 symbols a message."""
    parts = [symbols[n : n + 25] for n in range(0, len(symbols), 25)]
    body = lambda part: json.dumps({"v": 1, "minute": minute, "symbols": part})
    return {"Records": [{"messageId": str(n), "body": body(part), "eventSource": "aws:sqs"} for n, part in enumerate(parts)]}


def collect(place):
    lake, rows = place.lake("collect"), []
    kinesis = place.standin.client("kinesis")
    functions = {language: place.function("Collect", lake, language) for language in ("Rust", "Python")}
    used, walls = {language: [] for language in functions}, {language: [] for language in functions}
    there = sampled(kinesis)
    for _ in range(ROUNDS):
        for language, function in functions.items():
            next_minute()
            minute = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M}:00Z"
            # The first event warms it up.
            invoked(function, messages(minute, SYMBOLS))
            before, began = cpu_s(function), time.monotonic()
            for _ in range(EVENTS):
                invoked(function, messages(minute, SYMBOLS))
            thousands = EVENTS * len(SYMBOLS) / 1_000
            walls[language].append((time.monotonic() - began) / thousands)
            used[language].append((cpu_s(function) - before) / thousands)
    quotes = sampled(kinesis) - there
    wanted = 2 * ROUNDS * (EVENTS + 1) * len(SYMBOLS)
    assert quotes == wanted, f"{quotes} of {wanted} quotes came to the stream: this machine is too busy to measure"
    for language, function in functions.items():
        seconds = [f"{value:.3f}" for value in (statistics.median(used[language]), min(used[language]), max(used[language]))]
        peak = f"{status_kb(function, 'VmHWM') / 1024:.0f}"
        rows.append([language, seconds[0], f"{seconds[1]}-{seconds[2]}", f"{statistics.median(walls[language]):.3f}", peak])
        function.stop()
    table(f"collect, for 1,000 of {EVENTS * len(SYMBOLS):,} quotes a round", ["", "CPU s", "range", "wall s", "peak MB"], rows)


def sampled(kinesis):
    """Rows in the stream."""
    shard = kinesis.list_shards(StreamName="quotes")["Shards"][0]["ShardId"]
    begin = kinesis.get_shard_iterator(StreamName="quotes", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    iterator, count = begin["ShardIterator"], 0
    while True:
        page = kinesis.get_records(ShardIterator=iterator)
        iterator = page["NextShardIterator"]
        if not page["Records"]:
            return count
        count += sum(one["Data"].count(b"\n") for one in page["Records"])


def land(place):
    rows = []
    for language in ("Rust", "Python"):
        lake = place.lake(f"land-{language.lower()}")
        function = place.function("Land", lake, language)
        clock = Clock(datetime(2026, 11, 20, 14, 30, tzinfo=timezone.utc))
        shard = Shard(clock)
        mapping = Mapping(place.template.mapping("LandStream"), shard, function, None)
        began = clock.ms - 24 * 60 * MINUTE_MS
        shard.put("S000", record([close("S000", began, clock.ms)]))
        mapping.drain()
        idle, before = status_kb(function, "VmRSS"), cpu_s(function)
        began -= 3 * 24 * 60 * MINUTE_MS
        for n in range(10_000):
            minute = began + n // 100 * 6 * MINUTE_MS
            shard.put(f"S{n % 100:03}", record([close(SYMBOLS[n % 100], minute + m * MINUTE_MS, clock.ms) for m in range(6)]))
        timed = Timed(function)
        mapping.function = timed
        mapping.drain()
        landed = len(Accounts(place.s3, lake, TOP, STANDINS / "python" / "bin" / "python").lake()["rows"])
        assert landed == 60_001, landed
        cells = [f"{60_000 / timed.seconds:,.0f}", f"{cpu_s(function) - before:.2f}", len(mapping.deliveries) - 1]
        rows.append([language, *cells, f"{idle / 1024:.0f}", f"{status_kb(function, 'VmHWM') / 1024:.0f}"])
        function.stop()
    table("land, 10,000 records of six rows", ["", "rows/s", "CPU s", "batches", "MB before", "peak MB"], rows)


class Timed:
    """A function, and how long its invocations took."""

    def __init__(self, function):
        self.function, self.seconds, self.arn = function, 0.0, function.arn

    def invoke(self, payload):
        outcome = self.function.invoke(payload)
        self.seconds += outcome.seconds
        return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstraps", type=Path, default=TOP / "build/sam", metavar="DIR")
    parser.add_argument("parts", nargs="*", metavar="PART")
    options = parser.parse_args()
    parts = {part.__name__: part for part in (start, collect, land)}
    if unknown := set(options.parts) - parts.keys():
        parser.error(f"no such part: {' '.join(unknown)}; there are {' '.join(parts)}")
    chosen = [part for name, part in parts.items() if not options.parts or name in options.parts]
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}, Python {sys.version.split()[0]}")
    server = subprocess.Popen([sys.executable, HERE / "quote_server.py"], stdout=subprocess.PIPE, text=True)
    try:
        with Standin() as standin:
            place = Place(standin, Template(), options.bootstraps.resolve(), int(server.stdout.readline()))
            for part in chosen:
                part(place)
            place.log.close()
    finally:
        server.kill()
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\nload at the end {load}")


if __name__ == "__main__":
    main()
