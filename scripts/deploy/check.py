"""Check the files under deploy/, then check the checks.

    check.py KUBECTL [--write-rules]

Renders every kustomization with KUBECTL, runs every check on it, on the systemd units and the crontab, and prints a line
for each. Then each check must find the faults of prove.py in what it has just accepted. Exit 1 when anything fails.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

import yaml

import hosts
import pods
import prove
import references
import rules
import schemas
import shards
import tokens
from rendering import ROOT, Rendering

KUBERNETES = ROOT / "deploy" / "kubernetes"
CHECKS = schemas.CHECKS + references.CHECKS + pods.CHECKS + shards.CHECKS + tokens.CHECKS


def render(kubectl, folder, name=None):
    """A kustomization as kubectl renders it; a warning is a fault as well."""
    name = name or str(folder.relative_to(ROOT))
    ran = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, check=False, text=True)
    if ran.returncode or ran.stderr:
        sys.exit(f"FAULT   {name} does not render: {ran.stderr.strip()}")
    return Rendering(name, list(yaml.safe_load_all(ran.stdout)))


def tell(where, faults):
    """Print what was found; returns how many faults that is."""
    for fault in faults:
        print(f"FAULT   {where}: {fault}", file=sys.stderr)
    if not faults:
        print(f"holds   {where}")
    return len(faults)


def unused_components():
    """A component that no overlay names is rendered by nobody, so nobody checks it."""
    named = "".join(path.read_text() for path in KUBERNETES.glob("overlays/*/kustomization.yaml"))
    for folder in sorted((KUBERNETES / "components").iterdir()):
        if f"- ../../components/{folder.name}\n" not in named:
            yield f"no overlay uses {folder.relative_to(ROOT)}"


def of_two_numbers(kubectl, work):
    """The overlay `sharded` while the number of shards changes: those that shards.sh makes, beside the four."""
    kubernetes = pathlib.Path(work) / "kubernetes"
    shutil.copytree(KUBERNETES, kubernetes)
    component = kubernetes / "components" / "sharded-lookup"
    ran = subprocess.run([component / "shards.sh", "8"], capture_output=True, check=True, text=True)
    kustomization = component / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace("  - shards\n", "  - shards\n  - shards-8\n"))
    rendering = render(kubectl, kubernetes / "overlays" / "sharded", "overlays/sharded, with 8 shards beside 4")
    environment = rendering.find("Deployment", "console")["spec"]["template"]["spec"]["containers"][0]["env"]
    lookups = next(variable for variable in environment if variable["name"] == "DAYVEC__LOOKUPS")
    lookups["value"] = yaml.safe_dump(yaml.safe_load(lookups["value"]) + yaml.safe_load(ran.stdout))
    return rendering


def beside_whole(sharded, whole):
    """A cluster on its way from whole replicas to shards: what is no longer in an overlay, an apply leaves there."""
    applied = {(one["kind"], one["metadata"]["name"]) for one in sharded.objects}
    left = [one for one in whole.objects if (one["kind"], one["metadata"]["name"]) not in applied]
    return Rendering("overlays/sharded, with what it leaves of production", sharded.objects + left)


def main(kubectl, *options):
    if options == ("--write-rules",):
        rules.write()
    folders = [KUBERNETES / "base", *sorted(path.parent for path in KUBERNETES.glob("overlays/*/kustomization.yaml"))]
    renderings = {folder.name: render(kubectl, folder) for folder in folders}
    failed = tell("every component is in an overlay", list(unused_components()))
    with tempfile.TemporaryDirectory() as work:
        renderings["two-numbers"] = of_two_numbers(kubectl, work)
    renderings["beside-whole"] = beside_whole(renderings["sharded"], renderings["production"])
    for name, rendering in renderings.items():
        # The console's page shows the shards alone, from the beginning.
        checks = [check for check in CHECKS if name != "beside-whole" or check is not shards.addresses]
        faults = [f"{check.__name__}: {fault}" for check in checks for fault in check(rendering)]
        failed += tell(f"{rendering.name}: {len(rendering.objects)} objects, {len(checks)} checks", faults)
    source = rules.SOURCE.read_text() if rules.SOURCE.exists() else None
    failed += tell("the PrometheusRule is that of deploy/prometheus", list(rules.in_step(source, renderings["production"])))
    with tempfile.TemporaryDirectory() as work:
        host = hosts.Host(work)
        faults = [f"{check.__name__}: {fault}" for check in hosts.CHECKS for fault in check(host)]
        failed += tell(f"deploy/systemd and deploy/crontab: {len(host.units)} units, {len(hosts.CHECKS)} checks", faults)
        if failed:
            sys.exit(1)  # what follows would find the same faults again
        proofs, unproven = prove.run(renderings, host, CHECKS + hosts.CHECKS)
        sys.exit(1 if tell(f"every check can fail: {proofs} faults put in were found", unproven) else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
