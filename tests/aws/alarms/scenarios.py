"""Days that alarms must speak on, each for its own fault and by a time; and days on which they must be silent."""

from dataclasses import dataclass, field

from world import Faults, at

# Before a scenario begins, so much of a good time passes that every alarm has its points.
WARM_S = 8 * 3600


@dataclass
class Fires:
    """An alarm's one time in ALARM: not before `after`, there by `by`; with `back`, OK again by then, and not before `holds`."""

    after: str
    by: str
    holds: str | None = None
    back: str | None = None


@dataclass
class Scenario:
    name: str
    begin: str
    end: str
    fires: dict = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    # The stack is made then; otherwise it has run for long.
    made: str | None = None


def between(begin, end):
    begin, end = at(begin), at(end)
    return lambda now: begin <= now < end


def of(function, when):
    return lambda name, now: name == function and when(now)


def once(when, count=1):
    begin = at(when)
    return lambda now: count if begin <= now < begin + 60 else 0


WHOLE_FRIDAY = ("2026-11-20 00:00", "2026-11-21 00:00")

outage = between("2026-11-20 10:00", "2026-11-20 10:40")
morning = between("2026-11-20 10:00", "2026-11-20 15:00")
eleven = between("2026-11-20 11:00", "2026-11-20 13:00")
an_hour = between("2026-11-20 11:00", "2026-11-20 12:00")
few = between("2026-11-20 10:00", "2026-11-20 10:05")

SILENT = [
    Scenario("a good day", *WHOLE_FRIDAY),
    Scenario("a half day", "2026-11-27 00:00", "2026-11-28 00:00"),
    Scenario("a weekend and the open after it", "2026-11-21 00:00", "2026-11-23 11:00"),
    Scenario("a holiday", "2026-11-26 00:00", "2026-11-27 00:00"),
    Scenario("a sample missed now and then, all healed", *WHOLE_FRIDAY, faults=Faults(missed=lambda minute: minute // 60 % 4 == 0)),
    Scenario("the vendor out for five minutes, all healed", *WHOLE_FRIDAY, faults=Faults(missed=lambda minute: 10 * few(minute))),
    Scenario("reconciliations that take minutes", *WHOLE_FRIDAY, faults=Faults(pace_s=lambda now: 10 + now // 60 * 37 % 230)),
    Scenario("one failed reconciliation", *WHOLE_FRIDAY, faults=Faults(fails=of("Reconcile", once("2026-11-20 11:10")))),
    Scenario("one failed tick", *WHOLE_FRIDAY, faults=Faults(fails=of("Request", once("2026-11-20 11:11")))),
]

LOUD = [
    Scenario(
        "vendor and candles out", *WHOLE_FRIDAY,
        {
            "CollectorSilent": Fires("2026-11-20 10:10", "2026-11-20 10:25", "2026-11-20 10:45", "2026-11-20 11:05"),
            "StreamLagging": Fires("2026-11-20 10:10", "2026-11-20 10:20", "2026-11-20 10:40", "2026-11-20 10:50"),
            "GapsOpen": Fires("2026-11-20 12:00", "2026-11-20 12:10", "2026-11-20 15:00", "2026-11-20 15:15"),
        },
        Faults(missed=lambda minute: 10 * outage(minute), candles=lambda now: not morning(now)),
    ),
    Scenario(
        "a minute that nothing heals", "2026-11-20 00:00", "2026-11-22 00:00",
        {
            "GapsOpen": Fires("2026-11-20 12:00", "2026-11-20 12:10", "2026-11-21 23:59"),
            "OldestGapTooOld": Fires("2026-11-21 10:00", "2026-11-21 10:10", "2026-11-21 23:59"),
        },
        Faults(missed=lambda minute: few(minute), candles=lambda now: False),
    ),
    Scenario(
        "the reconciler is dead, in session", *WHOLE_FRIDAY,
        {"ReconcilerSilent": Fires("2026-11-20 13:00", "2026-11-20 13:10", "2026-11-20 15:05", "2026-11-20 15:10")},
        Faults(gone=of("Reconcile", between("2026-11-20 11:06", "2026-11-20 15:00"))),
    ),
    Scenario(
        "the reconciler is dead, at a weekend", "2026-11-21 00:00", "2026-11-22 12:00",
        {"ReconcilerSilent": Fires("2026-11-21 05:00", "2026-11-21 05:10", "2026-11-22 12:00")},
        Faults(gone=of("Reconcile", between("2026-11-21 03:06", "2026-11-23 00:00"))),
    ),
    Scenario(
        "every reconciliation fails", *WHOLE_FRIDAY,
        {
            "StageFailing": Fires("2026-11-20 11:10", "2026-11-20 11:25", "2026-11-20 14:55", "2026-11-20 15:20"),
            "ReconcilerSilent": Fires("2026-11-20 13:00", "2026-11-20 13:10", "2026-11-20 15:05", "2026-11-20 15:10"),
        },
        Faults(fails=of("Reconcile", between("2026-11-20 11:06", "2026-11-20 15:00"))),
    ),
    Scenario(
        "collect is dead", *WHOLE_FRIDAY,
        {"CollectorSilent": Fires("2026-11-20 11:10", "2026-11-20 11:25", "2026-11-20 13:05", "2026-11-20 13:25")},
        Faults(gone=of("Collect", eleven)),
    ),
    Scenario(
        "no tick comes, from the open on", *WHOLE_FRIDAY,
        {"CollectorSilent": Fires("2026-11-20 09:35", "2026-11-20 09:50", "2026-11-20 16:00", "2026-11-20 16:30")},
        Faults(gone=of("Request", between(*WHOLE_FRIDAY))),
    ),
    Scenario(
        "half of the samples are missed", *WHOLE_FRIDAY,
        {"CollectorSilent": Fires("2026-11-20 11:15", "2026-11-20 11:30", "2026-11-20 13:00", "2026-11-20 13:25")},
        Faults(missed=lambda minute: 5 * eleven(minute)),
    ),
    Scenario(
        "land is dead", *WHOLE_FRIDAY,
        {"StreamLagging": Fires("2026-11-20 11:10", "2026-11-20 11:20", "2026-11-20 12:00", "2026-11-20 12:10"),
         "CollectorSilent": Fires("2026-11-20 11:10", "2026-11-20 11:25", "2026-11-20 12:00", "2026-11-20 12:10")},
        Faults(gone=of("Land", an_hour)),
    ),
    Scenario(
        "land fails", *WHOLE_FRIDAY,
        {"StreamLagging": Fires("2026-11-20 11:10", "2026-11-20 11:20", "2026-11-20 12:00", "2026-11-20 12:10"),
         "CollectorSilent": Fires("2026-11-20 11:10", "2026-11-20 11:25", "2026-11-20 12:00", "2026-11-20 12:10"),
         "StageFailing": Fires("2026-11-20 11:10", "2026-11-20 11:20", "2026-11-20 12:00", "2026-11-20 12:20")},
        Faults(fails=of("Land", an_hour)),
    ),
    Scenario(
        "one shard of two is stuck", *WHOLE_FRIDAY,
        {"StreamLagging": Fires("2026-11-20 11:10", "2026-11-20 11:25", "2026-11-20 13:00", "2026-11-20 13:15")},
        Faults(stuck=eleven),
    ),
    Scenario(
        "collect crashes on every message", *WHOLE_FRIDAY,
        {"CollectorSilent": Fires("2026-11-20 11:10", "2026-11-20 11:25", "2026-11-20 12:05", "2026-11-20 12:25"),
         "StageFailing": Fires("2026-11-20 11:10", "2026-11-20 11:20", "2026-11-20 12:00", "2026-11-20 12:20"),
         "DeadLetters": Fires("2026-11-20 11:05", "2026-11-20 11:10", "2026-11-20 15:00", "2026-11-20 15:10")},
        Faults(
            fails=of("Collect", an_hour),
            letters={"LiveDeadLetters": (at("2026-11-20 11:06"), at("2026-11-20 15:00"), at("2026-11-20 15:00"))},
        ),
    ),
    Scenario(
        "a dead replay task, purged a day later", "2026-11-21 00:00", "2026-11-22 12:00",
        {"DeadLetters": Fires("2026-11-21 03:15", "2026-11-21 03:25", "2026-11-22 04:00", "2026-11-22 04:10")},
        Faults(letters={"ReplayDeadLetters": (at("2026-11-21 03:15"), at("2026-11-21 09:15"), at("2026-11-22 04:00"))}),
    ),
    Scenario(
        "a dead sample beside a quiet replay queue", *WHOLE_FRIDAY,
        {"DeadLetters": Fires("2026-11-20 11:00", "2026-11-20 11:05", "2026-11-20 23:59")},
        Faults(letters={"LiveDeadLetters": (at("2026-11-20 11:00"), at("2026-11-20 23:59"), None)}),
    ),
    Scenario(
        "the vendor refuses the key", *WHOLE_FRIDAY,
        {"SourceDenied": Fires("2026-11-20 11:00", "2026-11-20 11:15", "2026-11-20 13:00", "2026-11-20 13:20"),
         "CollectorSilent": Fires("2026-11-20 11:10", "2026-11-20 11:25", "2026-11-20 13:05", "2026-11-20 13:25")},
        Faults(refused=eleven),
    ),
    Scenario(
        "no plan has candles, found at night", "2026-11-20 12:00", "2026-11-21 15:00",
        {"GapsOpen": Fires("2026-11-20 17:55", "2026-11-20 18:15", "2026-11-21 15:00"),
         "SourceDenied": Fires("2026-11-20 17:00", "2026-11-20 17:20", "2026-11-21 15:00")},
        Faults(
            missed=lambda minute: once("2026-11-20 15:58", 2)(minute),
            candles=lambda now: False,
            unentitled=between("2026-11-20 16:58", "2026-11-24 00:00"),
        ),
    ),
    Scenario(
        "what is no row, once", *WHOLE_FRIDAY,
        {"LandingRejects": Fires("2026-11-20 11:00", "2026-11-20 11:05", back="2026-11-20 11:30")},
        Faults(rejects=once("2026-11-20 11:00")),
    ),
    Scenario(
        "objects deleted at night", "2026-11-20 12:00", "2026-11-21 12:00",
        {"LedgerDisagrees": Fires("2026-11-21 03:05", "2026-11-21 03:10", back="2026-11-21 03:45")},
        Faults(disagreements=once("2026-11-21 03:05", 40)),
    ),
    Scenario(
        "Athena differs one morning", "2026-11-20 12:00", "2026-11-21 12:00",
        {"LedgerDisagrees": Fires("2026-11-21 07:35", "2026-11-21 07:40", back="2026-11-21 08:15")},
        Faults(differ=once("2026-11-21 07:35", 3)),
    ),
    Scenario(
        "a batch is parked, and landed again after hours", *WHOLE_FRIDAY,
        {"BatchesParked": Fires("2026-11-20 11:20", "2026-11-20 11:30", "2026-11-20 15:00", "2026-11-20 15:10")},
        Faults(parked=lambda now: 2 * between("2026-11-20 11:20", "2026-11-20 15:00")(now)),
    ),
    Scenario(
        "batches parked at a weekend", "2026-11-21 00:00", "2026-11-22 12:00",
        {"BatchesParked": Fires("2026-11-21 03:05", "2026-11-21 03:15", "2026-11-22 04:05", "2026-11-22 04:15")},
        Faults(parked=between("2026-11-21 03:00", "2026-11-22 04:00")),
    ),
    Scenario(
        "a vendor calls a trading day closed", *WHOLE_FRIDAY,
        {"CalendarContradicted": Fires("2026-11-20 07:35", "2026-11-20 07:40", back="2026-11-20 12:00")},
        Faults(contradictions=once("2026-11-20 07:35")),
    ),
    Scenario(
        "a symbol nobody knows", *WHOLE_FRIDAY,
        {"UnknownSymbol": Fires("2026-11-20 07:35", "2026-11-20 07:40", back="2026-11-20 12:00")},
        Faults(unknown=once("2026-11-20 07:35")),
    ),
    Scenario(
        "a key with a lower limit", *WHOLE_FRIDAY,
        {"WatchlistTooLarge": Fires("2026-11-20 11:00", "2026-11-20 11:05", "2026-11-20 13:00", "2026-11-20 13:20")},
        Faults(left_out=lambda now: 5 * eleven(now)),
    ),
    Scenario(
        "every tick fails", *WHOLE_FRIDAY,
        {"StageFailing": Fires("2026-11-20 11:10", "2026-11-20 11:20", "2026-11-20 13:00", "2026-11-20 13:20"),
         "CollectorSilent": Fires("2026-11-20 11:10", "2026-11-20 11:25", "2026-11-20 13:05", "2026-11-20 13:25")},
        Faults(fails=of("Request", eleven)),
    ),
    Scenario(
        "a new stack, on a Saturday", "2026-11-21 00:00", "2026-11-22 00:00",
        {"ReconcilerSilent": Fires("2026-11-21 00:00", "2026-11-21 12:00", back="2026-11-21 12:10")},
        made="2026-11-21 11:20",
    ),
]

SCENARIOS = SILENT + LOUD
