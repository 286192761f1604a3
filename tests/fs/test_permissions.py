"""The matrix of permissions: who may do what with which object of a job, in three states of
the job and with three modes of its directory. What is expected is in permissions.txt; with
JOBFS_PERMISSIONS=print what was found is printed in the same form.

A mode decides only of which kind an actor is: owner, reader (the mode lets him read),
stranger (it does not), or root. The table has a column for each kind."""

import ctypes
import fcntl
import mmap
import os
import pathlib
import pickle
import signal
import stat
import struct

from mount import RIGHT, WRONG, case, result, same, state, write

TABLE = pathlib.Path(__file__).with_name("permissions.txt")
CODES = {".": "ok", "A": "EACCES", "B": "EBUSY", "D": "EISDIR", "I": "EINVAL", "M": "ENODEV", "P": "EPERM",
         "S": "ENOTSUP", "T": "ENOTTY", "Y": "ENOTEMPTY", "-": "ENOENT"}
# The kernel, which has learned that there are none, answers for extended attributes of names
# that it knows, and asks for the others.
EITHER = {"s": {"ENOTSUP", "EACCES"}}
STATES = ("new", "accepted", "finished")
KINDS = ("owner", "reader", "stranger", "root")
ACTORS = {"owner": (2001, 3001), "member": (2002, 3001), "other": (2003, 3003), "root": (0, 0)}
# Whom it makes what; who is of the same kind in another mode is tried once.
MODES = {
    0o750: {"owner": "owner", "member": "reader", "other": "stranger", "root": "root"},
    0o755: {"other": "reader"},
    0o700: {"member": "stranger"},
}
# {M}: the mount, {J}: the job
OBJECTS = {"root": "{M}", ".jobfs": "{M}/.jobfs", "job": "{J}", "files": "{J}/files", "files/d": "{J}/files/d",
           "spec.json": "{J}/spec.json", "files/f": "{J}/files/f", "status": "{J}/status", "log": "{J}/log",
           ".jobfs/ctl": "{M}/.jobfs/ctl", "error": "{J}/error", "outputs.s3": "{J}/outputs.s3", "ctl": "{J}/ctl"}


def with_fd(path, flags, call):
    fd = os.open(path, flags)
    try:
        call(fd)
    finally:
        os.close(fd)


libc = ctypes.CDLL(None, use_errno=True)


def mapped(fd, protection):
    """mmap(2) as it is; that of Python looks at the size first."""
    libc.mmap.restype = ctypes.c_void_p
    flags = mmap.MAP_SHARED if protection & mmap.PROT_WRITE else mmap.MAP_PRIVATE
    address = libc.mmap(None, ctypes.c_size_t(4096), protection, flags, fd, ctypes.c_long(0))
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(4096))


def can(path, mode):
    """access(2) with its reason."""
    if libc.access(os.fsencode(path), mode) != 0:
        raise OSError(ctypes.get_errno(), path)


# What is done with an object at `p`; j is the job, m the mount, g another file of the job.
OPERATIONS = {
    "stat": lambda p, **_: os.stat(p),
    "access r": lambda p, **_: can(p, os.R_OK),
    "access w": lambda p, **_: can(p, os.W_OK),
    "read": lambda p, **_: with_fd(p, os.O_RDONLY, lambda fd: os.read(fd, 10)),
    "open w": lambda p, **_: with_fd(p, os.O_WRONLY, lambda fd: None),
    "truncate": lambda p, **_: os.truncate(p, 0),
    "mmap r": lambda p, **_: with_fd(p, os.O_RDONLY, lambda fd: mapped(fd, mmap.PROT_READ)),
    "mmap w": lambda p, **_: with_fd(p, os.O_RDWR, lambda fd: mapped(fd, mmap.PROT_READ | mmap.PROT_WRITE)),
    "flock": lambda p, **_: with_fd(p, os.O_RDONLY, lambda fd: fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)),
    "lockf": lambda p, **_: with_fd(p, os.O_RDONLY, lambda fd: fcntl.fcntl(
        fd, fcntl.F_SETLK, struct.pack("hhqqi", fcntl.F_RDLCK, 0, 0, 0, 0))),
    "ioctl": lambda p, **_: with_fd(p, os.O_RDONLY, lambda fd: fcntl.ioctl(fd, 0x5401, b"\0" * 64)),
    "list": lambda p, **_: os.listdir(p),
    "mkdir in": lambda p, **_: os.mkdir(f"{p}/new"),
    "create in": lambda p, **_: os.close(os.open(f"{p}/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL)),
    "mknod in": lambda p, **_: os.mknod(f"{p}/new", stat.S_IFIFO | 0o600),
    "symlink in": lambda p, **_: os.symlink("/etc/passwd", f"{p}/new"),
    "link in": lambda p, j, **_: os.link(f"{j}/files/g", f"{p}/new"),
    "link": lambda p, j, **_: os.link(p, f"{j}/files/new"),
    "rename": lambda p, **_: os.rename(p, f"{p}.new"),
    "rename over": lambda p, j, **_: os.rename(f"{j}/files/g", p),
    "move out": lambda p, m, **_: os.rename(p, f"{m}/moved"),
    "move in": lambda p, j, **_: os.rename(f"{j}/files/g", f"{p}/new"),
    "unlink": lambda p, **_: os.unlink(p),
    "rmdir": lambda p, **_: os.rmdir(p),
    "chmod": lambda p, **_: os.chmod(p, 0o640),
    "chown": lambda p, **_: os.chown(p, 2099, -1),
    "chgrp": lambda p, **_: os.chown(p, -1, 3099),
    "utime now": lambda p, **_: os.utime(p),
    "utime set": lambda p, **_: os.utime(p, (1, 1)),
    "setxattr": lambda p, **_: os.setxattr(p, "user.x", b"y"),
    "getxattr": lambda p, **_: os.getxattr(p, "user.x"),
}
HARMLESS = {"stat", "access r", "access w", "read", "open w", "mmap r", "mmap w", "flock", "lockf", "ioctl", "list",
            "getxattr"}


def answer_requests(uid, gid, requests, answers):
    """An actor's process: does what it reads, and writes the name of the errno."""
    os.umask(0o022)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    while True:
        function, args = pickle.load(requests)
        pickle.dump(function(**args), answers)
        answers.flush()


class Actor:
    def __init__(self, uid, gid):
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(write_here)
                answer_requests(uid, gid, os.fdopen(read_there, "rb"), os.fdopen(write_there, "wb"))
            finally:
                os._exit(1)
        os.close(read_there)
        os.close(write_there)
        self.requests, self.answers = os.fdopen(write_here, "wb"), os.fdopen(read_here, "rb")

    def does(self, function, **args):
        pickle.dump((function, args), self.requests)
        self.requests.flush()
        return pickle.load(self.answers)

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def make_job(j, which, mode):
    """As its owner."""
    os.mkdir(j)
    os.mkdir(f"{j}/files/d")
    for name in ("f", "g", "d/f"):
        write(f"{j}/files/{name}", "x")
    same(result(write, f"{j}/spec.json", WRONG if which == "new" else RIGHT), "EINVAL" if which == "new" else "ok")
    if which == "finished":
        write(f"{j}/ctl", "cancel")
        same(state(j), "CANCELLED")
    os.chmod(j, mode)


def try_rows(rows, j, m):
    """The answers to rows, up to the first that changed something."""
    answers = []
    for thing, operation in rows:
        p = OBJECTS[thing].format(M=m, J=j)
        answers.append(result(OPERATIONS[operation], p=p, j=j, m=m))
        if answers[-1] == "ok" and operation not in HARMLESS:
            break
    return answers


class Matrix:
    def __init__(self, m):
        self.m, self.jobs = m.path, 0
        self.actors = {}
        for name, ids in ACTORS.items():
            self.actors[name] = Actor(*ids)
        self.found = {}  # (object, operation, state, kind): the answers

    def job(self, which, mode):
        self.jobs += 1
        j = f"{self.m}/p{self.jobs}"
        self.actors["owner"].does(make_job, j=j, which=which, mode=mode)
        return j

    def run(self, rows, which, mode):
        """One actor after another tries all rows; whoever changed a job leaves a new one."""
        j = self.job(which, mode)
        for name, actor in self.actors.items():
            kind, left = MODES[mode].get(name), rows if name in MODES[mode] else []
            while left:
                answers = actor.does(try_rows, rows=left, j=j, m=self.m)
                for (thing, operation), have in zip(left, answers):
                    self.found.setdefault((thing, operation, which, kind), set()).add(have)
                if answers[-1] == "ok" and left[len(answers) - 1][1] not in HARMLESS:
                    self.clean()
                    j = self.job(which, mode)
                left = left[len(answers):]

    def clean(self):
        """What an operation may have made in the root: it would be there for the next one."""
        for name in ("new", "moved"):
            if os.path.lexists(f"{self.m}/{name}"):
                os.rename(f"{self.m}/{name}", f"{self.m}/was-{name}-{self.jobs}")

    def end(self):
        for actor in self.actors.values():
            actor.end()


def read_table():
    """{(object, operation): {state: codes of the kinds}}, in the order of the file."""
    rows = {}
    for line in TABLE.read_text().splitlines():
        if line and line[0] != "#":
            words = [w.strip() for w in line.split("|")]
            thing, _, operation = words[0].partition(":")
            rows[thing, operation.strip()] = dict(zip(STATES, (w.replace(" ", "") for w in words[1:4])))
    return rows


def code(answers):
    letters = {v: k for k, v in CODES.items()}
    return letters.get(*answers, "?" + "/".join(answers)) if len(answers) == 1 else "?" + "/".join(sorted(answers))


def print_found(rows, found):
    for thing, operation in rows:
        cells = [" ".join(code(found[thing, operation, s, k]) for k in KINDS) for s in STATES]
        print(f"{thing + ': ' + operation:24} | " + " | ".join(cells))


@case("the matrix of permissions")
def permissions(m):
    rows = read_table()
    matrix = Matrix(m)
    try:
        for which in STATES:
            for mode in MODES:
                matrix.run(list(rows), which, mode)
    finally:
        matrix.end()
    if os.environ.get("JOBFS_PERMISSIONS") == "print":
        print_found(rows, matrix.found)
    problems = []
    for (thing, operation, which, kind), answers in matrix.found.items():
        want = rows[thing, operation][which][KINDS.index(kind)]
        want = EITHER.get(want) or {CODES[want]}
        if not answers <= want:
            problems.append(f"{operation} of {thing} by {kind}, {which}: want {sorted(want)}, have {sorted(answers)}")
    print(f"# {len(rows)} rows, {sum(map(len, MODES.values())) * len(rows) * len(STATES)} cells, {len(problems)} differ")
    assert not problems, "\n".join(problems)


@case("every row of the matrix is there, and every operation that fits its object")
def complete(_):
    rows = read_table()
    of_dirs = {"list", "mkdir in", "create in", "mknod in", "symlink in", "link in", "move in", "rmdir"}
    of_files = {"read", "open w", "truncate", "mmap r", "mmap w", "flock", "lockf", "ioctl", "link", "unlink"}
    for thing in OBJECTS:
        is_dir = thing in ("root", ".jobfs", "job", "files", "files/d")
        for operation in OPERATIONS:
            fits = operation not in (of_files if is_dir else of_dirs)
            if thing == "root" and operation in ("rename", "rename over", "move out", "rmdir"):
                fits = False  # the kernel answers: it is the mount point
            same(((thing, operation), (thing, operation) in rows), ((thing, operation), fits))


@case("every errno of the matrix is in the manual page")
def told(_):
    page = (TABLE.parent.parent.parent / "src/man/jobfs.1.scd.in").read_text()
    for name in set(CODES.values()) - {"ok", "ENOTSUP"}:  # the page has EOPNOTSUPP, the same number
        assert f"*{name}*" in page, name
