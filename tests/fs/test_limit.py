"""The limits of the bytes of a job's files, and of open files."""

import contextlib
import errno
import os
import resource
import subprocess

from mount import RIGHT, Mount, case, read, result, same, state, write

LIMITS = {"files_bytes": "1MiB"}


@case("files have a limit, and what is removed is free again")
def limit(m):
    job = m.job()
    f = f"{job}/files/f"
    same(result(write, f, "x" * 600_000), "ok")
    same(result(write, f"{job}/files/g", "x" * 600_000), "EDQUOT")
    os.unlink(f"{job}/files/g")
    same(result(os.truncate, f, 1 << 40), "EDQUOT")
    fd = os.open(f, os.O_RDWR)
    same(result(os.posix_fallocate, fd, 0, 1 << 40), "EDQUOT")
    os.close(fd)
    write(f"{job}/files/h", "x" * 400_000)
    same(result(write, f"{job}/files/i", "x" * 100_000), "EDQUOT")
    os.unlink(f)
    same(result(write, f"{job}/files/i", "x" * 100_000), "ok")
    write(f"{m.job()}/files/f", "x" * 900_000)


@contextlib.contextmanager
def soft_limit(n):
    """Of descriptors, for who is started meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (n, hard))
    yield min(hard, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@case("the daemon gets itself more descriptors than a shell would give")
def descriptors(m):
    m.stop()
    with soft_limit(200) as want:
        m.start()
    same(resource.prlimit(m.daemon.pid, resource.RLIMIT_NOFILE)[0], want)


@case("programs that open many files leave the daemon what it needs")
def many_open(m):
    job, other = m.job(), m.job()
    write(f"{other}/files/old", "old")
    old = resource.prlimit(m.daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(m.daemon.pid, resource.RLIMIT_NOFILE, (128, old[1]))
    with contextlib.ExitStack() as opened:
        for n in range(128):
            try:
                opened.enter_context(open(f"{job}/files/{n}", "w"))
            except OSError as e:
                same(e.errno, errno.ENFILE)
                break
        assert n > 60, n
        same(len(os.listdir(f"{job}/files")), n)  # none that could not be opened
        same(result(read, f"{other}/files/old"), "ENFILE")
        same(state(m.job(RIGHT)), "QUEUED")
    same(read(f"{other}/files/old"), "old")
    resource.prlimit(m.daemon.pid, resource.RLIMIT_NOFILE, old)


@contextlib.contextmanager
def small_disk(m, size):
    path = f"{m.top}/small"
    os.mkdir(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path], check=True)
    os.mkdir(f"{path}/state", 0o700)
    try:
        yield f"{path}/state"
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@case("files fill the disk only so far that they can be removed, and jobs submitted")
def full_disk(m):
    with small_disk(m, "32m") as path:
        n = Mount(config={"state_dir": path})
        try:
            big = f"{n.job()}/files/big"
            same(result(write, big, "x" * (40 << 20)), "ENOSPC")
            assert os.path.getsize(big) > 24 << 20
            disk = os.statvfs(n.path)
            assert disk.f_bavail * disk.f_frsize < 1 << 20, disk
            same(state(n.job(RIGHT)), "QUEUED")
            os.unlink(big)
            write(big, "x" * (20 << 20))
            n.stop()
        finally:
            n.end()
