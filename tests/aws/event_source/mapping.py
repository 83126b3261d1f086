"""An event source mapping from one Kinesis shard to a function, with the rules that AWS's pages give.

- A batch is as many records as `BatchSize`, or fewer once `MaximumBatchingWindowInSeconds` has passed since the first of
  them was there, or as many as make an event of 6 MB: data are Base64 in it.
- Done is a batch whose answer has no `batchItemFailures`. With some, the lowest sequence number is the checkpoint: it and
  what follows are tried again. An identifier that is empty or of no record of the batch fails the whole batch.
- An error, a crash or a time-out fails the whole batch; `BisectBatchOnFunctionError` halves it, which takes no retry.
- Records older than `MaximumRecordAgeInSeconds`, and batches after `MaximumRetryAttempts`, are given up: the on-failure
  destination gets the whole event with what became of it, and the shard goes on.
- Records of a shard keep their order: nothing is invoked with a record while one before it is neither done nor given up.

Sources, all of the Lambda developer guide: "Lambda parameters for Amazon Kinesis Data Streams event source mappings",
"Configuring partial batch response with Kinesis Data Streams and Lambda", "Retain discarded batch records for a Kinesis
Data Streams event source in Lambda", "Process Amazon Kinesis Data Streams records with Lambda" and "Lambda quotas".

Two things they leave open, and the scenarios are played under both readings where it matters (`Readings`). How long Lambda
waits between tries is not said either: it doubles here from a second to a minute, in the harness's own time.
"""

import base64
import json
import uuid
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import NamedTuple

# The most that a synchronous invocation is given.
MOST_BYTES = 6 * 1024 * 1024
LONGEST_WAIT_S = 60
STREAM_ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/quotes"
NEVER = -1


class Clock:
    """The harness's time, in milliseconds since the epoch: hours of it pass at once."""

    def __init__(self, at):
        self.ms = int(at.timestamp() * 1000)

    def advance(self, seconds):
        self.ms += round(seconds * 1000)

    @property
    def at(self):
        return instant(self.ms)


def instant(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc)


def iso(ms):
    return f"{instant(ms):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"


class Record(NamedTuple):
    sequence: int
    arrived_ms: int
    partition_key: str
    data: bytes


class Shard:
    """Records in the order in which they came, for as long as the stream keeps them."""

    def __init__(self, clock, retention_s=86_400):
        self.clock, self.retention_s = clock, retention_s
        self.id, self.records = "shardId-000000000000", []
        # Sequence numbers have 56 digits, and holes.
        self.next = 49_656_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_002

    def put(self, partition_key, data):
        record = Record(self.next, self.clock.ms, partition_key, data)
        self.next += 1_048_577
        self.records.append(record)
        return record

    def after(self, sequence, most):
        kept_from = self.clock.ms - self.retention_s * 1000
        later = (r for r in self.records if r.sequence > sequence and r.arrived_ms >= kept_from)
        return [record for record, _ in zip(later, range(most))]


@dataclass(frozen=True)
class Settings:
    """A mapping's parameters, by AWS's meanings."""

    batch_size: int
    window_s: float
    bisects: bool
    retries: int
    max_age_s: int
    partial: bool

    @classmethod
    def of(cls, properties, parameter):
        """Those of an `AWS::Lambda::EventSourceMapping`; `parameter` resolves references."""
        return cls(
            batch_size=int(properties.get("BatchSize", 100)),
            window_s=float(parameter(properties.get("MaximumBatchingWindowInSeconds", 0))),
            bisects=properties.get("BisectBatchOnFunctionError", False),
            retries=int(properties.get("MaximumRetryAttempts", NEVER)),
            max_age_s=int(properties.get("MaximumRecordAgeInSeconds", NEVER)),
            partial="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
        )


@dataclass(frozen=True)
class Readings:
    """What AWS's pages leave open."""

    # A partial answer that names the batch's first record leaves all of it to do: is it halved, as after an error?
    halves_whole: bool = False
    # Does a batch with records too old go to the destination whole, or only those records?
    gives_up_whole: bool = False


@dataclass(frozen=True)
class Batch:
    records: tuple
    # Invocations that had the first record, and those of them that count as retries.
    invocations: int = 0
    retries: int = 0
    answer: object = None


class Delivery(NamedTuple):
    """One invocation."""

    first: int
    last: int
    records: int
    bytes: int
    status: str
    left: int


@dataclass
class Mapping:
    """`function.invoke(bytes)` gives an outcome; `destination(key, bytes)` keeps what is given up."""

    settings: Settings
    shard: Shard
    function: object
    destination: object
    readings: Readings = Readings()
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    # The last record read, and the last that is done or given up.
    position: int = -1
    checkpoint: int = -1
    pending: deque = field(default_factory=deque)
    deliveries: list = field(default_factory=list)
    given_up: list = field(default_factory=list)
    waiting_since_ms: int = None
    failures_in_a_row: int = 0
    not_before_ms: int = 0

    @property
    def clock(self):
        return self.shard.clock

    def run(self, seconds):
        """Does what is due within these seconds, and lets them pass."""
        until = self.clock.ms + round(seconds * 1000)
        while True:
            due = self.turn()
            if due is None or due > until:
                self.clock.ms = until
                return
            self.clock.ms = max(self.clock.ms, due)

    def drain(self, turns=2_000):
        """Works until the shard is read to its end; time passes as it must."""
        for _ in range(turns):
            due = self.turn()
            if due is None:
                return
            self.clock.ms = max(self.clock.ms, due)
        raise AssertionError(f"the shard is not at its end after {turns} turns: {self.deliveries[-3:]}")

    def attempts(self, count):
        """Works until the function has been invoked so often."""
        until = len(self.deliveries) + count
        while len(self.deliveries) < until:
            due = self.turn()
            assert due is not None, "there is nothing left to invoke the function with"
            self.clock.ms = max(self.clock.ms, due)

    def read_again(self, checkpoint):
        """Reads the shard again from after this record, as a poller does that was moved before it had noted its checkpoint."""
        self.pending.clear()
        self.position = self.checkpoint = checkpoint

    def turn(self):
        """Does what is due now. Gives when something else is, or `None` at the shard's end."""
        if not self.pending:
            due = self._gather()
            if not self.pending:
                return due
        if self.clock.ms < self.not_before_ms:
            return self.not_before_ms
        self._give_up_old()
        if self.pending:
            self._invoke()
        return self.clock.ms

    def _gather(self):
        found = self.shard.after(self.position, self.settings.batch_size)
        if not found:
            self.waiting_since_ms = None
            return None
        if self.waiting_since_ms is None:
            self.waiting_since_ms = self.clock.ms
        fit = self._fitting(found)
        is_full = len(fit) == self.settings.batch_size or len(fit) < len(found)
        due = self.waiting_since_ms + round(self.settings.window_s * 1000)
        if not is_full and self.clock.ms < due:
            return due
        self.waiting_since_ms = None
        self.position = fit[-1].sequence
        self.pending.append(Batch(tuple(fit)))
        return self.clock.ms

    def _fitting(self, records):
        """As many as make an event of 6 MB; one at least."""
        size = len(self.event([]))
        for count, record in enumerate(records):
            size += len(json.dumps(self._told(record))) + 2
            if size > MOST_BYTES and count > 0:
                return records[:count]
        return records

    def _invoke(self):
        batch = self.pending.popleft()
        event = self.event(batch.records)
        assert len(event) <= MOST_BYTES, f"an event of {len(event)} bytes"
        outcome = self.function.invoke(event)
        done = self._done(batch.records, outcome)
        first, last = batch.records[0].sequence, batch.records[-1].sequence
        left = batch.records[done:]
        self.deliveries.append(Delivery(first, last, len(batch.records), len(event), outcome.status, len(left)))
        if done:
            self.checkpoint = batch.records[done - 1].sequence
        if not left:
            self.failures_in_a_row = 0
            return
        wait_s = min(LONGEST_WAIT_S, 2**self.failures_in_a_row)
        self.failures_in_a_row += 1
        self.not_before_ms = self.clock.ms + wait_s * 1000
        # What was done begins another batch: its tries are its own.
        tried = replace(batch, invocations=0, retries=0) if done else batch
        tried = replace(tried, records=left, invocations=tried.invocations + 1, answer=outcome)
        self._try_again(tried, outcome, done)

    def _done(self, records, outcome):
        """How many records of the batch, from its first on, are done."""
        if outcome.status != "answered":
            return 0
        failures = (outcome.body or {}).get("batchItemFailures") if self.settings.partial else None
        if not failures:
            return len(records)
        places = {str(record.sequence): place for place, record in enumerate(records)}
        named = [places.get(failure.get("itemIdentifier")) for failure in failures]
        return 0 if None in named else min(named)

    def _try_again(self, batch, outcome, done):
        failed_whole = outcome.status != "answered" or (done == 0 and self.readings.halves_whole)
        if self.settings.bisects and failed_whole and len(batch.records) > 1:
            middle = len(batch.records) // 2
            # In order: the second half waits for the first.
            for half in (batch.records[middle:], batch.records[:middle]):
                self.pending.appendleft(replace(batch, records=half))
        elif self.settings.retries != NEVER and batch.retries >= self.settings.retries:
            self._give_up(batch, batch.records, "RetryAttemptsExhausted")
        else:
            self.pending.appendleft(replace(batch, retries=batch.retries + 1))

    def _give_up_old(self):
        """Gives up what is too old at the head of the queue."""
        if self.settings.max_age_s == NEVER:
            return
        oldest_ms = self.clock.ms - self.settings.max_age_s * 1000
        while self.pending:
            batch = self.pending[0]
            old = [record for record in batch.records if record.arrived_ms < oldest_ms]
            if not old:
                return
            self.pending.popleft()
            given = batch.records if self.readings.gives_up_whole else tuple(old)
            if left := batch.records[len(given) :]:
                self.pending.appendleft(replace(batch, records=left))
            self._give_up(batch, given, "RecordAgeExceeded")

    def _give_up(self, batch, records, condition):
        at, first, last = self.clock.at, records[0], records[-1]
        record = {
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": self.function.arn,
                "condition": condition,
                "approximateInvokeCount": batch.invocations,
            },
            "version": "1.0",
            "timestamp": iso(self.clock.ms),
            "KinesisBatchInfo": {
                "shardId": self.shard.id,
                "startSequenceNumber": str(first.sequence),
                "endSequenceNumber": str(last.sequence),
                "approximateArrivalOfFirstRecord": iso(first.arrived_ms),
                "approximateArrivalOfLastRecord": iso(last.arrived_ms),
                "batchSize": len(records),
                "streamArn": STREAM_ARN,
            },
            # An escaped string, not an object.
            "payload": self.event(records).decode(),
        }
        if batch.answer is not None:
            context = {"statusCode": 200, "executedVersion": "$LATEST"}
            failed = {} if batch.answer.status == "answered" else {"functionError": "Unhandled"}
            record["responseContext"] = context | failed
        folder = f"aws/lambda/{self.id}/{self.shard.id}/{at:%Y/%m/%d}"
        self._keep(f"{folder}/{at:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}", record)
        self.given_up += records
        self.checkpoint = last.sequence

    def _keep(self, key, record):
        self.destination(key, json.dumps(record).encode())

    def event(self, records):
        return json.dumps({"Records": [self._told(record) for record in records]}).encode()

    def _told(self, record):
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record.partition_key,
                "sequenceNumber": str(record.sequence),
                "data": base64.b64encode(record.data).decode(),
                "approximateArrivalTimestamp": record.arrived_ms / 1000,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{self.shard.id}:{record.sequence}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/land",
            "awsRegion": "us-east-1",
            "eventSourceARN": STREAM_ARN,
        }
