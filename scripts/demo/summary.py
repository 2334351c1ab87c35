"""The results of a demo: a table on the terminal, and the same as RUN/summary.json.

    summary.py write RUN STAGE=SECONDS...     summary.py cut-off RUN
"""

import json
import pathlib
import sys


def metrics(run):
    """metrics.json of the newest checkpoint, with all baselines if they were measured."""
    found = sorted((run / "bucket/checkpoints").glob("*/metrics.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        sys.exit(f"{run}/bucket/checkpoints contains no checkpoint")
    published = json.loads(found[-1].read_text())
    days = f"{published['cut_off']}-{published['test_days']}d"
    full = run / "bucket/evaluations" / published["model_id"] / days / "metrics.json"
    return json.loads(full.read_text()) if full.exists() else published


def summary(run, more_stages):
    """Everything as one object."""
    measured = metrics(run)
    reports = [json.loads(path.read_text()) for path in sorted((run / "reports").glob("*.json"))]
    stages = {path.name: float(path.read_text()) for path in sorted((run / "stages").iterdir())}
    return {
        "data": json.loads((run / "data.json").read_text()),
        "model": measured["model_id"],
        "cut_off": measured["cut_off"],
        "test_days": measured["test_days"],
        "recall_by_scorer": measured["recall_by_scorer"],
        "days": [{key: report[key] for key in ("day", "users", "encoded", "carried", "seconds")} for report in reports],
        "stages": stages | more_stages,
        "training_stages": measured["stages"],
        "answers": json.loads((run / "answers.json").read_text()),
    }


def print_tables(found):
    """Print the summary as tables."""
    data = found["data"]
    counts = ", ".join(f"{data[key]:,} {key}" for key in ("events", "users", "items") if key in data)
    print(f"\n{data['note']}\n{counts}, {data['first_day']} to {data['last_day']}; tested on the {found['test_days']} days from {found['cut_off']}")
    recalls = found["recall_by_scorer"]
    print(f"\n{'Recall@' + str(recalls['k']) + ', micro, all users':<42}{'all items':>10}{'unseen':>10}")
    for name, recall in sorted(recalls["seen_allowed"].items(), key=lambda row: -row[1]):
        mark = "→ " if name == "model" else "  "
        print(f"{mark}{name:<40}{recall:>10.4f}{recalls['seen_filtered'][name]:>10.4f}")
    print(f"\n{'day':<12}{'users':>10}{'encoded':>10}{'carried':>10}{'seconds':>10}")
    for day in found["days"]:
        print(f"{day['day']:<12}{day['users']:>10,}{day['encoded']:>10,}{day['carried']:>10,}{day['seconds']:>10.1f}")
    days = sum(seconds for stage, seconds in found["stages"].items() if stage.startswith("day-"))
    others = {stage: seconds for stage, seconds in found["stages"].items() if not stage.startswith("day-")}
    print("\n" + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in (others | {"daily runs": days}).items()))


def main(command, run, *stages):
    if command == "cut-off":
        print(metrics(run)["cut_off"])
        return
    found = summary(run, {name: float(seconds) for name, seconds in (stage.split("=") for stage in stages)})
    (run / "summary.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    print_tables(found)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("write", "cut-off"):
        sys.exit(__doc__)
    main(sys.argv[1], pathlib.Path(sys.argv[2]), *sys.argv[3:])
