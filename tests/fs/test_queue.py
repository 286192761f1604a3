"""The queue: who waits, in which place, and why. Nobody answers at the host's address here."""

import os

from hosts import config, ctl, host, resume
from inotify import Inotify
from mount import RIGHT, case, matches, read, result, same, state, status, wait, write

CONFIG = config("gpu-a")
LIMITS = {"user_jobs": 0, "user_dirs": 0}


def queue(m):
    """name: (place, reason, message)"""
    lines = [line.split("\t") for line in read(f"{m.path}/.jobfs/queue").splitlines()]
    return {name: (place, reason, message) for place, name, reason, message in lines}


def of(m, job):
    """What the queue and status.json say of the job, which is the same."""
    place, reason, message = queue(m)[os.path.basename(job)]
    have = status(job)
    same((reason, message), (have["reason"], have["message"]))
    same(place, "-" if have["queue_position"] is None else str(have["queue_position"]))
    return place, reason


def reason(job):
    return status(job)["reason"]


@case("a job that waits for a host in trouble says what the trouble is")
def trouble(m):
    m.expected.append("host gpu-a")  # nobody answers there
    first = m.job(RIGHT)  # has the slot
    wait(lambda: state(first) == "PREPARING" and "down" in read(host(m, "gpu-a")))
    job = m.job(RIGHT)
    wait(lambda: reason(job) == "HostRefused")
    same(of(m, job), ("1", "HostRefused"))
    matches(status(job)["message"], "gpu-a.*refused")
    matches(read(f"{job}/progress"), "^QUEUED, place 1 in the queue: .*gpu-a")


@case("it says that its host is drained, as long as that is so, also after a restart")
def drained(m):
    job = m.job(RIGHT)
    same(ctl(m, "drain", "gpu-a"), "ok")
    wait(lambda: reason(job) == "HostDrained")
    same(status(job)["message"], "host gpu-a is drained: it takes no new jobs")
    same(status(job)["class"], "host")
    later = m.job(RIGHT)
    same(reason(later), "HostDrained")
    same(int(of(m, later)[0]), int(of(m, job)[0]) + 1)
    m.restart()
    same(of(m, job)[1], "HostDrained")
    resume(m, "gpu-a")
    wait(lambda: reason(job) != "HostDrained" and reason(later) != "HostDrained")


@case("a held job is listed behind the others, without a place")
def held(m):
    job = m.job('{"run": "true", "hold": true}')
    queued = m.job(RIGHT)
    same(of(m, job), ("-", "Held"))
    same(list(queue(m))[-1], os.path.basename(job))
    w = Inotify().watch(f"{m.path}/.jobfs/queue")
    write(f"{job}/ctl", "release\n")
    w.wait(f"{m.path}/.jobfs/queue", "MODIFY")
    w.close()
    same(int(of(m, job)[0]), int(of(m, queued)[0]) + 1)


@case("a job that waits for its files says for which, whatever becomes of the hosts")
def files(m):
    job = m.job('{"script": "late.sh"}')
    same(of(m, job)[1], "WaitingForFiles")
    matches(status(job)["message"], "late.sh")
    same(ctl(m, "drain"), "ok")
    other = m.job(RIGHT)
    wait(lambda: reason(other) == "HostDrained")
    same(of(m, job)[1], "WaitingForFiles")
    write(f"{job}/files/late.sh", "true\n")
    wait(lambda: reason(job) == "HostDrained")
    resume(m, "gpu-a")


@case("six hundred jobs hear of it, in their order, without keeping others waiting")
def many(m):
    jobs = [m.job(RIGHT) for _ in range(600)]
    same(ctl(m, "drain"), "ok")
    wait(lambda: reason(jobs[-1]) == "HostDrained")
    same({reason(j) for j in jobs}, {"HostDrained"})
    same([queue(m)[os.path.basename(j)][0] for j in (jobs[0], jobs[-1])],
         [str(len(queue(m)) - 599), str(len(queue(m)))])
    for j in os.listdir(m.path):
        if j != ".jobfs":
            same(result(write, f"{m.path}/{j}/ctl", "cancel now\n"), "ok")
    wait(lambda: not queue(m))
