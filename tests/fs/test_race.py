"""Many at once: what is seen is always one of the things that can be."""

import os
import threading
import time

from mount import RIGHT, case, result, same, state, wait, write

SECONDS = 5


def one_of(have, wanted):
    assert have in wanted, f"have {have}, want one of {wanted}"


def together(*functions):
    """Each in its thread, again and again; the first that fails, fails."""
    stop, failed = time.monotonic() + SECONDS, []

    def run(function):
        n = 0
        try:
            while time.monotonic() < stop and not failed:
                function(n)
                n += 1
        except BaseException as e:
            failed.append(e)

    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]


@case("eight threads make, list, read and remove jobs")
def jobs(m):
    def make(who):
        def run(n):
            job = f"{m.path}/r{who}-{n}"
            os.mkdir(job)
            write(f"{job}/spec.json", RIGHT)
            same(state(job), "QUEUED")
            write(f"{job}/ctl", "cancel")
            os.rmdir(job)
        return run

    def look(n):
        for name in os.listdir(m.path):
            one_of(result(os.stat, f"{m.path}/{name}"), ("ok", "ENOENT"))
            if name != ".jobfs":
                one_of(result(state, f"{m.path}/{name}"), ("ok", "ENOENT"))

    together(make(0), make(1), make(2), make(3), look, look, look, look)
    same(os.listdir(m.path), [".jobfs"])


@case("eight threads make, list, read and remove files of one job")
def files(m):
    top = f"{m.job()}/files"

    def make(who):
        def run(n):
            name = f"{top}/{who}-{n % 7}"
            write(name, str(n))
            os.rename(name, name + "x")
            os.mkdir(name)
            write(f"{name}/f", "x")
            os.unlink(f"{name}/f")
            os.rmdir(name)
            os.unlink(name + "x")
        return run

    def look(n):
        for name in os.listdir(top):
            one_of(result(os.stat, f"{top}/{name}"), ("ok", "ENOENT"))
            one_of(result(os.listdir, f"{top}/{name}"), ("ok", "ENOENT", "ENOTDIR"))

    together(make(0), make(1), make(2), make(3), look, look, look, look)
    same(os.listdir(top), [])


@case("what stays is listed once while all around it comes and goes")
def listing(m):
    stay = {f"stay{i}" for i in range(300)}
    for name in stay:
        os.mkdir(f"{m.path}/{name}")

    def churn(who):
        def run(n):
            os.mkdir(f"{m.path}/c{who}-{n}")
            os.rmdir(f"{m.path}/c{who}-{n}")
        return run

    def look(n):
        names = [x for x in os.listdir(m.path) if x.startswith("stay")]
        same((len(names), set(names)), (300, stay))

    together(churn(0), churn(1), churn(2), look, look, look)
    for name in stay:
        os.rmdir(f"{m.path}/{name}")


@case("many writers of one spec submit it once")
def spec(m):
    for _ in range(30):
        job = m.job()
        ok = []

        def submit(job=job, ok=ok):
            if result(write, f"{job}/spec.json", RIGHT) == "ok":
                ok.append(1)

        threads = [threading.Thread(target=submit) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same(state(job), "QUEUED")
        assert ok


@case("nothing that was opened stays open in the daemon")
def leaks(m):
    job = m.job()
    write(f"{job}/files/f", "x")

    def count():
        return len(os.listdir(f"/proc/{m.daemon.pid}/fd"))

    before = count()
    for _ in range(200):
        fds = [os.open(f"{job}/{x}", os.O_RDONLY) for x in ("files/f", "status", "log")]
        for fd in fds:
            os.close(fd)
    wait(lambda: count() <= before + 2)
