"""Networks, hosts, disks and S3 that do not answer: jobs go on, and what is shown is true."""

import importlib.machinery
import importlib.util
import json
import os
import re
import threading
import time
from collections import Counter

import pytest

from bed import TESTS, wait_for

CUT_S = int(os.environ.get("JOBFS_TEST_CUT_S", "4"))  # 300 by hand
CROWD = int(os.environ.get("JOBFS_TEST_CROWD", "40"))  # 200 by hand
LEDGER = "/tmp/outage"


def ledger(bed, *hosts):
    lines = []
    for host in hosts:
        lines += bed.bed("in", host, "sh", "-c", f"cat {LEDGER} 2>/dev/null; rm -f {LEDGER}").split()
    return Counter(lines)


def host_status(daemon, host):
    return json.loads((daemon.mount / ".jobfs/hosts" / host / "status.json").read_text())


@pytest.fixture
def healed(bed):
    """Whatever a test did to the network and to the servers is over after it."""
    yield
    bed.bed("heal")
    for host in ("gpu1", "gpu2"):
        bed.bed("sshd", host, "resume")


def test_sigterm_ends_the_daemon_though_no_host_and_no_s3_answers(bed, start, data, healed):
    daemon = start(hosts={"gpu1": {"slots": 30}, "gpu2": {"slots": 30}})
    ledger(bed, "gpu1", "gpu2")
    (data / "in").write_text("x")
    bed.put(data / "in", "outage/in")
    names = [f"t{i}" for i in range(50)]
    for name in names:
        daemon.submit(name, {"run": f"echo $JOB_NAME >>{LEDGER}; until [ -e /tmp/go ]; do sleep 0.3; done; exit 3"})
    for name in names:
        daemon.wait(name, ("RUNNING",))
    bed.bed("hole", "ctl", "s3")
    daemon.submit("lists", {"inputs": {"x": "outage/in"}, "run": "true"})  # S3 hangs for it
    daemon.wait("lists", ("PREPARING",))
    for host in ("gpu1", "gpu2"):
        bed.bed("sshd", host, "pause")
    (daemon.job("t0") / "ctl").write_text("cancel")  # a call that hangs
    begin = time.monotonic()
    assert daemon.stop() == 0
    print(f"\nSIGTERM to the end: {time.monotonic() - begin:.2f} s")
    bed.bed("heal")
    for host in ("gpu1", "gpu2"):
        bed.bed("sshd", host, "resume")
        bed.bed("in", host, "touch", "/tmp/go")
    daemon.start()
    for name in names[1:]:
        daemon.wait(name, ("FAILED",))
        assert daemon.read(name, "exit_code") == "3\n"
    daemon.wait("t0")
    daemon.wait("lists", ("SUCCEEDED",))
    assert ledger(bed, "gpu1", "gpu2") == Counter(names)
    for host in ("gpu1", "gpu2"):
        bed.bed("in", host, "rm", "/tmp/go")


def test_a_cut_of_any_length_leaves_jobs_alone_and_logs_whole(bed, start, healed):
    daemon = start(hosts={"gpu1": {"slots": 4}}, ssh={"keepalive": "1s", "connect_timeout": "2s"})
    names = [f"c{i}" for i in range(4)]
    for name in names:
        daemon.submit(name, {"run": "i=0; until [ -e /tmp/go ]; do echo line $i; i=$((i+1)); sleep 0.02; done; "
                                    "echo $i >output/count", "outputs": "outage/{job}/"})
    for name in names:
        daemon.wait(name, ("RUNNING",))
    bed.bed("hole", "ctl", "gpu1")
    for name in names:
        wait_for("unreachable_since", lambda n=name: daemon.json(n)["unreachable_since"], 60)
        assert "host gpu1 has not answered since" in daemon.read(name, "progress")
    host = host_status(daemon, "gpu1")
    assert host["status"] == "down" and "gpu1" in host["message"]
    end = time.monotonic() + CUT_S
    while time.monotonic() < end:
        assert [daemon.status(name) for name in names] == ["RUNNING"] * 4
        time.sleep(0.1)
    bed.bed("heal")
    for name in names:
        wait_for("an answer", lambda n=name: not daemon.json(n)["unreachable_since"], 30)
    assert host_status(daemon, "gpu1")["status"] == "up"
    bed.bed("in", "gpu1", "touch", "/tmp/go")
    for name in names:
        daemon.wait(name, ("SUCCEEDED",))
        lines = daemon.read(name, "log").splitlines()
        assert lines == [f"line {i}" for i in range(len(lines))]
        count = bed.aws("s3", "cp", f"s3://bed-bucket/outage/{name}/count", "-").stdout
        assert int(count) == len(lines)
        states = [e["state"] for e in map(json.loads, daemon.read(name, "events.jsonl").splitlines())
                  if e["type"] == "state"]
        assert len(states) == len(set(states)), states
    bed.bed("in", "gpu1", "rm", "/tmp/go")


class Connections(threading.Thread):
    """The most SSH connections to one address at once, as ss(8) sees them."""

    def __init__(self, bed, address):
        super().__init__()
        self.bed, self.address, self.most, self.stopping = bed, address, 0, False

    def run(self):
        while not self.stopping:
            out = self.bed.bed("in", "ctl", "ss", "-Htn", "state", "established", "state", "syn-sent",
                               "dst", self.address)
            self.most = max(self.most, len(out.splitlines()))
            time.sleep(0.05)


@pytest.fixture
def strict_sshd(bed):
    """gpu2 lets in one at a time, two sessions each, with new keys all the time."""
    options = ["MaxStartups 1:100:1", "MaxSessions 2", "RekeyLimit 256K", "ClientAliveInterval 1"]
    path = "/etc/ssh/sshd_config"
    before = bed.bed("in", "gpu2", "cat", path)
    bed.bed("in", "gpu2", "sh", "-c", f"cat >{path}", input="\n".join([*options, before]).encode())
    bed.bed("sshd", "gpu2", "restart")
    yield
    bed.bed("in", "gpu2", "sh", "-c", f"cat >{path}", input=before.encode())
    bed.bed("sshd", "gpu2", "restart")


def test_an_sshd_that_lets_nearly_nobody_in_does_all_jobs_over_one_connection(bed, start, strict_sshd):
    daemon = start(hosts={"gpu2": {"slots": 20}})
    ledger(bed, "gpu2")
    watcher = Connections(bed, bed.ip["gpu2"])
    watcher.start()
    names = [f"m{i}" for i in range(CROWD)]
    try:
        for name in names:
            daemon.submit(name, {"run": f"echo $JOB_NAME >>{LEDGER}; head -c 60000 /dev/zero | tr '\\0' x"})
        for name in names:
            daemon.wait(name, ("SUCCEEDED",), 600)
            assert len(daemon.read(name, "log")) == 60000
    finally:
        watcher.stopping = True
        watcher.join()
    assert ledger(bed, "gpu2") == Counter(names)
    assert 1 <= watcher.most <= 2


def test_an_sshd_that_is_restarted_under_running_jobs_is_found_again(bed, start):
    daemon = start(hosts={"gpu2": {}}, ssh={"keepalive": "1s"})
    daemon.submit("r", {"run": "until [ -e /tmp/go ]; do sleep 0.2; done; echo fine"})
    daemon.wait("r", ("RUNNING",))
    bed.bed("sshd", "gpu2", "stop")
    try:
        bed.bed("sshd", "gpu2", "kill-sessions")
        wait_for("silence to show", lambda: daemon.json("r")["unreachable_since"], 60)
        wait_for("refused", lambda: "refused" in host_status(daemon, "gpu2")["message"])
        assert daemon.status("r") == "RUNNING"
    finally:
        bed.bed("sshd", "gpu2", "start")
    wait_for("an answer", lambda: not daemon.json("r")["unreachable_since"], 30)
    bed.bed("in", "gpu2", "touch", "/tmp/go")
    daemon.wait("r", ("SUCCEEDED",))
    bed.bed("in", "gpu2", "rm", "/tmp/go")


def test_the_mount_answers_while_every_host_is_frozen(bed, start, healed):
    loader = importlib.machinery.SourceFileLoader("frozen", str(TESTS / "bench" / "frozen"))
    bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("frozen", loader))
    loader.exec_module(bench)
    daemon = start(ssh={"keepalive": "2s"})
    times, blocked, errors = bench.measure(bed, daemon, 5, 32)
    for what, t in times.items():
        print(f"\n{what} while every host is frozen: {len(t)}, p50 {t[len(t) // 2]:.2f} ms, "
              f"p99 {t[len(t) * 99 // 100]:.2f} ms, max {t[-1]:.2f} ms", end="")
    assert not errors and not blocked
    assert all(len(t) > 100 for t in times.values())
    for i in range(bench.JOBS):
        (daemon.job(f"f{i}") / "ctl").write_text("cancel now\n")
    for i in range(bench.JOBS):
        daemon.wait(f"f{i}", ("CANCELLED",))


@pytest.fixture
def disk(bed):
    """disk("full"), disk("4g"): of gpu2."""
    yield lambda size: bed.bed("disk", "gpu2", size)
    bed.bed("disk", "gpu2", "4g")


def test_a_host_whose_disk_is_full_before_a_job_is_told_and_used_when_there_is_room(bed, start, disk):
    daemon = start(hosts={"gpu2": {}}, limits={"connect_patience": "10m"})
    bed.on("gpu2", "rm", "-rf", ".jobfs/bin")  # a host that has not even the agent
    disk("full")
    daemon.submit("p", {"script": "s.sh"}, {"s.sh": "#!/bin/sh\necho fine\n"})
    error = wait_for("a word of it", lambda: (daemon.job("p") / "error").exists() and daemon.read("p", "error"))
    assert "gpu2" in error and "disk" in error and ".jobfs" in error
    assert "disk" in host_status(daemon, "gpu2")["message"]
    assert daemon.status("p") == "PREPARING"
    disk("4g")
    daemon.wait("p", ("SUCCEEDED",))
    assert not (daemon.job("p") / "error").exists()
    disk("full")  # the agent is there now, but no room for a payload
    daemon.submit("q", {"script": "s.sh"}, {"s.sh": b"#!/bin/sh\n" + b"#" * 1_000_000})
    error = wait_for("a word of it", lambda: (daemon.job("q") / "error").exists() and daemon.read("q", "error"))
    assert "room" in error or "cannot" in error, error
    disk("4g")
    daemon.wait("q", ("SUCCEEDED",))


def test_what_a_host_refused_one_job_stays_while_others_run_there(bed, start, disk):
    daemon = start(hosts={"gpu2": {"slots": 2}}, limits={"connect_patience": "10m", "poll_interval": "100ms"})
    daemon.submit("talks", {"run": "until [ -e /tmp/go ]; do echo line; sleep 0.05; done"})
    wait_for("it talks", lambda: daemon.read("talks", "log"))
    disk("full")
    daemon.submit("q", {"script": "s.sh"}, {"s.sh": b"#!/bin/sh\n" + b"#" * 1_000_000})
    error = wait_for("a word of it", lambda: (daemon.job("q") / "error").exists() and daemon.read("q", "error"))
    for _ in range(300):  # some tries, and many answers to the other job
        assert daemon.read("q", "error") == error
        time.sleep(0.01)
    told = [e for e in map(json.loads, daemon.read("q", "events.jsonl").splitlines()) if e["type"] == "trouble"]
    assert [e["message"] for e in told] == [error.rstrip()]
    disk("4g")
    daemon.wait("q", ("SUCCEEDED",))
    assert not (daemon.job("q") / "error").exists()
    bed.bed("in", "gpu2", "touch", "/tmp/go")
    daemon.wait("talks", ("SUCCEEDED",))
    bed.bed("in", "gpu2", "rm", "/tmp/go")


def test_a_program_under_which_the_disk_fills_up_keeps_its_result(bed, start, disk):
    daemon = start(hosts={"gpu2": {}})
    bed.bed("in", "gpu2", "mkdir", "-p", "/tmp/go")  # where room is left
    bed.bed("in", "gpu2", "mount", "-t", "tmpfs", "none", "/tmp/go")
    try:
        daemon.submit("r", {"run": "echo begun; until [ -e /tmp/go/now ]; do sleep 0.2; done; "
                                   "head -c 100000 /dev/zero >output/f || true; exit 5", "outputs": "disk/{job}/"})
        wait_for("it runs", lambda: daemon.read("r", "log") == "begun\n")
        disk("full")
        bed.bed("in", "gpu2", "touch", "/tmp/go/now")
        wait_for("the exit code", lambda: (daemon.job("r") / "exit_code").exists())
        assert daemon.read("r", "exit_code") == "5\n"
        time.sleep(1)
        disk("4g")
        daemon.wait("r", ("FAILED",))
        assert daemon.json("r")["reason"] == "NonZeroExit"
    finally:
        bed.bed("in", "gpu2", "umount", "/tmp/go")


def test_jobs_of_a_host_whose_disk_is_full_are_cancelled_and_end_also_after_a_restart(bed, start, disk):
    daemon = start(hosts={"gpu2": {"slots": 3}}, limits={"connect_patience": "10m"})
    bed.bed("in", "gpu2", "mkdir", "-p", "/tmp/go")  # where room is left
    bed.bed("in", "gpu2", "mount", "-t", "tmpfs", "none", "/tmp/go")
    try:
        daemon.submit("c", {"run": "sleep 600", "timeouts": {"unreachable": "3s"}})
        daemon.submit("r", {"run": "until [ -e /tmp/go/now ]; do sleep 0.2; done; exit 5",
                            "timeouts": {"unreachable": "3s"}})
        for name in ("c", "r"):
            daemon.wait(name, ("RUNNING",))
        disk("full")
        assert daemon.stop() == 0
        daemon.start()
        wait_for("the host's word", lambda: "disk" in host_status(daemon, "gpu2")["message"])
        daemon.submit("new", {"run": "true"})
        time.sleep(5)  # more than timeouts.unreachable
        for name in ("c", "r"):
            assert daemon.status(name) == "RUNNING" and not daemon.json(name)["unreachable_since"]
        assert daemon.status("new") in ("QUEUED", "PREPARING") and "disk" in daemon.read("new", "error")
        assert "disk" in host_status(daemon, "gpu2")["message"] and host_status(daemon, "gpu2")["status"] == "down"
        (daemon.job("new") / "ctl").write_text("cancel")
        daemon.wait("new", ("CANCELLED",))
        (daemon.job("c") / "ctl").write_text("cancel")
        daemon.wait("c", ("CANCELLED",))  # and what it had on the disk is freed
        disk("full")
        daemon.stop()
        daemon.start()
        bed.bed("in", "gpu2", "touch", "/tmp/go/now")
        daemon.wait("r", ("FAILED",))
        assert daemon.read("r", "exit_code") == "5\n"
        disk("4g")
        daemon.submit("newer", {"run": "true"})
        daemon.wait("newer", ("SUCCEEDED",))
        assert host_status(daemon, "gpu2")["message"] == ""
    finally:
        bed.bed("in", "gpu2", "umount", "/tmp/go")


def test_a_disk_too_small_for_the_inputs_fails_the_download_and_says_why(bed, start, data, disk):
    daemon = start(hosts={"gpu2": {}})
    (data / "big").write_bytes(os.urandom(30_000_000))
    bed.put(data / "big", "disk/big")
    daemon.submit("warm", {"run": "true", "outputs": "disk/{job}/"})  # the CLI is found
    daemon.wait("warm", ("SUCCEEDED",))
    used = int(bed.bed("in", "gpu2", "sh", "-c", "df -B1 --output=used / | tail -n 1"))
    disk(str(used + 10_000_000))
    daemon.submit("d", {"inputs": {"x": "disk/big"}, "run": "true"})
    daemon.wait("d", ("FAILED",))
    assert daemon.json("d")["reason"] == "DownloadFailed"
    assert "No space left on device" in daemon.read("d", "error")
    disk("4g")
    daemon.submit("e", {"inputs": {"x": "disk/big"}, "run": "true"})
    daemon.wait("e", ("SUCCEEDED",))


@pytest.fixture
def clock(bed):
    """clock("gpu2", SECONDS): what `date +%s` says there is off by that much."""
    touched = set()

    def set_off(host, seconds):
        touched.add(host)
        script = ('#!/bin/sh\n[ "$*" = +%s ] || exec /bin/date "$@"\n'
                  f'echo $(($(/bin/date +%s) + {seconds}))\n')
        bed.bed("in", host, "sh", "-c", "mkdir -p /usr/local/bin; cat >/usr/local/bin/date; "
                "chmod 755 /usr/local/bin/date",
                input=script.encode())

    yield set_off
    for host in touched:
        bed.bed("in", host, "rm", "-f", "/usr/local/bin/date")


@pytest.mark.parametrize("seconds", [960, -960, 366 * 86400])
def test_a_clock_that_s3_would_refuse_is_told_before_a_transfer_with_both_times(bed, start, data, clock, seconds):
    (data / "in").write_text("x")
    bed.put(data / "in", "clock/in")
    clock("gpu2", seconds)
    daemon = start(hosts={"gpu2": {}})
    daemon.submit("s3", {"inputs": {"x": "clock/in"}, "run": "true"})
    daemon.wait("s3", ("FAILED",))
    assert daemon.json("s3")["reason"] == "HostClockSkew"
    error = daemon.read("s3", "error")
    theirs, ours = re.search(r"gpu2: its clock says (\S+), that of this machine (\S+), ", error).groups()
    assert re.search(rf"which is {abs(seconds) - 1}|which is {abs(seconds)}|which is {abs(seconds) + 1}", error)
    assert (theirs > ours) == (seconds > 0) and "NTP" in error
    assert "its clock says" in host_status(daemon, "gpu2")["message"]
    assert daemon.read("s3", "transfer.log") == ""
    daemon.submit("plain", {"run": "echo fine"})  # which needs no S3
    daemon.wait("plain", ("SUCCEEDED",))
    clock("gpu2", 0)
    daemon.submit("again", {"inputs": {"x": "clock/in"}, "run": "true"})
    daemon.wait("again", ("SUCCEEDED",))
    assert host_status(daemon, "gpu2")["message"] == ""


def test_a_host_that_cannot_move_data_is_set_aside_for_one_that_can(bed, start, data, clock):
    (data / "in").write_text("x")
    bed.put(data / "in", "clock/in")
    bed.on("fresh", "rm", "-rf", ".jobfs")  # it has no AWS CLI, and gets none
    clock("gpu2", 960)
    daemon = start(hosts={"fresh": {"slots": 8}, "gpu2": {"slots": 7}, "gpu1": {"slots": 1}},
                   s3={"engine": "aws"}, aws={"install_url": f"http://{bed.ip['s3']}:9/no.zip"})
    for i in range(4):
        daemon.submit(f"a{i}", {"inputs": {"x": "clock/in"}, "run": "true"})
    for i in range(4):
        daemon.wait(f"a{i}", ("SUCCEEDED",))
        assert daemon.json(f"a{i}")["host"] == "gpu1"
    assert "no AWS CLI" in host_status(daemon, "fresh")["message"]
    assert "its clock says" in host_status(daemon, "gpu2")["message"]
    daemon.submit("plain", {"run": "true", "resources": {"host": "fresh"}})
    daemon.wait("plain", ("SUCCEEDED",))
