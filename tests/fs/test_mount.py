"""Mounting and unmounting."""

import ctypes
import os
import signal
import subprocess
import time

from mount import JOBFS, LIMIT_S, RIGHT, case, matches, read, result, same, state, write


def start(m, mountpoint, *options):
    """Tries it in the foreground; what it says when it fails."""
    done = subprocess.run(
        [JOBFS, "-c", m.config, "-f", *options, mountpoint], capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=LIMIT_S, check=False,
    )
    assert done.returncode != 0
    return done.stderr


def mounts(path):
    with open("/proc/self/mountinfo") as f:
        return [line for line in f if f" {path} " in line]


@case("the mount is a fuse.jobfs, once")
def kind(m):
    same(len(mounts(m.path)), 1)
    matches(mounts(m.path)[0], " - fuse.jobfs jobfs ")


@case("SIGTERM ends it soon, though somebody sits in it and holds files open")
def term(m):
    job = m.job()
    write(f"{job}/files/f", "x")
    held = [os.open(f"{job}/{x}", os.O_RDWR) for x in ("files/f", "ctl")]
    held += [os.open(f"{job}/{x}", os.O_RDONLY) for x in ("log", "status")]
    held.append(os.open(f"{job}/spec.json", os.O_WRONLY | os.O_CREAT))
    os.write(held[-1], b"{")
    os.chdir(job)
    begin = time.monotonic()
    m.daemon.send_signal(signal.SIGTERM)
    code = m.daemon.wait(timeout=LIMIT_S)
    took = time.monotonic() - begin
    os.chdir("/")
    for fd in held:
        result(os.close, fd)
    same(code, 0)
    print(f"SIGTERM to the end: {took:.2f} s")
    same(mounts(m.path), [])
    m.start()
    same(state(job), "NEW")
    same(read(f"{job}/files/f"), "x")


@case("it does not mount where something is mounted")
def stacked(m):
    other = f"{m.top}/other"
    os.mkdir(other)
    subprocess.run(["mount", "-t", "tmpfs", "none", other], check=True)
    try:
        config = f"{m.top}/second.json"
        write(config, read(m.config).replace("/state", "/state2"))
        m2 = type("", (), {"config": config})
        matches(start(m2, other), "mount point already.*tmpfs")
        matches(start(m2, m.path), "mount point already.*fuse.jobfs")
        same(len(mounts(m.path)), 1)
        same(len(mounts(other)), 1)
    finally:
        subprocess.run(["umount", other], check=True)
    matches(start(m2, other, "-o", "no_such_option"), "mount options are wrong")
    same(mounts(other), [])


@case("a mount point with odd characters in its path works, and is cleaned after a crash")
def odd(m):
    old, m.path = m.path, f"{m.top}/a b\\c\td\"ü"
    try:
        os.mkdir(m.path)
        m.stop_at(old)
        m.start()
        job = m.job(RIGHT)
        m.kill()
        m.start()
        same(state(job), "QUEUED")
        m.stop()
    finally:
        m.path = old
    m.start()


@case("a connection that was aborted ends the daemon, and leaves no dead mount")
def aborted(m):
    control = f"{m.top}/control"
    os.mkdir(control)
    subprocess.run(["mount", "-t", "fusectl", "none", control], check=True)
    minor = os.minor(os.stat(m.path).st_dev)
    write(f"{control}/{minor}/abort", "1")
    subprocess.run(["umount", control], check=True)
    same(m.daemon.wait(timeout=LIMIT_S), 0)
    same(mounts(m.path), [])
    m.start()


@case("requests in flight are answered when it ends")
def in_flight(m):
    for _ in range(5):
        job = m.job()
        names = [f"{job}/files/{i}" for i in range(200)]
        writer = subprocess.Popen(
            ["bash", "-c", 'for f; do echo x > "$f" || exit 0; done', "-", *names],
            stderr=subprocess.DEVNULL,
        )
        time.sleep(0.05)
        m.daemon.send_signal(signal.SIGTERM)
        same(m.daemon.wait(timeout=LIMIT_S), 0)
        writer.wait(timeout=LIMIT_S)
        m.start()
        os.listdir(f"{job}/files")


@case("renameat2 does what it can and says what it cannot")
def renameat2(m):
    libc = ctypes.CDLL(None, use_errno=True)

    def rename(a, b, flags):
        libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), flags)
        if error := ctypes.get_errno():
            ctypes.set_errno(0)
            raise OSError(error, "")

    a, b = m.job(), m.job()
    write(f"{a}/files/f", "f")
    write(f"{a}/files/g", "g")
    same(result(rename, f"{a}/files/f", f"{a}/files/g", 2), "EINVAL")  # EXCHANGE
    same(result(rename, a, b, 2), "EINVAL")
    same(result(rename, f"{a}/files/f", f"{a}/files/g", 1), "EEXIST")  # NOREPLACE
    same(result(rename, a, b, 1), "EEXIST")
    same(result(rename, f"{a}/files/f", f"{a}/files/h", 1), "ok")
    same(result(rename, a, a + "new", 1), "ok")
    same(result(rename, f"{a}new/files/h", f"{a}new/files/g", 0), "ok")
    same(read(f"{a}new/files/g"), "f")
