"""Checks of the systemd units and the crontab: systemd reads them, cron's command is run, and both agree with the settings.

`Host` is a scratch root with the units installed as docs/deploy.md says, and programs that do nothing but tell how they
were called.
"""

import pathlib
import re
import shutil
import subprocess

from rendering import ROOT, seconds, setting_fault, shipped_settings

SYSTEMD = ROOT / "deploy" / "systemd"
PROGRAMS = ("inference", "lookup", "trainer")
WITH_LIBTORCH = ("inference", "trainer")
LIBTORCH = "/usr/local/lib/dayvec/libtorch/lib"
# systemd-analyze's exposure, in tenths, of 0 to 100: up to 20 it calls OK, and a service without any hardening has 92.
EXPOSURE = 20
# Tells its arguments and a credential, as one line.
PROGRAM = '#!/bin/sh\necho "$(basename "$0") $* $AWS_ACCESS_KEY_ID"\n'


class Host:
    """Unit files by name, and the crontab, as text that a mutation may change."""

    def __init__(self, work):
        self.work = pathlib.Path(work)
        self.units = {str(path.relative_to(SYSTEMD)): path.read_text() for path in sorted(SYSTEMD.rglob("*.*")) if path.is_file()}
        self.crontab = (ROOT / "deploy" / "crontab").read_text()

    @property
    def services(self):
        return [name for name in self.units if name.endswith(".service")]

    def values(self, unit, key):
        """What a unit sets `key` to, in order; a key may stand there several times."""
        return re.findall(rf"^{key}=(.*)$", self.units[unit], re.M)

    def environment(self, unit):
        return dict(word.split("=", 1) for line in self.values(unit, "Environment") for word in line.split())

    def folders(self, unit):
        """The folders that systemd makes for a unit, which are all that it may write to."""
        kinds = (("/var/lib", "StateDirectory"), ("/var/cache", "CacheDirectory"))
        return {f"{base}/{folder}" for base, key in kinds for line in self.values(unit, key) for folder in line.split()}

    def lay_out(self):
        """A root file system with the units, systemd's own, and programs that tell how they were called."""
        root = self.work / "root"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
        for name, text in self.units.items():
            path = root / "etc/systemd/system" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name in PROGRAMS:
            write_program(root / "usr/local/bin" / name, PROGRAM)
        return root


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def systemd_analyze(*words):
    ran = subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, check=False, text=True)
    return ran.returncode, (ran.stdout + ran.stderr).strip()


def verify(host):
    """systemd loads every unit without a word: no unknown key, no bad value, every program where the unit says it is."""
    root = host.lay_out()
    units = [root / "etc/systemd/system" / name for name in host.units if name.endswith((".service", ".timer"))]
    code, told = systemd_analyze(f"--root={root}", "verify", *units)
    if code or told:
        yield f"systemd-analyze verify says, with {code}: {told}"


def hardened(host):
    """Every service is as closed as systemd-analyze calls OK."""
    root = host.lay_out()
    for name in host.services:
        options = ("--offline=true", f"--threshold={EXPOSURE}", "--no-pager")
        code, told = systemd_analyze(f"--root={root}", "security", *options, name)
        if code:
            yield f"{name}: {told.splitlines()[-1]}"


def units(host):
    """Every service is told only settings that it has, is not started again in vain, and may finish its drain."""
    for name in host.services:
        (command,) = host.values(name, "ExecStart")
        program = command.split()[0].rsplit("/", 1)[-1]
        if f"--config /etc/dayvec/{program}.yaml" not in command:
            yield f"{name}: ExecStart names no settings of {program}"
        environment = host.environment(name)
        if environment.pop("LD_LIBRARY_PATH", "") != (LIBTORCH if program in WITH_LIBTORCH else ""):
            yield f"{name} does not find libtorch in {LIBTORCH}, or does not need it"
        for variable, value in environment.items():
            fault = setting_fault(program, variable, value)
            if fault:
                yield f"{name}: {fault}"
            elif value.startswith("/") and value not in host.folders(name):
                yield f"{name}: {variable}={value} is in no folder that the unit may write to"
        never_again = " ".join(host.values(name, "RestartPreventExitStatus")).split()
        if never_again != (["64", "65"] if program == "inference" else ["64"]):
            yield f"{name} starts again after {never_again}, which fails the same way"
        if host.values(name, "Restart") not in (["on-failure"], ["always"]):
            yield f"{name} does not start again"
    notice_and_deadline = sum(map(seconds, shipped_settings("lookup")["drain"].values()))
    if sum(map(seconds, host.values("dayvec-lookup.service", "TimeoutStopSec"))) <= notice_and_deadline:
        yield f"dayvec-lookup.service is killed before its drain of {notice_and_deadline} s ends"
    starts = [host.values("dayvec-daily.timer", key) for key in ("OnCalendar", "Persistent")]
    if starts != [["*-*-* 03:00:00 UTC"], ["true"]]:
        yield "dayvec-daily.timer does not run the day at 03:00 UTC, or forgets it when the host is off"


def cron(host):
    """The one line of the crontab is well formed, runs what the unit runs, logs all of it, and never runs twice at once."""
    lines = [line for line in host.crontab.splitlines() if line and not line.startswith("#") and not re.match(r"[A-Z_]+=", line)]
    found = re.match(r"(\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (.+)$", lines[0]) if len(lines) == 1 else None
    if not found or not host.crontab.endswith("\n"):
        yield "the crontab has not one line `minute hour day month weekday user command`"
        return
    for field, (low, high) in zip(found.groups()[:5], ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7)), strict=True):
        numbers = [int(number) for number in re.findall(r"\d+", field)]
        if not re.fullmatch(r"\*|\d+(-\d+)?(,\d+(-\d+)?)*", field) or not all(low <= number <= high for number in numbers):
            yield f"`{field}` is no field from {low} to {high}"
    if f"\nLD_LIBRARY_PATH={LIBTORCH}\n" not in host.crontab:
        yield f"the command does not find libtorch in {LIBTORCH}"
    user, command = found.group(6), found.group(7)
    if user != "dayvec" or "%" in command:
        yield f"the command runs as {user}, or has a %, which cron takes for the end of a line"
    expected = host.values("dayvec-daily.service", "ExecStart")[0].removeprefix("/usr/local/bin/")
    free, busy = cron_runs(host, command)
    if free != [f"{expected} key-of-the-test"]:
        yield f"the command logs {free}, not one run of `{expected}` with the credentials"
    if busy:
        yield f"the command runs while the one before still does, and logs {busy}"


def cron_runs(host, command):
    """What the command logs on a scratch host when nothing runs, and when the one before still runs."""
    root = host.work / "cron"
    shutil.rmtree(root, ignore_errors=True)
    for name in PROGRAMS:
        write_program(root / "usr/local/bin" / name, PROGRAM)
    write_program(root / "usr/local/bin/logger", f'#!/bin/sh\ncat >>"{root}/log"\n')
    for folder in ("var/lib/dayvec", "etc/dayvec"):
        (root / folder).mkdir(parents=True)
    (root / "etc/dayvec/credentials.env").write_text("AWS_ACCESS_KEY_ID=key-of-the-test\n")
    # Only the folders move; what the program is told must not.
    script = command.replace("cd /var/", f"cd {root}/var/").replace(". /etc/", f". {root}/etc/")
    environment = {"PATH": f"{root}/usr/local/bin:/usr/bin:/bin"}
    logged = []
    for before in ([], ["flock", f"{root}/var/lib/dayvec/daily.lock"]):
        subprocess.run([*before, "sh", "-c", script], env=environment, cwd=root, capture_output=True, check=False, timeout=30)
        log = root / "log"
        logged.append(log.read_text().splitlines() if log.exists() else [])
        log.unlink(missing_ok=True)
    return logged


CHECKS = [verify, hardened, units, cron]
