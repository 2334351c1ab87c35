"""Whether objects are what the Kubernetes API accepts: its own schemas, strict, and small ones for the Prometheus operator."""

import functools
import importlib.resources
import json

import jsonschema
import referencing

from rendering import CUSTOM

# The oldest Kubernetes that has everything used here for good (podFailurePolicy, unhealthyPodEvictionPolicy), and the
# newest that kubernetes-validate knows.
VERSIONS = ("1.31.0", "1.37.0")

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
DURATION = {"type": "string", "pattern": r"^(\d+(ms|s|m|h|d|w|y))+$"}
OPERATOR_TYPES = {
    "ServiceMonitor": {
        "type": "object",
        "required": ["selector", "endpoints"],
        "additionalProperties": False,
        "properties": {
            "jobLabel": {"type": "string"},
            "selector": {"type": "object", "additionalProperties": False, "properties": {"matchLabels": TEXTS}},
            "endpoints": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["port"],
                    "additionalProperties": False,
                    "properties": {
                        "port": {"type": "string"},
                        "path": {"type": "string"},
                        "interval": DURATION,
                        "scrapeTimeout": DURATION,
                    },
                },
            },
        },
    },
    "PrometheusRule": {
        "type": "object",
        "required": ["groups"],
        "additionalProperties": False,
        "properties": {
            "groups": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["name", "rules"],
                    "additionalProperties": False,
                    "properties": {
                        "name": {"type": "string", "minLength": 1},
                        "interval": DURATION,
                        "rules": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["expr"],
                                "oneOf": [{"required": ["alert"]}, {"required": ["record"]}],
                                "additionalProperties": False,
                                "properties": {
                                    "alert": {"type": "string"},
                                    "record": {"type": "string"},
                                    "expr": {"type": ["string", "integer"]},
                                    "for": DURATION,
                                    "keep_firing_for": DURATION,
                                    "labels": TEXTS,
                                    "annotations": TEXTS,
                                },
                            },
                        },
                    },
                },
            }
        },
    },
}


def schema(rendering):
    """Every object of Kubernetes' own satisfies its schema, in both versions, without a field that it does not know."""
    for version in VERSIONS:
        for one in rendering.objects:
            if one["kind"] not in CUSTOM:
                for fault in faults_of(validator(version, one["apiVersion"], one["kind"]), one):
                    yield f"Kubernetes {version}: {fault}"


def operator_types(rendering):
    """Every ServiceMonitor and PrometheusRule has the shape that the Prometheus operator accepts."""
    for one in rendering.objects:
        if one["kind"] in CUSTOM:
            if one["apiVersion"] != "monitoring.coreos.com/v1":
                yield f"{one['kind']} {one['metadata']['name']}: apiVersion {one['apiVersion']}"
            envelope = {
                "type": "object",
                "required": ["spec"],
                "additionalProperties": False,
                "properties": {"apiVersion": {}, "kind": {}, "metadata": {}, "spec": OPERATOR_TYPES[one["kind"]]},
            }
            yield from faults_of(jsonschema.Draft202012Validator(envelope), one)


def faults_of(checker, one):
    for error in checker.iter_errors(one):
        yield f"{one['kind']} {one['metadata']['name']}: {error.json_path}: {error.message[:200]}"


@functools.cache
def definitions(version):
    return read(version, "_definitions")


@functools.cache
def validator(version, api_version, kind):
    group, _, number = api_version.rpartition("/")
    group = group.split(".")[0]  # rbac.authorization.k8s.io/v1 → rbac-v1
    contents = read(version, "-".join(word for word in (kind.lower(), group, number) if word))
    registry = referencing.Registry().with_resources(
        (resource["$id"], referencing.Resource.from_contents(resource)) for resource in (contents, definitions(version))
    )
    return jsonschema.Draft202012Validator(contents, registry=registry)


def read(version, name):
    folder = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}-local-strict"
    return json.loads((folder / f"{name}.json").read_text())


CHECKS = [schema, operator_types]
