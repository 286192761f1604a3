"""The ctl of hosts: which of them take new jobs. Nobody answers at either address here."""

import json
import os
import subprocess

from hosts import config, ctl, drained, host, resume
from inotify import Inotify
from mount import RIGHT, case, read, result, same, state, status, wait, write
from people import OTHER, as_user

NAMES = ("gpu-a", "gpu-b")
CONFIG = config(*NAMES)
ON_A = '{ "run": "true", "resources": { "host": "gpu-a" } }'


@case("each host has a ctl, and all of them have one together; both are the daemon's")
def files(m):
    m.expected.append("host gpu-")  # nobody answers there
    same(set(os.listdir(host(m, "gpu-a", ""))), {"status", "status.json", "ctl"})
    for path in (host(m, "gpu-a", "ctl"), f"{m.path}/.jobfs/ctl"):
        st = os.stat(path)
        same((oct(st.st_mode), st.st_uid), ("0o100200", os.getuid()))
        same(as_user(OTHER, f"result(write, {path!r}, 'drain')"), "EACCES")
        same(as_user(OTHER, f"result(read, {path!r})"), "EACCES")
        same(as_user(OTHER, f"result(os.truncate, {path!r}, 0)"), "EACCES")
        same(result(os.unlink, path), "EPERM")
        same(result(os.chmod, path, 0o666), "EPERM")
    same(drained(m, *NAMES), [])


@case("drain and resume are for one host or for all, and may be said twice")
def verbs(m):
    same(ctl(m, "drain", "gpu-a"), "ok")
    same(drained(m, *NAMES), ["gpu-a"])
    same(ctl(m, "drain", "gpu-a"), "ok")
    same(ctl(m, "drain"), "ok")
    same(drained(m, *NAMES), ["gpu-a", "gpu-b"])
    same(ctl(m, "resume", "gpu-a"), "ok")
    same(drained(m, *NAMES), ["gpu-b"])
    same(ctl(m, "resume\ndrain\nresume"), "ok")
    same(drained(m, *NAMES), [])


@case("what is no verb is EINVAL, and so is a verb of the daemon in the ctl of a host")
def errnos(m):
    for verb in ("nothing", "drain now", "drai", "drains", "DRAIN", "resume 1", "cancel", " drain"):
        same((verb, ctl(m, verb), ctl(m, verb, "gpu-a")), (verb, "EINVAL", "EINVAL"))
    for verb in ("reload", "gc", "backup /nowhere/x"):
        same((verb, ctl(m, verb, "gpu-a")), (verb, "EINVAL"))
    same(ctl(m, "drain\nnothing", "gpu-a"), "EINVAL")  # up to the first that fails
    same(drained(m, *NAMES), ["gpu-a"])
    resume(m, *NAMES)


@case("status says it, as long as the host is in no trouble, and so do the metrics")
def shown(m):
    same(ctl(m, "drain", "gpu-a"), "ok")
    assert read(host(m, "gpu-a")) in ("drained\n", "down\n"), read(host(m, "gpu-a"))
    assert 'jobfs_host_drained{host="gpu-a"} 1\n' in read(f"{m.path}/.jobfs/metrics")
    assert 'jobfs_host_drained{host="gpu-b"} 0\n' in read(f"{m.path}/.jobfs/metrics")
    resume(m, *NAMES)


@case("who watches the host's directory hears of it")
def watched(m):
    w = Inotify().watch(os.path.dirname(host(m, "gpu-b")))
    same(ctl(m, "drain", "gpu-b"), "ok")
    w.wait(host(m, "gpu-b", "status.json"), "MODIFY")
    w.close()
    resume(m, *NAMES)


@case("it is the same after a restart, and after the daemon was killed")
def kept(m):
    same(ctl(m, "drain", "gpu-b"), "ok")
    m.restart()
    same(drained(m, *NAMES), ["gpu-b"])
    same(ctl(m, "drain", "gpu-a"), "ok")
    m.kill()
    m.start()
    same(drained(m, *NAMES), ["gpu-a", "gpu-b"])
    same(ctl(m, "resume"), "ok")
    m.kill()
    m.start()
    same(drained(m, *NAMES), [])


@case("a directory of a host is that host's under a configuration with others in front, too")
def same_host(m):
    before = os.stat(host(m, "gpu-b")).st_ino
    user = subprocess.Popen(["sh", "-c", "read go && echo drain >ctl"], stdin=subprocess.PIPE,
                            cwd=os.path.dirname(host(m, "gpu-b")))
    with open(m.config) as f:
        old = json.load(f)
    new = dict(old, hosts={"gpu-0": old["hosts"]["gpu-a"], **old["hosts"]})
    for conf in (new, old):
        with open(m.config, "w") as f:
            json.dump(conf, f)
        m.kill()
        m.start()
        same(os.stat(host(m, "gpu-b")).st_ino, before)
        if conf is new:
            user.communicate(b"go\n", timeout=10)
            same((user.returncode, drained(m, "gpu-0", *NAMES)), (0, ["gpu-b"]))
            resume(m, "gpu-0", *NAMES)


@case("a host that is drained gets no job, and gets it when it takes jobs again")
def queued(m):
    same(ctl(m, "drain", "gpu-a"), "ok")
    job = m.job(ON_A)
    other = m.job(RIGHT)
    wait(lambda: status(other)["host"] == "gpu-b")
    same((state(job), status(job)["host"]), ("QUEUED", None))
    same(ctl(m, "resume", "gpu-a"), "ok")
    wait(lambda: status(job)["host"] == "gpu-a")
    for j in (job, other):
        write(f"{j}/ctl", "cancel now\n")
        wait(lambda j=j: state(j) == "CANCELLED")


@case("a job that waits for a host that is drained meanwhile, and has not been sent, goes elsewhere")
def leaves(m):
    same(ctl(m, "drain", "gpu-b"), "ok")
    job = m.job(RIGHT)
    wait(lambda: status(job)["host"] == "gpu-a")
    same(ctl(m, "resume", "gpu-b"), "ok")
    same(ctl(m, "drain", "gpu-a"), "ok")
    wait(lambda: status(job)["host"] == "gpu-b")
    same(status(job)["attempt"], 0)
    write(f"{job}/ctl", "cancel now\n")
    wait(lambda: state(job) == "CANCELLED")
    resume(m, *NAMES)
