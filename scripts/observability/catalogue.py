"""The metrics of docs/metrics.md: names, labels and values, to compare with and to make test series from."""

import itertools
import re
from dataclasses import dataclass

TYPES = ("counter", "gauge", "histogram")


@dataclass
class Metric:
    name: str
    type: str
    labels: dict  # label -> list of values, or None for any
    unit: str
    jobs: list
    edges: list  # of a histogram, as written


class Catalogue:
    """docs/metrics.md, with what Prometheus itself makes: `up` and `ALERTS`."""

    def __init__(self, text, targets):
        self.targets = targets  # job -> instances
        self.faults = []
        self.metrics = {}
        edges = {}
        section = ""
        rows = []
        for line in text.splitlines():
            if line.startswith("## "):
                section = line[3:].strip()
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not cells or not cells[0].startswith("`"):
                continue
            if section == "Histograms":
                edges[cells[0].strip("`").lstrip("*")] = cells[1].split()
            else:
                rows.append((section, cells))
        for section, cells in rows:
            self._add(section, cells, edges)

    def _add(self, section, cells, edges):
        if len(cells) != 5:
            self.faults.append(f"docs/metrics.md: {cells[0]}: {len(cells)} cells, not 5")
            return
        name, kind, labels, unit, meaning = cells[0].strip("`"), *cells[1:]
        named = [word for word in section.split() if word in self.targets]
        jobs = list(self.targets) if section == "every program" else named
        found = next((value for suffix, value in edges.items() if name.endswith(suffix)), [])
        metric = Metric(name, kind, read_labels(labels), unit, jobs, found if kind == "histogram" else [])
        faults = [
            (name in self.metrics, "is listed twice"),
            (kind not in TYPES, f"`{kind}` is not a metric type"),
            (kind == "counter" and not name.endswith("_total"), "a counter's name ends in _total"),
            (kind == "histogram" and not metric.edges, "its upper edges are missing from the last table"),
            (not unit or not meaning, "has no unit or no meaning"),
            (not jobs, f"`{section}` names no program that prometheus.yml scrapes"),
        ]
        self.faults += [f"docs/metrics.md: {name}: {says}" for is_so, says in faults if is_so]
        self.metrics[name] = metric

    def labels_of(self, series):
        """Labels of a series by its name, each with its values or None; None for an unknown name."""
        jobs = {"job": list(self.targets), "instance": None}
        if series == "up":
            return jobs
        if series == "ALERTS":
            states = {"alertstate": ["firing", "pending"], "alertname": None, "severity": ["page", "warning"]}
            return jobs | states
        metric = self.metrics.get(series)
        if metric and metric.type != "histogram":
            return jobs | metric.labels
        base, _, suffix = series.rpartition("_")
        metric = self.metrics.get(base)
        if metric and metric.type == "histogram" and suffix in ("bucket", "sum", "count"):
            return jobs | metric.labels | ({"le": [*metric.edges, "+Inf"]} if suffix == "bucket" else {})
        return None

    def label_names(self):
        """Every label of any series."""
        names = {"job", "instance", "le", "alertname", "alertstate", "severity"}
        return names.union(*(metric.labels for metric in self.metrics.values()))

    def made_up(self, minutes):
        """A promtool input series for every series that the programs export: gauges of unit 1 are 1, all else rises."""
        def series(name, labels, values):
            pairs = ", ".join(f'{label}="{value}"' for label, value in labels.items())
            return {"series": f"{name}{{{pairs}}}", "values": values}

        rising = f"1+1x{minutes}"
        yield series("ALERTS", {"alertname": "any", "alertstate": "firing", "severity": "page", "job": "any"}, rising)
        for job, instances in self.targets.items():
            for instance in instances:
                yield series("up", {"job": job, "instance": instance}, f"1x{minutes}")
        for metric in self.metrics.values():
            for labels in self._label_sets(metric):
                if metric.type != "histogram":
                    yield series(metric.name, labels, f"1x{minutes}" if metric.unit == "1" else rising)
                    continue
                for n, edge in enumerate([*metric.edges, "+Inf"], start=1):
                    yield series(f"{metric.name}_bucket", labels | {"le": edge}, f"0+{n}x{minutes}")
                yield series(f"{metric.name}_sum", labels, rising)
                yield series(f"{metric.name}_count", labels, f"0+{len(metric.edges) + 1}x{minutes}")

    def _label_sets(self, metric):
        values = [values or ["any"] for values in metric.labels.values()]
        for job in metric.jobs:
            for instance, combination in itertools.product(self.targets[job], itertools.product(*values)):
                yield {"job": job, "instance": instance} | dict(zip(metric.labels, combination))


def read_labels(cell):
    """`kind`: a, b; `gate` -> {"kind": ["a", "b"], "gate": None}"""
    labels = {}
    for part in cell.split(";"):
        found = re.fullmatch(r"`(\w+)`(?::\s*(.+))?", part.strip())
        if found:
            labels[found[1]] = [value.strip() for value in found[2].split(",")] if found[2] else None
    return labels
