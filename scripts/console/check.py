"""Open every page in a browser, at the width of a desktop and of a phone, and hold what it shows against its sources.

    check.py CHROMIUM BUCKET LOOKUP TRAINER PAGE SCREENSHOTS

LOOKUP, TRAINER and PAGE are HOST:PORT. Both services are called through server reflection. Exits 1 with a line for each
thing that is wrong.
"""

import json
import pathlib
import sys
import time

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from browser import Browser, expect, faults, field  # noqa: E402

START_WITHIN_S = 120


class Service:
    """The methods of a gRPC service, found by reflection: `service.ListRuns(limit=3)`."""

    def __init__(self, address, name):
        self.channel, self.name, self.service = grpc.insecure_channel(address), name, None

    def __getattr__(self, method):
        if self.service is None:
            pool = DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))
            self.service = pool.FindServiceByName(self.name)
        found = self.service.FindMethodByName(method)
        request, response = GetMessageClass(found.input_type), GetMessageClass(found.output_type)
        call = self.channel.unary_unary(
            f"/{self.name}/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        return lambda **fields: call(request(**fields), timeout=30)


def wait_for(what, condition):
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except grpc.RpcError:
            pass
        time.sleep(0.2)
    sys.exit(f"check.py: {what} takes longer than {START_WITHIN_S} s")


def check_pipeline(tab, bucket, status, runs, models):
    row = "[data-replica=lookup-0]"
    expect("replica: snapshot", field(tab, row, "snapshot", exact=False), status.snapshot.snapshot_id)
    expect("replica: model", field(tab, row, "model", exact=False), status.snapshot.model_id)
    expect("replica: announcement", field(tab, row, "announcement", exact=False), status.announcement)
    expect("replica: users", field(tab, row, "users"), status.n_users)
    expect("replica: items", field(tab, row, "items"), status.n_items)
    expect("the replica that is down", "unreachable" in tab.inner_text("[data-replica=lookup-1]"), True)
    announced = set()
    for path in sorted((bucket / "announcements").glob("*.json")):
        announcement = json.loads(path.read_text())
        manifest = json.loads((bucket / announcement["manifest"]).read_text())
        announced.add(manifest["snapshot_id"])
        row = f"[data-announcement='{announcement['sequence']}']"
        expect(f"{row} users", field(tab, row, "users"), manifest["totals"]["users"])
        expect(f"{row} snapshot", field(tab, row, "snapshot", exact=False), manifest["snapshot_id"])
        for counted in ("encoded", "carried"):
            expect(f"{row} {counted}", field(tab, row, counted), manifest["statistics"][counted])
    whole = {json.loads(path.read_text())["snapshot_id"] for path in bucket.glob("snapshots/*/*/manifest.json")}
    shown = {row.get_attribute("data-unannounced") for row in tab.query_selector_all("[data-unannounced]")}
    expect("runs that are not announced", sorted(shown), sorted(whole - announced))
    for model_id, metrics in models.items():
        row = f"[data-model='{model_id}']"
        expect(f"{row} recall", float(field(tab, row, "recall") or "nan"), metrics["recall_by_scorer"]["seen_allowed"]["model"])
        expect(f"{row} popularity", float(field(tab, row, "popularity") or "nan"), metrics["recall_by_scorer"]["seen_allowed"]["popularity"])
    expect("training runs", len(tab.query_selector_all("[data-run]")), len(runs))
    for run in runs:
        # A run may have moved on since; its number has not, nor has the end of one that has ended.
        if run.HasField("ended_at"):
            name = type(run).DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[run.state].name
            state = field(tab, f"[data-run='{run.number}']", "state", exact=False)
            expect(f"run {run.number}", name.removeprefix("RUN_STATE_").lower() in state, True)


def check_user(tab, reply):
    known = reply.user
    expect("user: snapshot", field(tab, "main", "snapshot", exact=False), reply.snapshot.snapshot_id)
    expect("user: width", field(tab, "main", "dim"), len(known.embedding.data) // 4)
    expect("user: computed_at", field(tab, "main", "computed_at"), known.computed_at.ToJsonString())
    expect("user: last_action_at", field(tab, "main", "last_action_at"), known.last_action_at.ToJsonString())
    newest = tab.query_selector("[data-action]")
    expect("user: newest action", newest and newest.get_attribute("data-action"), known.last_action_at.ToJsonString())
    expect("user: nearest items", len(tab.query_selector_all("[data-near]")), 10)


def check_model(tab, metrics):
    tables = metrics["evaluation"]["all_users"]["rows"] + (metrics["evaluation"]["held_out"] or {"rows": []})["rows"]
    measured = [row["seen_allowed"]["recall"]["micro"]["value"] for row in tables]
    shown = [float(cell.get_attribute("data-value")) for cell in tab.query_selector_all("[data-scorer] [data-field=recall]")]
    expect("model: recall by scorer", shown, measured)
    expect("model: steps", field(tab, "main", "steps"), metrics["training"]["steps"])
    expect("model: parameters", field(tab, "main", "parameters"), metrics["training"]["parameters"])
    points = tab.get_attribute("polyline", "points").split(" ")
    expect("model: points of the curve", len(points), len(metrics["training"]["curve"]))


def main(chromium, bucket, lookup_at, trainer_at, page, screenshots):
    bucket, screenshots = pathlib.Path(bucket), pathlib.Path(screenshots)
    lookup = Service(lookup_at, "dayvec.lookup.v1.EmbeddingLookup")
    trainer = Service(trainer_at, "dayvec.trainer.v1.Trainer")
    wait_for("the lookup's snapshot", lambda: lookup.GetServingStatus().HasField("snapshot"))
    wait_for("the trainer", lambda: trainer.ListRuns(limit=1) is not None)
    short = trainer.StartRun(requested_by="check-console", settings={"run.seed": "2", "run.steps": "40"}).run
    wait_for("a training run", lambda: trainer.GetRun(number=short.number).run.HasField("ended_at"))
    trainer.StartRun(requested_by="check-console", settings={"run.steps": "100000"})
    wait_for("the next run", lambda: trainer.GetRun(number=short.number + 1).run.progress.step > 0)
    user = "7"
    for asked in (user, user, "nobody"):
        reply = lookup.GetUserEmbedding(user_id=asked)
    reply = lookup.GetUserEmbedding(user_id=user)
    # A run is under way, so the service measures no further model beside all baselines.
    models = {path.parent.name: json.loads(path.read_text()) for path in bucket.glob("checkpoints/*/metrics.json")}
    models |= {path.parts[-3]: json.loads(path.read_text()) for path in bucket.glob("evaluations/*/*/metrics.json")}
    model_id = reply.snapshot.model_id
    with Browser(chromium, f"http://{page}", screenshots) as browser:
        status, runs = lookup.GetServingStatus(), trainer.ListRuns(limit=14).runs
        look = lambda tab: check_pipeline(tab, bucket, status, runs, models)  # noqa: E731
        browser.open("/", "pipeline", look=look)
        browser.open("/", "pipeline", scheme="dark")
        browser.open(f"/user?id={user}", "user", look=lambda tab: check_user(tab, reply))
        browser.open(f"/user?id={user}", "user", scheme="dark")
        browser.open("/user", "users")
        browser.open("/user?id=nobody%3Cb%3E" + "x" * 200, "unknown-user")
        browser.open(f"/models/{model_id}", "model", look=lambda tab: check_model(tab, models[model_id]))
        browser.open(f"/models/{model_id}", "model", scheme="dark")
        browser.open("/nowhere", "not-found", status=404)
    if faults:
        sys.exit("\n".join(["check.py: the page is wrong:", *faults]))
    print(f"every page is as its sources say; screenshots are in {screenshots}")


if __name__ == "__main__":
    if len(sys.argv) != 7:
        sys.exit(__doc__)
    main(*sys.argv[1:])
