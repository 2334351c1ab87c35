"""Start containers again that `docker kill` ended: healer-1 and healer-2 of docker-compose.yml, profile `heal`.

    heal.py SECONDS      the wait before a first start; each healer has its own, so that they do not start one at once

A restart policy covers crashes and memory, but Docker takes `docker kill` for a person's wish and leaves the container
as it is. This program follows Docker's events and starts such a container of its own compose project again, if
  - a signal sent through Docker ended it, that is, with an exit code above 128;
  - it has a restart policy, and is none of `docker compose run`;
  - nobody asked it to stop.
It must never start what a person stopped. The exit code does not tell: `docker compose stop` kills, too, once the grace
period is over. Docker's events do: `stop`, `restart`, `down`, and an `up` that recreates, send the stop signal first and
tell a `stop` at the end. `docker rm --force` and a `docker compose kill` of everything do not, but the container, or
this program, is gone before the first wait is over.

Each healer is one of the containers that the other watches. One that is left without events ends, and Docker starts it
again. Docker's socket is all that it needs, and gives root on the host: this program must do nothing else.
"""

import collections
import datetime
import http.client
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
import urllib.parse

SOCKET = os.environ.get("DOCKER_SOCKET", "/var/run/docker.sock")
PROJECT = "com.docker.compose.project"
ONE_OFF = "com.docker.compose.oneoff"
# With these a program is asked to end; whatever its exit code is then, somebody wanted it.
POLITE = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}
POLICIES = ("always", "unless-stopped", "on-failure")
# A container that ends within so many seconds of its start waits twice as long as the time before (Docker itself takes
# ten seconds for having come up), up to so many times the first wait.
COMES_UP = 10
LONGEST_WAIT = 32
# So much of what it missed, in seconds, a healer reads when it starts: many times what its peer needs to start it.
MEMORY = 300
# Docker answers within milliseconds; one that does not for so long is better asked anew.
TIMEOUT = 30


def say(level, message, **values):
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    print(json.dumps({"timestamp": now, "level": level, "message": message} | values), flush=True)


class Connection(http.client.HTTPConnection):
    """HTTP over Docker's socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


class Docker:
    """The few calls of Docker's API, in the engine's own version of it: no version suits both Docker 20.10 and 29.0."""

    def __init__(self):
        self.prefix = ""
        self.prefix = "/v" + self.request("GET", "/_ping").headers["Api-Version"]

    def request(self, method, path, timeout=TIMEOUT):
        connection = Connection("docker", timeout=timeout)
        connection.request(method, self.prefix + path)
        return connection.getresponse()

    def inspect(self, container):
        """What Docker knows of a container; None when it is gone."""
        response = self.request("GET", f"/containers/{container}/json")
        return None if response.status == 404 else json.load(response)

    def start(self, container):
        """The status: 204 started, 304 it runs already, 404 it is gone; or what was wrong."""
        response = self.request("POST", f"/containers/{container}/start")
        return response.status, response.read().decode(errors="replace").strip()

    def events(self, project, since, until=None):
        """What happens to the containers of a project, as it happens; up to `until`, where given."""
        filters = {
            "type": ["container"],
            "event": ["start", "kill", "die", "stop", "destroy"],
            "label": [f"{PROJECT}={project}"],
        }
        query = {"since": f"{since:.9f}", "filters": json.dumps(filters)} | ({"until": f"{until:.9f}"} if until else {})
        for line in self.request("GET", "/events?" + urllib.parse.urlencode(query), timeout=None):
            yield json.loads(line)


class Story:
    """What Docker's events tell of one container."""

    def __init__(self):
        self.signals = set()  # sent through Docker since the start
        self.started = None  # when, unless it has ended since
        self.ended = None  # when, if by a signal
        self.ends = 0  # in a row, each soon after the start

    def see(self, event):
        action, told, now = event["Action"], event["Actor"]["Attributes"], event["timeNano"] / 1e9
        if action == "start":
            self.signals, self.started, self.ended = set(), now, None
        elif action == "kill":
            self.signals.add(int(told["signal"]))
        elif action == "stop":
            self.signals.add(signal.SIGTERM)
        elif action == "die" and int(told["exitCode"]) > 128:
            self.end(now)

    def end(self, now):
        came_up = self.started is not None and now - self.started > COMES_UP
        self.ends = 1 if came_up else self.ends + 1
        self.started, self.ended = None, now

    def due(self, first_wait):
        """When to start the container again; None when that is not for us."""
        if self.ended is None or not self.signals or self.signals & POLITE:
            return None
        return self.ended + first_wait * min(LONGEST_WAIT, 2 ** (self.ends - 1))


def heal(docker, container, story):
    """Start a container again, unless it runs, is gone, or must not."""
    ended, found = story.ended, docker.inspect(container)
    story.ended = None
    if found is None:
        return
    state, config, policy = (found[key] for key in ("State", "Config", "HostConfig"))
    is_service = policy["RestartPolicy"]["Name"] in POLICIES and config["Labels"].get(ONE_OFF) != "True"
    if state["Status"] != "exited" or not is_service:
        return
    name = found["Name"].removeprefix("/")
    status, fault = docker.start(container)
    if status == 204:
        say("INFO", "started again", container=name, exit_code=state["ExitCode"], after_s=round(time.time() - ended, 1))
    elif status not in (304, 404):  # 304: the other healer was quicker
        say("WARN", "cannot start again", container=name, status=status, fault=fault)
        story.end(time.time())  # as if it had run and been killed: later, and later again


def follow(docker, project, since, events):
    """Put every event into a queue, and None when there are no more."""
    try:
        for event in docker.events(project, since):
            events.put(event)
    finally:
        events.put(None)


def main(first_wait):
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: sys.exit(0))
    docker = Docker()
    own = docker.inspect(socket.gethostname())  # which Docker sets to the container's id
    project = own and (own["Config"]["Labels"] or {}).get(PROJECT)
    if not project:
        sys.exit("heal.py: this is no container of a compose project")
    say("INFO", "healing", project=project)
    stories = collections.defaultdict(Story)
    now = time.time()
    # All of the past before any start: its last word may be a stop.
    for event in docker.events(project, now - MEMORY, now):
        stories[event["Actor"]["ID"]].see(event)
    events = queue.SimpleQueue()
    threading.Thread(target=follow, args=(docker, project, now, events), daemon=True).start()
    while True:
        dues = {id: story.due(first_wait) for id, story in stories.items()}
        due, container = min(((due, id) for id, due in dues.items() if due), default=(None, None))
        try:
            event = events.get(timeout=due and max(0, due - time.time()))
        except queue.Empty:
            heal(docker, container, stories[container])
            continue
        if event is None:
            sys.exit("heal.py: Docker tells no more events")
        if event["Action"] == "destroy":
            stories.pop(event["Actor"]["ID"], None)
        else:
            stories[event["Actor"]["ID"]].see(event)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(float(sys.argv[1]))
