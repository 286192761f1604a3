"""A daemon that dies, a network that goes, a host that reboots: jobs go on and run once."""

import os
import random
import subprocess
import time
from collections import Counter

import pytest

from bed import wait_for

LEDGER = "/tmp/ledger"
# $1: name, $2: seconds, $3: exit code. A line when it starts, lines to the log, a line at its end.
WORK = f"""#!/bin/sh
echo "start $1" >>{LEDGER}
i=0; while [ $i -lt 200 ]; do echo "job $1 line $i"; i=$((i+1)); done
echo "of $1" >output/result
sleep $2
echo "end $1" >>{LEDGER}
exit $3
"""


def log_of(name):
    return "".join(f"job {name} line {i}\n" for i in range(200))


def clear_ledgers(bed):
    for host in ("gpu1", "gpu2"):
        bed.bed("in", host, "rm", "-f", LEDGER)


def ledger(bed):
    """How often each job started and ended, on all hosts together."""
    lines = []
    for host in ("gpu1", "gpu2"):
        lines += bed.bed("in", host, "sh", "-c", f"cat {LEDGER} 2>/dev/null || true").splitlines()
    return Counter(lines)


def submit(daemon, name, seconds, code, **more):
    daemon.submit(name, {"script": "w.sh", "args": [name, str(seconds), str(code)],
                         "outputs": f"ledger/{name}/{{id}}/", **more}, {"w.sh": WORK})


def check(bed, daemon, jobs):
    """Exactly one start and one end of each, the right code, the whole log, the outputs."""
    counts = ledger(bed)
    for name, code in jobs.items():
        assert counts[f"start {name}"] == 1, f"{name} started {counts[f'start {name}']} times"
        assert counts[f"end {name}"] == 1
        assert daemon.read(name, "exit_code") == f"{code}\n"
        assert daemon.read(name, "log") == log_of(name)
        assert daemon.status(name) == ("SUCCEEDED" if code == 0 else "FAILED")
        assert (daemon.job(name) / "outputs.s3").exists()


def test_jobs_go_on_through_kills_of_the_daemon_and_run_once(bed, daemon):
    clear_ledgers(bed)
    rng = random.Random(11)
    jobs = {}
    for i in range(12):
        name, code = f"k{i}", rng.choice([0, 0, 3, 255])
        submit(daemon, name, rng.choice([0, 1, 3]), code)
        jobs[name] = code
        if i % 3 == 2:
            time.sleep(rng.uniform(0, 0.8))
            daemon.kill()
            daemon.start()
    for _ in range(4):
        time.sleep(rng.uniform(0.1, 1.2))
        daemon.kill()
        daemon.start()
    for name in jobs:
        daemon.wait(name)
    check(bed, daemon, jobs)


def test_a_job_ends_right_while_no_daemon_runs(bed, daemon):
    clear_ledgers(bed)
    submit(daemon, "alone", 2, 0)
    daemon.wait("alone", ("RUNNING",))
    daemon.kill()
    key = "ledger/alone/"
    wait_for("the outputs, without a daemon", lambda: bed.keys(key), 60, 0.5)
    daemon.start()
    daemon.wait("alone", ("SUCCEEDED",))
    check(bed, daemon, {"alone": 0})


def test_a_job_that_names_its_host_and_gpus_is_found_again(bed, start):
    clear_ledgers(bed)
    daemon = start(hosts={"gpu1": {"slots": 2, "gpus": 2}, "gpu2": {}})
    submit(daemon, "pinned", 2, 0, resources={"host": "gpu1", "gpus": 2})
    daemon.wait("pinned", ("RUNNING",))
    daemon.kill()
    daemon.config["hosts"]["gpu1"]["gpus"] = 1  # it has less now; the job has what it has
    daemon.start()
    daemon.wait("pinned", ("SUCCEEDED",))
    check(bed, daemon, {"pinned": 0})


def test_sigterm_ends_the_daemon_at_once_and_jobs_go_on(bed, daemon):
    clear_ledgers(bed)
    submit(daemon, "term", 3, 0)
    daemon.wait("term", ("RUNNING",))
    begin = time.monotonic()
    assert daemon.stop() == 0
    print(f"\nSIGTERM to the end: {time.monotonic() - begin:.2f} s")
    daemon.start()
    daemon.wait("term", ("SUCCEEDED",))
    check(bed, daemon, {"term": 0})


def test_a_cut_cable_is_shown_but_changes_no_state(bed, start):
    clear_ledgers(bed)
    daemon = start(hosts={"gpu1": {"slots": 2}}, ssh={"keepalive": "1s"})
    submit(daemon, "cut", 6, 0)
    daemon.wait("cut", ("RUNNING",))
    bed.bed("hole", "ctl", "gpu1")
    try:
        wait_for("unreachable_since", lambda: daemon.json("cut")["unreachable_since"], 40)
        assert daemon.status("cut") == "RUNNING"
        assert "has not answered since" in daemon.read("cut", "progress")
        assert not (daemon.job("cut") / "error").exists()
    finally:
        bed.bed("heal")
    daemon.wait("cut", ("SUCCEEDED",))
    assert daemon.json("cut")["unreachable_since"] is None
    check(bed, daemon, {"cut": 0})


def test_a_reboot_of_the_host_is_told_and_the_job_not_run_again(bed, start):
    clear_ledgers(bed)
    daemon = start(hosts={"gpu2": {"slots": 2}}, ssh={"keepalive": "1s"})
    submit(daemon, "boot", 600, 0)
    daemon.wait("boot", ("RUNNING",))
    bed.bed("reboot", "gpu2")
    daemon.wait("boot", ("FAILED",))
    assert daemon.json("boot")["reason"] == "HostRebooted"
    assert "rebooted" in daemon.read("boot", "error")
    daemon.submit("after", {"run": "echo fine"})
    daemon.wait("after", ("SUCCEEDED",))


@pytest.mark.parametrize("engines", [("aws", "presigned"), ("presigned", "aws")])
def test_an_attempt_ends_with_the_engine_that_it_began_with(bed, start, engines):
    """By an `upload` that the daemon orders, since the runner is gone."""
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3={"engine": engines[0]})
    name = "engine-" + engines[0]
    daemon.submit(name, {"run": f"echo up; until [ -e $HOME/{name} ]; do sleep 0.05; done; echo out >output/o",
                         "outputs": "engines/{job}/"})
    wait_for("the program", lambda: daemon.read(name, "log") == "up\n")
    assert daemon.stop() == 0
    daemon.config["s3"]["engine"] = engines[1]
    daemon.start()
    attempt = f".jobfs/jobs/{daemon.json(name)['id']}-1"
    bed.on("gpu1", "sh", "-c", f"read -r _ _ pid rest <{attempt}/claim && kill -9 $pid && touch {name}")
    daemon.wait(name, ("SUCCEEDED", "FAILED"))
    assert bed.keys(f"engines/{name}/") == {f"engines/{name}/o": 4}
    bed.on("gpu1", "rm", name)


def test_a_second_daemon_on_the_state_directory_is_refused(bed, daemon):
    other = daemon.dir / "mnt2"
    other.mkdir()
    done = subprocess.run([os.environ["JOBFS"], "-f", "-c", str(daemon.dir / "config.json"),
                           str(other)], stderr=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 1
    assert b"another jobfs" in done.stderr
    assert daemon.is_up()
