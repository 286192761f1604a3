"""`.jobfs/metrics`: in the format of Prometheus, and true."""

import json
import os
import time

from hosts import config
from mount import RIGHT, WRONG, case, read, result, same, state, wait, write
from prometheus import lint, parse, promtool

CONFIG = config("gpu-a")


def metrics(m):
    return parse(read(f"{m.path}/.jobfs/metrics"))


def get(m, family, label=None, value=None, part=""):
    return metrics(m)[family].samples[family + part, label, value]


def by(m, family, label):
    return {v: int(n) for (_, name, v), n in metrics(m)[family].samples.items() if name == label and n}


@case("it is what Prometheus reads, with names as it wants them")
def format_(m):
    m.expected.append("host gpu-a")  # nobody answers there
    job = m.job(RIGHT)  # the only one that goes to the host; it waits there
    wait(lambda: state(job) == "PREPARING")
    text = read(f"{m.path}/.jobfs/metrics")
    lint(parse(text))
    said = promtool(text)
    assert said in (None, ""), said
    print(f"# {len(parse(text))} families, {sum(len(f.samples) for f in parse(text).values())} series, promtool "
          f"{'is not here' if said is None else 'has no complaint'}")


@case("jobs are counted by their states, and how often they came there")
def jobs(m):
    before, moved = by(m, "jobfs_jobs", "state"), by(m, "jobfs_job_transitions_total", "state")
    job = m.job(WRONG)
    ended = m.job('{"run": "true", "hold": true}')
    write(f"{ended}/ctl", "cancel\n")
    after, now = by(m, "jobfs_jobs", "state"), by(m, "jobfs_job_transitions_total", "state")
    same({s: after[s] - before.get(s, 0) for s in ("NEW", "CANCELLED")}, {"NEW": 1, "CANCELLED": 1})
    same({s: now[s] - moved.get(s, 0) for s in ("NEW", "HELD", "CANCELLED")}, {"NEW": 2, "HELD": 1, "CANCELLED": 1})
    os.rmdir(job)
    same(by(m, "jobfs_jobs", "state").get("NEW"), before.get("NEW"))


@case("the queue has the length of the file that lists it")
def queue(m):
    held = m.job('{"run": "true", "hold": true}')
    lines = read(f"{m.path}/.jobfs/queue").splitlines()
    same(get(m, "jobfs_queue_length"), sum(line[0].isdigit() for line in lines))
    write(f"{held}/ctl", "cancel\n")


@case("hosts are told as in their own files")
def hosts(m):
    status = json.loads(read(f"{m.path}/.jobfs/hosts/gpu-a/status.json"))
    for name in ("slots", "gpus"):
        same(get(m, f"jobfs_host_{name}", "host", "gpu-a"), status[name])
    same(get(m, "jobfs_host_up", "host", "gpu-a"), 0)


@case("turns and commits are timed")
def times(m):
    def counts():
        return [get(m, f"jobfs_{f}_duration_seconds", part="_count") for f in ("turn", "commit")]

    before = counts()
    for _ in range(5):
        m.job()
    # a caller is answered before the turn that answered it is over, and counted
    wait(lambda: all(b >= a + 5 for a, b in zip(before, counts())))
    assert get(m, "jobfs_commit_duration_seconds", part="_sum") > 0


@case("calls to a host that does not answer are counted as such")
def calls(m):
    wait(lambda: get(m, "jobfs_failed_ssh_calls_total") >= 1)
    assert get(m, "jobfs_ssh_call_duration_seconds", part="_count") >= get(m, "jobfs_failed_ssh_calls_total")


@case("the process and its database are measured")
def process(m):
    assert 0 < time.time() - get(m, "process_start_time_seconds") < 3600
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"):
        assert get(m, name) > 0, name
    same(get(m, "jobfs_store_bytes", "part", "database"), os.stat(f"{m.top}/state/jobfs.db").st_size)


@case("its size is a whole number of pages, so that what stat(2) says can be read")
def size(m):
    for _ in range(20):
        same(os.stat(f"{m.path}/.jobfs/metrics").st_size, len(read(f"{m.path}/.jobfs/metrics")))
        same(len(read(f"{m.path}/.jobfs/metrics")) % 4096, 0)


@case("it is read only, by everybody")
def mode(m):
    same(oct(os.stat(f"{m.path}/.jobfs/metrics").st_mode), "0o100444")
    same(result(write, f"{m.path}/.jobfs/metrics", "x"), "EPERM")


@case("counters begin anew with the daemon")
def restart(m):
    m.restart()
    same(by(m, "jobfs_job_transitions_total", "state").get("NEW"), None)
    assert by(m, "jobfs_jobs", "state")["NEW"] > 0
