"""deploy/heal.py against a Docker that is made up: which containers it starts again, which it leaves, and how it ends.

The events that it is told lie in the past, so every wait is over already or far from over, however fast the machine is.
MUTATIONS are faults to put into it, each of which must be found.
"""

import dataclasses
import http.server
import json
import pathlib
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from rendering import ROOT

SOURCE = ROOT / "deploy" / "heal.py"
PROJECT = "com.docker.compose.project"
# A healer that is sound needs less than a second.
DEADLINE = 15


@dataclasses.dataclass
class Container:
    """One container: what happened to it (seconds ago, what, signal or exit code), how it is set up, what must follow."""

    name: str
    events: list
    is_started: bool = False
    policy: str = "unless-stopped"
    status: str = "exited"
    project: str = "ours"
    is_one_off: bool = False
    is_live: bool = False  # told as it happens, not when asked what was before
    answers: tuple = (204,)  # to `start`, the last one from then on
    n_starts: int = 0

    def labels(self):
        return {PROJECT: self.project, "com.docker.compose.oneoff": str(self.is_one_off)}

    def inspected(self):
        return {
            "Name": f"/{self.name}",
            "State": {"Status": self.status, "ExitCode": 137},
            "Config": {"Labels": self.labels()},
            "HostConfig": {"RestartPolicy": {"Name": self.policy}},
        }

    def messages(self, now):
        for ago, action, *value in self.events:
            told = {"kill": "signal", "die": "exitCode"}.get(action)
            attributes = self.labels() | ({told: str(value[0])} if told else {})
            yield {"Action": action, "Actor": {"ID": self.name, "Attributes": attributes}, "timeNano": int((now - ago) * 1e9)}


def killed(ago):
    return [(ago, "kill", 9), (ago, "die", 137)]


def in_a_row(times, ago):
    """Killed so many times, each time a second after the start, and the last time `ago`."""
    return [event for n in reversed(range(times)) for event in [(ago + n + 1, "start"), *killed(ago + n)]]


STOPPED = [(100, "kill", 15), (98, "kill", 9), (98, "die", 137), (98, "stop")]
# With a first wait of a minute: what ended a hundred seconds ago is due.
STORIES = [
    Container("killed", killed(100), True),
    Container("aborted", [(100, "kill", 6), (100, "die", 134)], True),
    Container("always", killed(100), True, policy="always"),
    Container("on-failure", killed(100), True, policy="on-failure"),
    Container("one-shot", killed(100), policy="no"),
    Container("run", killed(100), is_one_off=True),
    Container("finished", [(200, "kill", 1), (100, "die", 0)]),
    Container("crashed", [(100, "die", 139)]),
    Container("crashed-later", [*killed(200), (199, "start"), (100, "die", 139)]),
    Container("stopped", STOPPED),
    Container("stopped-its-own-way", [(100, "kill", 10), *STOPPED[1:]]),
    Container("asked-to-end", STOPPED[:-1]),
    Container("stopped-once", [*STOPPED, (97, "start"), *killed(80)], True),
    Container("runs", killed(100), status="running"),
    Container("gone", killed(100), status=None),
    Container("of-another-project", killed(100), project="theirs"),
    Container("long-ago", killed(400)),
    Container("just-now", killed(30)),
    Container("over-and-over", in_a_row(3, 100)),
    Container("now-and-then", [*killed(180), (179, "start"), *killed(150), (149, "start"), *killed(100)], True),
    Container("as-it-happens", killed(100), True, is_live=True),
    Container("of-the-other-healer", killed(100), answers=(304,)),
    Container("last", killed(61), True, is_live=True),
]
# With a first wait of a twentieth of a second.
BAD_STARTS = [
    Container("capped", in_a_row(14, 100), True),
    Container("fails-twice", killed(50), True, answers=(500, 500, 204)),
]


class Docker(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Docker's API, as far as the healer needs it, over a socket."""

    daemon_threads = True

    def __init__(self, path, containers):
        super().__init__(str(path), Handler)
        self.now = time.time()
        self.containers = {one.name: one for one in containers}
        self.started, self.is_over = [], threading.Event()

    def handle_error(self, *_):
        """A request that cannot be answered to its end: the healer has ended, as it may."""

    def start(self, name):
        one = self.containers[name]
        code = one.answers[min(one.n_starts, len(one.answers) - 1)]
        one.n_starts += 1
        if code == 204:
            self.started.append(name)
            one.status = "running"
        return code

    def told(self, query):
        """The events that a query asks for."""
        filters = json.loads(query["filters"])
        is_live, since = "until" not in query, float(query["since"])
        for one in self.containers.values():
            for message in one.messages(self.now) if one.is_live == is_live else ():
                labels = {PROJECT, f"{PROJECT}={one.project}"}
                is_asked = message["Action"] in filters["event"] and labels.issuperset(filters["label"])
                if is_asked and (is_live or since <= message["timeNano"] / 1e9 <= float(query["until"])):
                    yield message


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, content=b""):
        self.send_response(code)
        self.send_header("Api-Version", "1.41")
        if code != 304:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        match address.path.split("/")[1:]:
            case ["_ping"]:
                self.answer(200, b"OK")
            case ["v1.41", "events"]:
                self.tell(dict(urllib.parse.parse_qsl(address.query)))
            case ["v1.41", "containers", name, "json"] if name == socket.gethostname():
                self.answer(200, json.dumps(Container("healer", []).inspected()).encode())
            case ["v1.41", "containers", name, "json"] if self.server.containers[name].status:
                self.answer(200, json.dumps(self.server.containers[name].inspected()).encode())
            case ["v1.41", "containers", _, "json"]:
                self.answer(404, b"{}")
            case _:
                self.answer(400)

    def do_POST(self):
        match self.path.split("/")[1:]:
            case ["v1.41", "containers", name, "start"]:
                self.answer(self.server.start(name))
            case _:
                self.answer(400)

    def tell(self, query):
        """Events, in halves as they may well arrive; without an `until` the answer stays open to the end."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for message in self.server.told(query):
            line = json.dumps(message).encode() + b"\n"
            for half in (line[:9], line[9:]):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(half), half))
                self.wfile.flush()
        if "until" not in query:
            self.server.is_over.wait()
        self.wfile.write(b"0\r\n\r\n")


def run(source, seconds, containers, is_told_to_end):
    """What is wrong with a healer that sees these containers; the last one is the last that it starts."""
    containers = [dataclasses.replace(one) for one in containers]
    with tempfile.TemporaryDirectory() as work:
        program, path = pathlib.Path(work, "heal.py"), pathlib.Path(work, "docker.sock")
        program.write_text(source)
        with Docker(path, containers) as docker:
            threading.Thread(target=docker.serve_forever, args=(0.05,), daemon=True).start()
            command = [sys.executable, "-I", "-B", str(program), str(seconds)]
            pipe = subprocess.PIPE
            healer = subprocess.Popen(command, env={"DOCKER_SOCKET": str(path)}, stdout=pipe, stderr=pipe, text=True)
            watchdog = threading.Timer(DEADLINE, healer.kill)
            watchdog.start()
            out = list(up_to(containers[-1].name, healer.stdout))
            if is_told_to_end:
                healer.send_signal(signal.SIGTERM)
            else:
                docker.is_over.set()
            rest, err = healer.communicate()
            watchdog.cancel()
            docker.is_over.set()
            docker.shutdown()
    yield from judged(containers, docker.started, out + rest.splitlines())
    if is_told_to_end and (healer.returncode, err) != (0, ""):
        yield f"told to end, it ends with {healer.returncode}: {err}"
    if not is_told_to_end and (healer.returncode, err) != (1, "heal.py: Docker tells no more events\n"):
        yield f"without events, it ends with {healer.returncode}: {err}"


def up_to(name, lines):
    """The lines of a log up to the one that tells of a start."""
    for line in lines:
        yield line
        if f'"started again", "container": "{name}"' in line:
            return


def judged(containers, started, lines):
    """Whether what was started, and what was logged, is what should be."""
    lines = [json.loads(line) for line in lines]
    logged = [line["container"] for line in lines if line["message"] == "started again"]
    for one in containers:
        times = started.count(one.name), logged.count(one.name)
        if times != (int(one.is_started),) * 2:
            yield f"{one.name} is started {times[0]} times, in {times[1]} lines of the log"
        warned = sum(line["level"] == "WARN" and line["container"] == one.name for line in lines)
        if warned != one.answers.count(500):
            yield f"{one.name} has {warned} warnings"


N_STORIES = len(STORIES + BAD_STARTS)


def faults(source):
    """What is wrong with a healer."""
    yield from run(source, 60, STORIES, True)
    yield from run(source, 0.05, BAD_STARTS, False)


MUTATIONS = [
    ("self.signals & POLITE", "False"),
    ("        elif action == \"stop\":\n            self.signals.add(signal.SIGTERM)\n", ""),
    ("not self.signals or ", ""),
    ("> 128", "> -1"),
    ("self.signals, self.started, self.ended = set(), now, None", "self.started, self.ended = now, None"),
    ('("always", "unless-stopped", "on-failure")', '("always", "unless-stopped", "on-failure", "no")'),
    ('("always", "unless-stopped", "on-failure")', '("unless-stopped",)'),
    (' and config["Labels"].get(ONE_OFF) != "True"', ""),
    ('state["Status"] != "exited" or ', ""),
    ("    if found is None:\n        return\n", ""),
    ('f"{PROJECT}={project}"', "PROJECT"),
    ("MEMORY = 300", "MEMORY = 3000"),
    ("return self.ended + first_wait *", "return self.ended + 0 *"),
    ("2 ** (self.ends - 1)", "1"),
    ("LONGEST_WAIT = 32", "LONGEST_WAIT = 2**20"),
    ("1 if came_up else self.ends + 1", "self.ends + 1"),
    ("        story.end(time.time())  #", "        raise OSError  #"),
    ("    if status == 204:", "    if status in (204, 304):"),
    ("not in (304, 404)", "not in (404,)"),
    ('"/v" + self.request("GET", "/_ping").headers["Api-Version"]', '"/v1.44"'),
    ("signal.signal(stop, ", "signal.signal(signal.SIGUSR1, "),
    ('sys.exit("heal.py: Docker tells no more events")', "sys.exit(0)"),
]


def unproven(source):
    """Faults that nobody finds."""
    for before, after in MUTATIONS:
        assert source.count(before) == 1, f"deploy/heal.py has {source.count(before)} times {before}"
        if not any(faults(source.replace(before, after))):
            yield f"nobody finds `{after}` in deploy/heal.py, in place of `{before}`"
