"""Faults to put into what is good, and the check that must find each: a check that finds nothing proves nothing.

A mutation is (check, what to change, how). Of a rendering, `what` is "overlay/Kind/name" and `how` changes that object in
place; of the host, `what` is the name of a unit, or "crontab", and `how` is (text, its replacement).
"""

import copy

import hosts
import pods
import references
import rules
import schemas
import shards
import tokens
from rendering import Rendering

LOOKUP, DAILY, TRAINER = "base/Deployment/lookup", "base/CronJob/daily-run", "base/Deployment/trainer"
MONITOR, TRAIN = "production/ServiceMonitor/dayvec", "gpu/CronJob/train"
CONSOLE, SHARD, LAST = "sharded/Deployment/console", "sharded/StatefulSet/lookup-shard-0", "sharded/StatefulSet/lookup-shard-3"
SERVICE, BUDGET = "sharded/Service/lookup-shard-0", "sharded/PodDisruptionBudget/lookup-shard-0"
NAMES = "sharded/Service/lookup-shards"
RULES = "groups: [{name: g, rules: [{alert: A, expr: up == 0, for: 5m, labels: {severity: page}}]}]"


def template(one):
    spec = one["spec"]["jobTemplate"]["spec"] if one["kind"] == "CronJob" else one["spec"]
    return spec["template"]


def pod(one):
    return template(one)["spec"]


def container(one):
    return pod(one)["containers"][0]


def job(one):
    return one["spec"]["jobTemplate"]["spec"]


def variable(name):
    """A step to an environment variable of a container."""
    return lambda one: next(given for given in container(one)["env"] if given["name"] == name)


def volume(name):
    """A step to a volume of a pod."""
    return lambda one: next(given for given in pod(one)["volumes"] if given["name"] == name)


def mount(name):
    """A step to where a container mounts a volume."""
    return lambda one: next(given for given in container(one)["volumeMounts"] if given["name"] == name)


def apart(one):
    return pod(one)["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]


def of_eight(one):
    """A shard of another number than the rest, in every word."""
    variable("DAYVEC__SHARD")(one)["value"] = "0/8"
    for labels in (one["spec"]["selector"]["matchLabels"], template(one)["metadata"]["labels"]):
        labels["dayvec/shards"] = "8"


def whole(one):
    """Shards by the name of whole replicas."""
    for labels in (one["spec"]["selector"]["matchLabels"], template(one)["metadata"]["labels"]):
        labels["app.kubernetes.io/name"] = "lookup"


def put(*path):
    """A change that sets one value: put(container, "image", "x") is container(one)["image"] = "x"."""
    *way, key, value = path

    def change(one):
        for step in way:
            one = step(one) if callable(step) else one[step]
        one[key] = value

    return change


def drop(*path):
    """A change that takes one value away."""
    *way, key = path

    def change(one):
        for step in way:
            one = step(one) if callable(step) else one[step]
        del one[key]

    return change


MUTATIONS = [
    (schemas.schema, LOOKUP, put("spec", "replica", 2)),
    (schemas.schema, LOOKUP, put(container, "ports", 0, "containerPort", "grpc")),
    (schemas.schema, DAILY, drop("spec", "schedule")),
    (schemas.schema, "base/NetworkPolicy/dns", put("spec", "egress", 0, "ports", 0, "prot", "UDP")),
    (schemas.operator_types, MONITOR, put("spec", "endpoints", 0, "intervall", "15s")),
    (schemas.operator_types, MONITOR, put("spec", "endpoints", 0, "interval", "often")),
    (schemas.operator_types, MONITOR, drop("spec", "selector")),
    (schemas.operator_types, MONITOR, put("apiVersion", "monitoring.coreos.com/v1alpha1")),
    (references.names, "base/ServiceAccount/lookup", put("metadata", "name", "trainer")),
    (references.names, "gpu/CronJob/train", drop("metadata", "namespace")),
    (references.names, "base/Namespace/dayvec", put("kind", "Project")),
    (references.selectors, LOOKUP, put("spec", "selector", "matchLabels", {"app.kubernetes.io/part-of": "dayvec"})),
    (references.selectors, LOOKUP, put(template, "metadata", "labels", {"app.kubernetes.io/name": "look-up"})),
    (references.selectors, LOOKUP, put(pod, "topologySpreadConstraints", 0, "labelSelector", "matchLabels", {"a": "b"})),
    (references.selectors, "base/Service/lookup-headless", put("spec", "selector", {"app.kubernetes.io/name": "look-up"})),
    (references.selectors, "base/Service/console", put("spec", "selector", {"app.kubernetes.io/part-of": "dayvec"})),
    (references.selectors, "base/PodDisruptionBudget/lookup", put("spec", "selector", "matchLabels", {"a": "b"})),
    (references.selectors, "base/NetworkPolicy/trainer", put("spec", "podSelector", "matchLabels", {"a": "b"})),
    (references.selectors, MONITOR, put("spec", "selector", "matchLabels", {"a": "b"})),
    (references.selectors, SHARD, drop("spec", "selector", "matchLabels", "dayvec/shard")),
    (references.selectors, "two-numbers/StatefulSet/lookup-shard-0", drop("spec", "selector", "matchLabels", "dayvec/shards")),
    (references.selectors, SERVICE, put("spec", "selector", "dayvec/shard", "4")),
    (references.references, LOOKUP, put(container, "envFrom", 1, "configMapRef", "name", "lookup")),
    (references.references, DAILY, drop(container, "envFrom", 2, "secretRef", "optional")),
    (references.references, DAILY, put(container, "env", 1, "valueFrom", "resourceFieldRef", "containerName", "daily")),
    (references.references, DAILY, put(pod, "serviceAccountName", "daily")),
    (references.references, TRAINER, put(pod, "volumes", 0, "persistentVolumeClaim", "claimName", "work")),
    (references.ports, "base/Service/lookup", put("spec", "ports", 0, "targetPort", "http")),
    (references.ports, "production/Service/lookup", put("spec", "ports", 0, "name", "admin")),
    (references.ports, "production/Service/trainer", put("spec", "ports", 1, "name", "metrics")),
    (references.ports, "production/Service/console", drop("metadata", "labels", "app.kubernetes.io/name")),
    (references.ports, SERVICE, put("metadata", "labels", "app.kubernetes.io/name", "lookup-shard")),
    (references.ports, NAMES, put("spec", "ports", 0, "name", "admin")),
    (references.references, TRAINER, put(pod, "volumes", 1, {"name": "tmp", "configMap": {"name": "tmp"}})),
    (references.scaling, "base/HorizontalPodAutoscaler/lookup", put("spec", "scaleTargetRef", "name", "look-up")),
    (references.scaling, "base/HorizontalPodAutoscaler/lookup", put("spec", "maxReplicas", 1)),
    (references.scaling, LOOKUP, put("spec", "replicas", 2)),
    (references.scaling, LOOKUP, drop(container, "resources", "requests", "cpu")),
    (references.scaling, TRAINER, put("spec", "replicas", 2)),
    (references.scaling, TRAINER, put("spec", "strategy", "type", "RollingUpdate")),
    (references.budgets, "base/PodDisruptionBudget/lookup", put("spec", "maxUnavailable", 0)),
    (references.budgets, BUDGET, put("spec", "maxUnavailable", 2)),
    (references.budgets, BUDGET, put("spec", {"minAvailable": 2, "selector": {"matchLabels": {"dayvec/shard": "0"}}})),
    (references.budgets, BUDGET, put("spec", "selector", "matchLabels", "dayvec/shard", "1")),
    (references.budgets, "beside-whole/PodDisruptionBudget/lookup", put("spec", "selector", "matchLabels", {})),
    (references.network, "base/NetworkPolicy/deny-all", put("spec", "policyTypes", ["Ingress"])),
    (references.network, "base/NetworkPolicy/bucket", drop("spec", "egress", 0, "to")),
    (references.network, "base/NetworkPolicy/bucket", put("spec", "egress", 0, "ports", 0, "port", 80)),
    (references.network, "base/NetworkPolicy/lookup", drop("spec", "ingress", 0, "ports")),
    (references.network, "base/NetworkPolicy/trainer", put("spec", "ingress", 0, "ports", 0, "port", "http")),
    (references.network, "base/NetworkPolicy/console", put("spec", "podSelector", "matchLabels", {"a": "b"})),
    (pods.restricted, "base/Namespace/dayvec", put("metadata", "labels", "pod-security.kubernetes.io/enforce", "baseline")),
    (pods.restricted, LOOKUP, put(pod, "hostNetwork", True)),
    (pods.restricted, LOOKUP, put(pod, "volumes", 0, {"name": "cache", "hostPath": {"path": "/cache"}})),
    (pods.restricted, LOOKUP, drop(pod, "securityContext", "seccompProfile")),
    (pods.restricted, DAILY, drop(pod, "securityContext", "runAsNonRoot")),
    (pods.restricted, DAILY, put(pod, "securityContext", "runAsUser", 0)),
    (pods.restricted, DAILY, put(pod, "securityContext", "sysctls", [{"name": "kernel.shmmax", "value": "1"}])),
    (pods.restricted, DAILY, drop(pod, "automountServiceAccountToken")),
    (pods.restricted, TRAINER, drop(container, "securityContext", "allowPrivilegeEscalation")),
    (pods.restricted, TRAINER, put(container, "securityContext", "capabilities", "add", ["SYS_ADMIN"])),
    (pods.restricted, TRAINER, put(container, "securityContext", "readOnlyRootFilesystem", False)),
    (pods.restricted, TRAINER, put(container, "securityContext", "runAsUser", 0)),
    (pods.restricted, LOOKUP, put(container, "ports", 0, "hostPort", 50051)),
    (pods.images, LOOKUP, put(container, "image", "dayvec-lookup")),
    (pods.images, LOOKUP, put(container, "image", "dayvec-lookup:latest")),
    (pods.images, LOOKUP, put(container, "image", "nginx:1.27")),
    (pods.images, "gpu/Deployment/trainer", put(container, "image", "dayvec-trainer:0.1.0")),
    (pods.images, "gpu/CronJob/daily-run", drop(container, "resources", "limits", "nvidia.com/gpu")),
    (pods.images, TRAIN, drop(pod, "tolerations")),
    (pods.images, TRAIN, put(container, "env", 2, {"name": "WORLD_SIZE", "value": "2"})),
    (pods.settings, LOOKUP, put(container, "env", [{"name": "DAYVEC__CACHE_DIRECTORY", "value": "/cache"}])),
    (pods.settings, LOOKUP, put(container, "env", [{"name": "DAYVEC__LIMITS__MAX_BATCH_KEYS", "value": "many"}])),
    (pods.settings, LOOKUP, put(container, "env", [{"name": "DAYVEC_BUCKET", "value": "s3://dayvec"}])),
    (pods.settings, LOOKUP, put(container, "env", [{"name": "DAYVEC__SHARD", "value": "4"}])),
    (pods.settings, DAILY, put(container, "env", 1, "name", "DAYVEC__RUN__THREADS")),
    (pods.settings, TRAINER, put(container, "env", [{"name": "DAYVEC__EVENTS", "value": "s3://dayvec/events"}])),
    (pods.settings, "base/Deployment/console", put(container, "env", [{"name": "DAYVEC__LISTEN_ON", "value": "0.0.0.0:8080"}])),
    (pods.settings, "base/Deployment/console", put(container, "env", [{"name": "DAYVEC__BUCKET", "value": "./bucket"}])),
    (pods.secrets, "base/Service/lookup", put("kind", "Secret")),
    (pods.secrets, LOOKUP, put(container, "env", [{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}])),
    (pods.secrets, LOOKUP, put(container, "env", [{"name": "DAYVEC_TOKEN", "value": "x"}])),
    (pods.volumes, LOOKUP, drop(container, "volumeMounts", 0)),
    (pods.volumes, LOOKUP, put(pod, "volumes", [])),
    (pods.volumes, LOOKUP, drop(pod, "volumes", 0, "emptyDir", "sizeLimit")),
    (pods.volumes, DAILY, put(container, "volumeMounts", 0, "mountPath", "/scratch")),
    (pods.volumes, SHARD, drop("spec", "volumeClaimTemplates")),
    (pods.probes, LOOKUP, drop(container, "readinessProbe")),
    (pods.probes, LOOKUP, put(container, "livenessProbe", "httpGet", "path", "/readyz")),
    (pods.probes, TRAINER, put(container, "startupProbe", "httpGet", "port", "http")),
    (pods.probes, "base/Deployment/console", put(container, "ports", 1, "name", "metrics")),
    (pods.listeners, LOOKUP, put(container, "ports", 0, "containerPort", 50052)),
    (pods.resources, DAILY, drop(container, "resources", "limits", "memory")),
    (pods.resources, DAILY, put(container, "resources", "requests", "memory", "9000Mi")),
    (pods.drain, LOOKUP, put(pod, "terminationGracePeriodSeconds", 30)),
    (pods.jobs, DAILY, put("spec", "timeZone", "Europe/Berlin")),
    (pods.jobs, DAILY, put(pod, "restartPolicy", "OnFailure")),
    (pods.jobs, DAILY, drop(job, "ttlSecondsAfterFinished")),
    (pods.jobs, DAILY, drop(job, "podFailurePolicy", "rules", 0)),
    (pods.jobs, DAILY, put(job, "podFailurePolicy", "rules", 0, "onExitCodes", "containerName", "daily")),
    (pods.jobs, TRAIN, put(job, "podFailurePolicy", "rules", 1, "action", "Count")),
    (pods.jobs, TRAIN, drop(job, "podFailurePolicy", "rules", 2)),
    (pods.daily_run, DAILY, put(container, "env", 0, "value", "8")),
    (pods.daily_run, DAILY, put(job, "completionMode", "NonIndexed")),
    (pods.daily_run, DAILY, put(job, "parallelism", 8)),
    (pods.daily_run, DAILY, put(container, "env", 1, {"name": "DAYVEC__N_BUCKETS", "value": "2"})),
    (pods.daily_run, DAILY, put(job, "activeDeadlineSeconds", 60000)),
    (pods.daily_run, DAILY, drop("spec", "startingDeadlineSeconds")),
    (shards.shards, SHARD, put(variable("DAYVEC__SHARD"), "value", "1/4")),
    (shards.shards, SHARD, put(variable("DAYVEC__SHARD"), "value", "0/8")),
    (shards.shards, SHARD, put(variable("DAYVEC__SHARD"), "value", "4/4")),
    (shards.shards, SHARD, put(variable("DAYVEC__SHARD"), "value", "0")),
    (shards.shards, SHARD, put(variable("DAYVEC__SHARD"), "name", "DAYVEC__SHARE")),
    (shards.shards, SHARD, put(template, "metadata", "labels", "dayvec/shard", "1")),
    (shards.shards, SHARD, drop(template, "metadata", "labels", "dayvec/shards")),
    (shards.shards, SHARD, of_eight),
    (shards.shards, LAST, put("kind", "DaemonSet")),
    (shards.shards, "two-numbers/StatefulSet/lookup-shard-7-of-8", put("kind", "DaemonSet")),
    (shards.shards, "two-numbers/StatefulSet/lookup-shard-0", of_eight),
    (shards.shards, LOOKUP, put(container, "env", [{"name": "DAYVEC__SHARD", "value": "0/4"}])),
    (shards.shards, "sharded/CronJob/daily-run", put(container, "env", 1, {"name": "DAYVEC__N_BUCKETS", "value": "3"})),
    (shards.found, SERVICE, put("kind", "Endpoints")),
    (shards.found, SERVICE, put("metadata", "name", "lookup-shard-1")),
    (shards.found, SERVICE, drop("spec", "selector", "dayvec/shard")),
    (shards.found, SERVICE, put("spec", "selector", "dayvec/shard", "1")),
    (shards.found, SERVICE, put("spec", "ports", 0, "name", "calls")),
    (shards.found, "two-numbers/Service/lookup-shard-0", drop("spec", "selector", "dayvec/shards")),
    (shards.found, "base/PodDisruptionBudget/lookup", put("kind", "Budget")),
    (shards.found, BUDGET, put("kind", "Budget")),
    (shards.found, BUDGET, put("spec", "selector", "matchLabels", "dayvec/shard", "1")),
    (shards.found, "beside-whole/StatefulSet/lookup-shard-0", whole),
    (shards.kept, SHARD, drop("spec", "replicas")),
    (shards.kept, LAST, put("spec", "replicas", 1)),
    (shards.kept, SHARD, drop(pod, "affinity")),
    (shards.kept, SHARD, drop(apart, "labelSelector", "matchLabels", "dayvec/shard")),
    (shards.kept, SHARD, put(apart, "labelSelector", "matchLabels", "dayvec/shard", "1")),
    (shards.kept, SHARD, put(apart, "topologyKey", "topology.kubernetes.io/zone")),
    (shards.kept, SHARD, put(apart, "matchLabelKeys", ["controller-revision-hash"])),
    (shards.kept, SHARD, put("spec", "podManagementPolicy", "Parallel")),
    (shards.kept, SHARD, put("spec", "updateStrategy", {"type": "OnDelete"})),
    (shards.kept, SHARD, put("spec", "updateStrategy", {"rollingUpdate": {"partition": 1}})),
    (shards.kept, SHARD, put("spec", "updateStrategy", {"rollingUpdate": {"maxUnavailable": 2}})),
    (shards.sets, SHARD, put("spec", "serviceName", "lookup")),
    (shards.sets, SHARD, put("spec", "serviceName", "lookup-shard-0")),
    (shards.sets, SERVICE, put("spec", "publishNotReadyAddresses", True)),
    (shards.sets, SERVICE, drop("spec", "clusterIP")),
    (shards.sets, NAMES, drop("spec", "clusterIP")),
    (shards.sets, NAMES, drop("spec", "publishNotReadyAddresses")),
    (shards.sets, NAMES, put("spec", "selector", "dayvec/shard", "1")),
    (shards.addresses, CONSOLE, put(variable("DAYVEC__LOOKUPS"), "value", '[{grpc: "http://lookup-shard-0:50051"}]')),
    (shards.addresses, CONSOLE, put(variable("DAYVEC__TRAINER"), "value", "http://trainer:50051")),
    (shards.addresses, SHARD, put("metadata", "name", "lookup-shard-4")),
    (shards.addresses, SHARD, put("spec", "replicas", 3)),
    (shards.addresses, "base/Service/lookup", put("metadata", "name", "look-up")),
    (shards.addresses, "sharded/NetworkPolicy/console", put("spec", "egress", 0, "to", 0, "podSelector", "matchLabels", {"a": "b"})),
    (shards.addresses, "sharded/NetworkPolicy/lookup-shards", drop("spec", "ingress", 0, "from", 1)),
    (tokens.tokens, "production/Deployment/lookup", put(variable("DAYVEC__TOKENS_FILE"), "value", "/tokens")),
    (tokens.tokens, "production/Deployment/lookup", put(mount("tokens"), "mountPath", "/token")),
    (tokens.tokens, "production/Deployment/trainer", put(volume("tokens"), "secret", "secretName", "lookup-tokens")),
    (tokens.tokens, "production/Deployment/trainer", put(volume("tokens"), "secret", "items", 0, "path", "trainer")),
    (tokens.tokens, CONSOLE, put(volume("token"), "secret", "items", 0, "key", "tokens")),
    (tokens.tokens, CONSOLE, put(variable("DAYVEC__TOKEN_FILE"), "name", "DAYVEC__TOKEN")),
    (tokens.tokens, LAST, put(variable("DAYVEC__TOKENS_FILE"), "name", "DAYVEC__TOKENS")),
    (references.references, SHARD, put(volume("tokens"), "secret", "secretName", "tokens")),
    (tokens.mounts, SHARD, put(volume("tokens"), "secret", "items", 0, "key", "token")),
    (tokens.mounts, SHARD, drop(volume("tokens"), "secret", "items")),
    (tokens.mounts, SHARD, put(volume("tokens"), "secret", "optional", True)),
    (tokens.mounts, SHARD, put(volume("tokens"), "secret", "defaultMode", 0o444)),
    (tokens.mounts, SHARD, drop(volume("tokens"), "secret", "defaultMode")),
    (tokens.mounts, CONSOLE, drop(pod, "securityContext", "fsGroup")),
    (tokens.mounts, CONSOLE, put(mount("token"), "subPath", "token")),
    (tokens.mounts, CONSOLE, drop(mount("tokens"), "readOnly")),
    (hosts.verify, "dayvec-daily.service", ("RestartSec=15min", "RestartDelay=15min")),
    (hosts.verify, "dayvec-daily.service", ("Type=oneshot", "Type=onceonly")),
    (hosts.verify, "dayvec-daily.service", ("Restart=on-failure", "Restart=always")),
    (hosts.verify, "dayvec-lookup.service", ("/usr/local/bin/lookup", "/usr/local/bin/look-up")),
    (hosts.verify, "dayvec-daily.timer", ("03:00:00 UTC", "25:00:00 UTC")),
    (hosts.verify, "dayvec-.service.d/hardening.conf", ("ProtectSystem=strict", "ProtectSystem=strictly")),
    (hosts.hardened, "dayvec-.service.d/hardening.conf", ("CapabilityBoundingSet=\n", "")),
    (hosts.units, "dayvec-lookup.service", ("/etc/dayvec/lookup.yaml", "/etc/dayvec/settings.yaml")),
    (hosts.units, "dayvec-lookup.service", ("DAYVEC__CACHE_DIR", "DAYVEC__WORK_DIR")),
    (hosts.units, "dayvec-trainer.service", ("/libtorch/lib", "/libtorch")),
    (hosts.units, "dayvec-trainer.service", ("StateDirectory=dayvec dayvec/trainer", "CacheDirectory=dayvec/trainer")),
    (hosts.units, "dayvec-daily.service", ("RestartPreventExitStatus=64 65", "RestartPreventExitStatus=64")),
    (hosts.units, "dayvec-trainer.service", ("Restart=always", "Restart=no")),
    (hosts.units, "dayvec-lookup.service", ("TimeoutStopSec=30s", "TimeoutStopSec=20s")),
    (hosts.units, "dayvec-daily.timer", ("Persistent=true", "Persistent=false")),
    (hosts.cron, "crontab", ("0 3-8 * * *", "0 3-25 * * *")),
    (hosts.cron, "crontab", ("0 3-8 * * *", "0 3 * *")),
    (hosts.cron, "crontab", ("0 3-8 * * * ", "#")),
    (hosts.cron, "crontab", ("LD_LIBRARY_PATH", "LIBRARY_PATH")),
    (hosts.cron, "crontab", ("dayvec {", "root {")),
    (hosts.cron, "crontab", ("logger --tag", "logger %d --tag")),
    (hosts.cron, "crontab", ("--day yesterday", "--day today")),
    (hosts.cron, "crontab", ("set -a && ", "")),
    (hosts.cron, "crontab", ("2>&1 | logger --tag dayvec-daily", ">/dev/null")),
    (hosts.cron, "crontab", ("flock --nonblock daily.lock ", "")),
]


def run(renderings, host, checks):
    """Put every fault in, one at a time. Returns how many were found, and a sentence for each fault and check that is not."""
    unproven = [f"{check.__name__} has no fault to find" for check in checks if not any(check is one for one, _, _ in MUTATIONS)]
    for check, what, how in MUTATIONS:
        changed = changed_host(host, what, how) if check in hosts.CHECKS else changed_rendering(renderings, what, how)
        if not any(check(changed)):
            unproven.append(f"{check.__name__} does not see a fault in {what}, number {MUTATIONS.index((check, what, how))}")
    other = Rendering("of other rules", [rules.rule_of(RULES.replace("5m", "1h"))])
    if not list(rules.in_step(RULES, other)) or not list(rules.in_step(None, other)) or list(schemas.operator_types(other)):
        unproven.append("in_step does not see a rule that differs")
    bad = Rendering("of a bad rule", [rules.rule_of(RULES.replace("expr", "expression"))])
    if not list(schemas.operator_types(bad)):
        unproven.append("operator_types does not see a rule without an expression")
    return len(MUTATIONS) + 3 - len(unproven), unproven


def changed_rendering(renderings, what, how):
    overlay, kind, name = what.split("/")
    changed = copy.deepcopy(renderings[overlay])
    how(changed.find(kind, name))
    return changed


def changed_host(host, what, how):
    changed = copy.deepcopy(host)
    before = changed.crontab if what == "crontab" else changed.units[what]
    assert before.count(how[0]) == 1, f"{what} has {before.count(how[0])} times {how[0]}"
    if what == "crontab":
        changed.crontab = before.replace(*how)
    else:
        changed.units[what] = before.replace(*how)
    return changed
