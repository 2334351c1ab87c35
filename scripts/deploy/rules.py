"""deploy/prometheus/rules.yml as the PrometheusRule of the component prometheus-operator: one source for both."""

import yaml

from agree import ROOT

SOURCE = ROOT / "deploy/prometheus/rules.yml"
RULE = ROOT / "deploy/kubernetes/components/prometheus-operator/rules.yaml"
HEAD = "# Made from deploy/prometheus/rules.yml by scripts/check-deploy.sh --write-rules; change that file, not this one.\n"


class Text(yaml.SafeDumper):
    """YAML as people write it: several lines as a block, no anchors."""

    def ignore_aliases(self, data):
        return True


Text.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)
)


def groups():
    return yaml.safe_load(SOURCE.read_text())["groups"]


def write():
    head = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "dayvec"}}
    rule = head | {"spec": {"groups": groups()}}
    RULE.write_text(HEAD + yaml.dump(rule, Dumper=Text, sort_keys=False, width=120, allow_unicode=True))


def differences(objects):
    if [one["spec"] for one in objects if one["kind"] == "PrometheusRule"] != [{"groups": groups()}]:
        yield "run scripts/check-deploy.sh --write-rules"
