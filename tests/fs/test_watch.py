"""Who watches hears: inotify."""

import contextlib
import os
import signal
import subprocess
import time

from inotify import Inotify
from mount import RIGHT, WRONG, case, read, result, same, state, wait, write


@contextlib.contextmanager
def watching(*paths, **options):
    watcher = Inotify().watch(*paths, **options)
    try:
        yield watcher
    finally:
        watcher.close()


@case("a watch of a file or of its directory hears of a new state")
def new_state(m):
    job = m.job()
    with watching(job) as by_directory, watching(f"{job}/status") as by_file:
        write(f"{job}/spec.json", RIGHT)
        for w in (by_directory, by_file):
            w.wait(f"{job}/status", "MODIFY", "CLOSE_WRITE")
        for name in ("status.json", "progress", "events.jsonl"):
            by_directory.wait(f"{job}/{name}", "MODIFY")


@case("who reads at an event reads what it tells of")
def fresh(m):
    job = m.job(RIGHT)
    with watching(f"{job}/status") as w:
        write(f"{job}/ctl", "cancel\n")
        w.wait(f"{job}/status", "MODIFY")
        same(state(job), "CANCELLED")


@case("a file that comes is created, one that goes is deleted")
def rows(m):
    job = m.job()
    with watching(job) as w:
        same(result(write, f"{job}/spec.json", WRONG), "EINVAL")
        w.wait(f"{job}/error", "CREATE", "MODIFY", "CLOSE_WRITE")
        same(os.path.exists(f"{job}/error"), True)
        with watching(f"{job}/error") as by_file:
            write(f"{job}/spec.json", RIGHT)
            w.wait(f"{job}/error", "DELETE")
            by_file.wait(f"{job}/error", "DELETE_SELF")
        same(os.path.exists(f"{job}/error"), False)
        same(sorted(set(w.of(f"{job}/spec.json")) - {"MODIFY"}), ["CLOSE_WRITE", "CREATE"])


@case("who looks for a file that comes finds it, whoever looked before")
def looked_for(m):
    for _ in range(20):
        job = m.job()
        with watching(job) as w:
            same(os.path.exists(f"{job}/error"), False)
            same(result(write, f"{job}/spec.json", WRONG), "EINVAL")
            same(os.path.exists(f"{job}/error"), True)  # at once, before it is told
            w.wait(f"{job}/error", "CREATE")
            write(f"{job}/spec.json", RIGHT)
            same(os.path.exists(f"{job}/error"), False)


@case("the end of a job closes its log and its timeline")
def end(m):
    job = m.job(RIGHT)
    with watching(job) as w:
        write(f"{job}/ctl", "cancel\n")
        for name in ("status", "log", "transfer.log", "events.jsonl"):
            w.wait(f"{job}/{name}", "CLOSE_WRITE")


@case("the queue and the timeline of all jobs are told")
def all_jobs(m):
    dot = f"{m.path}/.jobfs"
    with watching(dot) as by_directory, watching(f"{dot}/events.jsonl") as by_file:
        job = m.job(RIGHT)
        by_directory.wait(f"{dot}/queue", "MODIFY", "CLOSE_WRITE")
        by_file.wait(f"{dot}/events.jsonl", "MODIFY")
        assert os.path.basename(job) in read(f"{dot}/queue")


@case("what users do is told once")
def users(m):
    with watching(m.path) as w:
        job = m.job()
        os.rename(job, f"{job}x")
        os.rmdir(f"{job}x")
        time.sleep(0.3)
        while w.read():
            pass
        same(w.of(job), ["CREATE"])
        same(w.of(f"{job}x"), ["DELETE"])


@case("an event is at the time of change of the file, not at another one")
def times(m):
    job = m.job(RIGHT)
    with watching(f"{job}/status") as w:
        write(f"{job}/ctl", "cancel\n")
        w.wait(f"{job}/status", "CLOSE_WRITE")
        before = os.stat(f"{job}/status").st_mtime_ns
        w.clear()
        same(os.stat(f"{job}/status").st_mtime_ns, before)


@case("tools that watch see it: inotifywait and entr")
def tools(m):
    for command, said in (
        ("inotifywait -q --format %e -e close_write {}", "CLOSE_WRITE,CLOSE\n"),
        ("echo {} | entr -npz cat /_", "NEW\n"),
    ):
        job = m.job()
        p = subprocess.Popen(command.format(f"{job}/status"), shell=True, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # they do not say when they have begun, so there is news until they have seen it
        wait(lambda job=job, p=p: make_news(job) and p.poll() is not None)
        out, err = p.communicate()
        same((out, err), (said, ""))


def make_news(job):
    return result(write, f"{job}/spec.json", WRONG) == "EINVAL"


@case("an unmount succeeds at once while there is news all the time")
def unmount(m):
    for _ in range(5):
        jobs = [m.job(RIGHT) for _ in range(20)]
        with watching(*jobs):
            for job in jobs:
                write(f"{job}/ctl", "cancel\n")
            m.restart()


@case("a daemon that is killed in the middle of telling leaves nothing that hangs")
def killed(m):
    for _ in range(5):
        jobs = [m.job(RIGHT) for _ in range(20)]
        with watching(*jobs):
            for job in jobs[:10]:
                write(f"{job}/ctl", "cancel\n")
            m.daemon.send_signal(signal.SIGKILL)
            m.daemon.wait(timeout=10)  # in state D it would not end
        m.start()
        same({state(job) for job in jobs}, {"CANCELLED", "QUEUED"})
