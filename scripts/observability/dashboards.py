"""Grafana's dashboards as files: what a reader of them relies on, without Grafana.

Their fields are compared with the schema of Grafana 11.0, the oldest that is supported, as Grafana's own Python SDK
has it: a field that the SDK loses on the way in and out is one that Grafana does not know.
"""

import json
import re
import typing

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

SCHEMA_OF_GRAFANA_11 = 39
COLUMNS = 24
# Panels that every Grafana has. Others may be plugins.
PANELS = {"row", "stat", "timeseries", "table", "state-timeline"}
UNITS = {value for hint in typing.get_type_hints(units).values() for value in typing.get_args(hint)}
# What Grafana puts into an expression, and what stands for it here.
BUILT_IN = {"__rate_interval": "2m", "__interval": "1m", "__range": "1d"}


def load(path):
    """A JSON file, in which no object says one thing twice."""
    def unique(pairs):
        if len(dict(pairs)) != len(pairs):
            raise ValueError(f"{path.name}: a key is there twice among {[key for key, _ in pairs]}")
        return dict(pairs)

    return json.loads(path.read_text(), object_pairs_hook=unique)


def faults(board, datasource_uid):
    """Everything that is wrong with a dashboard's structure."""
    for key in ("uid", "title", "description", "panels", "time", "templating"):
        if not board.get(key):
            yield f"has no {key}"
    if board.get("schemaVersion", 0) < SCHEMA_OF_GRAFANA_11:
        yield f"schemaVersion is older than Grafana 11's, {SCHEMA_OF_GRAFANA_11}"
    if "id" in board:
        yield "has an id: that is a database's, and keeps it from being provisioned elsewhere"
    register_default_plugins()
    known = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    yield from (f"{path} is not in the schema" for path in lost(board, known, "dashboard"))

    source = variables(board).get("datasource", {})
    if source.get("type") != "datasource" or source.get("current", {}).get("value") != datasource_uid:
        yield f"the variable `datasource` does not begin with the provisioned one, {datasource_uid}"
    panels = board.get("panels", [])
    ids = [panel.get("id") for panel in panels]
    if not all(isinstance(id, int) and id > 0 for id in ids) or len(set(ids)) != len(ids):
        yield f"the ids of the panels are not numbers that differ: {ids}"
    for panel in panels:
        yield from (f"panel {panel.get('title')!r}: {fault}" for fault in panel_faults(panel))
    yield from overlaps(panels)


def panel_faults(panel):
    position = panel.get("gridPos", {})
    x, y, w, h = (position.get(key, -1) for key in "xywh")
    if x < 0 or y < 0 or w < 1 or h < 1 or x + w > COLUMNS:
        yield f"its gridPos {position} is not within {COLUMNS} columns"
    if not panel.get("title"):
        yield "has no title"
    if panel.get("type") not in PANELS:
        yield f"type {panel.get('type')!r} is none of {sorted(PANELS)}"
    if panel.get("type") == "row":
        if panel.get("panels") or panel.get("collapsed"):
            yield "a row holds its panels after it, not in it"
        return
    unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
    if unit not in UNITS:
        yield f"unit {unit!r} is none of Grafana's"
    if not panel.get("description") or not panel.get("options"):
        yield "has no description or no options"
    targets = panel.get("targets", [])
    if not targets or len({target.get("refId") for target in targets}) != len(targets):
        yield "has no targets, or two with one refId"
    for asked in (panel, *targets):
        if asked.get("datasource") != {"type": "prometheus", "uid": "${datasource}"}:
            yield f"asks {asked.get('datasource')}, not the variable `datasource`"
    if any(not target.get("refId") or not target.get("expr") for target in targets):
        yield "a target has no refId or no expr"


def overlaps(panels):
    """Pairs of panels that lie on each other."""
    taken = {}
    for panel in panels:
        x, y, w, h = (panel.get("gridPos", {}).get(key, 0) for key in "xywh")
        for cell in ((column, line) for column in range(x, x + w) for line in range(y, y + h)):
            other = taken.setdefault(cell, panel)
            if other is not panel:
                yield f"panels {other.get('title')!r} and {panel.get('title')!r} overlap"
                break


def lost(given, kept, path):
    """Paths of what is in `given` and not in `kept`."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            yield from lost(value, kept[key], f"{path}.{key}") if key in kept else [f"{path}.{key}"]
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for n, (one, other) in enumerate(zip(given, kept)):
            yield from lost(one, other, f"{path}[{n}]")
    elif given != kept:
        yield path


def variables(board):
    return {variable.get("name"): variable for variable in board.get("templating", {}).get("list", [])}


def expressions(board):
    """(where, PromQL with Grafana's variables replaced, legend) of every target and of variables that ask."""
    own = {name: variable.get("allValue") or ".+" for name, variable in variables(board).items()}
    for name, variable in variables(board).items():
        if variable.get("type") == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            if not found:
                raise ValueError(f"variable {name}: only label_values(SERIES, LABEL) is read here")
            yield f"variable {name}", found[1], f"{{{{{found[2]}}}}}"
    for panel in board.get("panels", []):
        for target in panel.get("targets", []):
            where = f"panel {panel['title']!r}"
            yield where, replaced(target["expr"], own | BUILT_IN, where), target.get("legendFormat", "")


def replaced(expression, known, where):
    def value(found):
        if found[1] not in known:
            raise ValueError(f"{where}: no variable is called ${found[1]}")
        return known[found[1]]

    return re.sub(r"\$\{?(\w+)\}?", value, expression)
