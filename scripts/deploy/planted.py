"""Faults put into a copy of what was just accepted, one at a time: a check that finds nothing proves nothing."""

import copy

import agree


def container(one):
    return next(agree.pods([one]))[1]["spec"]["containers"][0]


def variable(one, name, value):
    next(given for given in container(one)["env"] if given["name"] == name)["value"] = value


def swap_ports(given):
    first, second = given["ports"][:2]
    first["containerPort"], second["containerPort"] = second["containerPort"], first["containerPort"]


def secret(one):
    volumes = next(agree.pods([one]))[1]["spec"]["volumes"]
    return next(volume["secret"] for volume in volumes if "secret" in volume)


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
    ("base", "Service lookup", lambda one: one["spec"]["ports"][0].update(targetPort="admin"), "leads to the port admin"),
    ("base", "CronJob daily-run", lambda one: one["spec"].update(schedule="0 */3 * * *"), "once a day"),
    ("base", "NetworkPolicy lookup", lambda one: one["spec"]["ingress"][0]["ports"].append({"port": "admin"}), "'admin'"),
    ("base", "CronJob daily-run", lambda one: one["spec"].update(concurrencyPolicy="Allow"), "concurrencyPolicy is Allow"),
    ("base", "CronJob daily-run", lambda one: one["spec"]["jobTemplate"]["spec"].update(activeDeadlineSeconds=72000), "midnight"),
    ("base", "CronJob daily-run", lambda one: one["spec"]["jobTemplate"]["spec"].update(parallelism=9), "parallelism is 9"),
    ("base", "Deployment lookup", lambda one: swap_ports(container(one)), "the port `admin` is 50051"),
    ("base", "Deployment lookup", lambda one: container(one)["livenessProbe"]["httpGet"].update(path="/readyz"), "livenessProbe"),
    ("base", "NetworkPolicy trainer", lambda one: one["spec"]["ingress"][0].pop("from"), "open to any peer"),
    ("base", "NetworkPolicy bucket", lambda one: one["spec"]["egress"][0]["ports"].append({"port": 22}), "[443, 22]"),
    ("base", "Deployment console", lambda one: container(one)["env"].append({"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}), "plain text"),
    ("production", "Deployment trainer", lambda one: secret(one).update(defaultMode=0o444), "mode 0440"),
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
