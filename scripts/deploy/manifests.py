"""What no tool checks of rendered manifests: that what one object names is there, and that shards and jobs are whole."""

import re

from agree import EXIT_CODES, called, find, listens, manifest_places, name_of, pods, program_of

REFERENCES = {"configMapRef": "ConfigMap", "configMapKeyRef": "ConfigMap"}


def matches(selector, labels):
    """Whether `matchLabels`, or a Service's plain map, selects an object with these labels."""
    return selector.get("matchLabels", selector).items() <= labels.items()


def selected(objects, selector):
    return [(one, template) for one, template in pods(objects) if matches(selector, template["metadata"]["labels"])]


def port_names(template):
    ports = [port for container in template["spec"]["containers"] for port in container.get("ports", [])]
    return {key for port in ports for key in (port["name"], port["containerPort"])}


def selectors(objects):
    """Whatever selects pods selects some, of one kind, and on ports that they have."""
    for one in objects:
        spec, kind = one.get("spec", {}), one["kind"]
        if kind in ("Service", "PodDisruptionBudget"):
            hit = selected(objects, spec["selector"])
            if len({template["metadata"]["labels"]["app.kubernetes.io/name"] for _, template in hit}) != 1:
                yield f"{name_of(one)} selects {[name_of(owner) for owner, _ in hit] or 'nothing'}"
            for port in spec.get("ports", []):
                missing = [name_of(owner) for owner, template in hit if port["targetPort"] not in port_names(template)]
                if missing:
                    yield f"{name_of(one)}: {missing} have no port {port['targetPort']}"
                elif port["targetPort"] != port["name"]:
                    yield f"{name_of(one)}: its port {port['name']} leads to the port {port['targetPort']} of the pods"
        elif kind == "NetworkPolicy":
            hit = selected(objects, spec["podSelector"])
            if not hit:
                yield f"{name_of(one)} selects nothing"
            for port in [port.get("port") for rule in spec.get("ingress", []) for port in rule.get("ports", [])]:
                if not any(port in port_names(template) for _, template in hit):
                    yield f"{name_of(one)} opens port {port}, which no selected pod has"
        elif kind == "ServiceMonitor":
            services = [other for other in objects if other["kind"] == "Service"]
            hit = [other for other in services if matches(spec["selector"], other["metadata"]["labels"])]
            named = {port["name"] for other in hit for port in other["spec"]["ports"]}
            if not {endpoint["port"] for endpoint in spec["endpoints"]} <= named:
                yield f"{name_of(one)} names a port that no selected Service has"
        elif kind == "HorizontalPodAutoscaler":
            target = find(objects, spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"])
            if not target or "replicas" in target["spec"]:
                yield f"{name_of(one)}: its target is missing, or sets replicas itself"


def references(objects):
    """The accounts, ConfigMaps and volumes that a pod names are there, and every volume is mounted."""
    for owner, template in pods(objects):
        spec, named = template["spec"], [("ServiceAccount", template["spec"]["serviceAccountName"])]
        for container in spec["containers"]:
            sources = container.get("envFrom", []) + [one.get("valueFrom", {}) for one in container.get("env", [])]
            named += [(kind, one[key]["name"]) for one in sources for key, kind in REFERENCES.items() if key in one]
        for volume in spec.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                named.append(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
        yield from (f"{name_of(owner)}: {kind} {name} does not exist" for kind, name in named if not find(objects, kind, name))
        claims = owner["spec"].get("volumeClaimTemplates", [])
        declared = {volume["name"] for volume in spec.get("volumes", [])} | {claim["metadata"]["name"] for claim in claims}
        mounted = {mount["name"] for container in spec["containers"] for mount in container.get("volumeMounts", [])}
        yield from (f"{name_of(owner)}: volume {name} is declared or mounted, but not both" for name in declared ^ mounted)


def closed(objects):
    """The namespace enforces the restricted profile, no Secret is in the tree, and all traffic is denied first."""
    for namespace in (one for one in objects if one["kind"] == "Namespace"):
        if namespace["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{name_of(namespace)} does not enforce the restricted profile"
    yield from (f"{name_of(one)} is in the tree" for one in objects if one["kind"] == "Secret")
    if not any(
        one["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} for one in objects if one["kind"] == "NetworkPolicy"
    ):
        yield "no NetworkPolicy denies all traffic by default"


def calls(objects):
    """What the console calls is a Service, or a pod of a StatefulSet, with that port."""
    for place in manifest_places(objects):
        for host, port in called(place):
            name, _, governing = host.partition(".")
            service = find(objects, "Service", governing or name)
            hit = selected(objects, service["spec"]["selector"]) if service else []
            if governing:
                hit = [
                    one for one in hit
                    if name in {f"{one[0]['metadata']['name']}-{index}" for index in range(one[0]["spec"].get("replicas", 1))}
                ]
            if not hit or port not in {one["port"] for one in service["spec"]["ports"]}:
                yield f"{place.where} calls {host}:{port}, which does not exist"


def shards(objects):
    """Every shard of a number is there once, with its labels, two replicas, a Service and a disruption budget."""
    found = {}
    templates = {name_of(owner): (owner, template["metadata"]["labels"]) for owner, template in pods(objects)}
    for place in (place for place in manifest_places(objects) if place.program == "lookup"):
        shard, number = map(int, place.setting("shard").split("/"))
        found.setdefault(number, []).append(shard)
        owner, labels = templates[place.where]
        if number == 1:
            continue
        if (labels.get("dayvec/shard"), labels.get("dayvec/shards")) != (str(shard), str(number)):
            yield f"{place.where} serves {shard}/{number}, but its labels say otherwise"
        if owner["spec"].get("replicas", 1) < 2:
            yield f"{place.where} has one replica, so the shard is down during a rollout"
        for kind in ("Service", "PodDisruptionBudget"):
            own = [one for one in objects if one["kind"] == kind]
            if not any([hit for hit, _ in selected(objects, one["spec"]["selector"])] == [owner] for one in own):
                yield f"{place.where} has no {kind} of its own"
    for number, present in found.items():
        if sorted(present) != list(range(number)):
            yield f"of {number} shards, {sorted(present)} are there"
        buckets = [int(place.setting("n_buckets")) for place in manifest_places(objects) if place.program == "inference"]
        yield from (f"{number} shards of the lookup for {n} buckets" for n in buckets if number > n)


def jobs(objects):
    """A job's exit codes have the meaning of the runbook, and the daily run has as many shards as it says."""
    for owner, template in pods(objects):
        if owner["kind"] != "CronJob":
            continue
        job = owner["spec"]["jobTemplate"]["spec"]
        rules = job.get("podFailurePolicy", {}).get("rules", [])
        codes = {code: rule["action"] for rule in rules for code in rule.get("onExitCodes", {}).get("values", [])}
        if codes != EXIT_CODES:
            yield f"{name_of(owner)}: exit codes lead to {codes}, not {EXIT_CODES}"
        for place in (place for place in manifest_places([owner, *objects]) if place.where == name_of(owner)):
            shards = place.environment.get("DAYVEC_SHARDS")
            if place.program == "inference" and (shards != str(job["completions"]) or int(shards) > int(place.setting("n_buckets"))):
                yield f"{name_of(owner)}: {job['completions']} completions, DAYVEC_SHARDS={shards}"


def daily(objects):
    """The daily run never overlaps itself, ends before midnight, and is removed; each pod has a share of its own."""
    wanted = {
        "concurrencyPolicy": "Forbid", "timeZone": "Etc/UTC", "completionMode": "Indexed", "restartPolicy": "Never",
        "podFailurePolicy on DisruptionTarget": "Ignore",
    }
    for owner, template in pods(objects):
        if owner["kind"] != "CronJob" or template["metadata"]["labels"]["app.kubernetes.io/name"] != "inference":
            continue
        cron, job = owner["spec"], owner["spec"]["jobTemplate"]["spec"]
        disrupted = [
            rule["action"] for rule in job.get("podFailurePolicy", {}).get("rules", [])
            for condition in rule.get("onPodConditions", []) if condition["type"] == "DisruptionTarget"
        ]
        given = {**cron, **job, **template["spec"], "podFailurePolicy on DisruptionTarget": "".join(disrupted)}
        for key, value in wanted.items():
            if given.get(key) != value:
                yield f"{name_of(owner)}: {key} is {given.get(key)}, not {value}"
        daily_at = re.fullmatch(r"(\d+) (\d+) \* \* \*", cron["schedule"])
        if not daily_at or cron.get("suspend") or job.get("suspend"):
            yield f"{name_of(owner)}: {cron['schedule']} does not start it once a day, or it is suspended"
            continue
        starts = int(daily_at[2]) * 3600 + int(daily_at[1]) * 60
        deadlines = [cron.get("startingDeadlineSeconds"), job.get("activeDeadlineSeconds")]
        if None in deadlines or starts + sum(deadlines) > 24 * 3600:
            yield f"{name_of(owner)}: its deadlines do not end it before midnight"
        if not 1 <= job.get("parallelism", 0) <= job["completions"]:
            yield f"{name_of(owner)}: parallelism is {job.get('parallelism')} for {job['completions']} shards"
        if job.get("ttlSecondsAfterFinished", 0) < 86_400 or "backoffLimit" not in job:
            yield f"{name_of(owner)}: a finished job is kept for no day or for good, or has no backoffLimit"


def probes(objects):
    """A port has the name of what listens there, and probes ask the admin port: /readyz when ready, /livez when alive."""
    for owner, template in pods(objects):
        for container in template["spec"]["containers"]:
            known = listens(program_of(container["image"]))
            ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
            if known.get("admin_listen") != ports.get("admin", known.get("admin_listen")):
                yield f"{name_of(owner)}: the port `admin` is {ports['admin']}, but admin_listen is {known.get('admin_listen')}"
            for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
                asked = container.get(probe, {}).get("httpGet")
                if probe in container and asked != {"path": path, "port": "admin"}:
                    yield f"{name_of(owner)}: its {probe} asks {asked}, not {path} of the port admin"


def openings(objects):
    """Traffic comes in only from labelled peers, on named ports, `admin` for scrapers alone; it leaves to any address by
    HTTPS alone."""
    for policy in (one for one in objects if one["kind"] == "NetworkPolicy"):
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction, []):
                peer, ports = rule.get(peers) or [{}], rule.get("ports") or [{}]
                anyone = not all(map(labelled, peer))
                wide = any(int(one.get("ipBlock", {}).get("cidr", "/32").rsplit("/", 1)[1]) < 8 for one in peer)
                numbers = [port.get("port") for port in ports]
                admin = "admin" in numbers and policy["metadata"]["name"] != "metrics"
                ranges = any("endPort" in port for port in ports)
                if anyone or admin or ranges or None in numbers or (wide and (direction == "ingress" or numbers != [443])):
                    yield f"{name_of(policy)}: {direction} is open to {'any peer' if anyone or wide else 'named peers'} on {numbers}"


def labelled(peer):
    """Whether a peer of a policy is an address block, or chosen by labels and not by the mere presence of some."""
    selectors = [peer[key] for key in ("namespaceSelector", "podSelector") if key in peer]
    return "ipBlock" in peer or bool(selectors) and all(selector.get("matchLabels") for selector in selectors)


def secrets(objects):
    """Credentials are in Secrets, mounted read-only for the pod's group; none stands in a ConfigMap or a variable."""
    words = ("SECRET", "PASSW", "TOKEN", "ACCESS_KEY", "ACCOUNT_KEY", "API_KEY", "PRIVATE_KEY", "STORAGE_KEY", "SAS_", "CREDENTIAL")
    plain = [(name_of(one), f"{key}={value}") for one in objects if one["kind"] == "ConfigMap" for key, value in one.get("data", {}).items()]
    for owner, template in pods(objects):
        spec = template["spec"]
        for volume in spec.get("volumes", []):
            modes = {item.get("mode", 0o440) for item in volume.get("secret", {}).get("items", [])}
            modes.add(volume.get("secret", {}).get("defaultMode"))
            if "secret" in volume and (modes != {0o440} or volume["secret"].get("optional")):
                yield f"{name_of(owner)}: the Secret {volume['secret']['secretName']} is not mounted with mode 0440, or is optional"
        for container in spec["containers"] + spec.get("initContainers", []):
            plain += [(name_of(owner), f"{one['name']}={one['value']}") for one in container.get("env", []) if "value" in one]
            of_secrets = {volume["name"] for volume in spec.get("volumes", []) if "secret" in volume}
            for mount in container.get("volumeMounts", []):
                if mount["name"] in of_secrets and (not mount.get("readOnly") or "subPath" in mount):
                    yield f"{name_of(owner)}: {mount['mountPath']} is writable, or a copy that is never renewed (subPath)"
    for where, variable in plain:
        name, value = variable.split("=", 1)
        if value and not name.endswith("_FILE") and any(word in name.upper() for word in words):
            yield f"{where}: {name} holds a credential in plain text"


CHECKS = (selectors, references, closed, calls, shards, jobs, daily, probes, openings, secrets)
