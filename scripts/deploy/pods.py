"""Checks of each pod by itself: what it may do, what it is given, what it is told."""

from rendering import program, quantity, seconds, setting_fault, shipped_settings

UID = 10001
# What the restricted profile leaves of volumes, capabilities and sysctls.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
# Where a program writes, by its settings.
FOLDERS = {"lookup": "cache_dir", "inference": "work_dir", "trainer": "work_dir", "console": None}
VERDICTS = {64: "FailJob", 65: "FailJob", 69: "Ignore", 75: "Ignore"}  # by exit code (README.md)
DAY = 24 * 3600


def each_container(rendering):
    for pod in rendering.pods:
        for container in pod.containers:
            yield pod, container, f"{pod.name}, container {container['name']}"


def restricted(rendering):
    """The restricted pod security profile, and what this project adds to it: one user, a root file system that is read."""
    for namespace in rendering.of("Namespace"):
        for mode in ("enforce", "audit", "warn"):
            if namespace["metadata"].get("labels", {}).get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield f"Namespace {namespace['metadata']['name']} does not {mode} the restricted profile"
    for pod in rendering.pods:
        security = pod.spec.get("securityContext", {})
        for shared in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(shared):
                yield f"{pod.name} has {shared}"
        for volume in pod.spec.get("volumes", []):
            if not volume.keys() - {"name"} <= VOLUMES:
                yield f"{pod.name}: volume {volume['name']} is of a kind that the profile forbids"
        if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{pod.name} has no seccomp profile"
        if security.get("runAsNonRoot") is not True or security.get("runAsUser") != UID or security.get("runAsGroup") != UID:
            yield f"{pod.name} does not run as user and group {UID}"
        if security.get("sysctls"):
            yield f"{pod.name} sets sysctls"
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.name} mounts the token of its account"
    for _, container, name in each_container(rendering):
        security = container.get("securityContext", {})
        if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
            yield f"{name} may gain privileges"
        if security.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{name} does not drop every capability"
        if security.get("readOnlyRootFilesystem") is not True:
            yield f"{name} may write to its root file system"
        if security.keys() - {"allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem"}:
            yield f"{name} overrides the security context of its pod"
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"{name} takes a port of the node"


def images(rendering):
    """Every image is a program of ours with a tag, and the CUDA build where there is a GPU, and only there."""
    for pod, container, name in each_container(rendering):
        base, _, tag = container["image"].rpartition(":")
        if program(container["image"]) not in FOLDERS or not base or tag == "latest":
            yield f"{name}: image {container['image']} has no tag, or is none of ours"
        has_gpu = "nvidia.com/gpu" in container.get("resources", {}).get("limits", {})
        if has_gpu != tag.endswith("-cuda"):
            yield f"{name}: image {container['image']} with{'' if has_gpu else 'out'} a GPU"
        if has_gpu and not (pod.spec.get("nodeSelector") and pod.spec.get("tolerations")):
            yield f"{name} wants a GPU and says not on which nodes"
        if rendering.environment(container).get("WORLD_SIZE", "1") != "1":
            yield f"{name}: the trainer refuses a WORLD_SIZE above 1"


def settings(rendering):
    """Every DAYVEC__ variable names a setting of its program, by a value of its type; no program runs without its bucket."""
    for _, container, name in each_container(rendering):
        environment = rendering.environment(container)
        for variable, value in environment.items():
            if variable.startswith("DAYVEC__"):
                fault = setting_fault(program(container["image"]), variable, value)
                if fault:
                    yield f"{name}: {fault}"
            elif variable.startswith("DAYVEC") and variable != "DAYVEC_SHARDS":
                yield f"{name}: {variable} is no setting; is it DAYVEC__SECTION__KEY?"
        if "://" not in environment.get("DAYVEC__BUCKET", ""):
            yield f"{name}: DAYVEC__BUCKET is no URL, and a folder would go away with the pod"


def secrets(rendering):
    """No credentials in the tree: no Secret, and no setting that is named like one."""
    for one in rendering.of("Secret"):
        yield f"Secret {one['metadata']['name']} is in the tree"
    given = [(f"ConfigMap {one['metadata']['name']}", one.get("data", {})) for one in rendering.of("ConfigMap")]
    for _, container, name in each_container(rendering):
        given.append((name, [variable["name"] for variable in container.get("env", [])]))
    for where, names in given:
        for word in ("SECRET", "PASSWORD", "TOKEN", "ACCESS_KEY", "CREDENTIAL"):
            # The path of a file is no secret.
            held = [key for key in names if word in key.upper() and not key.upper().endswith("_FILE")]
            yield from (f"{where}: {key} belongs into a Secret" for key in held)


def volumes(rendering):
    """Mounts and volumes are each other's, every emptyDir has a limit, and what a program writes to is a mount."""
    for pod in rendering.pods:
        declared = {volume["name"] for volume in pod.spec.get("volumes", [])}
        declared |= {claim["metadata"]["name"] for claim in pod.owner["spec"].get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", [])}
        for name in declared ^ mounted:
            yield f"{pod.name}: volume {name} is {'declared and not mounted' if name in declared else 'mounted and not declared'}"
        for volume in pod.spec.get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
                yield f"{pod.name}: volume {volume['name']} may fill the node"
    for _, container, name in each_container(rendering):
        key = FOLDERS[program(container["image"])]
        folder = rendering.environment(container).get(f"DAYVEC__{key.upper()}") if key else None
        if key and folder not in {mount["mountPath"] for mount in container.get("volumeMounts", [])}:
            yield f"{name} writes to {key} = {folder}, where nothing is mounted"


def probes(rendering):
    """What stays up tells whether it lives and whether it is ready, on the path and the port that are there."""
    for pod, container, name in each_container(rendering):
        for probe, path in {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}.items():
            if probe not in container:
                if pod.stays_up and probe != "startupProbe":
                    yield f"{name} has no {probe}"
                continue
            request = container[probe].get("httpGet", {})
            if request.get("path") != path or request.get("port") != "admin" or "admin" not in pod.ports:
                yield f"{name}: {probe} does not ask {path} of the port `admin` of the pod"


def listeners(rendering):
    """A container's ports are those that the program listens on by its settings."""
    for _, container, name in each_container(rendering):
        shipped = shipped_settings(program(container["image"]))
        shipped = shipped | shipped.get("service", {})  # the trainer's, which listens only as a service
        listens = {"grpc": shipped.get("listen"), "admin": shipped.get("admin_listen")}
        for port in container.get("ports", []):
            address = listens.get(port["name"])
            if address and not address.endswith(f":{port['containerPort']}"):
                yield f"{name}: port {port['name']} is {port['containerPort']}, the program listens on {address}"


def resources(rendering):
    """Every container asks for CPU and memory and has a limit of memory, not below what it asks for."""
    for _, container, name in each_container(rendering):
        given = container.get("resources", {})
        requests, limits = given.get("requests", {}), given.get("limits", {})
        if not ("cpu" in requests and "memory" in requests and "memory" in limits):
            yield f"{name} does not say what it needs"
        for what in requests.keys() & limits.keys():
            if quantity(requests[what]) > quantity(limits[what]):
                yield f"{name} asks for more {what} than its limit"


def drain(rendering):
    """The lookup may finish its drain: the grace period is longer than notice and deadline together."""
    for pod, container, name in each_container(rendering):
        if program(container["image"]) == "lookup":
            environment, shipped = rendering.environment(container), shipped_settings("lookup")["drain"]
            needs = sum(seconds(environment.get(f"DAYVEC__DRAIN__{key.upper()}", shipped[key])) for key in ("notice", "deadline"))
            if pod.spec.get("terminationGracePeriodSeconds", 30) <= needs:
                yield f"{name} is killed before its drain of {needs} s ends"


def jobs(rendering):
    """A job's exit codes mean what the README says they mean, and it ends by itself."""
    for owner in rendering.of("CronJob") + rendering.of("Job"):
        name, job = f"{owner['kind']} {owner['metadata']['name']}", owner["spec"]
        if owner["kind"] == "CronJob":
            job = job["jobTemplate"]["spec"]
            if owner["spec"].get("timeZone") != "Etc/UTC" or owner["spec"].get("concurrencyPolicy") != "Forbid":
                yield f"{name} is not by UTC, or may overlap itself"
        pod = job["template"]["spec"]
        if pod.get("restartPolicy") != "Never":
            yield f"{name}: podFailurePolicy wants restartPolicy Never"
        if "ttlSecondsAfterFinished" not in job or "backoffLimit" not in job:
            yield f"{name} does not end, or stays for ever"
        verdicts, disrupted = {}, False
        for rule in job.get("podFailurePolicy", {}).get("rules", []):
            codes = rule.get("onExitCodes", {"values": []})
            if codes.get("containerName", pod["containers"][0]["name"]) not in {one["name"] for one in pod["containers"]}:
                yield f"{name}: podFailurePolicy names a container that is not there"
            for code in codes["values"]:
                verdicts.setdefault(code, rule["action"])
            conditions = {on["type"] for on in rule.get("onPodConditions", [])}
            disrupted |= rule["action"] == "Ignore" and "DisruptionTarget" in conditions
        if verdicts != VERDICTS or not disrupted:
            yield f"{name}: exit codes are judged {verdicts}, not {VERDICTS}, or a drained node counts as a failure"


def daily_run(rendering):
    """The shards of the daily run agree on how many they are and on the day, and each has buckets to encode."""
    for owner in rendering.of("CronJob"):
        job = owner["spec"]["jobTemplate"]["spec"]
        container = job["template"]["spec"]["containers"][0]
        if program(container["image"]) != "inference":
            continue
        name, environment = f"CronJob {owner['metadata']['name']}", rendering.environment(container)
        shards = job.get("completions")
        if job.get("completionMode") != "Indexed" or environment.get("DAYVEC_SHARDS") != str(shards):
            yield f"{name}: {shards} completions, DAYVEC_SHARDS={environment.get('DAYVEC_SHARDS')}"
        if not 1 <= job.get("parallelism", 1) <= shards:
            yield f"{name}: parallelism is not from 1 to {shards}"
        n_buckets = int(environment.get("DAYVEC__N_BUCKETS", shipped_settings("inference")["n_buckets"]))
        if shards > n_buckets:
            yield f"{name}: {shards} shards for {n_buckets} buckets"
        minute, hour = map(int, owner["spec"]["schedule"].split()[:2])
        delays = owner["spec"].get("startingDeadlineSeconds", DAY) + job.get("activeDeadlineSeconds", DAY)
        ends = hour * 3600 + minute * 60 + delays
        if container.get("args") != ["run", "--day", "yesterday"] or ends >= DAY:
            yield f"{name} may still start pods after midnight, which take `yesterday` for another day"


CHECKS = [restricted, images, settings, secrets, volumes, probes, listeners, resources, drain, jobs, daily_run]
