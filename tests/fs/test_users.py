"""What one user may have, and that another does not notice it."""

import os

import mount
from mount import RIGHT, case, result, same, state, write
from people import MEMBER, OTHER, OWNER, as_user

LIMITS = {"user_jobs": 5, "user_dirs": 8, "user_bytes": "1MiB"}
FILE = 4096  # what each counts besides its bytes


def made(m, who, name):
    return as_user(who, f"result(os.mkdir, {m.path + '/' + name!r})")


def written(m, who, path, size):
    return as_user(who, f"result(write, {m.path + '/' + path!r}, 'x' * {size})")


def ended(m, who, name):
    same(as_user(who, f"result(write, {m.path + '/' + name!r} + '/spec.json', RIGHT)"), "ok")
    same(as_user(who, f"result(write, {m.path + '/' + name!r} + '/ctl', 'cancel')"), "ok")
    same(state(f"{m.path}/{name}"), "CANCELLED")


@case("a user has a limit of unfinished jobs, and others do not feel it")
def unfinished(m):
    same([made(m, OWNER, f"a{i}") for i in range(6)], ["ok"] * 5 + ["EDQUOT"])
    same(made(m, OTHER, "b0"), "ok")
    ended(m, OWNER, "a0")
    same([made(m, OWNER, "a5"), made(m, OWNER, "a6")], ["ok", "EDQUOT"])
    os.rmdir(f"{m.path}/a1")
    same(made(m, OWNER, "a6"), "ok")


@case("a user has a limit of jobs, finished ones too")
def all_jobs(m):
    for i in range(2, 5):  # a0 has ended already
        ended(m, OWNER, f"a{i}")
    same([made(m, OWNER, f"a{i}") for i in range(7, 10)], ["ok", "ok", "EDQUOT"])
    same(made(m, OTHER, "b1"), "ok")
    os.rmdir(f"{m.path}/a0")
    same(made(m, OWNER, "a9"), "ok")


@case("who gets a job from root has one more, and who gave it one less")
def given(m):
    same(made(m, OWNER, "a10"), "EDQUOT")
    os.chown(f"{m.path}/a9", *MEMBER)
    same(made(m, OWNER, "a10"), "ok")
    same([made(m, MEMBER, f"m{i}") for i in range(5)], ["ok"] * 4 + ["EDQUOT"])


@case("root has the same limit")
def root(m):
    same([result(os.mkdir, f"{m.path}/r{i}") for i in range(6)], ["ok"] * 5 + ["EDQUOT"])


@case("the limits are counted anew by the next daemon")
def restarted(m):
    m.restart()
    same(made(m, OWNER, "a11"), "EDQUOT")
    same(made(m, OTHER, "b2"), "ok")
    same(result(os.mkdir, f"{m.path}/r5"), "EDQUOT")


@case("a user has a limit of bytes in all jobs, and others do not feel it")
def much(m):
    same(written(m, OTHER, "b0/files/f", 600_000), "ok")
    same(written(m, OTHER, "b1/files/f", 600_000), "EDQUOT")
    same(written(m, MEMBER, "m0/files/f", 900_000), "ok")
    os.unlink(f"{m.path}/b1/files/f")
    same(written(m, OTHER, "b1/files/f", 400_000), "ok")
    os.unlink(f"{m.path}/b0/files/f")
    same(written(m, OTHER, "b1/files/g", 600_000), "ok")
    m.restart()
    same(written(m, OTHER, "b0/files/h", 100_000), "EDQUOT")
    same(written(m, MEMBER, "m0/files/g", 100_000), "ok")
    as_user(OTHER, f"__import__('shutil').rmtree({m.path + '/b1'!r})")
    same(written(m, OTHER, "b0/files/h", 900_000), "ok")


@case("specs count, and what replaces them does not count twice")
def specs(m):
    os.unlink(f"{m.path}/b0/files/h")
    half = '{ "run": "' + "x" * 500_000
    for name, want in (("b0", "EINVAL"), ("b2", "EINVAL")):
        same(as_user(OTHER, f"result(write, {m.path + '/' + name!r} + '/spec.json', {half!r})"), want)
    same(written(m, OTHER, "b0/files/h", 100_000), "EDQUOT")
    for _ in range(5):  # over itself
        same(as_user(OTHER, f"result(write, {m.path + '/b0/spec.json'!r}, {half!r})"), "EINVAL")
    os.unlink(f"{m.path}/b2/spec.json")
    same(written(m, OTHER, "b0/files/h", 100_000), "ok")
    os.unlink(f"{m.path}/b0/files/h")


@case("empty files and directories count too")
def empty(m):
    os.unlink(f"{m.path}/b0/spec.json")
    d = f"{m.path}/b0/files/d"
    many = f"[result(os.mkdir, {d!r} + str(i)) for i in range(300)].count('ok')"
    have = int(as_user(OTHER, many))
    assert have in range((1 << 20) // FILE - 2, (1 << 20) // FILE + 1), have
    same(made(m, OTHER, "b3"), "ok")  # a job is limited by itself
    os.rmdir(f"{d}1")
    same(written(m, OTHER, "b0/files/f", 0), "ok")


@case("no limit is no limit")
def none(_):
    m = mount.Mount(files_bytes=0, user_bytes=0, user_jobs=0, user_dirs=0)
    try:
        for i in range(10):
            os.mkdir(f"{m.path}/j{i}")
        write(f"{m.path}/j0/files/f", "x" * (3 << 20))
        write(f"{m.path}/j0/spec.json", RIGHT)
        same(state(f"{m.path}/j0"), "QUEUED")
        m.stop()
    finally:
        m.end()
