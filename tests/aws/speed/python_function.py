"""The same work in Python, plain and good: what mendlake's functions are compared with.

Clients are made once and kept, calls go out of threads over kept connections, what can be sent together is. `collect` and
`land` do what mendlake's do, but for telling poison apart and for healing anything; of the others only the start is
compared. Run as a function's program: python_function.py <function>
"""

import base64
import hashlib
import http.client
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import boto3
import botocore.config
import urllib3

FUNCTION = sys.argv[1]
SERVICES = {
    "Request": ["s3", "dynamodb", "sqs"],
    "Collect": ["s3", "dynamodb", "kinesis"],
    "Land": ["s3", "dynamodb"],
    "Reconcile": ["s3", "dynamodb", "sqs"],
    "Replay": ["s3", "dynamodb", "kinesis"],
}
env = os.environ
config = botocore.config.Config(max_pool_connections=32, retries={"mode": "standard", "max_attempts": 3})
session = boto3.session.Session(region_name=env["AWS_REGION"])
aws = {service: session.client(service, config=config) for service in SERVICES[FUNCTION]}
aws["s3"].get_object(Bucket=env["MENDLAKE_BUCKET"], Key="mendlake.json")["Body"].read()
if FUNCTION == "Land":
    sys.path.append(env["DUCKDB_IN"])
    import duckdb

    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")

vendor = urllib3.PoolManager(maxsize=32, block=True)
messages, quotes = ThreadPoolExecutor(4), ThreadPoolExecutor(25)


def epoch_ms(text):
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def iso(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def collect(event):
    records = event["Records"]
    done = messages.map(lambda record: sample(json.loads(record["body"])), records)
    failed = [record["messageId"] for record, is_done in zip(records, done) if not is_done]
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}


def sample(message):
    start_ms = epoch_ms(message["minute"])
    if not 0 <= time.time() * 1000 - start_ms < 10_000:
        return True
    aws["s3"].list_objects_v2(Bucket=env["MENDLAKE_BUCKET"], Prefix="control/overlay/")
    key = {"pk": {"S": "source#finnhub"}, "sk": {"S": "quote"}}
    aws["dynamodb"].get_item(TableName=env["MENDLAKE_TABLE"], Key=key, ConsistentRead=True)
    rows = [row for row in quotes.map(lambda symbol: quote(symbol, message["minute"], start_ms), message["symbols"]) if row]
    if not rows:
        return True
    record = {"Data": "".join(json.dumps(row) + "\n" for row in rows).encode(), "PartitionKey": message["symbols"][0]}
    return aws["kinesis"].put_records(StreamARN=env["MENDLAKE_STREAM_ARN"], Records=[record])["FailedRecordCount"] == 0


def quote(symbol, minute, start_ms):
    url = f"{env['MENDLAKE_FINNHUB_BASE_URL']}/api/v1/quote?symbol={symbol}"
    answer = vendor.request("GET", url, headers={"x-finnhub-token": env["FINNHUB_TOKEN"]}, retries=False, timeout=10)
    now_ms = int(time.time() * 1000)
    if answer.status != 200 or now_ms - start_ms >= 10_000:
        return None
    said = json.loads(answer.data)
    if not said["c"] > 0 or not 0 < said["t"] * 1000 <= now_ms + 5_000:
        return None
    return {
        "v": 1,
        "symbol": symbol,
        "minute": minute,
        "price": said["c"],
        "basis": "quote",
        "source": "finnhub",
        "traded_at": iso(said["t"] * 1000),
        "day_open": said["o"] or None,
        "day_high": said["h"] or None,
        "day_low": said["l"] or None,
        "prev_close": said["pc"] or None,
        "observed_at": iso(now_ms),
        "revision": 0,
    }


COLUMNS = """{symbol: 'VARCHAR', minute: 'TIMESTAMPTZ', price: 'DOUBLE', basis: 'VARCHAR', source: 'VARCHAR',
    traded_at: 'TIMESTAMPTZ', day_open: 'DOUBLE', day_high: 'DOUBLE', day_low: 'DOUBLE', prev_close: 'DOUBLE',
    observed_at: 'TIMESTAMPTZ', stored_at: 'TIMESTAMPTZ', revision: 'BIGINT'}"""


def land(event):
    by_date = {}
    for record in event["Records"]:
        stored_at = iso(round(record["kinesis"]["approximateArrivalTimestamp"] * 1000))
        for line in base64.b64decode(record["kinesis"]["data"]).splitlines():
            row = json.loads(line)
            if row["v"] == 1 and row["price"] > 0:
                row["stored_at"] = stored_at
                by_date.setdefault(row["minute"][:10], []).append(row)
    for dt, rows in by_date.items():
        publish(dt, rows, event["Records"][0]["kinesis"]["sequenceNumber"])
    last = event["Records"][-1]["kinesis"]["approximateArrivalTimestamp"]
    item = {"pk": {"S": "landed"}, "sk": {"S": "0"}, "through": {"N": str(round(last * 1000))}}
    aws["dynamodb"].put_item(TableName=env["MENDLAKE_TABLE"], Item=item)
    return {"batchItemFailures": []}


def publish(dt, rows, sequence):
    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join(map(json.dumps, rows))
        Path(folder, "rows.json").write_text(text)
        source = f"read_json('{folder}/rows.json', format = 'newline_delimited', columns = {COLUMNS})"
        # All but one of the columns, in the order of the rows.
        query = f"SELECT * FROM {source} ORDER BY symbol, minute, observed_at"
        database.execute(f"COPY ({query}) TO '{folder}/rows.parquet' (FORMAT parquet, COMPRESSION zstd)")
        body = Path(folder, "rows.parquet").read_bytes()
    key = f"quotes/dt={dt}/python-0-{sequence}-{hashlib.sha256(text.encode()).hexdigest()[:32]}.parquet"
    try:
        aws["s3"].put_object(Bucket=env["MENDLAKE_BUCKET"], Key=key, Body=body, IfNoneMatch="*")
    except aws["s3"].exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise


HANDLERS = {"Collect": collect, "Land": land}


def serve():
    api = http.client.HTTPConnection(env["AWS_LAMBDA_RUNTIME_API"])
    handle = HANDLERS.get(FUNCTION, lambda event: None)
    while True:
        api.request("GET", "/2018-06-01/runtime/invocation/next")
        answer = api.getresponse()
        event, request = json.loads(answer.read()), answer.headers["Lambda-Runtime-Aws-Request-Id"]
        api.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", json.dumps(handle(event)))
        api.getresponse().read()


try:
    serve()
except (ConnectionError, http.client.HTTPException):
    pass  # Lambda is gone.
