"""What can happen between the stream and the lake. Each scenario gets a world, and may give further counts."""

import threading
import time

from mapping import MOST_BYTES, Readings
from proxy import dynamodb_error, s3_error
from rows import MINUTE_MS, close, quote, record

SYMBOLS = [f"S{n:02}" for n in range(20)]
# A record of a release to come, and what a person might put in by hand.
VERSION_2 = record([quote("AAPL", 0)]).replace(b'"v":1', b'"v":2')


def minute(world, symbols=SYMBOLS):
    """One minute of live collection: two messages' quotes, 1.8 s into it, and the rest of it passes."""
    start = world.clock.ms // MINUTE_MS * MINUTE_MS
    world.mapping.run(1.8)
    for part in (symbols[::2], symbols[1::2]):
        world.put([quote(symbol, start) for symbol in part])
    world.mapping.run((start + MINUTE_MS - world.clock.ms) / 1000)


def minutes(world, count):
    for _ in range(count):
        minute(world)


def settled(world):
    """Everything is delivered, and the ledger says so and no more."""
    world.mapping.drain()
    assert world.mark_ms() == world.put_so_far[-1].record.arrived_ms, "the mark is not at the shard's last record"


def good_day(world):
    """An hour of minutes, then a replay's backlog of another date."""
    minutes(world, 60)
    yesterday = world.clock.ms - 24 * 60 * MINUTE_MS
    for symbol in SYMBOLS:
        world.put([close(symbol, yesterday + n * MINUTE_MS, world.clock.ms) for n in range(30)])
    settled(world)
    deliveries = world.mapping.deliveries
    assert all(delivery.left == 0 for delivery in deliveries), deliveries
    assert len(deliveries) <= 62, f"{len(deliveries)} invocations: batches did not wait for their window"
    assert len(world.accounts.keys("quotes/")) <= len(deliveries) + 1, "one object a batch and date"
    assert world.function.starts == 1, "it was warm all day"


def poison(world):
    """Records that are none, among good ones and with good lines in them."""
    now = world.clock.ms
    rows = lambda n: [quote("AAPL", now + n * MINUTE_MS)]
    poisoned = [
        ([], b"not json\n", "line 1: not JSON"),
        ([], b"\xff\xfe\x00\x01", "line 1"),
        ([], b"", "the record is empty"),
        ([], record(rows(0)).replace(b'"price":', b'"prize":'), "price"),
        ([], record([rows(0)[0] | {"price": 0}]), "not a price above zero"),
        ([], record([rows(0)[0] | {"observed_at": "2026-11-20T14:30:45.000Z"}]), "no invention"),
        ([], record([rows(600)[0] | {"basis": "close", "day_open": None, "prev_close": None}]), "had not begun"),
        (rows(1), b"{}\n" + record(rows(1)) + b"half a li", "line 3"),
    ]
    world.clock.advance(65)
    for n, (good, data, reason) in enumerate(poisoned):
        world.put([quote("SPY", now, after_ms=1_000 + n)])
        world.put(good, data, reason)
    minutes(world, 2)
    settled(world)
    assert all(delivery.left == 0 for delivery in world.mapping.deliveries), "poison holds nothing up"


def unknown_version(world):
    """A record of a newer release: this one sets it aside whole, and lands its neighbours."""
    minute(world)
    world.put([], VERSION_2, "record version 2 is not 1")
    world.put([quote("SPY", world.clock.ms)], VERSION_2 + record([quote("SPY", world.clock.ms)]), "line 1: record version 2")
    world.clock.advance(2)
    minutes(world, 2)
    settled(world)


def refused(fault):
    """Some batches are refused, until it is mended; batches pile up behind them."""

    def scenario(world):
        minutes(world, 2)
        through = world.mark_ms()
        world.proxy.fault = fault
        checkpoint = world.mapping.checkpoint
        minutes(world, 5)
        tried = [delivery for delivery in world.mapping.deliveries if delivery.left]
        assert len(tried) >= 3, "it was tried again and again"
        assert world.mapping.checkpoint == checkpoint, "nothing of it was acknowledged"
        assert world.mark_ms() == through, "the ledger does not say that it landed"
        world.proxy.mend()
        settled(world)
        return {"failed": len(tried)}

    return scenario


def s3_refuses(request, forward):
    return s3_error(503, "ServiceUnavailable") if request.writes("quotes") else forward()


def s3_denies(request, forward):
    return s3_error(403, "AccessDenied") if request.writes("quotes") else forward()


def ledger_refuses(request, forward):
    return dynamodb_error(400, "AccessDeniedException") if request.asks_the_ledger() else forward()


def answers_get_lost(request, forward):
    """The object is written, and nobody hears of it."""
    answer = forward()
    return None if request.writes("quotes") else answer


def quarantine_refuses(world):
    """Poison that cannot be set aside is not acknowledged, and neither is what follows it."""
    minute(world)
    world.put([], VERSION_2, "record version 2 is not 1")
    world.proxy.fault = lambda request, forward: s3_error(403, "AccessDenied") if request.writes("quarantine") else forward()
    checkpoint = world.mapping.checkpoint
    minutes(world, 3)
    assert world.mapping.checkpoint == checkpoint
    world.proxy.mend()
    settled(world)


def cold_start_without_s3(world):
    """The function cannot start while S3 is away; it does not take events then, and starts when S3 is back."""
    minutes(world, 2)
    world.function.stop()
    world.proxy.fault = lambda request, forward: s3_error(403, "AccessDenied") if request.asks_s3() else forward()
    minutes(world, 3)
    assert [d.status for d in world.mapping.deliveries if d.left][-1] == "crashed"
    assert world.logged("the function does not start") > 0, "it says why"
    world.proxy.mend()
    settled(world)


def killed_mid_batch(world):
    """The machine dies when one of a batch's two objects is written; the halves of the batch are landed anew."""
    minutes(world, 2)
    yesterday = world.clock.ms - 24 * 60 * MINUTE_MS
    for symbol in SYMBOLS:
        world.put([close(symbol, yesterday, world.clock.ms), close(symbol, world.clock.ms, world.clock.ms)])
    before = len(world.accounts.keys("quotes/"))

    def dies(request, forward):
        answer = forward()
        if request.writes("quotes"):
            world.proxy.fault = None
            world.function.kill()
            return None
        return answer

    world.proxy.fault = dies
    world.mapping.attempts(1)
    assert world.mapping.deliveries[-1].status == "crashed"
    assert len(world.accounts.keys("quotes/")) == before + 1, "it died between the two"
    settled(world)
    assert world.function.starts == 2


def out_of_time(world):
    """S3 does not answer: the function hands its batch back before its time is over, and stays warm."""
    minute(world)
    world.function.timeout_s = 4
    world.proxy.fault = lambda request, forward: (world.proxy.hang if request.writes("quotes") else lambda *_: forward())(request, forward)
    minute(world)
    last = world.mapping.deliveries[-1]
    assert (last.status, last.left) == ("answered", last.records), last
    assert world.logged("the function's time is over") > 0
    world.proxy.mend()
    settled(world)
    assert world.function.starts == 1


def frozen(world):
    """The function does nothing any more: it is killed at its time-out, and started anew."""
    minute(world)
    world.function.timeout_s = 3

    def freezes(request, forward):
        if request.writes("quotes"):
            world.proxy.fault = None
            world.function.freeze()
        return forward()

    world.proxy.fault = freezes
    minutes(world, 2)
    assert [delivery.status for delivery in world.mapping.deliveries].count("timed out") == 1
    settled(world)
    assert world.function.starts == 2


def large_batch(world):
    """A backlog of the largest records there are: events end at 6 MB, and none is left behind."""
    began = world.clock.ms - 3 * 24 * 60 * MINUTE_MS
    for n in range(48):
        rows = [close(f"L{n}", began + m * MINUTE_MS, world.clock.ms) for m in range(950)]
        assert 200 * 1024 < len(record(rows)) <= 256 * 1024, len(record(rows))
        world.put(rows)
    settled(world)
    sizes = [delivery.bytes for delivery in world.mapping.deliveries]
    assert len(sizes) >= 3 and max(sizes) > 0.9 * MOST_BYTES, sizes
    return {"MB": round(sum(sizes) / 1e6, 1)}


def delivered_twice(world):
    """The same batch once more gives the same object; the same records in other batches give more, and no row twice."""
    minutes(world, 1)
    before = world.mapping.checkpoint
    minutes(world, 3)
    world.mapping.drain()
    objects = world.accounts.keys("quotes/")
    world.mapping.read_again(world.mapping.deliveries[-1].first - 1)
    world.mapping.drain()
    assert world.accounts.keys("quotes/") == objects, "the same batch, the same object"
    world.mapping.read_again(before)
    settled(world)
    assert len(world.accounts.keys("quotes/")) == len(objects) + 1, "three batches' records came as one"


def aged_out(world):
    """S3 refuses the lake for more than six hours. What is too old goes to the on-failure destination, whole; the rest
    lands by itself once S3 is back, and a person's `reland` brings the other in."""
    minutes(world, 2)
    world.proxy.fault = s3_denies
    minutes(world, 2)
    world.put([], VERSION_2, "record version 2 is not 1")
    refused_at = world.clock.ms
    world.mapping.run(5 * 3600)
    minutes(world, 2)
    # What was refused first is older than six hours now.
    world.mapping.run(3600)
    minutes(world, 1)
    kept = world.accounts.kept_by_lambda()
    given_up = {str(record.sequence) for record in world.mapping.given_up}
    # Halved down to itself, the poison was set aside meanwhile: that, S3 takes.
    old = {str(one.record.sequence) for one in world.put_so_far[2:] if one.record.arrived_ms < refused_at and not one.reason}
    assert old and old <= kept == given_up, "all that is old is kept, and all that is kept was given up"
    assert world.mapping.checkpoint < world.put_so_far[-1].record.sequence, "what is young is still to come"
    world.check(is_over=False)
    world.proxy.mend()
    settled(world)
    assert world.accounts.kept_by_lambda() == kept, "nobody else takes them away"
    reland(world, kept)
    return {"given up": len(kept)}


def reland(world, kept):
    """Beside what Lambda gave up lies something that is no batch: it comes first, is named, stays, and nothing waits for it."""
    foreign = {"Bucket": world.accounts.bucket, "Key": "aws/lambda/0-foreign"}
    world.accounts.s3.put_object(**foreign, Body=b"half")
    answer = world.function.invoke(b'{"reland":true}')
    assert answer.status == "answered" and sum(r["records"] for r in answer.body["landed"]) == len(kept), answer
    assert [it["batch"] for it in answer.body["unreadable"]] == [foreign["Key"]] and answer.body["left"] == 0, answer
    assert world.accounts.keys("aws/lambda/") == [foreign["Key"]], "what has landed is taken away, and nothing else"
    world.accounts.s3.delete_object(**foreign)
    again = world.function.invoke(b'{"reland":true}')
    assert again.body == {"landed": [], "unreadable": [], "left": 0}, again


def reland_interrupted(world):
    """`reland` dies when the rows are in the lake and the object is still there: asked again, it ends the same."""
    world.proxy.fault = s3_denies
    minutes(world, 2)
    world.mapping.run(6 * 3600 + 60)
    kept = world.accounts.kept_by_lambda()
    assert len(kept) == len(world.put_so_far), "all of it is given up"

    def dies(request, forward):
        if request.method == "DELETE":
            world.proxy.fault = None
            world.function.kill()
            return None
        return forward()

    world.proxy.fault = dies
    assert world.function.invoke(b'{"reland":true}').status == "crashed"
    assert world.accounts.kept_by_lambda() == kept
    reland(world, kept)


HALVES, WHOLE = Readings(halves_whole=True), Readings(gives_up_whole=True)

SCENARIOS = [
    ("good day", good_day, Readings()),
    ("poison among good records", poison, Readings()),
    ("record of an unknown version", unknown_version, Readings()),
    ("S3 refuses writes (503)", refused(s3_refuses), Readings()),
    ("S3 denies writes, batches halved", refused(s3_denies), HALVES),
    ("the ledger is denied", refused(ledger_refuses), Readings()),
    ("S3's answers get lost", refused(answers_get_lost), HALVES),
    ("quarantine is denied", quarantine_refuses, Readings()),
    ("cold start without S3", cold_start_without_s3, Readings()),
    ("killed between two objects", killed_mid_batch, Readings()),
    ("S3 does not answer in time", out_of_time, Readings()),
    ("frozen, killed at its time-out", frozen, Readings()),
    ("a batch above 6 MB", large_batch, Readings()),
    ("batches delivered twice", delivered_twice, Readings()),
    ("aged out after six hours", aged_out, Readings()),
    ("aged out, batches whole", aged_out, WHOLE),
    ("aged out, batches halved", aged_out, HALVES),
    ("reland dies half-way", reland_interrupted, Readings()),
]
