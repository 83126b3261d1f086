"""The subset of CloudWatch's metric math that the template uses, by its page "Using metric math".

A time series is a list of values, newest first, None where there is none; a number is a scalar. `+ - * /` and comparisons of
two series take a missing value for 0 where the other has one; a division by zero is dropped. IF drops what its condition
does not have, and takes 0 where the condition holds and its series has nothing. FILL fills a series' holes.
"""

import operator
import re

TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([a-z]\w*)|([A-Z]+)|(>=|<=|==|!=|[-+*/<>(),]))")

ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}
COMPARISONS = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne}


def evaluate(expression, series, fills_empty):
    """The series an expression gives over `series` by id. AWS does not say whether FILL fills a series without any value:
    `fills_empty` chooses, and what is relied on must hold either way."""
    parser = Parser(tokens(expression), series, fills_empty)
    value = parser.comparison()
    if parser.left or not isinstance(value, list):
        raise ValueError(f"no expression of one time series: `{expression}`")
    return value


def tokens(expression):
    found, at = [], 0
    while at < len(expression.rstrip()):
        if not (match := TOKEN.match(expression, at)):
            raise ValueError(f"not understood: `{expression[at:]}`")
        found.append(match[match.lastindex])
        at = match.end()
    return found


class Parser:
    def __init__(self, left, series, fills_empty):
        self.left, self.series, self.fills_empty = left, series, fills_empty

    def comparison(self):
        return self.chain(COMPARISONS, self.sum)

    def sum(self):
        return self.chain("+-", self.product)

    def product(self):
        return self.chain("*/", self.term)

    def chain(self, operators, part):
        value = part()
        while self.left and self.left[0] in operators:
            value = combine(self.left.pop(0), value, part())
        return value

    def term(self):
        token = self.left.pop(0)
        if token == "(":
            value = self.comparison()
            self.take(")")
            return value
        if token in ("IF", "FILL"):
            self.take("(")
            arguments = [self.comparison()]
            while self.left[0] == ",":
                self.take(",")
                arguments.append(self.comparison())
            self.take(")")
            return choose(*arguments) if token == "IF" else self.fill(*arguments)
        return self.series[token] if token[0].islower() else float(token)

    def take(self, wanted):
        if self.left.pop(0) != wanted:
            raise ValueError(f"`{wanted}` is missing before {self.left}")

    def fill(self, series, value):
        if all(one is None for one in series) and not self.fills_empty:
            return series
        return [value if one is None else one for one in series]


def combine(sign, left, right):
    if not isinstance(left, list) and not isinstance(right, list):
        return apply(sign, left, right)
    length = len(left if isinstance(left, list) else right)
    both = isinstance(left, list) and isinstance(right, list)
    lefts = left if isinstance(left, list) else [left] * length
    rights = right if isinstance(right, list) else [right] * length
    given = []
    for one, other in zip(lefts, rights):
        missing = (one is None) + (other is None)
        if missing == 2 or missing == 1 and not both:
            given.append(None)
        else:
            given.append(apply(sign, one or 0.0, other or 0.0))
    return given


def apply(sign, one, other):
    if sign in COMPARISONS:
        return 1.0 if COMPARISONS[sign](one, other) else 0.0
    if sign == "/":
        return one / other if other else None
    return ARITHMETIC[sign](one, other)


def choose(condition, yes, no):
    at = lambda value, index: value[index] if isinstance(value, list) else value
    given = []
    for index, holds in enumerate(condition):
        if holds is None:
            given.append(None)
        elif holds:
            given.append(at(yes, index) or 0.0)
        else:
            given.append(at(no, index))
    return given
