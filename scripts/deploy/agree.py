"""What no tool checks: that manifests, compose, systemd units, images and Prometheus agree with config/*.yaml and each other.

Every place that runs one of our programs (a container of a manifest or of compose, a unit) is read into a `Place`, so that
settings, ports, folders and tokens are checked in one way. Each check yields one sentence for every fault.
"""

import dataclasses
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ("lookup", "inference", "trainer", "console")
# Variables that are not settings: the daily run's shards, and the token of the command line.
OTHER_VARIABLES = {"DAYVEC_SHARDS", "DAYVEC_TOKEN"}
COMPOSE_FOLDER = "/var/lib/dayvec"  # deploy/seed/seed.py writes it into the configurations of docker compose
EXIT_CODES = {64: "FailJob", 65: "FailJob", 69: "Ignore", 75: "Ignore"}  # docs/runbook.md says what they mean


@dataclasses.dataclass
class Place:
    """Where a program runs, and what it is given there."""

    where: str
    program: str
    environment: dict  # name -> value; None where only the cluster knows it
    folders: set  # what it may write to, and what is mounted
    ports: dict = dataclasses.field(default_factory=dict)  # name or number -> number
    secrets: dict = dataclasses.field(default_factory=dict)  # path -> (Secret, key)
    grace: str = None  # from the request to stop until it is killed

    def setting(self, key):
        """A top-level setting, from the environment or else config/<program>.yaml."""
        return self.environment.get(f"DAYVEC__{key.upper()}") or shipped(self.program)[key]


def shipped(program):
    return yaml.safe_load((ROOT / "config" / f"{program}.yaml").read_text())


def listens(program, node=None):
    """Ports of `listen` and `admin_listen`, at whatever depth of the configuration they stand."""
    found = {}
    for key, value in (shipped(program) if node is None else node).items():
        if key in ("listen", "admin_listen") and value:
            found[key] = int(str(value).rsplit(":", 1)[-1])
        elif isinstance(value, dict):
            found |= listens(program, value)
    return found


def seconds(duration):
    units = {"ms": 0.001, "s": 1, "": 1, "min": 60, "m": 60, "h": 3600}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|min|s|m|h|)", str(duration)))


def program_of(image):
    """`registry.example.com/dayvec-lookup:0.1.0` -> `lookup`."""
    return image.rsplit("/", 1)[-1].split(":")[0].removeprefix("dayvec-")


# ---- reading places ---------------------------------------------------------------------------------------------------


def compose(*files):
    """Services of docker-compose.yml with override files laid over it: environment merged, volumes added."""
    services = {}
    for file in files:
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / file).read_text())
        for name, given in yaml.safe_load(text)["services"].items():
            service = services.setdefault(name, {})
            environment = service.get("environment", {}) | given.get("environment", {})
            volumes = service.get("volumes", []) + given.get("volumes", [])
            service |= given | {"environment": environment, "volumes": volumes}
    return services


def compose_places(services):
    for name, service in services.items():
        if program_of(service["image"]) in PROGRAMS:
            folders = {v["target"] if isinstance(v, dict) else v.split(":")[1] for v in service["volumes"]}
            ports = {port: int(port.rsplit(":", 1)[-1]) for port in service.get("ports", [])}
            grace, program = service["stop_grace_period"], program_of(service["image"])
            yield Place(f"compose: {name}", program, service["environment"], folders, ports, grace=grace)


def unit_places():
    for path in sorted((ROOT / "deploy/systemd").glob("*.service")):
        values = {}
        for key, value in re.findall(r"^(\w+)=(.*)$", path.read_text(), re.M):
            values.setdefault(key, []).extend(value.split())
        environment = dict(word.split("=", 1) for word in values["Environment"])
        folders = {f"/var/lib/{folder}" for folder in values.get("StateDirectory", [])}
        folders |= {f"/var/cache/{folder}" for folder in values.get("CacheDirectory", [])}
        program = values["ExecStart"][0].rsplit("/", 1)[-1]
        yield Place(path.name, program, environment, folders, grace=" ".join(values.get("TimeoutStopSec", ["90s"])))


def pods(objects):
    """(object, pod template) of everything that makes pods."""
    for one in objects:
        if one["kind"] in ("Deployment", "StatefulSet"):
            yield one, one["spec"]["template"]
        elif one["kind"] == "CronJob":
            yield one, one["spec"]["jobTemplate"]["spec"]["template"]


def name_of(one):
    return f"{one['kind']} {one['metadata']['name']}"


def find(objects, kind, name):
    return next((one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name), None)


def manifest_places(objects):
    for owner, template in pods(objects):
        spec = template["spec"]
        volumes = {volume["name"]: volume.get("secret") for volume in spec.get("volumes", [])}
        for container in spec["containers"]:
            environment = {}
            for source in container.get("envFrom", []):
                config_map = find(objects, "ConfigMap", source.get("configMapRef", {}).get("name"))
                environment |= (config_map or {}).get("data", {})
            environment |= {variable["name"]: variable.get("value") for variable in container.get("env", [])}
            mounts = {mount["mountPath"]: volumes.get(mount["name"]) for mount in container.get("volumeMounts", [])}
            secrets = {
                f"{path}/{item['path']}": (secret["secretName"], item["key"])
                for path, secret in mounts.items() if secret for item in secret.get("items", [])
            }
            ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
            grace = f"{spec.get('terminationGracePeriodSeconds', 30)}s"
            yield Place(name_of(owner), program_of(container["image"]), environment, set(mounts), ports, secrets, grace)


# ---- checks of a place ------------------------------------------------------------------------------------------------


def settings(place):
    """Every DAYVEC__ variable is a setting of its program, with a value of the same type."""
    for variable, value in place.environment.items():
        if not variable.startswith("DAYVEC__"):
            if variable.startswith("DAYVEC") and variable not in OTHER_VARIABLES:
                yield f"{variable} is not a setting; settings are DAYVEC__SECTION__KEY"
            continue
        node = shipped(place.program)
        for key in variable.removeprefix("DAYVEC__").lower().split("__"):
            if not node:
                break  # empty by default, so the file does not say what may be inside
            if not isinstance(node, dict) or key not in node:
                yield f"{variable}: config/{place.program}.yaml has no such setting"
                break
            node = node[key]
        else:
            given = None if value is None else yaml.safe_load(value)
            alike = isinstance(given, type(node)) or (isinstance(node, float) and isinstance(given, int))
            if given is not None and node is not None and not alike:
                yield f"{variable}={value}: the default, {node!r}, has another type"


def ports(place):
    """Every port is one that the program listens on."""
    known = set(listens(place.program).values())
    yield from (f"port {port}: {place.program} listens on {known}" for port in place.ports.values() if port not in known)


def folders(place):
    """A program writes to a folder that is mounted, or that systemd makes for it."""
    for key in {"cache_dir", "work_dir"} & shipped(place.program).keys():
        folder = COMPOSE_FOLDER if place.where.startswith("compose") else place.setting(key)
        if folder not in place.folders:
            yield f"{key} is {folder}, where nothing is mounted"


def drain(place):
    """The lookup has time to finish its drain."""
    if place.program == "lookup":
        default = shipped("lookup")["drain"]
        needed = sum(seconds(place.environment.get(f"DAYVEC__DRAIN__{key.upper()}", default[key])) for key in default)
        if seconds(place.grace) <= needed:
            yield f"is killed after {place.grace}, before its drain of {needed} s ends"


def tokens(place):
    """A file of tokens is where its variable says; a Secret is the program's own, with a key that docs/deploy.md makes."""
    text = (ROOT / "docs/deploy.md").read_text()
    for variable, path in place.environment.items():
        if not variable.endswith(("TOKENS_FILE", "TOKEN_FILE")):
            continue
        key = "tokens" if variable.endswith("TOKENS_FILE") else "token"
        if not place.where.startswith("compose"):
            secret = f"{place.program}-{key}"
            if place.secrets.get(path) != (secret, key) or f"secret generic {secret} --from-file={key}=" not in text:
                yield f"{variable}={path} is not the key {key} of the Secret {secret}, as docs/deploy.md makes it"
        elif str(pathlib.PurePath(path).parent) not in place.folders:
            yield f"{variable}={path}, where nothing is mounted"


def all_or_none(places):
    """When one service asks for tokens, all do, and the console has one to call the others with."""
    with_tokens = {place.where for place in places if any(v.endswith("TOKENS_FILE") for v in place.environment)}
    for place in places if with_tokens else []:
        if "inference" != place.program and place.ports and place.where not in with_tokens:
            yield f"{place.where}: has no TOKENS_FILE, though {sorted(with_tokens)[0]} has one"
        if place.program == "console" and "DAYVEC__TOKEN_FILE" not in place.environment:
            yield f"{place.where}: has no DAYVEC__TOKEN_FILE to call the others with"


def of_places(places):
    places = list(places)
    for place in places:
        for check in (settings, ports, folders, drain, tokens):
            yield from (f"{place.where}: {fault}" for fault in check(place))
    yield from all_or_none(places)


def called(place):
    """(host, port) of what the console calls."""
    if place.program == "console":
        lookups = place.setting("lookups")
        lookups = yaml.safe_load(lookups) if isinstance(lookups, str) else lookups
        urls = [lookup.get(key) for lookup in lookups for key in ("grpc", "metrics")]
        for url in [*urls, place.setting("trainer"), place.setting("inference_metrics")]:
            if url:
                host, port = re.fullmatch(r"http://([^:/]+):(\d+)(?:/.*)?", url).groups()
                yield host, int(port)


# ---- checks of hosts and compose --------------------------------------------------------------------------------------


def of_compose(services):
    """What the console calls and Prometheus scrapes is a service of docker-compose.yml, on a port that it listens on."""
    programs = {name: program_of(service["image"]) for name, service in services.items()}
    wanted = [(place.where, *address) for place in compose_places(services) for address in called(place)]
    for job in yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]:
        targets = [target.split(":") for static in job["static_configs"] for target in static["targets"]]
        wanted += [(f"prometheus.yml: {job['job_name']}", host, int(port)) for host, port in targets]
    for where, host, port in wanted:
        if programs.get(host) not in PROGRAMS or port not in listens(programs[host]).values():
            yield f"{where}: no service {host} listens on {port}"


def of_images(dockerfile):
    """An image exposes the ports of its program and asks the admin port for its health."""
    for stage in re.split(r"^FROM ", dockerfile, flags=re.M):
        program = program_of(stage.splitlines()[0].rsplit(" ", 1)[-1]) if stage else ""
        if program in PROGRAMS:
            known, exposed = listens(program), re.findall(r"^EXPOSE (.*)$", stage, re.M)
            healthy = re.search(r'"healthy", "(\d+)"', stage)
            if set(map(int, exposed[0].split())) != set(known.values()) or int(healthy[1]) != known["admin_listen"]:
                yield f"deploy/Dockerfile: {program} exposes {exposed[0]} and is healthy by {healthy[1]}, but listens on {known}"


def of_crontab(crontab):
    """Cron runs the command of the systemd unit."""
    unit = re.search(r"^ExecStart=/usr/local/bin/(.*)$", (ROOT / "deploy/systemd/dayvec-daily.service").read_text(), re.M)
    if f" {unit[1]};" not in crontab:
        yield f"deploy/crontab does not run `{unit[1]}`, as dayvec-daily.service does"
