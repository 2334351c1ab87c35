"""Ask a running lookup for users over gRPC, and show the items nearest to each beside what the user did last.

    ask.py RUN ADDRESS LOOKUP_PID

The service is called through server reflection alone, as any client without generated code would. Writes RUN/answers.json.
"""

import json
import os
import pathlib
import sys
import time

import grpc
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "dayvec.lookup.v1.EmbeddingLookup"
N_USERS, N_ITEMS = 3, 5
ITEMS_PER_CALL = 1000
START_WITHIN_S = 120


class Lookup:
    """The service's methods, found by reflection: `lookup.GetUserEmbedding(user_id="7")`."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
        self.service = None

    def __getattr__(self, name):
        if self.service is None:
            pool = DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))
            self.service = pool.FindServiceByName(SERVICE)
        method = self.service.FindMethodByName(name)
        request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        call = self.channel.unary_unary(
            f"/{SERVICE}/{name}", request_serializer=request.SerializeToString, response_deserializer=response.FromString
        )
        return lambda **fields: call(request(**fields), timeout=30)


def wait_for_snapshot(lookup, pid):
    """Until the service answers from a snapshot."""
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        try:
            status = lookup.GetServingStatus()
            if status.HasField("snapshot"):
                return status.snapshot
        except grpc.RpcError:
            pass
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            sys.exit("the lookup has ended; see logs/lookup.log in the run's folder")
        if time.monotonic() > deadline:
            sys.exit(f"the lookup has no snapshot after {START_WITHIN_S} s; see logs/lookup.log in the run's folder")
        time.sleep(0.1)


def floats(embedding):
    return np.frombuffer(embedding.data, "<f4")


def read_log(run, last_day):
    """Positive events until the end of `last_day`, oldest first, with the columns user_id, item_id, timestamp."""
    schema = yaml.safe_load((run / "dataset.yaml").read_text())["schema"]
    columns = {role: schema.get("columns", {}).get(role, role) for role in ("user_id", "item_id", "action", "timestamp")}
    names = {name: role for role, name in columns.items() if name}
    parts = sorted(part for part in (run / "events").glob("day=*/*.parquet") if part.parent.name <= f"day={last_day}")
    log = pd.concat(pq.read_table(part, columns=list(names), partitioning=None).to_pandas() for part in parts).rename(columns=names)
    if "action" in log:
        log = log[log.action.isin({rule["action"] for rule in schema["positives"]})]
    log = log.dropna(subset=["user_id", "item_id"])
    log[["user_id", "item_id"]] = log[["user_id", "item_id"]].astype(str)
    return log.sort_values("timestamp", kind="stable")


def titles(run):
    """Title of each item id, where there is text."""
    text = yaml.safe_load((run / "dataset.yaml").read_text()).get("text")
    if not text or not text.get("title") or not (run / "items.csv").exists():
        return {}
    items = pd.read_csv(run / "items.csv", dtype=str)
    return dict(zip(items[text["item_id"]], items[text["title"]].fillna("")))


def choose_users(log, last_day):
    """Three users of the last day: the busiest, one in the middle and one at the quarter of the busier ones."""
    seconds = pd.to_datetime(log.timestamp, unit="s", utc=True) if pd.api.types.is_numeric_dtype(log.timestamp) else log.timestamp
    recent = log.user_id[pd.to_datetime(seconds, utc=True).dt.strftime("%Y-%m-%d") == last_day].unique()
    chosen = recent if len(recent) >= N_USERS else log.user_id.unique()
    counts = log.user_id[log.user_id.isin(chosen)].value_counts().sort_index()
    by_count = counts.sort_values(ascending=False, kind="stable").index.tolist()
    return list(dict.fromkeys(by_count[len(by_count) * place // 8] for place in range(0, 2 * N_USERS, 2)))


def main(run, address, pid):
    lookup = Lookup(address)
    snapshot = wait_for_snapshot(lookup, pid)
    log, title = read_log(run, snapshot.day), titles(run)
    named = lambda item: title.get(item) or f"item {item}"
    item_ids = log.item_id.drop_duplicates().tolist()
    known, vectors = [], []
    for start in range(0, len(item_ids), ITEMS_PER_CALL):
        ids = item_ids[start : start + ITEMS_PER_CALL]
        for item, answer in zip(ids, lookup.GetItemEmbeddings(item_ids=ids).items):
            if answer.HasField("embedding"):
                known.append(item)
                vectors.append(floats(answer.embedding))
    vectors = np.stack(vectors)
    answers = []
    for user in choose_users(log, snapshot.day):
        reply = lookup.GetUserEmbedding(user_id=user)
        embedding = floats(reply.user.embedding)
        scores = vectors @ embedding
        nearest = np.argsort(-scores, kind="stable")[:N_ITEMS]
        last = log.item_id[log.user_id == user].tolist()[: -N_ITEMS - 1 : -1]
        answers.append(
            {
                "user_id": user,
                "last": [{"item_id": item, "title": named(item)} for item in last],
                "nearest": [{"item_id": known[i], "title": named(known[i]), "score": round(float(scores[i]), 4)} for i in nearest],
            }
        )
        print(f"\nuser {user}, as of {snapshot.day}\n  {'last':<48}nearest")
        for row in range(N_ITEMS):
            left = named(last[row])[:46] if row < len(last) else ""
            right = answers[-1]["nearest"][row] if row < len(nearest) else {"score": 0, "title": ""}
            print(f"  {left:<48}{right['score']:.3f}  {right['title'][:60]}")
    (run / "answers.json").write_text(json.dumps(answers, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
