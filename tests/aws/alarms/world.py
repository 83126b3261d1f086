"""A stack for some days, as far as its alarms see it: what its functions emit minute by minute, with faults planted.

No function runs here. What each emits is counted from a small model of its rules (ingest/src, reconcile/src/reconcile.rs):
which minutes are expected, sampled, landed and healed, and when; the test of the deployed stack has the real lines.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Callable

import emf
from cloudwatch import Metrics

# New York in November 2026, when all of this plays: daylight saving has ended.
ZONE = timezone(timedelta(hours=-5))

STACK = "lake"
SYMBOLS = 10
SETTLE_S = 300
LANDING_S = 65
LIVE_MINUTES = 15
HOLIDAYS = {"2026-11-26"}
HALF_DAYS = {"2026-11-27"}

never = lambda *_: False


def at(text):
    """An instant, `2026-11-20 09:30` in New York, as epoch seconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp())


@dataclass
class Faults:
    """What goes wrong, each as a question about an instant; nothing does by default."""

    # How many of the minute's symbols have no sample, and the reason.
    missed: Callable = lambda minute: 0
    refused: Callable = never
    # Functions that are not invoked, and invocations that fail.
    gone: Callable = lambda function, now: False
    fails: Callable = lambda function, now: False
    # Whether candles can be had; if not, whether because a key or a plan is refused.
    candles: Callable = lambda now: True
    unentitled: Callable = never
    # How long after its minute's beginning a run emits: the schedule's jitter and the run itself.
    pace_s: Callable = lambda now: 5 + now // 60 * 7 % 50
    # Numbers a function reports.
    left_out: Callable = lambda now: 0
    rejects: Callable = lambda now: 0
    disagreements: Callable = lambda now: 0
    differ: Callable = lambda now: 0
    contradictions: Callable = lambda now: 0
    unknown: Callable = lambda now: 0
    parked: Callable = lambda now: 0
    # Whether one shard of several is stuck: its batch is handed over again and again, and grows old.
    stuck: Callable = never
    # Dead letters: by queue, from when to when.
    letters: dict = field(default_factory=dict)


class World:
    def __init__(self, begin, end, faults, stack=STACK, first_run=None):
        self.faults, self.stack, self.metrics = faults, stack, Metrics()
        self.first_run = first_run or begin
        # Sampled minutes: when they had landed, and how many symbols they lack. Others: when they were healed.
        self.landed, self.healed = {}, {}
        # When batches had landed, and when they had arrived; and those that wait. The day before a good one landed.
        self.marks, self.waiting = [] if first_run else [(begin, begin - 3600)], []
        self.stuck_since = None
        for now in range(begin, end, 60):
            self.minute(now)
        self.letters()
        self.metrics.sorted()

    def minute(self, now):
        local = datetime.fromtimestamp(now, ZONE)
        clock, weekday = (local.hour, local.minute), local.weekday() < 5
        if now < self.first_run:
            return
        if weekday and (9, 29) <= clock < (16, 0):
            self.run("Request", now, self.request, now + 60)
        if session_of(now) and self.asked(now):
            self.run("Collect", now, self.collect, now)
        if self.waiting:
            self.aged(now, min(arrived for _, _, arrived in self.waiting))
            self.run("Land", now, self.land)
        if self.faults.stuck(now):
            self.stuck_since = self.stuck_since or now
            self.aged(now, self.stuck_since)
        if weekday and 9 <= local.hour < 17 and local.minute % 5 == 0:
            self.run("Reconcile", now, self.reconcile, 0)
        if local.minute == 5:
            self.run("Reconcile", now, self.reconcile, 1)
        if clock == (7, 35):
            self.run("Reconcile", now, self.morning)

    def run(self, function, now, work, *arguments):
        """Invokes a function. Failed asynchronous invocations are not tried again: the template says so."""
        if self.faults.gone(function, now):
            return
        failed = self.faults.fails(function, now)
        self.counted("AWS/Lambda", "Errors", "FunctionName", f"{self.stack}-{function}", now + 3, 1 if failed else 0)
        if not failed:
            work(now, *arguments)

    def aged(self, now, arrived):
        """What Lambda tells of a batch that it hands to `land`, whatever comes of it. A function that is gone is told of nothing."""
        if not self.faults.gone("Land", now):
            self.counted("AWS/Lambda", "IteratorAge", "FunctionName", f"{self.stack}-Land", now, max(0, now - arrived) * 1000)

    def request(self, now, minute):
        of_session = {"RequestedSymbols": SYMBOLS, "LeftOutSymbols": self.faults.left_out(now)} if session_of(minute) else {}
        self.emit("requested", now + 4, ScheduleLag=4000, **of_session)

    def asked(self, minute):
        """Whether messages for this minute were sent."""
        return not (self.faults.gone("Request", minute - 60) or self.faults.fails("Request", minute - 60))

    def collect(self, now, minute):
        missed = SYMBOLS if self.faults.refused(minute) else self.faults.missed(minute)
        self.emit("collected", now + 2, SampledQuotes=SYMBOLS - missed, MissedQuotes=missed, SourceDenied=missed * self.faults.refused(minute))
        if missed < SYMBOLS:
            self.waiting.append((minute, missed, now + 2))

    def land(self, now):
        """What arrived a window ago, all of it at once."""
        due = [batch for batch in self.waiting if batch[2] + LANDING_S <= now + 60]
        self.waiting = [batch for batch in self.waiting if batch not in due]
        for minute, missed, arrived in due:
            self.landed[minute] = (now + 30, missed)
            self.marks.append((now + 30, arrived))
        if due:
            rows = sum(SYMBOLS - missed for _, missed, _ in due)
            self.emit("landed", now + 30, LandedRows=rows, LandingRejects=self.faults.rejects(now))

    def reconcile(self, started, hourly):
        now = started + self.faults.pace_s(started)
        horizon = (now - SETTLE_S) // 60 * 60 + 60
        missing = {minute: count for minute, count in self.missing(now, horizon).items() if count}
        if self.faults.candles(now):
            self.replay(now, [minute for minute in missing if minute not in self.healed])
        live = {minute: self.missing_of(minute, now) for minute in minutes_before(horizon)}
        expected = SYMBOLS * len(live)
        landed = max((arrived for seen, arrived in self.marks[-400:] if seen <= now), default=None)
        close = max((session_of(minute)[1] for minute in live), default=now)
        self.emit(
            "reconciled", now,
            OpenGaps=sum(missing.values()),
            OldestGap=now - min(missing) if missing else 0,
            ExpectedLive=expected,
            MissingLive=sum(live.values()),
            LandingLag=max(0, self.until(now, close) - landed) if expected and landed else 0,
            Disagreements=self.faults.disagreements(started),
            UnhealableGaps=sum(missing.values()) if self.faults.unentitled(now) else 0,
            UnknownSymbols=self.faults.unknown(started) if hourly else 0,
            CalendarContradictions=self.faults.contradictions(started) if hourly else 0,
            ParkedBatches=self.faults.parked(started),
            HourlyRuns=hourly,
        )

    def morning(self, started):
        """The hourly run's work, and then Athena's opinion."""
        self.reconcile(started, 1)
        self.emit("second_opinion", started + self.faults.pace_s(started) + 20, Disagreements=self.faults.differ(started))

    def replay(self, now, minutes):
        """Replayed rows go through the stream as well; they have landed before the next run."""
        if minutes and self.lands(now + 200):
            self.healed |= {minute: now + 200 for minute in minutes}
            self.marks.append((now + 200, now + 130))

    @staticmethod
    def until(now, close):
        """Landing is measured against now, but nothing is to be landed after the close."""
        return min(now, close)

    def lands(self, now):
        return not (self.faults.gone("Land", now) or self.faults.fails("Land", now))

    def missing(self, now, horizon):
        """Expected minutes with the number of symbols the lake lacks, healed ones left out."""
        return {minute: self.missing_of(minute, now) for minute in self.expected(horizon) if not self.healed.get(minute, now + 1) <= now}

    def missing_of(self, minute, now):
        landed_at, missed = self.landed.get(minute, (now + 1, 0))
        return missed if landed_at <= now else SYMBOLS

    def expected(self, horizon):
        """Session minutes before the horizon since the stack ran."""
        days = range(self.first_run // 86400 * 86400, horizon, 86400)
        for session in filter(None, (session_on(day) for day in days)):
            yield from range(max(session[0], self.first_run + 120), min(session[1], horizon), 60)

    def letters(self):
        """A queue reports while it is in use, and for six hours more; after that it is not asked any more."""
        for queue, (begin, end, purged) in self.faults.letters.items():
            spans = [(begin, end, 1)] + ([(purged, purged + 6 * 3600, 0)] if purged else [])
            for first, last, value in spans:
                for now in range(first, last, 60):
                    self.counted("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", f"{self.stack}-{queue}", now, value)

    def counted(self, namespace, name, dimension, value_of, now, value):
        self.metrics.put(namespace, name, {dimension: value_of}, now, value)

    def emit(self, function, now, **values):
        self.metrics.read(emf.emitted(function, self.stack, now * 1000, **values))


def session_on(midnight):
    """Open and close of the session of a UTC day, or None."""
    day = datetime.fromtimestamp(midnight, timezone.utc)
    text = day.strftime("%Y-%m-%d")
    if day.weekday() >= 5 or text in HOLIDAYS:
        return None
    return at(f"{text} 09:30"), at(f"{text} 13:00" if text in HALF_DAYS else f"{text} 16:00")


def session_of(minute):
    session = session_on(minute // 86400 * 86400)
    return session if session and session[0] <= minute < session[1] else None


def minutes_before(horizon):
    return [minute for minute in range(horizon - LIVE_MINUTES * 60, horizon, 60) if session_of(minute)]
