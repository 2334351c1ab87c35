"""What a kustomization renders to, and how to ask it: objects by kind, pods wherever they are declared, settings by program."""

import dataclasses
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CUSTOM = {"ServiceMonitor", "PrometheusRule"}


@dataclasses.dataclass
class Pod:
    """A pod template, and the object that it is in."""

    owner: dict
    template: dict

    @property
    def name(self):
        return f"{self.owner['kind']} {self.owner['metadata']['name']}"

    @property
    def hosts(self):
        """The names of a StatefulSet's pods in the cluster's DNS; others have none."""
        name, spec = self.owner["metadata"]["name"], self.owner["spec"]
        many = spec.get("replicas", 1) if self.owner["kind"] == "StatefulSet" else 0
        return [f"{name}-{index}.{spec.get('serviceName')}" for index in range(many)]

    @property
    def labels(self):
        return self.template["metadata"].get("labels", {})

    @property
    def spec(self):
        return self.template["spec"]

    @property
    def containers(self):
        return self.spec.get("initContainers", []) + self.spec["containers"]

    @property
    def ports(self):
        """Every container port, by name."""
        return {port["name"]: port["containerPort"] for container in self.containers for port in container.get("ports", [])}

    @property
    def stays_up(self):
        return self.owner["kind"] in ("Deployment", "StatefulSet")


class Rendering:
    """The objects of one kustomization, as `kubectl apply -k` would send them."""

    def __init__(self, name, objects):
        self.name = name
        self.objects = objects

    def of(self, kind):
        return [one for one in self.objects if one["kind"] == kind]

    def find(self, kind, name):
        return next((one for one in self.of(kind) if one["metadata"]["name"] == name), None)

    @property
    def pods(self):
        found = [Pod(one, one["spec"]["template"]) for kind in ("Deployment", "StatefulSet", "Job") for one in self.of(kind)]
        return found + [Pod(one, one["spec"]["jobTemplate"]["spec"]["template"]) for one in self.of("CronJob")]

    def selected(self, one):
        """The pods that a Service or a budget selects."""
        return [pod for pod in self.pods if matches(one["spec"]["selector"], pod.labels)]

    def environment(self, container):
        """Name → value of a container's environment; None where the value is known only in the cluster."""
        found = {}
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                config_map = self.find("ConfigMap", source["configMapRef"]["name"]) or {}
                found.update(config_map.get("data", {}))
        found.update({variable["name"]: variable.get("value") for variable in container.get("env", [])})
        return found


def made_by_hand():
    """(Secret, key) of every Secret that docs/deploy.md says how to make, for none is in the tree."""
    text = (ROOT / "docs" / "deploy.md").read_text().replace("\\\n", " ")
    made = re.findall(r"create secret generic (\S+)((?: +--from-(?:file|literal)=\S+)+)", text)
    return {(name, key) for name, given in made for key in re.findall(r"--from-(?:file|literal)=([^=\s]+)=", given)}


def program(image):
    """`registry.example.com/dayvec-lookup:0.1.0` → `lookup`."""
    return image.rsplit("/", 1)[-1].split(":")[0].removeprefix("dayvec-")


def matches(selector, labels):
    """Whether a selector, `matchLabels` or a plain map, selects an object with these labels."""
    wanted = selector.get("matchLabels", {}) if selector.keys() <= {"matchLabels", "matchExpressions"} else selector
    assert "matchExpressions" not in selector, "not used here, so not understood here"
    return wanted.items() <= labels.items()


def shipped_settings(name):
    """A program's defaults, config/<program>.yaml."""
    return yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())


def setting(environment, name, key):
    """A top-level setting of a program, from its environment or else its defaults, as text."""
    return environment.get(f"DAYVEC__{key.upper()}") or str(shipped_settings(name)[key])


def setting_fault(name, variable, value):
    """What is wrong with `DAYVEC__SECTION__KEY=value` for a program, or None. A value of None is not looked at."""
    node, path = shipped_settings(name), variable.removeprefix("DAYVEC__").lower().split("__")
    for depth, key in enumerate(path):
        if node is None or node == {}:
            return None  # nothing by default, so the file does not say what may be inside
        if not isinstance(node, dict) or key not in node:
            return f"{variable}: config/{name}.yaml has no {'.'.join(path[: depth + 1])}"
        node = node[key]
    if value is None or node is None:
        return None
    given = yaml.safe_load(value)
    alike = isinstance(given, type(node)) or (isinstance(node, float) and isinstance(given, int))
    return None if alike else f"{variable}={value}: config/{name}.yaml has {node!r} there, which is of another type"


def seconds(duration):
    """`1h 30s` → 5430: durations as the settings write them."""
    units = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600}
    total = 0
    for word in duration.split():
        digits = "".join(letter for letter in word if letter.isdigit())
        total += int(digits) * units[word[len(digits) :]]
    return total


def quantity(text):
    """`500m` → 0.5, `2Gi` → 2147483648: Kubernetes' quantities."""
    units = {"m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    unit = next((unit for unit in units if str(text).endswith(unit)), "")
    return float(str(text).removesuffix(unit)) * units.get(unit, 1)
