"""The mapping's own rules, with functions of a few lines."""

import json
import unittest
from dataclasses import replace
from datetime import datetime, timezone

from mapping import MOST_BYTES, NEVER, Clock, Mapping, Readings, Settings, Shard
from runtime import Outcome

SETTINGS = Settings(batch_size=10, window_s=60, bisects=False, retries=NEVER, max_age_s=NEVER, partial=True)


class Played:
    """A function that answers by what it is given: `plays(sequences, nth)` gives a body, or a status that is no answer."""

    arn = "arn:aws:lambda:us-east-1:000000000000:function:played"

    def __init__(self, plays=lambda given, nth: None):
        self.plays, self.given = plays, []

    def invoke(self, payload):
        given = [record["kinesis"]["sequenceNumber"] for record in json.loads(payload)["Records"]]
        self.given.append(given)
        played = self.plays(given, len(self.given))
        return Outcome(played, None, 0.0) if isinstance(played, str) else Outcome("answered", played, 0.0)


def failures(*identifiers):
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in identifiers]}


class Rules(unittest.TestCase):
    def mapping(self, plays=lambda given, nth: None, records=0, readings=Readings(), **settings):
        shard = Shard(Clock(datetime(2026, 11, 20, 14, 30, tzinfo=timezone.utc)))
        self.kept = {}
        mapping = Mapping(replace(SETTINGS, **settings), shard, Played(plays), self.kept.__setitem__, readings)
        self.sequences = [str(shard.put("k", b"x").sequence) for _ in range(records)]
        return mapping

    def given(self, mapping):
        """What each invocation was given, as places in the shard."""
        return [[self.sequences.index(sequence) for sequence in given] for given in mapping.function.given]

    def test_a_full_batch_goes_at_once_and_another_waits_for_its_window(self):
        mapping = self.mapping(records=12)
        mapping.run(59)
        self.assertEqual(self.given(mapping), [list(range(10))])
        mapping.run(1)
        self.assertEqual(self.given(mapping), [list(range(10)), [10, 11]])
        self.assertIsNone(mapping.turn())

    def test_an_event_has_six_megabytes_at_most(self):
        mapping = self.mapping()
        for _ in range(10):
            mapping.shard.put("k", bytes(1_000_000))
        mapping.drain()
        self.assertEqual([delivery.records for delivery in mapping.deliveries], [4, 4, 2])
        self.assertTrue(all(delivery.bytes <= MOST_BYTES for delivery in mapping.deliveries))

    def test_the_lowest_failure_is_the_checkpoint(self):
        plays = lambda given, nth: failures(given[7], given[4]) if nth == 1 else None
        mapping = self.mapping(plays, records=10, bisects=True)
        mapping.attempts(1)
        self.assertEqual(str(mapping.checkpoint), self.sequences[3])
        mapping.drain()
        self.assertEqual(self.given(mapping), [list(range(10)), [4, 5, 6, 7, 8, 9]])

    def test_empty_answers_are_successes_and_senseless_ones_failures(self):
        for body in (None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}):
            mapping = self.mapping(lambda given, nth: body, records=10)
            mapping.attempts(1)
            self.assertEqual(str(mapping.checkpoint), self.sequences[9])
        for body in (failures(""), failures(None), failures("4711"), {"batchItemFailures": [{"id": "1"}]}):
            mapping = self.mapping(lambda given, nth: body if nth == 1 else None, records=10)
            mapping.drain()
            self.assertEqual([len(given) for given in mapping.function.given], [10, 10], body)

    def test_answers_are_not_read_where_partial_ones_are_off(self):
        mapping = self.mapping(lambda given, nth: failures(given[0]), records=10, partial=False)
        mapping.drain()
        self.assertEqual(len(mapping.deliveries), 1)

    def test_an_error_fails_the_whole_batch_and_halves_it_in_order(self):
        for status in ("failed", "crashed", "timed out"):
            poison = lambda given, nth: status if self.sequences[2] in given and nth < 5 else None
            mapping = self.mapping(poison, records=4)
            mapping.attempts(2)
            self.assertEqual(self.given(mapping), [[0, 1, 2, 3]] * 2)
            mapping = self.mapping(poison, records=4, bisects=True)
            mapping.drain()
            self.assertEqual(self.given(mapping), [[0, 1, 2, 3], [0, 1], [2, 3], [2], [2], [3]])

    def test_a_failure_of_the_first_record_is_read_both_ways(self):
        fails_once = lambda given, nth: failures(given[0]) if nth == 1 else None
        mapping = self.mapping(fails_once, records=4, bisects=True)
        mapping.drain()
        self.assertEqual(self.given(mapping), [[0, 1, 2, 3], [0, 1, 2, 3]])
        mapping = self.mapping(fails_once, records=4, bisects=True, readings=Readings(halves_whole=True))
        mapping.drain()
        self.assertEqual(self.given(mapping), [[0, 1, 2, 3], [0, 1], [2, 3]])

    def test_halving_takes_no_retry_and_the_last_retry_gives_up(self):
        mapping = self.mapping(lambda given, nth: "failed", records=2, bisects=True, retries=1)
        mapping.drain()
        self.assertEqual(self.given(mapping), [[0, 1], [0], [0], [1], [1]])
        conditions = [json.loads(kept)["requestContext"] for kept in self.kept.values()]
        self.assertEqual([c["condition"] for c in conditions], ["RetryAttemptsExhausted"] * 2)

    def test_without_a_limit_it_is_tried_for_ever_and_the_shard_waits(self):
        mapping = self.mapping(lambda given, nth: "failed", records=20)
        mapping.attempts(50)
        self.assertEqual(self.given(mapping), [list(range(10))] * 50)

    def test_old_records_are_given_up_whole_and_the_shard_goes_on(self):
        mapping = self.mapping(lambda given, nth: failures(given[0]) if nth < 3 else None, records=3, max_age_s=21_600)
        mapping.attempts(1)
        mapping.clock.advance(21_000)
        self.sequences.append(str(mapping.shard.put("k", b"young").sequence))
        mapping.attempts(1)
        self.assertEqual(self.kept, {})
        mapping.clock.advance(601)
        mapping.drain()
        ((key, kept),) = self.kept.items()
        kept = json.loads(kept)
        payload = json.loads(kept["payload"])
        self.assertIsInstance(kept["payload"], str)
        self.assertRegex(
            key,
            rf"^aws/lambda/{mapping.id}/shardId-000000000000/2026/11/20/2026-11-20T20\.\d\d\.\d\d-[0-9a-f-]{{36}}$",
        )
        self.assertEqual([r["kinesis"]["sequenceNumber"] for r in payload["Records"]], self.sequences[:3])
        self.assertEqual(kept["requestContext"]["condition"], "RecordAgeExceeded")
        self.assertEqual((kept["requestContext"]["approximateInvokeCount"], kept["KinesisBatchInfo"]["batchSize"]), (2, 3))
        self.assertNotIn("functionError", kept["responseContext"])
        self.assertEqual(self.given(mapping), [[0, 1, 2], [0, 1, 2], [3]])

    def test_a_batch_that_is_old_in_part_is_read_both_ways(self):
        for readings, kept in ((Readings(), 3), (Readings(gives_up_whole=True), 4)):
            mapping = self.mapping(records=3, max_age_s=60, readings=readings, window_s=0)
            mapping.clock.advance(30)
            self.sequences.append(str(mapping.shard.put("k", b"young").sequence))
            mapping.clock.advance(31)
            mapping.drain()
            ((_, record),) = self.kept.items()
            self.assertEqual(json.loads(record)["KinesisBatchInfo"]["batchSize"], kept)
            self.assertEqual(sum(map(len, self.given(mapping))), 4 - kept)

    def test_what_the_stream_no_longer_keeps_is_not_read(self):
        mapping = self.mapping(records=3)
        mapping.clock.advance(86_401)
        self.assertIsNone(mapping.turn())
