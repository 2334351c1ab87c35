"""Means over seeds of dayvec's rows and of its peers, and the differences in standard errors.

    compare.py PEERS.json RUNS.jsonl SEEDS

PEERS.json is from `trainer evaluate --predictions --out`, its rows named MODEL-SEED-…; RUNS.jsonl is from `trainer ablate`.
"""

import json
import math
import pathlib
import statistics
import sys

FIGURES = {
    "recall@10": lambda row: row["seen_allowed"]["recall"]["micro"]["value"],
    "ndcg@10": lambda row: row["seen_allowed"]["ndcg"]["value"],
    "unseen recall@10": lambda row: row["seen_filtered"]["recall"]["micro"]["value"],
    "p90 coverage@10": lambda row: row["seen_allowed"]["coverage"]["p90"],
}


def rows_of(peers, runs, seeds):
    """Name → the metrics of each seed; only figures of the same log and candidates stand beside each other."""
    rows = {}
    for row in peers["all_users"]["rows"]:
        rows.setdefault("RecTools " + row["scorer"].split("-")[0], []).append(row)
    for run in runs:
        same = (run["data_hash"], run["candidates_hash"]) == (peers["data_hash"], peers["candidates_hash"])
        if run["seed"] in seeds and same:
            rows.setdefault("dayvec " + run["row"], {})
            rows["dayvec " + run["row"]][run["seed"]] = run["all_users"]  # the newest line of a row and seed
    return {name: list(row.values()) if isinstance(row, dict) else row for name, row in rows.items()}


def standard_error(values):
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def main(peers, runs, seeds):
    peers = json.loads(pathlib.Path(peers).read_text())
    runs = [json.loads(line) for line in pathlib.Path(runs).read_text().splitlines()]
    rows = rows_of(peers, runs, [int(seed) for seed in seeds.split(",")])
    print(f"log {peers['data_hash']}, candidates {peers['candidates_hash']}; mean ± standard error over seeds\n")
    print("| | seeds | " + " | ".join(FIGURES) + " |\n|---|---|" + "---|" * len(FIGURES))
    for name, metrics in rows.items():
        cells = []
        for figure in FIGURES.values():
            values = [figure(row) for row in metrics]
            cells.append(f"{statistics.mean(values):.4f} ± {standard_error(values):.4f}")
        print(f"| {name} | {len(metrics)} | " + " | ".join(cells) + " |")
    peer = rows.get("RecTools sasrec")
    for name, metrics in rows.items():
        if peer and name.startswith("dayvec"):
            print(f"\n{name} less RecTools sasrec, in standard errors of the difference:")
            for label, figure in FIGURES.items():
                ours, theirs = [figure(row) for row in metrics], [figure(row) for row in peer]
                error = math.hypot(standard_error(ours), standard_error(theirs))
                difference = statistics.mean(ours) - statistics.mean(theirs)
                print(f"  {label}: {difference:+.4f}, {difference / error if error else math.nan:+.1f}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
