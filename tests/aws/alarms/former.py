"""Alarms, and what the reconciler told them, as they were before scenarios showed them wrong. Each must be found wrong again."""

from dataclasses import dataclass

from project import TEMPLATE, TOP
from world import World


@dataclass
class Former:
    """In an alarm's part of the template, each `old` was `new`."""

    alarm: str
    what: str
    scenario: str
    changes: list
    world: type = World

    def replaced(self):
        text = (TOP / TEMPLATE).read_text()
        begin = text.index(f"\n  {self.alarm}:\n")
        end = text.index("\n\n", begin)
        part = text[begin:end]
        for old, new in self.changes:
            assert old in part, f"{self.alarm} has changed: there is no `{old}` to replace"
            part = part.replace(old, new)
        return {TEMPLATE: text[:begin] + part + text[end:]}


class LaggingAtTheClose(World):
    """The lag went on growing after the close, for as long as minutes of the session were looked at."""

    @staticmethod
    def until(now, close):
        return now


TWO_OF_TWO = [("EvaluationPeriods: 1", "EvaluationPeriods: 2"), ("DatapointsToAlarm: 1", "DatapointsToAlarm: 2")]
NOT_BREACHING = [("TreatMissingData: ignore", "TreatMissingData: notBreaching")]

ERRORS = [
    Former(
        "GapsOpen", "two hours in which some minute was open at any time", "a sample missed now and then, all healed",
        [*TWO_OF_TWO, *NOT_BREACHING, ("IF(oldest > 7200, gaps, 0)", "gaps"), ("Period: 300", "Period: 3600"), ("Stat: Maximum", "Stat: Minimum")],
    ),
    Former("ReconcilerSilent", "missing points that real ones of hours before stand for", "the reconciler is dead, in session", [("FILL(runs, 0)", "runs")]),
    Former("ReconcilerSilent", "missing runs taken for good ones", "the reconciler is dead, at a weekend", [("FILL(runs, 0)", "runs"), ("breaching", "notBreaching")]),
    Former("DeadLetters", "letters that are forgotten after six hours", "a dead replay task, purged a day later", NOT_BREACHING),
    Former("BatchesParked", "batches that are forgotten between two hourly runs", "batches parked at a weekend", NOT_BREACHING),
    Former(
        "SourceDenied", "hourly news filled up with zeros", "no plan has candles, found at night",
        [*TWO_OF_TWO, *NOT_BREACHING, ("denied + unhealable", "FILL(denied, 0) + FILL(unhealable, 0)"), ("Period: 600", "Period: 300")],
    ),
    Former("StreamLagging", "a lag that grows when nothing can land", "a good day", [], LaggingAtTheClose),
    Former("StreamLagging", "the lag of shards that something lands of", "one shard of two is stuck", [("lag + IF(age > 600000, age / 1000, 0)", "lag + 0 * age")]),
    Former("OldestGapTooOld", "a threshold nobody reaches", "a minute that nothing heals", [("Threshold: 86400", "Threshold: 864000")]),
    Former("CollectorSilent", "only the loss of everything", "half of the samples are missed", [("Threshold: 0.5", "Threshold: 0.6")]),
    Former("LandingRejects", "another dimension", "what is no row, once", [("Name: Stack", "Name: Function")]),
    Former("StageFailing", "errors that must be many", "every tick fails", [("Threshold: 0", "Threshold: 20")]),
]
