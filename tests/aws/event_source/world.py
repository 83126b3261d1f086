"""The stand-in, and for each scenario a lake, a ledger, a shard and the function between them."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import boto3
import botocore.config
import botocore.exceptions

from accounts import Accounts
from mapping import STREAM_ARN, Clock, Mapping, Readings, Settings, Shard
from proxy import Proxy
from rows import Put, record
from runtime import Function

TOP = Path(__file__).resolve().parents[3]
# The folder of the environment this runs in, and of those beside it.
STANDINS = Path(sys.prefix).parent
REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Standin:
    """ministack, for as long as the block lasts."""

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory(prefix="mendlake-event-source-")
        self.folder, self.port = Path(self.home.name), free_port()
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_PORT": "0",
            "S3_DATA_DIR": str(self.folder / "s3"),
            "STATE_DIR": str(self.folder / "state"),
            "TMPDIR": str(self.folder),
            "LOG_LEVEL": "WARNING",
            "AWS_ENDPOINT_URL": self.endpoint,
        }
        self.log = open(self.folder / "ministack.log", "wb")
        command = [STANDINS / "python" / "bin" / "ministack"]
        self.child = subprocess.Popen(command, env=env, stdout=self.log, stderr=self.log, start_new_session=True)
        self._wait_until_it_answers()
        return self

    def __exit__(self, *_):
        os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()
        self.log.close()
        self.home.cleanup()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def client(self, service):
        config = botocore.config.Config(retries={"max_attempts": 0}, read_timeout=60)
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, config=config, **keys)

    def _wait_until_it_answers(self):
        for _ in range(300):
            try:
                self.client("s3").list_buckets()
                return
            except botocore.exceptions.EndpointConnectionError:
                assert self.child.poll() is None, (self.folder / "ministack.log").read_text()
                time.sleep(0.1)
        raise AssertionError("ministack does not answer")


class Template:
    """What infra/aws/template.yaml says of a function and its mapping."""

    def __init__(self):
        sys.path.insert(0, str(TOP / "tests/aws/template"))
        from project import Project, defaults, resolve

        plain = Project().plain
        self.resources, parameters = plain["Resources"], defaults(plain)
        self.resolve = lambda value: resolve(value, "lake", parameters)

    def mapping(self, name):
        return Settings.of(self.resources[name]["Properties"], self.resolve)

    def table(self, name):
        """What `CreateTable` takes of the ledger."""
        properties = self.resources["Ledger"]["Properties"]
        wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        return {"TableName": name, **{key: properties[key] for key in wanted}}

    def function(self, name):
        """A function's time-out and memory."""
        properties = self.resources[name]["Properties"]
        return int(properties["Timeout"]), int(properties["MemorySize"])

    def variables(self, name, **given):
        """A function's environment: those given, defaults of parameters, and a name of a kind for everything else."""
        variables = self.resources[name]["Properties"]["Environment"]["Variables"]
        missing = given.keys() - variables.keys()
        assert not missing, f"the template sets no {missing}"
        text = lambda value: f"{value:g}" if isinstance(value, float) else str(value)
        resolved = {key: self.resolve(value) for key, value in variables.items()}
        plain = {key: text(value) if not isinstance(value, dict) else "" for key, value in resolved.items()}
        return plain | {"MENDLAKE_STREAM_ARN": STREAM_ARN} | given


class World:
    """A scenario's own lake and ledger, and `land` between them and a shard."""

    def __init__(self, standin, template, bootstrap, number, readings=Readings(), mapping=Mapping):
        self.bucket, self.table = f"lake-{number}", f"ledger-{number}"
        self.s3, self.dynamodb = standin.client("s3"), standin.client("dynamodb")
        self.s3.create_bucket(Bucket=self.bucket)
        self.dynamodb.create_table(**template.table(self.table))
        self.proxy, self.put_so_far = Proxy(standin.port), []
        self.log = open(standin.folder / f"land-{number}.log", "w+b")
        names = {"MENDLAKE_BUCKET": self.bucket, "MENDLAKE_TABLE": self.table}
        variables = {**template.variables("Land", **names), **CREDENTIALS, "AWS_ENDPOINT_URL": self.proxy.endpoint}
        timeout_s, memory_mb = template.function("Land")
        self.function = Function([bootstrap], "land", variables, timeout_s, memory_mb, self.log)
        # A Friday's open.
        self.clock = Clock(datetime(2026, 11, 20, 14, 30, tzinfo=timezone.utc))
        self.shard = Shard(self.clock)
        self.mapping = mapping(template.mapping("LandStream"), self.shard, self.function, self.keep, readings)
        self.accounts = Accounts(self.s3, self.bucket, TOP, STANDINS / "python" / "bin" / "python")

    def keep(self, key, body):
        """Writes to the on-failure destination: Lambda does that itself, whatever the function is refused."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def put(self, rows, data=None, reason=None):
        """Puts a record of these rows into the shard; or other data, which are poison, with these good rows in them."""
        kept = self.shard.put(rows[0]["symbol"] if rows else "poison", record(rows) if data is None else data)
        self.put_so_far.append(Put(kept, tuple(rows), reason))

    def mark_ms(self):
        """What the ledger says has landed through, or `None`."""
        key = {"pk": {"S": "landed"}, "sk": {"S": self.shard.id.rsplit("-", 1)[-1]}}
        item = self.dynamodb.get_item(TableName=self.table, Key=key).get("Item")
        return int(item["through"]["N"]) if item else None

    def check(self, is_over=True):
        """Asserts that nothing is lost and nothing invented; gives the counts. What the shard still holds ahead of its
        checkpoint is not lost, unless the scenario is over."""
        ahead = {one.record.sequence for one in self.put_so_far if one.record.sequence > self.mapping.checkpoint}
        assert not (is_over and ahead), f"{len(ahead)} records are still ahead of the checkpoint"
        complaints, counts = self.accounts.complaints(self.put_so_far, ahead)
        if complaints:
            shown = complaints[:5] + ([f"and {len(complaints) - 5} more"] if len(complaints) > 5 else [])
            raise AssertionError("\n    ".join(shown))
        return counts | {"invocations": len(self.mapping.deliveries), "starts": self.function.starts}

    def logged(self, words):
        """How often the function has logged these words."""
        self.log.flush()
        self.log.seek(0)
        return self.log.read().decode().count(words)

    def end(self):
        self.function.stop()
        self.proxy.end()
        self.log.close()
