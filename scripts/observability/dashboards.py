"""Grafana's dashboards as files: what provisioning and readers rely on, without Grafana."""

import json
import re

# Panels that every Grafana has. Others may be plugins.
PANELS = {"row", "stat", "timeseries", "table", "state-timeline"}
# Grafana's own variables, and what stands for them here.
BUILT_IN = {"__rate_interval": "2m", "__interval": "1m", "__range": "1d"}


def load(path):
    return json.loads(path.read_text())


def faults(board, datasource_uid):
    """Everything that is wrong with a dashboard's structure."""
    yield from (f"has no {key}" for key in ("uid", "title", "description", "panels", "time") if not board.get(key))
    if "id" in board:
        yield "has an id, which belongs to one database and prevents provisioning elsewhere"
    if variables(board).get("datasource", {}).get("current", {}).get("value") != datasource_uid:
        yield f"the variable `datasource` does not start as the provisioned data source, {datasource_uid}"
    ids = [panel.get("id") for panel in board["panels"]]
    if len(set(ids)) != len(ids) or None in ids:
        yield f"panel ids are missing or not unique: {ids}"
    for panel in board["panels"]:
        yield from (f"panel {panel.get('title')!r}: {fault}" for fault in panel_faults(panel))


def panel_faults(panel):
    if not panel.get("title") or panel.get("type") not in PANELS:
        yield f"has no title, or its type is not one of {sorted(PANELS)}"
    if panel.get("type") == "row":
        return
    if not panel.get("description") or not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
        yield "has no description or no unit"
    targets = panel.get("targets", [])
    if not targets or len({target.get("refId") for target in targets}) != len(targets):
        yield "has no targets, or two with the same refId"
    for source in (panel, *targets):
        if source.get("datasource") != {"type": "prometheus", "uid": "${datasource}"}:
            yield f"queries {source.get('datasource')} instead of the variable `datasource`"


def variables(board):
    return {variable["name"]: variable for variable in board.get("templating", {}).get("list", [])}


def expressions(board):
    """(where, PromQL with Grafana's variables replaced, legend) of every target and of query variables."""
    own = {name: variable.get("allValue") or ".+" for name, variable in variables(board).items()}
    for name, variable in variables(board).items():
        if variable.get("type") == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            if not found:
                raise ValueError(f"variable {name}: only label_values(SERIES, LABEL) is supported here")
            yield f"variable {name}", found[1], f"{{{{{found[2]}}}}}"
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            where = f"panel {panel['title']!r}"
            yield where, replaced(target["expr"], own | BUILT_IN, where), target.get("legendFormat", "")


def replaced(expression, known, where):
    def value(found):
        if found[1] not in known:
            raise ValueError(f"{where}: unknown variable ${found[1]}")
        return known[found[1]]

    return re.sub(r"\$\{?(\w+)\}?", value, expression)
