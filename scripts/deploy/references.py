"""Checks across objects: what one names, another is."""

from rendering import made_by_hand, matches, program

CLUSTER_WIDE = {"Namespace"}
CALLED = {53, 443}  # DNS and the bucket: nothing else is called by the programs of the pipeline
CLIENTS = {"console"}  # what calls programs, as a client
SERVED = {50051, 50052}  # their gRPC ports


def names(rendering):
    """No object twice, and each in the one namespace, which is among them."""
    namespaces = [one["metadata"]["name"] for one in rendering.of("Namespace")]
    if len(namespaces) != 1:
        yield f"{len(namespaces)} namespaces"
    seen = set()
    for one in rendering.objects:
        key = (one["kind"], one["metadata"]["name"])
        if key in seen:
            yield f"{key[0]} {key[1]} is there twice"
        seen.add(key)
        if one["kind"] not in CLUSTER_WIDE and one["metadata"].get("namespace") not in namespaces:
            yield f"{key[0]} {key[1]} is in namespace {one['metadata'].get('namespace')}"


def selectors(rendering):
    """Every selector selects: a workload its own pods and no others, a Service and a budget those of one name."""
    pods = rendering.pods
    for pod in pods:
        name, spec = pod.name, pod.owner["spec"]
        if pod.stays_up and [other.name for other in pods if matches(spec["selector"], other.labels)] != [name]:
            yield f"{name}: its selector does not select its pods alone"
        for spread in pod.spec.get("topologySpreadConstraints", []):
            if not matches(spread["labelSelector"], pod.labels):
                yield f"{name} spreads over pods that are not its own"
    for one in rendering.of("Service") + rendering.of("PodDisruptionBudget"):
        hit = rendering.selected(one)
        if len({pod.labels.get("app.kubernetes.io/name") for pod in hit}) != 1:
            yield f"{one['kind']} {one['metadata']['name']} selects {[pod.name for pod in hit] or 'nothing'}"
    for policy in rendering.of("NetworkPolicy"):
        if not any(matches(policy["spec"]["podSelector"], pod.labels) for pod in pods):
            yield f"NetworkPolicy {policy['metadata']['name']} selects nothing"
    for monitor in rendering.of("ServiceMonitor"):
        if not monitored(rendering, monitor):
            yield f"ServiceMonitor {monitor['metadata']['name']} selects no Service"


def monitored(rendering, monitor):
    return [one for one in rendering.of("Service") if matches(monitor["spec"]["selector"], one["metadata"].get("labels", {}))]


def references(rendering):
    """Every account, ConfigMap, Secret and volume claim that a pod names is there, or the pod can do without it."""
    by_hand = {secret for secret, _ in made_by_hand()}  # and then mounted: the pod waits for it
    for pod in rendering.pods:
        named = [("ServiceAccount", pod.spec.get("serviceAccountName", "default"), False)]
        for container in pod.containers:
            for source in container.get("envFrom", []) + [variable.get("valueFrom", {}) for variable in container.get("env", [])]:
                for field, kind in FIELDS.items():
                    if field in source:
                        named.append((kind, source[field]["name"], source[field].get("optional", False)))
                if source.get("resourceFieldRef", {}).get("containerName", container["name"]) != container["name"]:
                    yield f"{pod.name}: {container['name']} reads the resources of another container"
        for volume in pod.spec.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                named.append(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], False))
            for field, kind, key in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
                if field in volume:
                    spared = volume[field].get("optional", False) or (kind == "Secret" and volume[field][key] in by_hand)
                    named.append((kind, volume[field][key], spared))
        for kind, name, optional in named:
            if not optional and not rendering.find(kind, name):
                yield f"{pod.name} needs {kind} {name}, which is not there"


FIELDS = {"configMapRef": "ConfigMap", "secretRef": "Secret", "configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}


def ports(rendering):
    """Every port that a Service or a monitor names is one of what it selects, and no replica is scraped twice."""
    for service in rendering.of("Service"):
        for pod in rendering.selected(service):
            for port in service["spec"]["ports"]:
                if port.get("targetPort") not in pod.ports:
                    yield f"Service {service['metadata']['name']}: {pod.name} has no port {port.get('targetPort')}"
    for monitor in rendering.of("ServiceMonitor"):
        for endpoint in monitor["spec"]["endpoints"]:
            scraped = []
            for service in monitored(rendering, monitor):
                if endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}:
                    scraped.append(service["spec"]["selector"])
                job = service["metadata"].get("labels", {}).get(monitor["spec"].get("jobLabel"))
                if job not in {program(pod.containers[0]["image"]) for pod in rendering.selected(service)}:
                    yield f"ServiceMonitor {monitor['metadata']['name']}: {service['metadata']['name']} is scraped as the job {job}"
            for pod in rendering.pods:
                if pod.stays_up and sum(matches(selector, pod.labels) for selector in scraped) != 1:
                    yield f"ServiceMonitor {monitor['metadata']['name']} does not scrape {pod.name} once"


def scaling(rendering):
    """What is scaled is there, asks for the CPU that is measured, and leaves the number of replicas to the autoscaler."""
    for scaler in rendering.of("HorizontalPodAutoscaler"):
        name, spec = f"HorizontalPodAutoscaler {scaler['metadata']['name']}", scaler["spec"]
        target = rendering.find(spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"])
        if not target:
            yield f"{name} scales what is not there"
            continue
        if "replicas" in target["spec"]:
            yield f"{name}: {target['kind']} {target['metadata']['name']} sets replicas, so every apply resets the number"
        if spec.get("minReplicas", 1) > spec["maxReplicas"]:
            yield f"{name}: more replicas at least than at most"
        for container in target["spec"]["template"]["spec"]["containers"]:
            if "cpu" not in container.get("resources", {}).get("requests", {}):
                yield f"{name}: {container['name']} asks for no CPU, so there is no share to measure"
    for pod in rendering.pods:
        claims = [volume for volume in pod.spec.get("volumes", []) if "persistentVolumeClaim" in volume]
        strategy = pod.owner["spec"].get("strategy", {}).get("type")
        if pod.owner["kind"] == "Deployment" and claims and (pod.owner["spec"].get("replicas") != 1 or strategy != "Recreate"):
            yield f"{pod.name} has a volume for one pod, and may run two"


def budgets(rendering):
    """Every budget lets one pod go at a time; and no pod has two budgets, for then it can't be evicted at all."""
    covered = []
    for budget in rendering.of("PodDisruptionBudget"):
        if budget["spec"].get("maxUnavailable") != 1:
            yield f"PodDisruptionBudget {budget['metadata']['name']} does not let one pod go, or lets several"
        covered += [pod.name for pod in rendering.selected(budget)]
    for name in set(covered):
        if covered.count(name) > 1:
            yield f"{name} has {covered.count(name)} budgets"


def network(rendering):
    """Nothing is open that no policy opens: all is denied first, every port has its callers, and only a client may call."""
    policies = [one["spec"] for one in rendering.of("NetworkPolicy")]
    closed = [one for one in policies if one["podSelector"] == {} and not one.get("ingress") and not one.get("egress")]
    if {way for one in closed for way in one.get("policyTypes", [])} != {"Ingress", "Egress"}:
        yield "no NetworkPolicy denies everything to every pod first"
    for policy in policies:
        for way, peers in (("ingress", "from"), ("egress", "to")):
            for rule in policy.get(way, []):
                if not rule.get(peers) or not rule.get("ports"):
                    yield f"a NetworkPolicy opens {way} of {policy['podSelector']} to everyone, or on every port"
                for port in [port["port"] for port in rule.get("ports", [])]:
                    hit = [pod for pod in rendering.pods if matches(policy["podSelector"], pod.labels) and port in pod.ports]
                    if way == "ingress" and not hit:
                        yield f"a NetworkPolicy opens port {port} of {policy['podSelector']}, which is not there"
                    is_client = policy["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/name") in CLIENTS
                    if way == "egress" and port not in CALLED and not (is_client and port in SERVED):
                        yield f"a NetworkPolicy lets {policy['podSelector']} call port {port}"
    for pod in rendering.pods:
        for name in pod.ports:
            opened = any(
                matches(policy["podSelector"], pod.labels) and name in {port["port"] for port in rule.get("ports", [])}
                for policy in policies
                for rule in policy.get("ingress", [])
            )
            if not opened:
                yield f"{pod.name}: no NetworkPolicy lets anyone call port {name}"


CHECKS = [names, selectors, references, ports, scaling, budgets, network]
