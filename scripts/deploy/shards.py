"""Checks of the lookup's shards: who serves which, who finds them, and that a shard always has a replica.

A shard is a StatefulSet; its labels say which it is and of how many, and all else must agree with them. Replicas that serve
all users are a Deployment, the shard 0/1.
"""

import re

import yaml

from rendering import matches, program, setting

ALL = "0/1"
HOST = "kubernetes.io/hostname"


def serving(rendering):
    """Every pod that serves, with what it is told: `2/4`."""
    return [
        (pod, setting(rendering.environment(container), "lookup", "shard"))
        for pod in rendering.pods
        for container in pod.containers
        if program(container["image"]) == "lookup"
    ]


def shards(rendering):
    """Every shard of a number is there once, as its labels say, and there are buckets of users for so many."""
    present = {}
    for pod, told in serving(rendering):
        part = re.fullmatch(r"(\d+)/(\d+)", told)
        if not part or int(part[1]) >= int(part[2]):
            yield f"{pod.name}: `{told}` is no shard"
            continue
        labelled = f"{pod.labels.get('dayvec/shard')}/{pod.labels.get('dayvec/shards')}"
        if told not in (ALL, labelled):
            yield f"{pod.name} serves {told}, and is labelled {labelled}"
        present.setdefault(int(part[2]), []).append(int(part[1]))
    for number, found_shards in present.items():
        if sorted(found_shards) != list(range(number)):
            yield f"of {number} shards there are {sorted(found_shards)}"
        for pod in rendering.pods:
            for container in pod.containers:
                if program(container["image"]) == "inference":
                    n_buckets = int(setting(rendering.environment(container), "inference", "n_buckets"))
                    if number > n_buckets:
                        yield f"{number} shards for the {n_buckets} buckets of {pod.name}"


def found(rendering):
    """The replicas of a shard have a budget and a Service for gRPC, of their own; clients know the Service by the number."""
    for pod, told in serving(rendering):
        shard, _, number = told.partition("/")
        own = [one for one in rendering.of("Service") if rendering.selected(one) == [pod]]
        own = [one["metadata"]["name"] for one in own if "grpc" in {port["name"] for port in one["spec"]["ports"]}]
        names = {f"lookup-shard-{shard}", f"lookup-shard-{shard}-of-{number}"}
        if not own or (told != ALL and not names & set(own)):
            yield f"{pod.name} serves {told}, by the Services {own}"
        if not any(rendering.selected(one) == [pod] for one in rendering.of("PodDisruptionBudget")):
            yield f"{pod.name} has no PodDisruptionBudget of its own"


def kept(rendering):
    """A shard has two replicas or more, no node holds two, and a rollout takes one at a time, all in the end."""
    for pod, told in serving(rendering):
        if told == ALL:
            continue  # the autoscaler keeps two, and a new one is ready before an old one leaves
        spec = pod.owner["spec"]
        if spec.get("replicas", 1) < 2:
            yield f"{pod.name} has one replica"
        terms = pod.spec.get("affinity", {}).get("podAntiAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", [])
        away = [other for term in terms for other in rendering.pods if kept_from(term, other)]
        if pod not in away:
            yield f"{pod.name} may have two replicas on one node"
        if any(other != pod for other in away):
            yield f"{pod.name} keeps away from other shards, which needs a node for each"
        rolling = spec.get("updateStrategy", {}).get("rollingUpdate", {})
        if spec.get("updateStrategy", {}).get("type") == "OnDelete" or rolling.get("partition"):
            yield f"{pod.name}: an apply does not reach every replica"
        if spec.get("podManagementPolicy") == "Parallel" or rolling.get("maxUnavailable", 1) != 1:
            yield f"{pod.name}: a rollout may take all replicas at once"


def kept_from(term, other):
    """Whether a term of anti-affinity, of its two usual fields, keeps a pod off the node of another."""
    plain = term.keys() == {"topologyKey", "labelSelector"}
    return plain and term["topologyKey"] == HOST and matches(term["labelSelector"], other.labels)


def sets(rendering):
    """The pods of a StatefulSet have names in the cluster's DNS, ready or not; clients are told each that is ready."""
    for pod in rendering.pods:
        if pod.owner["kind"] != "StatefulSet":
            continue
        services = [one for one in rendering.of("Service") if pod in rendering.selected(one)]
        governing = pod.owner["spec"].get("serviceName")
        if governing not in {one["metadata"]["name"] for one in services}:
            yield f"{pod.name}: {governing} is no Service of its pods"
        for service in services:
            name = service["metadata"]["name"]
            if service["spec"].get("clusterIP") != "None":
                yield f"{pod.name}: Service {name} has one address for all its pods"
            if service["spec"].get("publishNotReadyAddresses", False) != (name == governing):
                yield f"{pod.name}: Service {name} {'hides' if name == governing else 'tells clients of'} pods that are not ready"


def addresses(rendering):
    """What the console is told to call is there, on that port, and may be called; and no replica is left out."""
    for pod in rendering.pods:
        for container in pod.containers:
            environment = rendering.environment(container)
            if program(container["image"]) != "console":
                continue
            lookups = yaml.safe_load(setting(environment, "console", "lookups"))
            told = [one[key] for one in lookups for key in ("grpc", "metrics") if one.get(key)]
            if environment.get("DAYVEC__TRAINER"):
                told.append(environment["DAYVEC__TRAINER"])
            hosts, reached = set(), []
            for address in told:
                host, _, port = address.removeprefix("http://").partition(":")
                behind = resolved(rendering, host, int(port))
                if not behind:
                    yield f"{pod.name} is told of {address}, which is not there"
                if not all(may_call(rendering, pod, other, int(port)) for other in behind):
                    yield f"{pod.name} is told of {address}, and no NetworkPolicy lets it call there"
                hosts.add(host)
                reached += behind
            for other, _ in serving(rendering):
                if other not in reached or not hosts.issuperset(other.hosts):
                    yield f"{pod.name} is not told of every replica of {other.name}"


def resolved(rendering, host, port):
    """The pods behind a name: of a Service, or of one pod of a StatefulSet by its Service."""
    name, _, of_pod = host.partition(".")
    service = rendering.find("Service", of_pod or name)
    if not service or port not in {one["port"] for one in service["spec"]["ports"]}:
        return []
    return [pod for pod in rendering.selected(service) if not of_pod or host in pod.hosts]


def may_call(rendering, caller, callee, port):
    """Whether one policy lets the caller out to the port, and another lets it in."""
    names = {port} | {name for name, number in callee.ports.items() if number == port}
    ways = (("egress", "to", caller, callee), ("ingress", "from", callee, caller))
    return all(
        any(
            matches(policy["spec"]["podSelector"], own.labels)
            and names & {one["port"] for one in rule.get("ports", [])}
            and any("podSelector" in peer and matches(peer["podSelector"], other.labels) for peer in rule.get(peers, []))
            for policy in rendering.of("NetworkPolicy")
            for rule in policy["spec"].get(way, [])
        )
        for way, peers, own, other in ways
    )


CHECKS = [shards, found, kept, sets, addresses]
