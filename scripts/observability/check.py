"""Check deploy/prometheus and deploy/grafana with promtool, and against docs/metrics.md and docs/runbook.md.

    check.py PROMTOOL     one line a check; exit 1 when one fails. scripts/check-observability.sh calls it.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import dashboards
import promql_parser
import yaml
from catalogue import Catalogue

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
GRAFANA = ROOT / "deploy/grafana"
RUNBOOK = ROOT / "docs/runbook.md"
# Long enough for the recorded rates that dashboards show.
MADE_UP_MINUTES = 30


class Files:
    """Everything that is checked, read once."""

    def __init__(self):
        self.config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
        rules = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())
        self.rules = [rule for group in rules["groups"] for rule in group["rules"]]
        self.alerts = [rule for rule in self.rules if "alert" in rule]
        self.recorded = [rule["record"] for rule in self.rules if "record" in rule]
        self.tests = yaml.safe_load((PROMETHEUS / "rules.test.yml").read_text())["tests"]
        self.boards = {path.name: dashboards.load(path) for path in sorted(GRAFANA.glob("dashboards/*.json"))}
        self.targets = {
            job["job_name"]: [target for static in job["static_configs"] for target in static["targets"]]
            for job in self.config["scrape_configs"]
        }
        self.catalogue = Catalogue((ROOT / "docs/metrics.md").read_text(), self.targets)
        provisioning = GRAFANA / "provisioning"
        self.source = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"][0]
        self.provider = yaml.safe_load((provisioning / "dashboards/dayvec.yml").read_text())["providers"][0]

    def queries(self):
        """(where, PromQL, legend) of all dashboards."""
        for name, board in self.boards.items():
            for where, expression, legend in dashboards.expressions(board):
                yield f"{name}: {where}", expression, legend


def names(expression):
    """The series of an expression, each with its matchers, and the labels of by, on, group_left and so on."""
    selectors, grouping = [], set()

    def visit(node):
        modifier = getattr(node, "modifier", None)
        if isinstance(node, promql_parser.VectorSelector):
            selectors.append((node.name, node.matchers.matchers))
        elif isinstance(node, promql_parser.AggregateExpr) and modifier:
            grouping.update(modifier.labels)
        elif isinstance(node, promql_parser.BinaryExpr) and modifier:
            grouping.update(modifier.matching.labels if modifier.matching else (), modifier.group_labels or ())

    promql_parser.walk(promql_parser.parse(expression), visit)
    return selectors, grouping


def catalogue(files):
    """docs/metrics.md is well formed and lists the programs that are scraped"""
    yield from files.catalogue.faults
    programs = files.catalogue.metrics["build_info"].labels["program"]
    if set(programs) != set(files.targets):
        yield f"docs/metrics.md has the programs {programs}, prometheus.yml scrapes {list(files.targets)}"


def documented(files):
    """rules, tests and dashboards use only documented metrics, labels and values"""
    for rule in files.rules:
        yield from unknown(f"rules.yml: {rule.get('alert') or rule['record']}", rule["expr"], files)
    for where, expression, legend in files.queries():
        yield from unknown(where, expression, files)
        for label in set(re.findall(r"{{\s*(\w+)\s*}}", legend)) - files.catalogue.label_names():
            yield f"{where}: the legend names the label {label}, which no metric has"
    for test in files.tests:
        for series in test["input_series"]:
            # A test may use a value that no program exports, to see what the rule does with it.
            yield from unknown(f"rules.test.yml: {test['name']}", series["series"], files, values_too=False)


def unknown(where, expression, files, values_too=True):
    """What an expression names that docs/metrics.md does not."""
    selectors, grouping = names(expression)
    for label in grouping - files.catalogue.label_names():
        yield f"{where}: groups by {label}, which no metric has"
    for series, matchers in selectors:
        labels = {"job": list(files.targets)} if series in files.recorded else files.catalogue.labels_of(series)
        if labels is None:
            yield f"{where}: {series} is not in docs/metrics.md"
            continue
        for matcher in matchers:
            values = labels.get(matcher.name)
            if matcher.name not in labels:
                yield f"{where}: {series} has no label {matcher.name}"
            elif values_too and values and matcher.value not in (".+", ".*"):
                is_regex = matcher.op in (promql_parser.MatchOp.Re, promql_parser.MatchOp.NotRe)
                wanted = matcher.value.split("|") if is_regex else [matcher.value]
                yield from (f"{where}: {series} has no {matcher.name}={value}" for value in wanted if value not in values)


def unknown_names(files):
    """queries with unknown names are refused"""
    for expression in (
        "nosuch_total", 'up{nosuch="a"}', 'up{job="nosuch"}', 'up{job=~"lookup|nosuch"}',
        "sum by (nosuch) (up)", "up * on (nosuch) up", "up * on (job) group_left (nosuch) up",
    ):
        if not list(unknown("", expression, files)):
            yield f"nothing is reported for {expression}"


def recorded(files):
    """every recorded series is used"""
    used = {series for rule in files.rules for series, _ in names(rule["expr"])[0]}
    used |= {series for _, expression, _ in files.queries() for series, _ in names(expression)[0]}
    yield from (f"rules.yml: {name} is recorded and never used" for name in files.recorded if name not in used)


def alerts(files):
    """every alert has a severity, a number in its description, and a section in the runbook"""
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(), re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    for rule in files.alerts:
        name, annotations = rule["alert"], rule.get("annotations", {})
        if rule.get("labels", {}).get("severity") not in ("page", "warning"):
            yield f"{name}: severity is not page or warning"
        if not annotations.get("summary") or not re.search(r"\$value|\d", annotations.get("description", "")):
            yield f"{name}: no summary, or a description without a number"
        if annotations.get("runbook") != f"docs/runbook.md#{name.lower()}" or anchors.count(name.lower()) != 1:
            yield f"{name}: its runbook annotation is not the section of docs/runbook.md with its name"
    names = {rule["alert"] for rule in files.alerts}
    section = RUNBOOK.read_text().partition("\n## Alerts\n")[2].partition("\n## ")[0]
    for heading in re.findall(r"^### (.+)$", section, re.MULTILINE):
        if heading not in names:
            yield f"docs/runbook.md: there is no alert {heading}"


def tested(files):
    """every alert has a test where it fires and one where it does not"""
    for rule in files.alerts:
        labels = rule["labels"].items()
        seen = {
            any(labels <= expected["exp_labels"].items() for expected in test["exp_alerts"])
            for group in files.tests
            for test in group["alert_rule_test"]
            if test["alertname"] == rule["alert"]
        }
        for fires, says in ((True, "fires"), (False, "does not fire")):
            if fires not in seen:
                yield f"rules.test.yml: no test in which {rule['alert']} {rule['labels']} {says}"


def structure(files):
    """dashboards are well formed and provisioned"""
    if set(files.boards) != {"lookup.json", "pipeline.json"}:
        yield f"deploy/grafana/dashboards holds {list(files.boards)}"
    for name, board in files.boards.items():
        yield from (f"{name}: {fault}" for fault in dashboards.faults(board, files.source["uid"]))
        if board.get("uid") != f"dayvec-{Path(name).stem}":
            yield f"{name}: its uid is not dayvec-{Path(name).stem}"
    if files.source["jsonData"]["timeInterval"] != files.config["global"]["scrape_interval"]:
        yield "the data source's timeInterval is not Prometheus's scrape_interval"
    if files.provider["type"] != "file" or files.provider["options"]["path"] != "/var/lib/grafana/dashboards":
        yield "the provider does not read /var/lib/grafana/dashboards"


def promtool(*arguments):
    done = subprocess.run([sys.argv[1], *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        yield f"promtool {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"


def config(_):
    """promtool accepts the configuration and the rules"""
    yield from promtool("check", "config", PROMETHEUS / "prometheus.yml")
    yield from promtool("check", "rules", "--lint=all", "--lint-fatal", PROMETHEUS / "rules.yml")


def rule_tests(_):
    """the tests of the rules pass"""
    yield from promtool("test", "rules", PROMETHEUS / "rules.test.yml")


def drawn(files):
    """every dashboard query returns data for the series that docs/metrics.md lists"""
    # absent() of an expression is empty when the expression gives a number; a comparison drops NaN before it.
    tests = [
        {"expr": f"absent(({expression}) > -Inf)", "eval_time": f"{MADE_UP_MINUTES}m", "exp_samples": []}
        for _, expression, _ in files.queries()
    ]
    series = list(files.catalogue.made_up(MADE_UP_MINUTES))
    group = {"name": "dashboards", "interval": "1m", "input_series": series, "promql_expr_test": tests}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dashboards.test.yml"
        rules = str(PROMETHEUS / "rules.yml")
        path.write_text(yaml.safe_dump({"rule_files": [rules], "evaluation_interval": "1m", "tests": [group]}))
        yield from promtool("test", "rules", path)


def main():
    try:
        files = Files()
    except (ValueError, KeyError, yaml.YAMLError) as error:
        sys.exit(f"FAILED  reading the files\n  - {type(error).__name__}: {error}")
    failed = False
    for check in (config, rule_tests, catalogue, documented, unknown_names, recorded, alerts, tested, structure, drawn):
        try:
            faults = list(check(files))
        except (ValueError, KeyError) as error:
            faults = [f"{type(error).__name__}: {error}"]
        failed |= bool(faults)
        print("FAILED " if faults else "holds  ", check.__doc__)
        for fault in faults:
            print("  -", fault)
    counts = f"{len(files.alerts)} alerts, {sum(len(test['alert_rule_test']) for test in files.tests)} tests of them"
    print(f"{counts}, {len(list(files.queries()))} queries of dashboards, {len(files.catalogue.metrics)} metrics")
    sys.exit(failed)


if __name__ == "__main__":
    main()
