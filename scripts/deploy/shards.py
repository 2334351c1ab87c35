"""Checks of the lookup's shards: who serves which, who finds them, and that a shard always has a replica.

Where every replica serves all users there is one shard, 0/1, and the same holds.
"""

import re

import yaml

from rendering import expanded, matches, program, setting

HOST = "kubernetes.io/hostname"


def serving(rendering):
    """(number of shards, shard) → the replicas that serve it; under None, what names no shard, and what it says."""
    found = {}
    for replica in rendering.replicas:
        for container in replica.containers:
            if program(container["image"]) == "lookup":
                text = setting(expanded(rendering, replica, container), "lookup", "shard")
                part = re.fullmatch(r"(\d+)/(\d+)", text)
                if part and int(part[1]) < int(part[2]):
                    found.setdefault((int(part[2]), int(part[1])), []).append(replica)
                else:
                    found.setdefault(None, []).append((replica, text))
    return found


def shards(rendering):
    """Every shard of a number is served, by as many as any other, and there are buckets of users for so many."""
    found = serving(rendering)
    for replica, text in found.pop(None, []):
        yield f"{replica.name}: `{text}` is no shard"
    for number in {number for number, _ in found}:
        replicas = [len(found.get((number, shard), [])) for shard in range(number)]
        if len(set(replicas)) != 1:
            yield f"the {number} shards have {replicas} replicas"
        for pod in rendering.pods:
            for container in pod.containers:
                if program(container["image"]) == "inference":
                    n_buckets = int(setting(rendering.environment(container), "inference", "n_buckets"))
                    if number > n_buckets:
                        yield f"{number} shards for the {n_buckets} buckets of {pod.name}"


def found(rendering):
    """The replicas of every shard have a Service with the gRPC port and a budget, of their own and of them all."""
    for (number, shard), replicas in by_shard(rendering):
        for kind in ("Service", "PodDisruptionBudget"):
            exact = [one for one in rendering.of(kind) if rendering.selected(one) == replicas]
            if kind == "Service":
                exact = [one for one in exact if "grpc" in {port["name"] for port in one["spec"]["ports"]}]
            if not exact:
                yield f"shard {shard}/{number} has no {kind} for {sorted({replica.name for replica in replicas})}"


def by_shard(rendering):
    return [(key, replicas) for key, replicas in serving(rendering).items() if key]


def kept(rendering):
    """No node and no rollout takes all replicas of a shard: they never share a node, and one set at a time changes."""
    for (number, shard), replicas in by_shard(rendering):
        sets = [replica for replica in replicas if replica.owner["kind"] == "StatefulSet"]
        for replica in sets:
            terms = replica.spec.get("affinity", {}).get("podAntiAffinity", {})
            required = terms.get("requiredDuringSchedulingIgnoredDuringExecution", [])
            away = [other for term in required for other in rendering.replicas if kept_from(term, replica, other)]
            if replica.owner["spec"]["replicas"] > 1 and not all(other in away for other in replicas):
                yield f"{replica.pod_name} may share a node with another replica of shard {shard}/{number}"
            if any(other not in replicas for other in away):
                yield f"{replica.pod_name} keeps away from other shards, which needs a node for each"
        if len([replica for replica in sets if changes(replica)]) > 1:
            yield f"a rollout may take all replicas of shard {shard}/{number} at once"


def kept_from(term, replica, other):
    alike = all(replica.labels.get(key) == other.labels.get(key) for key in term.get("matchLabelKeys", []))
    return term["topologyKey"] == HOST and alike and matches(term["labelSelector"], other.labels)


def changes(replica):
    """Whether a new template reaches this pod of a StatefulSet by itself."""
    strategy = replica.owner["spec"].get("updateStrategy", {})
    return strategy.get("type") != "OnDelete" and replica.index >= strategy.get("rollingUpdate", {}).get("partition", 0)


def sets(rendering):
    """The pods of a StatefulSet have names in the cluster's DNS, come up side by side, and their spread knows their labels."""
    for owner in rendering.of("StatefulSet"):
        name, spec = f"StatefulSet {owner['metadata']['name']}", owner["spec"]
        own = [replica for replica in rendering.replicas if replica.owner is owner]
        service = rendering.find("Service", spec.get("serviceName"))
        if not service or service["spec"].get("clusterIP") != "None" or any(one not in rendering.selected(service) for one in own):
            yield f"{name}: {spec.get('serviceName')} is no headless Service of its pods"
        if spec.get("podManagementPolicy") != "Parallel":
            yield f"{name}: each pod waits for the download of the one before"
        for spread in own[0].spec.get("topologySpreadConstraints", []):
            for key in spread.get("matchLabelKeys", []):
                if key not in own[0].labels:
                    yield f"{name} spreads by {key}, a label that its pods don't have"


def addresses(rendering):
    """What the console is told to call is there, on that port, and may be called; and no replica or shard is left out."""
    for pod in rendering.pods:
        for container in pod.containers:
            environment = rendering.environment(container)
            if program(container["image"]) != "console":
                continue
            lookups = yaml.safe_load(setting(environment, "console", "lookups"))
            told = [one[key] for one in lookups for key in ("grpc", "metrics") if one.get(key)]
            reached = []
            if environment.get("DAYVEC__TRAINER"):
                told.append(environment["DAYVEC__TRAINER"])
            for address in told:
                host, _, port = address.removeprefix("http://").partition(":")
                behind = resolved(rendering, host, int(port))
                if not behind:
                    yield f"{pod.name} is told of {address}, which is not there"
                if not all(may_call(rendering, pod, replica, int(port)) for replica in behind):
                    yield f"{pod.name} is told of {address}, and no NetworkPolicy lets it call there"
                reached += behind
            for (number, shard), replicas in by_shard(rendering):
                if not all(replica in reached for replica in replicas):
                    yield f"{pod.name} is not told of every replica of shard {shard}/{number}"


def resolved(rendering, host, port):
    """The replicas behind a name: of a Service, or of one pod of a StatefulSet by its Service."""
    pod_name, _, of_pod = host.partition(".")
    service = rendering.find("Service", of_pod or host)
    if not service or port not in {one["port"] for one in service["spec"]["ports"]}:
        return []
    behind = rendering.selected(service)
    if of_pod:
        behind = [one for one in behind if one.pod_name == pod_name and one.owner["spec"].get("serviceName") == of_pod]
    return behind


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
