"""The life of the daemon: one at a time, killed, restarted, told to reload, watched."""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sqlite3
import subprocess
import time

from mount import JOBFS, LIMIT_S, RIGHT, case, matches, read, result, same, state, wait, write

STARTS = int(os.environ.get("JOBFS_TEST_STARTS", "30"))  # at once; 100 by hand
STORM_S = int(os.environ.get("JOBFS_TEST_STORM_S", "4"))  # 20 by hand
LOCKED_S = int(os.environ.get("JOBFS_TEST_LOCKED_S", "3"))  # 60 by hand


def mounts(path):
    with open("/proc/self/mountinfo") as f:
        return [line for line in f if f" {path} " in line]


def database(m):
    return sqlite3.connect(f"{m.top}/state/jobfs.db", isolation_level=None, timeout=LIMIT_S)


def refused(m, config=None, **env):
    """A start that must fail: (exit code, what it says)."""
    done = subprocess.run([JOBFS, "-c", config or m.config, "-f", m.path], text=True,
                          env=dict(os.environ, **env), stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=LIMIT_S, check=False)
    assert done.returncode > 0, f"exit {done.returncode}: {done.stderr}"
    return done.returncode, done.stderr


@case("of many daemons that start at once one lives, and the others exit with its pid")
def many(m):
    m.stop()
    logs = [f"{m.work}/start.{i}" for i in range(STARTS)]
    started = []
    for log in logs:
        with open(log, "w") as f:
            started.append(m.popen(f))
    wait(lambda: sum(p.poll() is None for p in started) <= 1, LIMIT_S)
    wait(m.is_mounted)
    living = [p for p in started if p.poll() is None]
    same(len(living), 1)
    for process, log in zip(started, logs, strict=True):
        if process is not living[0]:
            same(process.returncode, 1)
            matches(read(log), rf"another jobfs \(process {living[0].pid}\) uses the state directory")
        else:
            m.log = log
    same(len(mounts(m.path)), 1)
    m.daemon = living[0]
    m.stop()
    m.log = f"{m.top}/log"
    m.start()


@case("after each of twenty kills of all there is one mount, and all jobs are there")
def kills(m):
    for n in range(20):
        job = m.job(RIGHT)
        held = os.open(f"{job}/log", os.O_RDONLY)
        m.kill_all()
        assert result(os.stat, job) in ("ENOTCONN", "ECONNABORTED")
        same(result(os.stat, job), "ENOTCONN")
        same(result(os.read, held, 1), "ENOTCONN")
        with contextlib.suppress(OSError):
            os.close(held)
        m.start()
        same(len(mounts(m.path)), 1)
        same(len([x for x in os.listdir(m.path) if x != ".jobfs"]), n + 1)
        same(state(job), "QUEUED")


@case("a directory of a job outlives the daemon that is killed right after it was made")
def made(m):
    job = m.job()
    m.kill()
    m.start()
    same(os.listdir(f"{job}/files"), [])
    for path in (job, m.path):
        fd = os.open(path, os.O_RDONLY)
        same(result(os.fsync, fd), "ok")
        os.close(fd)


@case("a storm of kills, each of a start under way, does no harm")
def storm(m):
    before = sorted(os.listdir(m.path))
    end = time.monotonic() + STORM_S
    while time.monotonic() < end:
        m.kill()
        with open(m.log, "a") as log:
            m.daemon = m.popen(log)
        time.sleep(0.2)
    m.kill()
    m.start()
    same(len(mounts(m.path)), 1)
    same(sorted(os.listdir(m.path)), before)
    with contextlib.closing(database(m)) as db:
        same(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])


@case("SIGTERM, and a second one at once, end it with exit code 0")
def term_twice(m):
    m.daemon.send_signal(signal.SIGTERM)
    m.daemon.send_signal(signal.SIGTERM)
    same(m.daemon.wait(timeout=LIMIT_S), 0)
    same(mounts(m.path), [])
    m.start()


@case("SIGHUP reads the configuration: the level of the log is in force at once")
def hangup(m):
    right = read(m.config)
    config = json.loads(right)
    write(m.config, json.dumps(dict(config, log={"level": "debug"})))
    m.daemon.send_signal(signal.SIGHUP)
    wait(lambda: "reload: " in read(m.log))
    matches(read(m.log), "is right; log.level is in force, anything else .* next start")
    write(m.config, right)
    m.daemon.send_signal(signal.SIGHUP)
    wait(lambda: read(m.log).count("reload: ") == 2)


@case("SIGHUP with a configuration that is wrong changes nothing and says what is wrong")
def hangup_wrong(m):
    right = read(m.config)
    write(m.config, right.replace("state_dir", "state_die"))
    m.expected += ["reload: the configuration stays", "state_die"]
    m.daemon.send_signal(signal.SIGHUP)
    wait(lambda: "state_die" in read(m.log))
    write(m.config, right)
    same(m.daemon.poll(), None)
    assert m.is_mounted()


@case("in the background SIGHUP opens the log anew, and warnings come to the terminal too")
def background(m):
    m.stop()
    log = f"{m.top}/state/jobfs.log"
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run([JOBFS, "-c", m.config, m.path], capture_output=True, text=True, env=env,
                          stdin=subprocess.DEVNULL, timeout=LIMIT_S, check=False)
    same(done.returncode, 0)
    matches(done.stderr, "warning: the configuration names no hosts")
    matches(done.stderr, "warning: there are no credentials")
    pid = database_holder(m)
    os.rename(log, log + ".1")
    os.kill(pid, signal.SIGHUP)
    wait(lambda: os.path.exists(log) and "reload: " in read(log))
    subprocess.run(["fusermount3", "-u", m.path], check=True, timeout=LIMIT_S)
    wait(lambda: "stopping: unmounted" in read(log))
    wait(lambda: not os.path.exists(f"/proc/{pid}"))
    m.start()


def database_holder(m):
    """The pid of the daemon, as the start of a second one tells it."""
    code, said = refused(m)
    same(code, 1)
    return int(said.split("(process ")[1].split(")")[0])


class Manager:
    """The socket that systemd would have."""

    def __init__(self, m):
        self.path = f"{m.top}/notify"
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.lines = []

    def read(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.socket], [], [], left)[0]:
                self.lines += self.socket.recv(4096).decode().splitlines()

    def wait_for(self, line, more=0):
        def come():
            self.read(0.05)
            return self.lines.count(line) >= more
        more += self.lines.count(line) + (more == 0)
        wait(come)


@case("systemd is told: ready, alive again and again, stopping")
def notify(m):
    m.stop()
    manager = Manager(m)
    m.start(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="400000")
    manager.wait_for("READY=1")
    assert f"STATUS=Mounted at {m.path}" in manager.lines
    for _ in range(3):
        manager.wait_for("WATCHDOG=1")
    m.stop()
    manager.read(0.2)
    assert "STOPPING=1" in manager.lines
    m.start()
    manager.read(1)
    at = manager.lines.index("STOPPING=1")
    same(manager.lines[at:], ["STOPPING=1", "STATUS=Stopping"])  # no NOTIFY_SOCKET, no word


class Frozen:
    """Threads of the daemon, by their name, stopped as a debugger would."""

    SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, m, name):
        self.libc = ctypes.CDLL(None, use_errno=True)
        tasks = f"/proc/{m.daemon.pid}/task"
        self.tids = [int(t) for t in os.listdir(tasks) if read(f"{tasks}/{t}/comm").strip() == name]
        assert self.tids, f"no thread is called {name}"

    def ptrace(self, request, tid):
        if self.libc.ptrace(request, tid, None, None) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def __enter__(self):
        for tid in self.tids:
            self.ptrace(self.SEIZE, tid)
            self.ptrace(self.INTERRUPT, tid)
            os.waitpid(tid, self.WALL)

    def __exit__(self, *error):
        for tid in self.tids:
            self.ptrace(self.DETACH, tid)


@case("the watchdog is fed neither while the engine hangs nor while nobody serves the mount")
def watchdog(m):
    m.stop()
    manager = Manager(m)
    m.start(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="400000")
    for name in ("engine", "fs"):
        manager.wait_for("WATCHDOG=1")
        with Frozen(m, name):
            manager.read(0.5)  # one may have been on its way
            before = manager.lines.count("WATCHDOG=1")
            manager.read(1)
            same(manager.lines.count("WATCHDOG=1"), before)
        manager.wait_for("WATCHDOG=1")
    m.restart()


@case("what lies below the mount point is refused by the name of its option")
def below(m):
    m.stop()
    right = json.loads(read(m.config))
    inside = f"{m.path}/x"
    wrong = {
        "state_dir": dict(right, state_dir=inside),
        "ssh.known_hosts": dict(right, ssh={"known_hosts": inside}),
        "ssh.identity": dict(right, ssh={"identity": [inside]}),
        "aws.bundle": dict(right, aws={"bundle": inside}),
    }
    try:
        for option, config in wrong.items():
            write(m.config, json.dumps(config))
            code, said = refused(m)
            same(code, 2)
            matches(said, f"jobfs: {option}: .* lies below the mount point")
        write(m.config, json.dumps(dict(right, state_dir=m.path)))
        same(refused(m)[0], 2)
        write(inside, json.dumps(right))
        code, said = refused(m, inside)
        same(code, 2)
        matches(said, "jobfs: configuration: .* lies below the mount point")
        write(m.config, json.dumps(right))
        for name in ("SSH_AUTH_SOCK", "AWS_CA_BUNDLE"):
            code, said = refused(m, **{name: inside})
            same(code, 2)
            matches(said, f"jobfs: {name}: .* lies below the mount point")
    finally:
        write(m.config, json.dumps(right))
        with contextlib.suppress(OSError):
            os.unlink(inside)
        m.start()


@case("it starts from within the directory that its mount hides, and from within a dead mount")
def cwd(m):
    m.stop()
    for _ in range(2):
        os.chdir(m.path)
        if m.daemon.poll() is None:
            m.kill()
        with open(m.log, "a") as log:
            m.daemon = m.popen(log, path=".")
        os.chdir("/")
        wait(m.is_mounted)
        same(len(mounts(m.path)), 1)
    m.restart()


@case("a database of a newer jobfs is refused, and left as it is")
def newer(m):
    m.stop()
    db = database(m)
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute("PRAGMA user_version = 999")
    code, said = refused(m)
    same(code, 1)
    matches(said, "made by a newer jobfs .schema 999")
    same(db.execute("PRAGMA user_version").fetchone()[0], 999)
    db.execute(f"PRAGMA user_version = {version}")
    db.close()
    m.start()


@case("a damaged database is refused with a sentence that says what to do")
def damaged(m):
    m.stop()
    path = f"{m.top}/state/jobfs.db"
    db = database(m)
    page, = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'job'").fetchone()
    size, = db.execute("PRAGMA page_size").fetchone()
    db.close()
    with open(path, "rb") as f:
        right = f.read()
    for at in (0, 100, (page - 1) * size):
        with open(path, "r+b") as f:
            f.seek(at)
            f.write(bytes(b ^ 0xff for b in right[at:at + 8]))
        code, said = refused(m)
        same(code, 1)
        matches(said, "jobfs.db: .*the job database is damaged: ")
        matches(said, "jobs that run go on .* Put a copy of .*jobfs.db back, or save what is")
        same(mounts(m.path), [])
        with open(path, "r+b") as f:
            f.write(right)
    m.start()


@case("while another program has the database locked reading works and a change says EAGAIN")
def locked(m):
    m.expected += ["locked by another program", "the job database is free again"]
    job = m.job()
    db = database(m)
    db.execute("BEGIN IMMEDIATE")
    end = time.monotonic() + LOCKED_S
    while time.monotonic() < end:
        same(result(m.job), "EAGAIN")
        same(result(write, f"{job}/spec.json", RIGHT), "EAGAIN")
        for _ in range(20):
            same(state(job), "NEW")
            assert os.path.basename(job) in os.listdir(m.path)
    db.execute("ROLLBACK")
    write(f"{job}/spec.json", RIGHT)
    same(state(job), "QUEUED")
    same(state(m.job(RIGHT)), "QUEUED")
    db.close()


@case("SIGTERM ends it soon though another program has the database locked")
def locked_term(m):
    db = database(m)
    db.execute("BEGIN IMMEDIATE")
    maker = subprocess.Popen(["mkdir", f"{m.path}/late"], stderr=subprocess.DEVNULL)
    told = read(m.log).count("locked by another program")
    wait(lambda: read(m.log).count("locked by another program") > told)
    begin = time.monotonic()
    m.daemon.send_signal(signal.SIGTERM)
    same(m.daemon.wait(timeout=LIMIT_S), 0)
    took = time.monotonic() - begin
    assert maker.wait(timeout=LIMIT_S) != 0
    print(f"SIGTERM to the end: {took:.2f} s")
    db.execute("ROLLBACK")
    db.close()
    m.start()


@case("what was removed never comes back under its old inode number")
def numbers(m):
    seen = set()
    for _ in range(3):
        for _ in range(3):
            job = m.job()
            write(f"{job}/files/f", "x")
            found = {os.stat(p).st_ino for p in (job, f"{job}/status", f"{job}/files/f")}
            assert not found & seen, found & seen
            seen |= found
            os.unlink(f"{job}/files/f")
            write(f"{job}/files/f", "x")
            assert os.stat(f"{job}/files/f").st_ino not in seen
            os.unlink(f"{job}/files/f")
            os.rmdir(job)
        m.restart()


@case("the log of changes grows while somebody reads an old state, is told, and shrinks again")
def wal(m):
    path = f"{m.top}/state/jobfs.db-wal"
    m.expected += ["write-ahead log"]
    reader = database(m)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM job").fetchone()
    names = [m.job() for _ in range(4)]
    n = 0
    while "write-ahead log" not in read(m.log) and n < 200:
        with contextlib.suppress(OSError):  # half a document is kept, and refused
            write(f"{names[n % 4]}/spec.json", '{ "run": "' + "x" * 1_000_000)
        n += 1
    assert os.path.getsize(path) > 64 << 20
    reader.execute("ROLLBACK")
    reader.close()
    for _ in range(3):
        m.job()
    wait(lambda: os.path.getsize(path) <= 64 << 20)

