"""A jobfs without hosts, mounted for tests, and the tests' ways to look at it."""

import contextlib
import errno
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

JOBFS = os.environ.get("JOBFS", "jobfs")
LIMIT_S = 60  # of any one command
EXPECTED_IN_LOG = ("names no hosts", "taking away the mount")

RIGHT = '{ "run": "true" }\n'
WRONG = '{ "run": 17 }\n'  # whole, but not a spec
HALF = '{ "run": "tr'


class Mount:
    def __init__(self, options="allow_other", config=None, **limits):
        self.top = tempfile.mkdtemp(prefix="jobfs-fs-")
        os.chmod(self.top, 0o755)
        self.path = f"{self.top}/m"
        self.work = f"{self.top}/work"
        self.config = f"{self.top}/jobfs.json"
        self.log = f"{self.top}/log"
        self.options = options
        self.jobs = 0
        self.expected = list(EXPECTED_IN_LOG)
        for name in (self.path, self.work):
            os.mkdir(name)
        os.chmod(self.work, 0o777)
        os.mkdir(f"{self.top}/state", 0o700)
        with open(self.config, "w") as f:
            json.dump({"state_dir": f"{self.top}/state", "hosts": {}, "limits": limits,
                       **(config or {})}, f)
        self.daemon = None
        self.start()

    def popen(self, stderr, *options, path=None, **env):
        env = dict(os.environ, AWS_ACCESS_KEY_ID="AKTEST", AWS_SECRET_ACCESS_KEY="test", **env)
        return subprocess.Popen(
            [JOBFS, "-c", self.config, "-f", "-o", self.options, *options, path or self.path],
            stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, env=env,
        )

    def start(self, *options, **env):
        with open(self.log, "a") as log:
            self.daemon = self.popen(log, *options, **env)
        wait(lambda: self.daemon.poll() is not None or self.is_mounted())
        if self.daemon.poll() is not None:
            raise SystemExit(f"jobfs did not start:\n{open(self.log).read()}")

    def is_mounted(self):
        try:  # of a dead one the kernel may still know the names
            return read(f"{self.path}/.jobfs/version") != ""
        except OSError:
            return False

    def stop(self):
        """Ends it as a user would; anything in its log but the expected is a failure."""
        self.stop_at(self.path)

    def stop_at(self, path):
        # a daemon that has just started may be making its own way into the mount
        wait(lambda: subprocess.run(["fusermount3", "-u", path], timeout=LIMIT_S).returncode == 0)
        code = self.daemon.wait(timeout=LIMIT_S)
        assert code == 0, f"jobfs exited with {code}:\n{self.tail()}"
        self.check_log()

    def check_log(self):
        with open(self.log) as f:
            for line in f:
                if " info: " in line or " debug: " in line or any(x in line for x in self.expected):
                    continue
                raise AssertionError(f"in the daemon's log: {line}")

    def kill(self):
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait(timeout=LIMIT_S)

    def holders(self):
        """The pids of those who keep the mount between two daemons."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().split(b"\0")
                while words == [b""] and os.readlink(path.parent / "exe").endswith("/jobfs-holder"):
                    words = path.read_bytes().split(b"\0")  # it has only just begun
                if words[0] == b"jobfs-holder" and words[1] == self.path.encode():
                    found.append(int(path.parent.name))
        return found

    def kill_all(self):
        """The daemon and who keeps its mount, so that the mount is dead."""
        for pid in self.holders():
            os.kill(pid, signal.SIGKILL)
        wait(lambda: self.holders() == [])
        self.kill()

    def restart(self):
        self.stop()
        self.start()

    def end(self):
        if self.daemon.poll() is None:
            self.kill_all()
        subprocess.run(["umount", "-l", self.path], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.top)

    def tail(self):
        with open(self.log) as f:
            lines = f.readlines()
        for n, line in enumerate(lines):  # a sanitizer's report, from its beginning
            if any(x in line for x in ("ERROR: ", "runtime error", "WARNING: Thr")):
                return "".join(lines[n:n + 60])
        return "".join(lines[-30:])

    # --- jobs

    def job(self, spec=None):
        """A new job's directory."""
        self.jobs += 1
        path = f"{self.path}/j{self.jobs}"
        os.mkdir(path)
        if spec is not None:
            with contextlib.suppress(OSError):
                write(f"{path}/spec.json", spec)
        return path

    def ended(self):
        """A job that has ended."""
        job = self.job(RIGHT)
        write(f"{job}/ctl", "cancel\n")
        assert state(job) == "CANCELLED", state(job)
        return job

    def source(self, text, name="source.json"):
        """A file outside of the mount."""
        path = f"{self.work}/{name}"
        write(path, text)
        return path


def wait(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to be")
        time.sleep(0.01)


def read(path):
    with open(path) as f:
        return f.read()


def write(path, text, mode="w"):
    with open(path, mode) as f:
        f.write(text)


def state(job):
    text = read(f"{job}/status")
    assert text.endswith("\n"), text
    return text[:-1]


def status(job):
    return json.loads(read(f"{job}/status.json"))


def count_submits(job):
    """How often the job was submitted, by its timeline."""
    lines = [json.loads(x) for x in read(f"{job}/events.jsonl").splitlines()]
    return sum(x["type"] == "state" and x["state"] == "QUEUED" for x in lines)


def shell(command, shell_name="bash", **env):
    """(exit status, what it printed on stderr)"""
    done = subprocess.run(
        [shell_name, "-c", command], env=dict(os.environ, **env), timeout=LIMIT_S,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, errors="replace", cwd="/", check=False,
    )
    return done.returncode, done.stderr


def result(call, *args, **kwargs):
    """The name of the errno that the call fails with, "ok" otherwise."""
    try:
        call(*args, **kwargs)
    except OSError as e:
        return errno.errorcode[e.errno]
    return "ok"


def same(have, want):
    assert have == want, f"have {have!r}, want {want!r}"


def matches(have, pattern):
    assert re.search(pattern, have), f"have {have!r}, want /{pattern}/"


# --- tests: functions in the order of their definition, each a sentence

CASES = []


def case(title):
    def add(function):
        CASES.append((title, function))
        return function

    return add
