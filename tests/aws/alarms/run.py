"""Plays scenarios to the alarms of infra/aws/template.yaml. Run by the Python of build/standins/sam.

run.py                  the rules' own tests, then every scenario, and a table of alarm by scenario
run.py --self-test      the same scenarios to what alarms were before they were mended: each is found
"""

import json
import sys
import unittest
from datetime import datetime
from functools import partial
from pathlib import Path

sys.dont_write_bytecode = True  # nothing beside the sources
sys.path[:0] = [str(Path(__file__).parents[1] / "template")]

import emf
import former
import test_rules
from cloudwatch import ALARM, Conditions, alarms_of
from project import Project, defaults, resolve
from scenarios import SCENARIOS, WARM_S
from world import STACK, ZONE, World, at

# What AWS's pages leave open. Verdicts must be the same under all of it.
CONDITIONS = [Conditions(), Conditions(more_points=1, delay_s=120, fills_empty=True), Conditions(more_points=5, delay_s=60)]


def main(arguments):
    if "--self-test" in arguments:
        return self_test()
    tests = unittest.defaultTestLoader.loadTestsFromModule(test_rules)
    rules = unittest.TextTestRunner(verbosity=1).run(tests).wasSuccessful()
    plain = Project().plain
    results = {scenario.name: play(scenario, plain) for scenario in SCENARIOS}
    results |= {name: strangers(plain, *lines) for name, lines in STRANGERS.items()}
    table(sorted(alarms(plain)), results)
    complaints = [f"{name}: {text}" for name, (_, found) in results.items() for text in found]
    complaints += [f"{name}: no scenario raises it" for name in alarms(plain) if not raised(name)]
    complaints += up_and_back()
    print("\n".join(complaints))
    print(f"FAILED: {len(complaints)} complaints" if complaints else f"{len(results)} scenarios: every alarm speaks when it should")
    return 1 if complaints or not rules else 0


def up_and_back():
    """OpenGaps is there in every run: 0 before a fault, above while it lasts, 0 once it is healed."""
    scenario = next(s for s in SCENARIOS if s.name == "vendor and candles out")
    metrics = World(at(scenario.begin) - WARM_S, at(scenario.end), scenario.faults).metrics
    key = ("mendlake", "OpenGaps", frozenset({("Stack", STACK)}))
    shape = [value > 0 for _, value in metrics.values[key]]
    changes = [one for one, other in zip(shape, [None] + shape) if one != other]
    return [] if changes == [False, True, False] else [f"OpenGaps went {changes}, not up and back"]


def alarms(plain):
    return alarms_of(plain, partial(resolve, stack=STACK, parameters=defaults(plain)))


def raised(name):
    return any(name in scenario.fires for scenario in SCENARIOS)


def play(scenario, plain, world=World):
    """When each alarm was in ALARM, and what is wrong with that."""
    begin, end = at(scenario.begin), at(scenario.end)
    made = at(scenario.made) if scenario.made else None
    metrics = world(begin - WARM_S, end, scenario.faults, first_run=made).metrics
    spans, complaints = {}, []
    for conditions in CONDITIONS:
        for alarm in alarms(plain).values():
            # A new stack's alarms are made with it.
            for now in range(made or begin - 3600, end + 60, 60):
                alarm.evaluate(metrics, now, conditions)
            found = in_alarm(alarm, end)
            spans.setdefault(alarm.name, found)
            complaints += [f"{alarm.name} {text}, with {conditions}" for text in wrong(scenario.fires.get(alarm.name), found, end)]
    return spans, complaints


def in_alarm(alarm, end):
    """The spans in which it was in ALARM; the last may not have ended."""
    spans, begun = [], None
    for now, state in alarm.changes:
        if state == ALARM:
            begun = now
        elif begun is not None:
            spans.append((begun, now))
            begun = None
    return spans + ([(begun, None)] if begun is not None else [])


def wrong(fires, spans, end):
    shown = ", ".join(f"{clock(begin)} to {clock(until) if until else 'the end'}" for begin, until in spans) or "never"
    if fires is None:
        return [f"was to be silent and fired from {shown}"] if spans else []
    if len(spans) != 1:
        return [f"was to fire once and did from {shown}"]
    (begun, ended), found = spans[0], []
    if not at(fires.after) <= begun <= at(fires.by):
        found.append(f"was to fire after {fires.after} and by {fires.by}, and did from {shown}")
    if fires.holds and ended and ended < at(fires.holds):
        found.append(f"was to hold until {fires.holds}, and did from {shown}")
    if fires.back and not (ended and ended <= at(fires.back)):
        found.append(f"was to be back by {fires.back}, and was in alarm from {shown}")
    return found


def clock(instant):
    return datetime.fromtimestamp(instant, ZONE).strftime("%a %H:%M")


# Bad news that is not this stack's: of another stack, under more dimensions than the alarms', under none.
BAD = {"OpenGaps": 50, "OldestGap": 200_000, "ExpectedLive": 100, "MissingLive": 100, "LandingLag": 9000, "Disagreements": 5, "UnhealableGaps": 50, "ParkedBatches": 3}
STRANGERS = {
    "another stack's faults": ("lake-2", [["Stack"]]),
    "faults under more dimensions": (STACK, [["Stack", "Function"]]),
    "faults under no dimension": (STACK, [[]]),
}


def strangers(plain, stack, dimensions):
    """A good Friday with somebody else's bad news in the same log."""
    begin, end = at("2026-11-20 09:00"), at("2026-11-20 16:00")
    metrics = World(begin - WARM_S, end, SCENARIOS[0].faults).metrics
    for now in range(begin - WARM_S, end, 300):
        line = json.loads(emf.emitted("reconciled", stack, now * 1000, **BAD))
        line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] = dimensions
        metrics.read(json.dumps(line | {"Function": "reconcile"}))
    metrics.sorted()
    spans, complaints = {}, []
    for alarm in alarms(plain).values():
        for now in range(begin, end, 60):
            alarm.evaluate(metrics, now, Conditions())
        spans[alarm.name] = in_alarm(alarm, end)
        complaints += [f"{alarm.name} {text}" for text in wrong(None, spans[alarm.name], end)]
    return spans, complaints


def table(names, results):
    """Alarm by scenario: a point where it was silent, else how many times it fired."""
    for index, name in enumerate(names):
        print("  " + "| " * index + "," + "-" * (2 * (len(names) - index)) + f" {name}")
    for scenario, (spans, found) in results.items():
        marks = " ".join(str(len(spans[name])) if spans[name] else "." for name in names)
        print(f"  {marks}   {'WRONG ' if found else ''}{scenario}")


def self_test():
    """Each alarm as it was, in the scenario that shows what was wrong with it."""
    missed = []
    for error in former.ERRORS:
        plain = Project(error.replaced()).plain
        scenario = next(s for s in SCENARIOS if s.name == error.scenario)
        _, complaints = play(scenario, plain, error.world)
        seen = any(text.startswith(error.alarm) for text in complaints)
        print(f"{'found' if seen else 'MISSED':<7}{error.alarm:<21}{error.what}")
        for text in complaints[:1]:
            print(f"       {text}")
        missed += [] if seen else [error.what]
    print(f"FAILED: {missed}" if missed else "every former alarm is found wrong")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
