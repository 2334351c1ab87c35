"""Check the files under deploy/ and docker-compose.yml.

    check.py KUBECTL [--write-rules]

Renders every kustomization with KUBECTL, validates the objects with Kubernetes' schemas (kubernetes-validate) and the
renderings and the Dockerfile with checkov (deploy/checkov.yaml), and then runs the checks of agree.py and manifests.py,
which no tool has. Prints a line for each step; exit 1 with every fault.
"""

import functools
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

import agree
import manifests
import planted
import rules
from agree import ROOT

KUBERNETES = ROOT / "deploy/kubernetes"
# The oldest version that has everything used here as stable, and the newest that kubernetes-validate knows.
VERSIONS = ("1.31", "1.37")
CUSTOM = {"ServiceMonitor", "PrometheusRule"}  # the Prometheus operator's, which has no schema here
COMPOSE = ("docker-compose.yml", "deploy/docker-compose.gpu.yml", "deploy/docker-compose.tokens.yml")


def render(kubectl, folder):
    ran = subprocess.run([kubectl, "kustomize", folder], capture_output=True, check=False, text=True)
    if ran.returncode or ran.stderr:
        sys.exit(f"FAULT   {folder} does not render: {ran.stderr.strip()}")
    return list(yaml.safe_load_all(ran.stdout))


def with_eight_shards(kubectl, work):
    """The overlay `sharded` while the number of shards changes: the output of shards.sh 8 beside the four."""
    kubernetes = pathlib.Path(work) / "kubernetes"
    shutil.copytree(KUBERNETES, kubernetes)
    component = kubernetes / "components/sharded-lookup"
    subprocess.run([component / "shards.sh", "8"], check=True, stdout=subprocess.DEVNULL)
    kustomization = component / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace("  - shards\n", "  - shards\n  - shards-8\n"))
    return render(kubectl, kubernetes / "overlays/sharded")


def schema_faults(objects):
    """What Kubernetes' own schemas, strict, do not accept."""
    for one in (one for one in objects if one["kind"] not in CUSTOM):
        fault = schema_fault(json.dumps(one, sort_keys=True))
        if fault:
            yield f"{agree.name_of(one)}: {fault}"


@functools.cache  # overlays share most objects
def schema_fault(one):
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(json.loads(one), version, strict=True)
        except kubernetes_validate.ValidationError as error:
            return f"Kubernetes {version}: {error.json_path}: {error.message[:200]}"
    return None


def run(name, *arguments):
    """Run a tool of this Python environment."""
    command = [pathlib.Path(sys.executable).parent / name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, text=True)


def checkov(renderings, work):
    """What checkov finds in the renderings and the Dockerfile; it must find a privileged container put beside them."""
    folder = pathlib.Path(work) / "rendered"
    folder.mkdir()
    for name, objects in (renderings | {"planted": planted.privileged(renderings["base"])}).items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump_all(objects))
    shutil.copy(ROOT / "deploy/Dockerfile", folder)
    ran = run("checkov", "--config-file", ROOT / "deploy/checkov.yaml", "--directory", folder, "--output", "json")
    failed = [check for report in json.loads(ran.stdout) for check in report["results"]["failed_checks"]]
    if [check["check_id"] for check in failed if check["file_path"] == "/planted.yaml"] != ["CKV_K8S_16"]:
        yield "does not report a privileged container (CKV_K8S_16)"
    for check in failed:
        if check["file_path"] != "/planted.yaml":
            yield f"{check['file_path']}: {check['resource']}: {check['check_id']} {check['check_name']}"


def unused_components():
    """Components that no overlay renders, so that nothing here looks at them."""
    named = "".join(path.read_text() for path in KUBERNETES.glob("overlays/*/kustomization.yaml"))
    components = (path.name for path in KUBERNETES.glob("components/*") if path.is_dir())
    yield from (f"components/{name}" for name in components if f"components/{name}" not in named)


def compose_schema():
    """What the schema of the Compose specification does not accept."""
    ran = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *(ROOT / file for file in COMPOSE))
    if ran.returncode:
        yield ran.stdout + ran.stderr


def of_objects(objects):
    """What schemas and cross-checks find in the objects of one rendering."""
    yield from schema_faults(objects)
    yield from (f"{check.__name__}: {fault}" for check in manifests.CHECKS for fault in check(objects))
    yield from agree.of_places(agree.manifest_places(objects))
    if any(one["kind"] == "PrometheusRule" for one in objects):
        yield from rules.differences(objects)


def report(step, faults):
    """Print a step and its faults; returns their number."""
    faults = list(faults)
    for fault in faults:
        print(f"FAULT   {step}: {fault}", file=sys.stderr)
    if not faults:
        print(f"holds   {step}")
    return len(faults)


def main(kubectl, *options):
    if options == ("--write-rules",):
        rules.write()
    folders = [KUBERNETES / "base", *sorted(path.parent for path in KUBERNETES.glob("overlays/*/kustomization.yaml"))]
    renderings = {folder.name: render(kubectl, folder) for folder in folders}
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        renderings["sharded-with-eight-beside-four"] = with_eight_shards(kubectl, work)
        failed += report("checkov: manifests and Dockerfile", checkov(renderings, work))
    for name, objects in renderings.items():
        failed += report(f"{name}: {len(objects)} objects", of_objects(objects))
    failed += report("every component is used by an overlay", unused_components())
    failed += report("schema of compose", compose_schema())
    for files in (COMPOSE[:1], COMPOSE):
        services = agree.compose(*files)
        faults = [*agree.of_places(agree.compose_places(services)), *agree.of_compose(services)]
        failed += report(f"compose agrees: {len(files)} file(s)", faults)
    failed += report("units agree", agree.of_places(agree.unit_places()))
    failed += report("image ports agree", agree.of_images((ROOT / "deploy/Dockerfile").read_text()))
    failed += report("crontab agrees", agree.of_crontab((ROOT / "deploy/crontab").read_text()))
    failed += report("planted faults are found", planted.not_found(renderings, of_objects))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
