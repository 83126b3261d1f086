"""Lines in the embedded metric format as the functions write them: the twin of infra/aws/src/metrics.rs.

`test_emf.py` compares names, units, their order and the line's shape with that file.
"""

import json

NAMESPACE = "mendlake"
DIMENSION = "Stack"

# What each function emits, in its order, with CloudWatch's word for the unit.
EMITTED = {
    "requested": [
        ("ScheduleLag", "Milliseconds"), ("RequestedSymbols", "Count"), ("LeftOutSymbols", "Count"),
        ("UnsentMessages", "Count"), ("LateTicks", "Count"), ("EarlyTicks", "Count"),
    ],
    "collected": [("SampledQuotes", "Count"), ("MissedQuotes", "Count"), ("SourceDenied", "Count")],
    "landed": [("LandedRows", "Count"), ("LandingRejects", "Count")],
    "reconciled": [
        ("OpenGaps", "Count"), ("OldestGap", "Seconds"), ("ExpectedLive", "Count"), ("MissingLive", "Count"),
        ("LandingLag", "Seconds"), ("Disagreements", "Count"), ("UnhealableGaps", "Count"), ("UnknownSymbols", "Count"),
        ("CalendarContradictions", "Count"), ("ParkedBatches", "Count"), ("HourlyRuns", "Count"),
    ],
    "second_opinion": [("Disagreements", "Count")],
    "replayed": [("HealedRows", "Count"), ("CorrectedRows", "Count"), ("ReplayCalls", "Count"), ("FailedReplayCalls", "Count")],
}


def line(stack, at_ms, metrics):
    """The line of some metrics, `(name, unit, value)`, at an instant."""
    definition = {
        "Namespace": NAMESPACE,
        "Dimensions": [[DIMENSION]],
        "Metrics": [{"Name": name, "Unit": unit} for name, unit, _ in metrics],
    }
    written = {"_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [definition]}, DIMENSION: stack}
    return json.dumps(written | {name: float(value) for name, _, value in metrics})


def emitted(function, stack, at_ms, **values):
    """The line of a function: every metric it emits, zero where no value is named."""
    names = [name for name, _ in EMITTED[function]]
    assert set(values) <= set(names), f"{function} does not emit {set(values) - set(names)}"
    return line(stack, at_ms, [(name, unit, values.get(name, 0)) for name, unit in EMITTED[function]])
