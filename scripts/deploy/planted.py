"""Faults put into a copy of what was just accepted, one at a time: a check that finds nothing proves nothing."""

import copy

import agree


def container(one):
    return next(agree.pods([one]))[1]["spec"]["containers"][0]


def variable(one, name, value):
    next(given for given in container(one)["env"] if given["name"] == name)["value"] = value


# (overlay, object, what is done to it, what must be said)
FAULTS = [
    ("base", "Deployment lookup", lambda one: one["spec"].update(replica=2), "'replica' was unexpected"),
    ("base", "Deployment lookup", lambda one: container(one)["ports"][0].update(containerPort=50059), "port 50059"),
    ("base", "Deployment lookup", lambda one: container(one)["volumeMounts"][0].update(mountPath="/other"), "cache_dir is"),
    ("base", "Deployment lookup", lambda one: one["spec"]["template"]["spec"].update(terminationGracePeriodSeconds=30), "drain"),
    ("base", "Deployment console", lambda one: variable(one, "DAYVEC__LISTEN", "8080"), "has another type"),
    ("base", "Deployment console", lambda one: variable(one, "DAYVEC__TRAINER", "http://trainer:50051"), "does not exist"),
    ("base", "Service trainer", lambda one: one["spec"]["selector"].update(a="b"), "selects nothing"),
    ("base", "NetworkPolicy deny-all", lambda one: one["spec"].update(policyTypes=["Ingress"]), "denies all traffic"),
    ("base", "ServiceAccount trainer", lambda one: one["metadata"].update(name="other"), "ServiceAccount trainer does not"),
    ("base", "CronJob daily-run", lambda one: one["spec"]["jobTemplate"]["spec"].update(completions=3), "3 completions"),
    ("base", "CronJob daily-run", lambda one: one["spec"]["jobTemplate"]["spec"].pop("podFailurePolicy"), "exit codes"),
    ("sharded", "StatefulSet lookup-shard-0", lambda one: variable(one, "DAYVEC__SHARD", "1/4"), "of 4 shards"),
    ("sharded", "StatefulSet lookup-shard-0", lambda one: one["spec"].update(replicas=1), "one replica"),
    ("production", "Deployment trainer", lambda one: variable(one, "DAYVEC__SERVICE__TOKENS_FILE", "/t"), "not the key tokens"),
    ("production", "PrometheusRule dayvec", lambda one: one["spec"]["groups"].pop(), "--write-rules"),
]


def privileged(objects):
    """The lookup with a privileged container, for checkov to find."""
    lookup = copy.deepcopy(next(one for one in objects if agree.name_of(one) == "Deployment lookup"))
    container(lookup)["securityContext"]["privileged"] = True
    return [lookup]


def not_found(renderings, of_objects):
    """A sentence for each fault that no check finds."""
    for overlay, name, change, said in FAULTS:
        objects = copy.deepcopy(renderings[overlay])
        change(next(one for one in objects if agree.name_of(one) == name))
        if not any(said in fault for fault in of_objects(objects)):
            yield f"{overlay}, {name}: nothing says `{said}`"
    # Faults outside the manifests.
    services = agree.compose("docker-compose.yml")
    services["console"]["environment"]["DAYVEC__TRAINER"] = "http://trainer:50051"
    services["lookup-1"] |= {"ports": ["50051:50059"], "volumes": []}
    faults = [*agree.of_places(agree.compose_places(services)), *agree.of_compose(services)]
    dockerfile = (agree.ROOT / "deploy/Dockerfile").read_text().replace("EXPOSE 50051", "EXPOSE 50059")
    faults += [*agree.of_images(dockerfile), *agree.of_crontab("* * * * * dayvec true")]
    for said in ("no service trainer listens on 50051", "port 50059", "cache_dir is", "exposes 50059", "deploy/crontab"):
        if not any(said in fault for fault in faults):
            yield f"compose, images and crontab: nothing says `{said}`"
