"""Which series and labels a PromQL expression names. Whether it is PromQL at all is promtool's to say."""

import re

TOKEN = re.compile(r"""
    (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
  | (?P<number>\d[\w.]*|\.\d+)
  | (?P<name>[A-Za-z_:][\w:]*)
  | (?P<operator>=~|!~|!=|==|>=|<=|[-+*/%^=<>(){}\[\],@:])
  | (?P<space>\s+|\#[^\n]*)
  | (?P<other>.)
""", re.VERBOSE)
KEYWORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan", "atan2"}
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
AGGREGATIONS = {
    "sum", "min", "max", "avg", "group", "count", "stddev", "stdvar", "topk", "bottomk", "quantile", "count_values",
}


def names(expression):
    """The series of an expression, each with its matchers (label, operator, value), and the labels of by, on, ...

    Raises ValueError for what is not read here: a selector without a name, a character that PromQL does not have.
    """
    tokens = [(found.lastgroup, found[0]) for found in TOKEN.finditer(expression) if found.lastgroup != "space"]
    tokens.append(("end", ""))
    selectors, grouping = [], set()
    at = 0
    while at < len(tokens) - 1:
        (kind, text), following = tokens[at], tokens[at + 1][1]
        at += 1
        if kind == "other" or text == "{":
            raise ValueError(f"cannot read {text!r} in: {expression}")
        if kind != "name" or text.lower() in KEYWORDS:
            continue
        if text.lower() in GROUPING:
            if following == "(":
                inside, at = until(")", tokens, at + 1)
                grouping |= {label for kind, label in inside if kind == "name"}
        elif following == "{":
            inside, at = until("}", tokens, at + 1)
            selectors.append((text, matchers(inside, expression)))
        elif following != "(" and text.lower() not in AGGREGATIONS:
            selectors.append((text, []))
    return selectors, grouping


def until(end, tokens, at):
    """The tokens from `at` up to `end`, and the place after it."""
    start = at
    while tokens[at][1] != end:
        at += 1
    return tokens[start:at], at + 1


def matchers(tokens, expression):
    """The matchers between braces."""
    found = []
    while tokens:
        kinds = [kind for kind, _ in tokens[:3]]
        if kinds != ["name", "operator", "string"]:
            raise ValueError(f"cannot read a matcher in: {expression}")
        (_, label), (_, operator), (_, value) = tokens[:3]
        found.append((label, operator, value[1:-1]))
        tokens = tokens[4:] if tokens[3:4] == [("operator", ",")] else tokens[3:]
    return found
