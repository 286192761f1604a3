"""What the kernel keeps of the listing of a job's directory is never older than the
opendir(3), nor than a rewinddir(3) after an event. Nobody answers at the host, so a job
fails at once, and may be tried again and again: `error` comes and goes."""

import contextlib
import ctypes
import os
import signal
import struct
import subprocess
import threading
import time

from hosts import config
from inotify import Inotify
from mount import RIGHT, case, result, same, state, wait, write

CONFIG = config("gpu-a")
LIMITS = {"connect_patience": "0"}
ROUNDS = 6
libc = ctypes.CDLL(None, use_errno=True)
SLOTS = 1024  # of listed.h


def failing(m):
    m.expected.append("host gpu-a")
    job = m.job(RIGHT)
    wait(lambda: state(job) == "FAILED")
    return job


def flip(job, i):
    """Its error goes, and comes, and is looked for as soon as that is known."""
    write(f"{job}/ctl", "retry\n")
    held = result(write, f"{job}/ctl", "hold\n") == "ok"  # or it was quicker, and has failed
    if held:
        same((i, "error" in listed(job)), (i, False))
        time.sleep(0.02)
        same((i, "error" in listed(job)), (i, False))
        write(f"{job}/ctl", "release\n")
    wait(lambda: state(job) == "FAILED")
    same((i, "error" in listed(job)), (i, True))
    time.sleep(0.02)
    same((i, "error" in listed(job)), (i, True))


def end_toucher(m):
    """Nobody has told inotify of anything after that."""
    found = subprocess.run(["pgrep", "-f", f"jobfs-toucher {m.path}"], check=False, text=True,
                           stdout=subprocess.PIPE).stdout.split()
    for pid in found:
        os.kill(int(pid), signal.SIGKILL)


def listed(path):
    """By getdents64(2) alone: opendir(3) asks for the attributes too, and a new time of change
    makes the kernel forget the listing."""
    fd, data, names = os.open(path, os.O_RDONLY | os.O_DIRECTORY), ctypes.create_string_buffer(1 << 15), []
    try:
        while (n := libc.getdents64(fd, data, len(data))) > 0:
            at = 0
            while at < n:
                size = struct.unpack_from("H", data, at + 16)[0]
                names.append(data.raw[at + 19:at + size].split(b"\0")[0].decode())
                at += size
    finally:
        os.close(fd)
    return names


def id_of(job):
    return os.stat(job).st_ino >> 8


def job_with_id(m, wanted):
    """Each job that is made has the next id."""
    while True:
        job = m.job()
        if id_of(job) == wanted:
            return job
        os.rmdir(job)


@contextlib.contextmanager
def listing(*paths, n=6):
    """n threads do nothing but list them."""
    stop = threading.Event()

    def run(path):
        while not stop.is_set():
            listed(path)

    threads = [threading.Thread(target=run, args=(paths[i % len(paths)],)) for i in range(n)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@case("a directory that is open is read anew from its start, after an event")
def rewind(m):
    job = failing(m)
    fd = os.open(job, os.O_RDONLY | os.O_DIRECTORY)
    watcher = Inotify().watch(job)
    try:
        for i in range(5):
            same((i, "error" in os.listdir(fd)), (i, True))
            watcher.clear()
            write(f"{job}/ctl", "retry\n")
            watcher.wait(f"{job}/error", "DELETE", "CREATE")
    finally:
        watcher.close()
        os.close(fd)


@case("without inotify's help: a listing has what is there, and what is not has gone")
def changes(m):
    end_toucher(m)  # its touches make the kernel forget listings
    job = failing(m)
    with listing(job):
        for i in range(ROUNDS):
            flip(job, i)


@case("jobs that share a place in what is kept do not share their listings")
def sharing(m):
    job = failing(m)
    other = job_with_id(m, id_of(job) + SLOTS)
    write(f"{other}/spec.json", RIGHT)
    wait(lambda: state(other) == "FAILED")
    with listing(job, other):
        for i in range(ROUNDS):
            flip((job, other)[i % 2], i)


@case("files of the user are listed at once, and so is their end")
def files(m):
    job = m.job()
    for _ in range(20):
        os.listdir(job)
        write(f"{job}/note", "x")
        assert "note" in os.listdir(job)
        os.unlink(f"{job}/note")
        assert "note" not in os.listdir(job)
