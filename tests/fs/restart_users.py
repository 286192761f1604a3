"""Users of the mount who go on while the daemon dies: each a process of its own, since who
starts the daemon must not have the mount open itself.

usage: restart_users.py ROLE MOUNT WORK NAME     until standard input ends

Prints a line "ready" once it is under way, and at the end one line of JSON:
{"ops", "errors": [...], "slowest_ms", "slowest", ...}."""

import contextlib
import errno
import json
import os
import select
import subprocess
import sys
import time
import traceback

from inotify import CLOSE_WRITE, MODIFY, Inotify

SPEC = '{ "run": "true", "x-text": "%s" }\n'
LONG = "x" * 9000  # more than one page


class User:
    def __init__(self, mount, work, name):
        self.mount, self.work, self.name = mount, work, name
        self.errors, self.ops = [], 0
        self.slowest, self.slowest_name = 0.0, ""
        self.result = {}

    def is_over(self):
        return bool(select.select([sys.stdin], [], [], 0)[0])

    def do(self, name, call, *args):
        """One operation: timed, and an error is one that a user would see."""
        begin = time.monotonic()
        try:
            return call(*args)
        except (OSError, AssertionError, subprocess.SubprocessError) as e:
            self.errors.append(f"{e!r}: {name}{args}"[:300])
        finally:
            took = time.monotonic() - begin
            self.ops += 1
            if took > self.slowest and name != "end":  # which waits for tail
                self.slowest, self.slowest_name = took, name

    def run(self):
        print("ready", flush=True)
        n = 0
        while not self.is_over():
            self.round(n)
            n += 1
        self.end()
        print(json.dumps(dict(self.result, ops=self.ops, errors=self.errors[:5],
                              n_errors=len(self.errors), slowest_ms=round(self.slowest * 1000),
                              slowest=self.slowest_name)), flush=True)

    def end(self):
        pass


def write(path, text, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC, pieces=1):
    fd = os.open(path, flags, 0o644)
    try:
        size = -(-len(text) // pieces)
        for at in range(0, len(text), size):
            data = text[at:at + size].encode()
            assert os.write(fd, data) == len(data)
    finally:
        os.close(fd)


def read(path):
    with open(path) as f:
        return f.read()


def expect(error, call, *args):
    try:
        call(*args)
    except OSError as e:
        assert e.errno == error, f"have {errno.errorcode[e.errno]}, want {errno.errorcode[error]}"
        return
    raise AssertionError(f"no {errno.errorcode[error]}")


class Submitter(User):
    """Submits jobs in every way, and changes what can be changed."""

    def __init__(self, *args):
        super().__init__(*args)
        self.jobs = {}  # name: state
        self.result["jobs"] = self.jobs
        self.ways = (self.by_write, self.by_pieces, self.by_append, self.by_rename, self.by_copy)

    def by_write(self, job, text):
        write(f"{job}/spec.json", text)

    def by_pieces(self, job, text):
        write(f"{job}/spec.json", text, pieces=7)

    def by_append(self, job, text):
        write(f"{job}/spec.json", text, os.O_WRONLY | os.O_TRUNC | os.O_APPEND, pieces=5)

    def by_rename(self, job, text):
        write(f"{job}/.tmp", text)
        os.rename(f"{job}/.tmp", f"{job}/spec.json")

    def by_copy(self, job, text):
        source = f"{self.work}/{self.name}.json"
        write(source, text)
        done = subprocess.run(["cp", source, f"{job}/spec.json"], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stderr

    def copy_all(self, name):
        """cp -r of a whole job directory, which makes files/ itself."""
        source = f"{self.work}/{self.name}.dir"
        if not os.path.exists(source):
            os.makedirs(f"{source}/files/sub")
            write(f"{source}/spec.json", SPEC % "copied")
            for i in range(5):
                write(f"{source}/files/sub/{i}", f"{i}" * 1000)
        done = subprocess.run(["cp", "-r", source, f"{self.mount}/{name}"], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stderr
        for i in range(5):
            assert read(f"{self.mount}/{name}/files/sub/{i}") == f"{i}" * 1000
        return True

    def check(self, job, state):
        text = read(f"{job}/status")
        assert text == f"{state}\n", text

    def round(self, n):
        name = f"{self.name}-{n}"
        job = f"{self.mount}/{name}"
        if n % 9 == 8:
            if self.do("cp -r", self.copy_all, name):
                self.jobs[name] = "QUEUED"
            return
        text = SPEC % (LONG if n % 4 == 0 else "short")
        self.do("mkdir", os.mkdir, job)
        self.do("mkdir again", expect, errno.EEXIST, os.mkdir, job)
        self.do("write file", write, f"{job}/files/a", "a" * 5000)
        self.do("mkdir in files", os.mkdir, f"{job}/files/d")
        self.do("write wrong", expect, errno.EINVAL, write, f"{job}/spec.json", '{ "run": 1 }')
        self.do("error", lambda: read(f"{job}/error").index("$.run"))
        self.do(self.ways[n % len(self.ways)].__name__, self.ways[n % len(self.ways)], job, text)
        self.do("status", self.check, job, "QUEUED")
        self.do("seal", expect, errno.EPERM, write, f"{job}/spec.json", text)
        self.jobs[name] = "QUEUED"
        if n % 3 == 1:
            self.change(name, job)

    def change(self, name, job):
        n = len(self.jobs)
        self.do("rename", os.rename, job, f"{job}r")
        del self.jobs[name]
        self.do("ctl", write, f"{job}r/ctl", "hold\nrelease\npriority 70\ncancel\n",
                os.O_WRONLY | os.O_TRUNC)
        self.do("status", self.check, f"{job}r", "CANCELLED")
        self.do("ctl again", expect, errno.EBUSY, write, f"{job}r/ctl", "cancel\n", os.O_WRONLY)
        if n % 2:
            self.jobs[f"{name}r"] = "CANCELLED"
            return
        self.do("unlink", os.unlink, f"{job}r/files/a")
        self.do("rmdir in files", os.rmdir, f"{job}r/files/d")
        self.do("rmdir", os.rmdir, f"{job}r")
        self.do("rmdir again", expect, errno.ENOENT, os.rmdir, f"{job}r")


class Holder(User):
    """Has a directory, files and half of a spec open all the time."""

    def __init__(self, *args):
        super().__init__(*args)
        job = f"{self.mount}/{self.name}"
        os.mkdir(job)
        write(f"{job}/files/fixed", "".join(f"{i:07}\n" for i in range(2000)))
        self.fixed = os.open(f"{job}/files/fixed", os.O_RDONLY)
        self.growing = os.open(f"{job}/files/growing",
                               os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        os.chdir(job)
        self.status = os.open("status", os.O_RDONLY)
        self.spec = os.open("spec.json", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(self.spec, b'{ "run": "true", "x-text": "')
        self.lines = 0

    def look(self, n):
        assert os.getcwd() == f"{self.mount}/{self.name}", os.getcwd()
        assert {"files", "status", "spec.json"} <= set(os.listdir("."))
        assert os.pread(self.fixed, 8, n % 2000 * 8) == f"{n % 2000:07}\n".encode()
        assert os.pread(self.status, 100, 0) == b"NEW\n"

    def grow(self):
        line = f"{self.lines:015}\n".encode()
        assert os.write(self.growing, line) == len(line)
        self.lines += 1

    def round(self, n):
        self.do("look", self.look, n)
        self.do("grow", self.grow)
        if n < 20000:
            self.do("write spec", os.write, self.spec, b"%08d" % n)
            self.last = n
        time.sleep(0.002)

    def check_end(self):
        want = "".join(f"{i:015}\n" for i in range(self.lines))
        assert read("files/growing") == want
        os.write(self.spec, b'" }\n')
        os.close(self.spec)
        assert read("status") == "QUEUED\n"
        text = json.loads(read("spec.json"))["x-text"]
        assert text == "".join(f"{i:08}" for i in range(self.last + 1)), text[-100:]

    def end(self):
        self.do("end", self.check_end)
        self.result["jobs"] = {self.name: "QUEUED"}


class Watcher(User):
    """Changes one job, and wants to hear of each change: by inotify, poll and tail -f."""

    def __init__(self, *args):
        super().__init__(*args)
        self.job = f"{self.mount}/{self.name}"
        os.mkdir(self.job)
        write(f"{self.job}/spec.json", SPEC % "")
        self.inotify = Inotify()
        self.inotify.watch(f"{self.job}/status", mask=MODIFY | CLOSE_WRITE)
        self.events = os.open(f"{self.job}/events.jsonl", os.O_RDONLY)
        self.heard = b""
        self.poll = select.poll()
        self.poll.register(self.events, select.POLLIN)
        self.tailed = open(f"{self.work}/{self.name}.tail", "w+b")
        self.tail = subprocess.Popen(
            ["tail", "-n", "+1", "-s", "0.05", "-f", f"{self.job}/events.jsonl"],
            stdout=self.tailed, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.changes = 0

    def wait(self, what, condition, seconds=20):
        end = time.monotonic() + seconds
        while not condition(max(0.0, min(0.2, end - time.monotonic()))):
            assert time.monotonic() < end, f"nothing heard of by {what}"

    def is_polled(self, seconds):
        size = len(self.heard)
        if self.poll.poll(seconds * 1000):
            self.heard += os.read(self.events, 1 << 20)
        return len(self.heard) > size

    def change(self, verb, state):
        before = len(self.inotify.seen)
        write(f"{self.job}/ctl", f"{verb}\n", os.O_WRONLY | os.O_TRUNC)
        assert read(f"{self.job}/status") == f"{state}\n"
        self.changes += 1
        self.wait("inotify", lambda s: self.inotify.read(s) and len(self.inotify.seen) > before)
        self.wait("poll", self.is_polled)

    def round(self, n):
        self.do("hold", self.change, "hold", "HELD")
        self.do("release", self.change, "release", "QUEUED")

    def tail_of(self):
        self.tailed.seek(0)
        return self.tailed.read()

    def check_end(self):
        want = read(f"{self.job}/events.jsonl").encode()
        states = [json.loads(x)["state"] for x in want.splitlines()
                  if json.loads(x)["type"] == "state"]
        assert states == ["QUEUED"] + ["HELD", "QUEUED"] * (self.changes // 2), states
        try:
            self.wait("tail -f", lambda s: time.sleep(s) or self.tail_of() == want)
        except AssertionError as e:
            raise AssertionError(f"{e}: it has {self.tail_of()[-300:]}, not {want[-300:]}") from e
        with contextlib.suppress(AssertionError):
            self.wait("poll", lambda s: self.is_polled(s) and self.heard == want, 1)
        assert self.heard == want, (self.heard[-200:], want[-200:])

    def end(self):
        self.do("end", self.check_end)
        self.tail.terminate()
        assert self.tail.wait() == -15
        self.result.update(jobs={self.name: "QUEUED"}, changes=self.changes)


ROLES = {"submitter": Submitter, "holder": Holder, "watcher": Watcher}

if __name__ == "__main__":
    try:
        ROLES[sys.argv[1]](*sys.argv[2:5]).run()
    except Exception:
        print(json.dumps({"errors": [traceback.format_exc()], "n_errors": 1, "ops": 0,
                          "slowest_ms": 0, "slowest": "", "jobs": {}}), flush=True)
