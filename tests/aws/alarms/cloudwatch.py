"""CloudWatch as far as alarms go, by its pages: metrics of log lines, and when an alarm changes its state.

The rules are those of "Using Amazon CloudWatch alarms", "Configuring how CloudWatch alarms treat missing data" and "Alarm
evaluation window": an alarm is evaluated each minute over windows that slide; more points are fetched than it looks at, and
missing ones count only as far as there are not enough real ones; a metric is its name, its namespace and exactly its
dimensions.
"""

import json
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field

import metric_math

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"

STATISTICS = {"Sum": sum, "Minimum": min, "Maximum": max}

COMPARISONS = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


@dataclass(frozen=True)
class Conditions:
    """What AWS leaves open: an alarm is to hold under all of it."""

    # Points fetched beyond those evaluated. AWS's examples have 2 and say that it depends.
    more_points: int = 2
    # How long a value takes from its instant until alarms see it.
    delay_s: int = 0
    # Whether FILL fills a series without any value.
    fills_empty: bool = False


class Metrics:
    """Values by metric: namespace, name and the exact set of dimensions."""

    def __init__(self):
        self.values = defaultdict(list)

    def read(self, line):
        """Takes in a line of a log, as CloudWatch does: one that is not in the format is none."""
        record = json.loads(line)
        at = record["_aws"]["Timestamp"] / 1000
        for definition in record["_aws"]["CloudWatchMetrics"]:
            for names in definition["Dimensions"]:
                dimensions = {name: record[name] for name in names}
                for metric in definition["Metrics"]:
                    self.put(definition["Namespace"], metric["Name"], dimensions, at, record[metric["Name"]])

    def put(self, namespace, name, dimensions, at, value):
        self.values[namespace, name, frozenset(dimensions.items())].append((at, float(value)))

    def sorted(self):
        for series in self.values.values():
            series.sort()
        return self

    def statistic(self, metric, statistic, begin, end, seen_until):
        """The statistic of what happened in `[begin, end)` and is visible, None where nothing is."""
        series = self.values.get(metric, [])
        first, last = bisect_left(series, (begin,)), bisect_left(series, (min(end, seen_until),))
        return STATISTICS[statistic]([value for _, value in series[first:last]]) if first < last else None


@dataclass
class Query:
    """A metric with its statistic."""

    metric: tuple
    statistic: str


@dataclass
class Alarm:
    """An alarm as the template has it, with its names and numbers filled in."""

    name: str
    threshold: float
    comparison: str
    points: int
    of: int
    missing: str
    period: int
    expression: str
    queries: dict
    state: str = INSUFFICIENT
    # (instant, state), each time it changes.
    changes: list = field(default_factory=list)
    cache: dict = field(default_factory=dict)

    @classmethod
    def read(cls, name, properties, resolved):
        """From a resource's properties; `resolved` gives what an intrinsic function gives."""
        def query(metric, statistic):
            dimensions = frozenset((d["Name"], resolved(d["Value"])) for d in metric.get("Dimensions", []))
            return Query((metric["Namespace"], metric["MetricName"], dimensions), statistic)

        if "Metrics" in properties:
            expression, = (q["Expression"] for q in properties["Metrics"] if q.get("ReturnData"))
            stats = {q["Id"]: q["MetricStat"] for q in properties["Metrics"] if "MetricStat" in q}
            queries = {id: query(stat["Metric"], stat["Stat"]) for id, stat in stats.items()}
            period, = {stat["Period"] for stat in stats.values()}
        else:
            expression, period = "metric", properties["Period"]
            queries = {"metric": query(properties, properties["Statistic"])}
        return cls(
            name=name,
            threshold=float(resolved(properties["Threshold"])),
            comparison=properties["ComparisonOperator"],
            points=properties["DatapointsToAlarm"],
            of=properties["EvaluationPeriods"],
            missing=properties["TreatMissingData"],
            period=period,
            expression=expression,
            queries=queries,
        )

    def evaluate(self, metrics, now, conditions):
        """Brings the state up to `now`, a full minute."""
        series = {id: self.fetch(metrics, query, now, conditions) for id, query in self.queries.items()}
        values = metric_math.evaluate(self.expression, series, conditions.fills_empty)
        state = judge([self.breaches(value) for value in values], self.points, self.of, self.missing, self.state)
        if state != self.state:
            self.state = state
            self.changes.append((now, state))

    def fetch(self, metrics, query, now, conditions):
        seen_until = now - conditions.delay_s
        ends = [now - index * self.period for index in range(self.of + conditions.more_points)]
        return [self.point(metrics, query, end, seen_until) for end in ends]

    def point(self, metrics, query, end, seen_until):
        key = query.metric, query.statistic, end
        if key not in self.cache:
            value = metrics.statistic(query.metric, query.statistic, end - self.period, end, seen_until)
            if end > seen_until:
                return value  # there may be more of it a minute later
            self.cache[key] = value
        return self.cache[key]

    def breaches(self, value):
        return None if value is None else COMPARISONS[self.comparison](value, self.threshold)


def judge(breaching, points, of, missing, state):
    """The state of an alarm for `points` of `of` by its fetched points, newest first: True, False, or None where missing."""
    real = [one for one in breaching if one is not None][:of]
    if len(real) == of:
        return ALARM if sum(real) >= points else OK
    if missing in ("breaching", "notBreaching"):
        filled = (of - len(real)) * (missing == "breaching")
        return ALARM if sum(real) + filled >= points else OK
    if False in real or sum(real) >= points:
        return ALARM if sum(real) >= points else OK
    if missing == "ignore":
        return state
    # Only breaching points, too few: an alarm once the oldest is as old as the alarm's points, so as not to miss it.
    oldest = max((index for index, one in enumerate(breaching) if one), default=-1)
    return ALARM if oldest + 1 >= points else INSUFFICIENT


def alarms_of(plain, resolved):
    """The alarms of a plain template."""
    resources = {n: r for n, r in plain["Resources"].items() if r["Type"] == "AWS::CloudWatch::Alarm"}
    return {name: Alarm.read(name, resource["Properties"], resolved) for name, resource in resources.items()}
