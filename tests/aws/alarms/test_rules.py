"""The rules, by the examples in AWS's own pages; and the lines, by infra/aws/src/metrics.rs."""

import json
import re
import unittest

import emf
from cloudwatch import ALARM, INSUFFICIENT, OK, Metrics, judge
from metric_math import evaluate
from project import TOP

RETAIN = "retained"
TREATMENTS = ["missing", "ignore", "breaching", "notBreaching"]

# Points oldest first: 0 is within the threshold, X is not, - is missing; then the state for each treatment.
THREE_OF_THREE = [
    ("0 - X - X", [OK, OK, OK, OK]),
    ("0 - - - -", [OK, OK, OK, OK]),
    ("- - - - 0", [OK, OK, OK, OK]),
    ("- - - - -", [INSUFFICIENT, RETAIN, ALARM, OK]),
    ("0 X X - X", [ALARM, ALARM, ALARM, ALARM]),
    ("- - - - X", [INSUFFICIENT, RETAIN, ALARM, OK]),
    ("X - - - -", [ALARM, RETAIN, ALARM, OK]),
    ("- - X - -", [ALARM, RETAIN, ALARM, OK]),
]
TWO_OF_THREE = [
    ("0 - X - X", [ALARM, ALARM, ALARM, ALARM]),
    ("0 0 X 0 X", [ALARM, ALARM, ALARM, ALARM]),
    ("0 - X - -", [OK, OK, ALARM, OK]),
    ("- - - - 0", [OK, OK, ALARM, OK]),
    ("- - - - X", [INSUFFICIENT, RETAIN, ALARM, OK]),
    ("- - - X -", [ALARM, RETAIN, ALARM, OK]),
]


class MissingData(unittest.TestCase):
    def test_points_are_judged_as_in_the_tables_of_the_user_guide(self):
        for points, table in [(3, THREE_OF_THREE), (2, TWO_OF_THREE)]:
            for data, states in table:
                newest_first = [{"0": False, "X": True, "-": None}[one] for one in reversed(data.split())]
                for missing, wanted in zip(TREATMENTS, states):
                    with self.subTest(points=points, data=data, missing=missing):
                        self.assertEqual(judge(newest_first, points, 3, missing, RETAIN), wanted)


class MetricMath(unittest.TestCase):
    def same(self, expression, wanted, **series):
        for fills_empty in (False, True):
            self.assertEqual(evaluate(expression, series, fills_empty), wanted)

    def test_if_is_as_in_the_tables_of_the_user_guide(self):
        one, two, three = [1, 1, 0, 0, None], [30, None, 0, 0, 30], [0, 0, 20, None, 20]
        self.same("IF(m, n, o)", [30, 0, 20, None, None], m=one, n=two, o=three)
        self.same("IF(m, 5, o)", [5, 5, 20, None, None], m=one, o=three)
        self.same("IF(m, n, 5)", [30, 0, 5, 5, None], m=one, n=two)

    def test_comparisons_take_a_missing_value_for_zero(self):
        one, two = [30, 20, 0, 0], [20, None, 20, None]
        self.same("m < n", [0, 0, 1, 0], m=one, n=two)
        self.same("m >= 30", [1, 0, 0, 0], m=one)

    def test_sums_take_a_missing_value_for_zero_and_a_division_by_zero_is_dropped(self):
        self.same("m + n", [3, 1, 2, None], m=[1, 1, None, None], n=[2, None, 2, None])
        self.same("m / n", [0.5, None, None, None], m=[1, 1, 1, None], n=[2, 0, None, None])
        self.same("m + 1", [2, None], m=[1, None])
        self.same("m + n * 2", [5], m=[1], n=[2])

    def test_fill_fills_holes_and_an_empty_series_only_perhaps(self):
        self.same("FILL(m, 0)", [1, 0], m=[1, None])
        self.assertEqual(evaluate("FILL(m, 0)", {"m": [None]}, False), [None])
        self.assertEqual(evaluate("FILL(m, 0)", {"m": [None]}, True), [0])

    def test_what_is_not_understood_is_an_error(self):
        for expression in ["SUM(METRICS())", "m +", "(m", "1 + 1", "m n"]:
            with self.assertRaises((ValueError, IndexError), msg=expression):
                evaluate(expression, {"m": [1], "n": [1]}, False)


class Dimensions(unittest.TestCase):
    def test_a_metric_is_exactly_its_dimensions(self):
        metrics = Metrics()
        metrics.read(emf.emitted("reconciled", "lake", 60_000, OpenGaps=3))
        of = lambda dimensions: metrics.statistic(("mendlake", "OpenGaps", frozenset(dimensions)), "Sum", 0, 120, 120)
        self.assertEqual(of({("Stack", "lake")}), 3)
        for other in [set(), {("Stack", "lake-2")}, {("Stack", "lake"), ("Function", "f")}, {("stack", "lake")}]:
            self.assertIsNone(of(other), other)


class Lines(unittest.TestCase):
    code = (TOP / "infra/aws/src/metrics.rs").read_text()

    def test_each_function_emits_what_the_code_does(self):
        units = {"count": "Count", "seconds": "Seconds"}
        for function, wanted in emf.EMITTED.items():
            body = re.search(rf"pub fn {function}\(.*?\n}}\n", self.code, re.S)[0]
            found = [(name, units[of]) for of, name in re.findall(r'\b(count|seconds)\("(\w+)"', body)]
            own = re.findall(r'Metric \{ name: "(\w+)", unit: Unit::(\w+)', body)
            self.assertEqual(own + found, wanted, function)

    def test_no_function_of_the_code_is_left_out(self):
        found = re.findall(r"pub fn (\w+)\([^)]*\) -> Vec<Metric>", self.code)
        self.assertEqual(found, list(emf.EMITTED))

    def test_a_line_has_the_shape_that_the_code_is_tested_for(self):
        text = re.search(r"read,\n\s*json!\((.*?)\)\n\s*\);", self.code, re.S)[1]
        text = re.sub(r"(\d)_(?=\d)", r"\1", text).replace("_i64", "")
        wanted = json.loads(re.sub(r",(\s*[}\]])", r"\1", text))
        made = emf.line("lake", wanted["_aws"]["Timestamp"], [("OpenGaps", "Count", 0), ("OldestGap", "Seconds", 90)])
        self.assertEqual(json.loads(made), wanted)
