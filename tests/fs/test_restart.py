"""A daemon that dies is not noticed: open files, directories, waiting programs and watches
are the next one's. JOBFS_TEST_RESTART_S: how long it is killed; 10 and more by hand."""

import contextlib
import fcntl
import json
import os
import pathlib
import random
import select
import signal
import socket
import subprocess
import sys
import time

from mount import (JOBFS, LIMIT_S, RIGHT, case, count_submits, matches, read, result, same, state,
                   wait, write)

KILL_S = float(os.environ.get("JOBFS_TEST_RESTART_S", "3"))
EVERY_S = 0.3
USERS = ["submitter"] * 4 + ["holder", "watcher"]
here = pathlib.Path(__file__).resolve().parent
LIMITS = {"restart_patience": "20s"}


class Users:
    """The users of the mount under way."""

    def __init__(self, m, roles):
        self.all = []
        for n, role in enumerate(roles):
            self.all.append(subprocess.Popen(
                [sys.executable, f"{here}/restart_users.py", role, m.path, m.work, f"{role}{n}"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for p in self.all:
            same(p.stdout.readline(), "ready\n")

    def stop(self):
        for p in self.all:
            p.stdin.close()
        for p in self.all:
            assert select.select([p.stdout], [], [], LIMIT_S)[0], f"{p.args} does not end"
        return [json.loads(p.stdout.readline()) for p in self.all]

    def end(self):
        for p in self.all:
            p.kill()
            p.wait()
            p.stdout.close()


def storm(m, seconds, end):
    """Ends the daemon and starts it again, and so on; how often."""
    until, n = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        time.sleep(EVERY_S)
        end(m)
        m.start()
        n += 1
    return n


def kill_storm(m):
    return storm(m, KILL_S, lambda m: m.kill())


# Between the commit of what a user asked for and the answer, and around that.
PLACES = ("turn.commit", "turn.committed", "turn.published", "fs.answer", "fs.answered",
          "turn.answered")


def has_failpoints():
    with open(JOBFS, "rb") as f:
        return b"JOBFS_FAILPOINT" in f.read()


def failpoint_storm(m):
    """Each daemon dies at a failpoint of its own."""
    until, n = time.monotonic() + KILL_S, 0
    m.kill()
    while time.monotonic() < until:
        place = f"{random.choice(PLACES)}:{random.randint(1, 40)}:kill"
        with open(m.log, "a") as log:
            m.daemon = m.popen(log, JOBFS_FAILPOINT=place)
        with contextlib.suppress(subprocess.TimeoutExpired):
            m.daemon.wait(timeout=EVERY_S * 3)
        m.kill()
        n += 1
    m.start()
    return n


def leave(m):
    m.daemon.send_signal(signal.SIGUSR1)
    same(m.daemon.wait(timeout=LIMIT_S), 0)


def check_jobs(m, results, before):
    want = {name: state_ for r in results for name, state_ in r["jobs"].items()}
    same(set(os.listdir(m.path)) - before - set(want), set())
    for name, state_ in want.items():
        same((name, state(f"{m.path}/{name}")), (name, state_))
        same((name, count_submits(f"{m.path}/{name}")),
             (name, 1 + read(f"{m.path}/{name}/events.jsonl").count('"HELD"')))
    return len(want)


def unnoticed(m, ends):
    before = set(os.listdir(m.path))
    users = Users(m, USERS)
    try:
        n = ends(m)
        results = users.stop()
    finally:
        users.end()
    slowest = max(results, key=lambda r: r["slowest_ms"])
    for r in results:
        same((r["n_errors"], r["errors"]), (0, []))
    jobs = check_jobs(m, results, before)
    print(f"{n} ends of the daemon, {sum(r['ops'] for r in results)} operations, {jobs} jobs, "
          f"{results[-1]['changes']} changes heard of, 0 errors; slowest operation "
          f"{slowest['slowest_ms']} ms ({slowest['slowest']})")


@case("a daemon that is killed again and again was there all the time for its users")
def killed(m):
    unnoticed(m, kill_storm)


def rename_all(m, prefix):
    for job in os.listdir(m.path):
        if job != ".jobfs":
            os.rename(f"{m.path}/{job}", f"{m.path}/{prefix}{job}")


def unanswered(m):
    rename_all(m, "first-")
    unnoticed(m, failpoint_storm)


def given_up(m):
    m.kill()
    asker = subprocess.Popen(["mkdir", f"{m.path}/deadly"], stderr=subprocess.DEVNULL)
    for _ in range(5):
        with open(m.log, "a") as log:
            m.daemon = m.popen(log, JOBFS_FAILPOINT="turn.commit:1:kill")
        same(m.daemon.wait(timeout=LIMIT_S), -signal.SIGKILL)
    m.expected += ["too many daemons died with it"]
    m.start()
    same(asker.wait(timeout=LIMIT_S), 1)
    matches(read(m.log), r"a request \(opcode 9\) fails: too many daemons died with it")
    same(os.path.exists(f"{m.path}/deadly"), False)


if has_failpoints():
    case("so was one that dies between what it did and the answer")(unanswered)
    case("a request that five daemons died with fails, and the mount goes on")(given_up)


@case("so was one that leaves the mount to the next one on SIGUSR1")
def left(m):
    rename_all(m, "old-")
    before = set(os.listdir(m.path))
    users = Users(m, ["holder", "watcher"])
    try:
        storm(m, 1, leave)
        results = users.stop()
    finally:
        users.end()
    for r in results:
        same((r["n_errors"], r["errors"]), (0, []))
    same(set(os.listdir(m.path)) - before, {n for r in results for n in r["jobs"]})


@case("while there is no daemon the mount can be taken away as ever")
def taken_away(m):
    for command in (["fusermount3", "-u"], ["fusermount3", "-uz"], ["umount", "-l"]):
        m.kill()
        same(len(m.holders()), 1)
        subprocess.run([*command, m.path], check=True, timeout=LIMIT_S)
        wait(lambda: m.holders() == [])
        m.start()


@case("programs wait for a daemon as long as limits.restart_patience says, then they fail")
def patience(m):
    job = m.job(RIGHT)
    m.stop()
    config = json.loads(read(m.config))
    write(m.config, json.dumps(dict(config, limits={"restart_patience": "1s"})))
    m.start()
    begin = time.monotonic()
    m.kill()
    assert result(read, f"{job}/status") in ("ENOTCONN", "ECONNABORTED")
    assert time.monotonic() - begin >= 1
    matches(read(m.log), f"jobfs-holder: no jobfs has come back to {m.path} within 1 s")
    m.expected += ["no jobfs has come back"]
    m.start()
    m.kill()
    subprocess.run(["umount", m.path], check=True, timeout=LIMIT_S)  # which asks the mount first
    same(m.holders(), [])
    write(m.config, json.dumps(config))
    m.start()
    same(state(job), "QUEUED")


@case("with other mount options the mount is made anew")
def options(m):
    job = m.job(RIGHT)
    m.kill()
    m.start("-o", "noatime")
    matches(read(m.log), "cannot be taken over: it is of another version, or has other options")
    same(state(job), "QUEUED")
    m.kill()
    m.start()
    same(state(job), "QUEUED")


@case("SIGTERM still takes the mount away, and SIGUSR1 too where nobody keeps it")
def end(m):
    m.daemon.send_signal(signal.SIGTERM)
    same(m.daemon.wait(timeout=LIMIT_S), 0)
    same((os.path.ismount(m.path), m.holders()), (False, []))
    m.start()
    for pid in m.holders():
        os.kill(pid, signal.SIGKILL)
    wait(lambda: m.holders() == [])
    leave(m)
    same(os.path.ismount(m.path), False)
    m.start()


@case("the bare directory is never seen while a dead mount is replaced")
def bare(m):
    job = m.job(RIGHT)
    looker = subprocess.Popen(
        [sys.executable, "-c", "import os, sys\nn = 0\nprint('ready', flush=True)\n"
         "while True:\n"
         "    try:\n        os.mkdir(f'{sys.argv[1]}/in-{n}')\n        n += 1\n"
         "    except OSError:\n        pass", m.path], stdout=subprocess.PIPE, text=True)
    same(looker.stdout.readline(), "ready\n")
    try:
        for _ in range(5):
            m.kill_all()
            wait(lambda: result(os.stat, m.path) == "ENOTCONN")
            m.start()
    finally:
        looker.kill()
        looker.wait()
        looker.stdout.close()
    same(state(job), "QUEUED")
    same(sum(f" {m.path} " in x for x in read("/proc/self/mountinfo").splitlines()), 1)
    m.stop()
    same(os.listdir(m.path), [])
    m.expected += ["put in the place"]
    m.start()


class Manager:
    """What systemd does: keeps descriptors by their names, and gives them to the next one."""

    def __init__(self, m):
        self.m = m
        self.path = f"{m.top}/manager"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.kept = {}
        self.is_ready = False

    def read(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                data, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
                lines = dict(x.split("=", 1) for x in data.decode().splitlines())
                if "FDSTORE" in lines:
                    same((lines["FDSTORE"], lines["FDPOLL"], len(fds)), ("1", "0", 1))
                    self.kept[lines["FDNAME"]] = fcntl.fcntl(fds[0], fcntl.F_DUPFD_CLOEXEC, 20)
                    os.close(fds[0])
                elif "FDSTOREREMOVE" in lines:
                    if lines["FDNAME"] in self.kept:
                        os.close(self.kept.pop(lines["FDNAME"]))
                self.is_ready = self.is_ready or "READY" in lines

    def forget(self):
        while self.kept:
            os.close(self.kept.popitem()[1])

    def start(self):
        m, names = self.m, list(self.kept)
        fds = [self.kept[x] for x in names]
        moves = " ".join(f"{3 + i}<&{fd} {fd}<&-" for i, fd in enumerate(fds))
        names = ":".join(names)
        with open(m.log, "a") as log:
            m.daemon = subprocess.Popen(
                ["bash", "-c", f"export LISTEN_PID=$$ LISTEN_FDS={len(fds)} LISTEN_FDNAMES={names};"
                 f'exec "$@" {moves}', "-", JOBFS, "-c", m.config, "-f", "-o", m.options, m.path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=fds,
                env=dict(os.environ, NOTIFY_SOCKET=self.path, FDSTORE="4",
                         AWS_ACCESS_KEY_ID="AKTEST",
                         AWS_SECRET_ACCESS_KEY="test"))
        self.is_ready = False
        wait(lambda: self.read() or m.daemon.poll() is not None or self.is_ready)


@case("under a service manager its file descriptor store keeps the mount, and nobody else")
def manager(m):
    m.stop()
    service = Manager(m)
    service.start()
    same(sorted(service.kept), ["jobfs-fuse", "jobfs-memory"])
    same(m.holders(), [])
    rename_all(m, "older-")
    job = m.job(RIGHT)
    users = Users(m, ["holder", "watcher"])
    try:
        for end_ in (m.kill, lambda: leave(m), m.kill):
            time.sleep(0.2)
            end_()
            service.start()
        results = users.stop()
    finally:
        if m.daemon.poll() is not None:
            service.forget()  # nobody waits for ever
        users.end()
    for r in results:
        same((r["n_errors"], r["errors"]), (0, []))
    same(state(job), "QUEUED")
    m.daemon.send_signal(signal.SIGTERM)
    same(m.daemon.wait(timeout=LIMIT_S), 0)
    service.read()
    same((service.kept, os.path.ismount(m.path)), ({}, False))
    m.start()
    with open(f"{job}/status") as f:
        m.kill()
        service.start()  # it gets what the holder has
        same((f.read(), len(m.holders()), service.kept), ("QUEUED\n", 1, {}))
    m.stop()
    service.start()
    m.kill()
    os.close(service.kept.pop("jobfs-memory"))
    service.start()
    same((state(job), sorted(service.kept)), ("QUEUED", ["jobfs-fuse", "jobfs-memory"]))
    m.stop()
    service.read()
    service.socket.close()
    m.start()
