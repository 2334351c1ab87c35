"""deploy/prometheus/rules.yml as the PrometheusRule of the component prometheus-operator, so that there is one source."""

import sys

import yaml

from rendering import ROOT

SOURCE = ROOT / "deploy" / "prometheus" / "rules.yml"
COMPONENT = ROOT / "deploy" / "kubernetes" / "components" / "prometheus-operator"
RULE = COMPONENT / "rules.yaml"
HEAD = "# Made from deploy/prometheus/rules.yml by scripts/check-deploy.sh --write-rules; change that file, not this one.\n"


class Text(yaml.SafeDumper):
    """YAML as people write it: several lines as a block, no anchors."""

    def ignore_aliases(self, data):
        return True


def block_if_lines(dumper, text):
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Text.add_representer(str, block_if_lines)


def rule_of(source):
    """The object of a file of rules."""
    head = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "dayvec"}}
    return head | {"spec": {"groups": yaml.safe_load(source)["groups"]}}


def write():
    """Write the component's rule, and list it in the component."""
    if not SOURCE.exists():
        sys.exit(f"there is no {SOURCE.relative_to(ROOT)} to make it from")
    RULE.write_text(HEAD + yaml.dump(rule_of(SOURCE.read_text()), Dumper=Text, sort_keys=False, width=120, allow_unicode=True))
    kustomization = COMPONENT / "kustomization.yaml"
    text = kustomization.read_text()
    if f"  - {RULE.name}\n" not in text:
        kustomization.write_text(text.replace("  - service-monitors.yaml\n", f"  - service-monitors.yaml\n  - {RULE.name}\n"))


def in_step(source, rendering):
    """What differs between the rules and the PrometheusRule of a rendering with the component; `source` is None without rules."""
    rendered = [one["spec"] for one in rendering.of("PrometheusRule")]
    wanted = [] if source is None else [rule_of(source)["spec"]]
    if rendered != wanted:
        yield f"the PrometheusRule is not deploy/prometheus/{SOURCE.name}: run scripts/check-deploy.sh --write-rules"
