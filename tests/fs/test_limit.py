"""The limit of the bytes of a job's files."""

import os

from mount import case, result, same, write

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
