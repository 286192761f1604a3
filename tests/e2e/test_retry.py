"""Another attempt: by the spec or by the user; hold, release, priority, signal, time-outs."""

import json
import re

import pytest

from bed import run, wait_for


def ctl(daemon, name, verb):
    return run("bash", "-c", 'echo "$1" >"$2"', "bash", verb, daemon.job(name) / "ctl", check=False)


def ok(daemon, name, verb):
    done = ctl(daemon, name, verb)
    assert done.returncode == 0, done.stderr


FAILS_ONCE = "echo attempt $JOB_ATTEMPT; echo $JOB_ATTEMPT >output/n; [ $JOB_ATTEMPT -ge 2 ]"


def test_a_job_is_tried_again_when_its_spec_names_the_exit_code(bed, daemon):
    daemon.submit("again", {"run": FAILS_ONCE, "outputs": "retry/again/",
                            "retry": {"max_attempts": 3, "exit_codes": [1], "backoff": 0}})
    daemon.wait("again", ("SUCCEEDED",))
    host = daemon.json("again")["host"]
    assert daemon.read("again", "log") == f"attempt 1\n==> attempt 2 on {host} <==\nattempt 2\n"
    assert daemon.json("again")["attempt"] == 2
    outputs = [json.loads(line) for line in daemon.read("again", "outputs.jsonl").splitlines()]
    assert [o.get("key") for o in outputs] == ["retry/again/n", None] and outputs[1]["complete"]
    first, second = (daemon.job("again") / "attempts" / n for n in "12")
    assert sorted(p.name for p in (daemon.job("again") / "attempts").iterdir()) == ["1", "2"]
    assert (first / "log").read_text() == "attempt 1\n" and (second / "log").read_text() == "attempt 2\n"
    assert (first / "exit_code").read_text() == "1\n" and (second / "exit_code").read_text() == "0\n"
    assert json.loads((first / "status.json").read_text())["reason"] == "NonZeroExit"
    assert json.loads((second / "status.json").read_text())["state"] == "SUCCEEDED"
    key = daemon.json("again")["id"]
    wait_for("the host to forget both", lambda: not bed.on(
        host, "sh", "-c", f"ls -d ~/.jobfs/jobs/{key}-*/work 2>/dev/null; true").strip())


def test_a_user_error_is_not_tried_again_by_itself(daemon):
    daemon.submit("no", {"run": "echo once; exit 1", "retry": {"max_attempts": 3, "backoff": 0}})
    daemon.wait("no", ("FAILED",))
    assert daemon.read("no", "log") == "once\n"


def test_attempts_end_at_their_maximum_and_wait_between_them(daemon):
    daemon.submit("twice", {"run": "echo no; exit 9", "retry": {"max_attempts": 2, "exit_codes": [9],
                                                                "backoff": "1s"}})
    wait_for("the wait", lambda: daemon.json("twice")["reason"] == "WaitingForRetry", 30)
    assert "attempt 1 of 2 failed (NonZeroExit)" in daemon.json("twice")["message"]
    daemon.wait("twice", ("FAILED",))
    assert daemon.read("twice", "log").count("no\n") == 2
    assert daemon.read("twice", "exit_code") == "9\n"


def test_the_user_tries_a_failed_job_again(daemon):
    daemon.submit("mine", {"run": FAILS_ONCE})
    daemon.wait("mine", ("FAILED",))
    assert (daemon.job("mine") / "error").exists()
    ok(daemon, "mine", "retry")
    assert not (daemon.job("mine") / "error").exists()
    daemon.wait("mine", ("SUCCEEDED",))
    assert ctl(daemon, "mine", "retry").returncode != 0


def test_a_cancelled_job_can_be_tried_again(daemon):
    daemon.submit("c", {"run": "echo $JOB_ATTEMPT; [ $JOB_ATTEMPT = 2 ] || sleep 100"})
    wait_for("its log", lambda: daemon.read("c", "log") == "1\n")
    ok(daemon, "c", "cancel now")
    daemon.wait("c", ("CANCELLED",))
    ok(daemon, "c", "retry")
    daemon.wait("c", ("SUCCEEDED",))


def test_outputs_that_could_not_be_uploaded_are_uploaded_by_retry_upload(bed, daemon):
    daemon.submit("late", {"run": "echo precious >output/f; while ! [ -e go ]; do sleep 0.1; done",
                           "outputs": "retry/late/"})
    daemon.wait("late", ("RUNNING",))
    host = daemon.json("late")["host"]
    # by itself, since its spec says so: what failed is the upload, and the program runs once
    daemon.submit("self", {"run": "echo ran; until [ -e go ]; do sleep 0.1; done; echo x >output/f",
                           "outputs": "retry/self/", "resources": {"host": host},
                           "retry": {"max_attempts": 9, "on": ["UploadFailed"], "backoff": "5s"}})
    daemon.wait("self", ("RUNNING",))
    bed.bed("refuse", host, "s3", "80")
    try:
        for name in ("late", "self"):
            bed.on(host, "sh", "-c", f"touch ~/.jobfs/jobs/{daemon.json(name)['id']}-1/work/go")
        daemon.wait("late", ("FAILED",), 300)
        wait_for("its next try", lambda: "uploaded again" in daemon.json("self")["message"], 300)
        assert "UploadFailed" in daemon.read("self", "error")
    finally:
        bed.bed("heal")
    daemon.wait("self", ("SUCCEEDED",), 100)
    assert daemon.read("self", "log") == "ran\n" and daemon.json("self")["attempt"] == 1
    assert bed.keys("retry/self/") == {"retry/self/f": 2}
    assert daemon.json("late")["reason"] == "UploadFailed"
    assert "retry-upload" in daemon.read("late", "error")
    ok(daemon, "late", "retry-upload")
    daemon.wait("late", ("SUCCEEDED",))
    assert bed.keys("retry/late/") == {"retry/late/f": 9}
    assert not (daemon.job("late") / "error").exists()


def test_a_held_job_waits_for_release(daemon):
    daemon.submit("held", {"run": "true", "hold": True})
    assert daemon.status("held") == "HELD"
    assert daemon.json("held")["reason"] == "Held"
    ok(daemon, "held", "release")
    daemon.wait("held", ("SUCCEEDED",))


def test_the_higher_priority_goes_first_and_a_held_job_goes_not(start):
    daemon = start(hosts={"gpu1": {"slots": 1}})
    daemon.submit("first", {"run": "until [ -e go ]; do sleep 0.1; done"})
    daemon.wait("first", ("RUNNING",))
    ledger = {"run": "echo $JOB_NAME >>~/order"}
    for name in ("low", "high", "later", "kept"):
        daemon.submit(name, dict(ledger, priority=90 if name == "high" else 10))
    ok(daemon, "later", "priority 95")
    ok(daemon, "kept", "hold")
    daemon.bed.on("gpu1", "sh", "-c", "rm -f ~/order; for w in ~/.jobfs/jobs/*/work; do touch $w/go; done")
    daemon.wait("low", ("SUCCEEDED",))
    assert daemon.bed.on("gpu1", "sh", "-c", "cat ~/order").split() == ["later", "high", "low"]
    assert daemon.status("kept") == "HELD"
    assert ctl(daemon, "kept", "priority 101").returncode != 0


def test_a_signal_reaches_the_program(daemon):
    daemon.submit("sig", {"run": "trap 'echo got; exit 0' USR1; echo armed; while :; do sleep 0.1; done"})
    wait_for("the trap", lambda: daemon.read("sig", "log") == "armed\n")
    daemon.wait("sig", ("RUNNING",))
    ok(daemon, "sig", "signal USR1")
    daemon.wait("sig", ("SUCCEEDED",))
    assert daemon.read("sig", "log").startswith("armed\n")
    assert daemon.read("sig", "log").endswith("got\n")  # between them the shell's word of its sleep
    assert ctl(daemon, "sig", "signal KILL").returncode != 0


def test_a_job_that_gets_no_slot_in_time_fails(start):
    daemon = start(hosts={"gpu1": {"slots": 1}})
    daemon.submit("first", {"run": "sleep 5"})
    daemon.submit("second", {"run": "echo ran", "timeouts": {"queue": "1s"}})
    daemon.wait("second", ("FAILED",), 30)
    assert daemon.json("second")["reason"] == "TimeoutQueue"
    assert daemon.read("second", "log") == ""


def test_a_download_that_takes_too_long_fails_with_its_own_reason(bed, daemon, data):
    (data / "big").write_bytes(bytes(40 << 20))
    bed.put(data / "big", "retry/big")
    for host in ("gpu1", "gpu2"):
        bed.bed("rate", host, "4")
    try:
        daemon.submit("slow", {"inputs": {"x": "retry/big"}, "run": "echo ran",
                               "timeouts": {"download": "2s"}})
        daemon.wait("slow", ("FAILED",), 90)
    finally:
        for host in ("gpu1", "gpu2"):
            bed.bed("rate", host, "off")
    assert daemon.json("slow")["reason"] == "TimeoutDownload"
    assert "timeouts.download (2 s)" in daemon.read("slow", "error")
    assert daemon.read("slow", "log") == ""


def test_a_host_that_is_silent_too_long_loses_the_job_and_ends_it_when_it_is_back(bed, start):
    daemon = start(hosts={"gpu1": {}}, ssh={"keepalive": "1s", "connect_timeout": "2s"})
    daemon.submit("gone", {"run": "echo up; sleep 4711", "timeouts": {"unreachable": "3s"}})
    wait_for("its log", lambda: daemon.read("gone", "log") == "up\n")
    bed.bed("cut", "gpu1")
    try:
        wait_for("silence to show", lambda: daemon.json("gone")["unreachable_since"], 60)
        daemon.wait("gone", ("FAILED",), 60)
    finally:
        bed.bed("join", "gpu1")
    assert daemon.json("gone")["reason"] == "HostUnreachable"
    assert "timeouts.unreachable" in daemon.read("gone", "error")
    wait_for("its end", lambda: "sleep 4711" not in bed.bed("in", "gpu1", "ps", "ax"), 120)


def test_a_log_that_is_too_long_loses_its_middle_and_nobody_waits_for_it(bed, start):
    daemon = start(hosts={"gpu1": {"slots": 2}}, limits={"log_bytes": "1MiB"})
    daemon.submit("flood", {"run": "echo first; seq 1 3000000; echo last"})
    daemon.submit("quiet", {"run": "echo quiet"})
    daemon.wait("quiet", ("SUCCEEDED",))
    daemon.wait("flood", ("SUCCEEDED",))
    log = (daemon.job("flood") / "log").read_bytes()
    whole = b"first\n" + b"".join(b"%d\n" % n for n in range(1, 3000001)) + b"last\n"
    assert log.startswith(whole[:256 << 10]) and log.endswith(whole[-(700 << 10):])
    mark = re.search(rb"\n==> +([0-9]+) bytes of the log were left out here <==\n", log)
    assert len(log) - len(mark.group()) + int(mark.group(1)) == len(whole)
    assert (daemon.job("flood") / "log").stat().st_size == len(log) <= (1 << 20) + 100
    assert run("tail", "-n", "1", daemon.job("flood") / "log").stdout == b"last\n"


@pytest.mark.parametrize("verb", ["", "retry now", "cancel later", "priority", "priority -1",
                                  "priority x", "signal", "signal 9", "hold on", "nonsense"])
def test_a_verb_that_is_wrong_is_refused(daemon, verb):
    daemon.submit("v", {"run": "true", "hold": True})
    if verb:
        assert ctl(daemon, "v", verb).returncode != 0
    assert daemon.status("v") == "HELD"
