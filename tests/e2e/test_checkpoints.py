"""Files that go to S3 while the program runs, and from which the next attempt goes on."""

import json

import pytest

from bed import BUCKET, run, wait_for
from test_retry import ctl, ok

LONG = 400  # the AWS CLI is started often, and takes seconds on a machine that is busy

# Counts in its checkpoint, as a program should: under another name first.
COUNTS = """
n=0
if [ -n "$JOB_RESUME_FROM" ]; then n=$(cat "$JOB_RESUME_FROM/count"); fi
echo "attempt $JOB_ATTEMPT begins at $n"
while [ $n -lt {last} ]; do
	n=$((n + 1))
	mkdir -p "$JOB_CHECKPOINT_DIR/step $n"
	head -c 100000 /dev/zero >"$JOB_CHECKPOINT_DIR/step $n/model"
	echo $n >"$JOB_CHECKPOINT_DIR/count.tmp"
	mv "$JOB_CHECKPOINT_DIR/count.tmp" "$JOB_CHECKPOINT_DIR/count"
	{between}
done
echo $n >output/n
"""


def counts(last, between):
    return COUNTS.replace("{last}", str(last)).replace("{between}", between)


def latest(bed, prefix):
    text = bed.aws("s3", "cp", f"s3://{BUCKET}/{prefix}LATEST", "-", check=False).stdout.decode()
    head, *lines = text.split("\n")[:-1] or [""]
    assert not head or head.startswith("jobfs-checkpoint 1 ")
    return {line.split("\t")[0]: int(line.split("\t")[1]) for line in lines}


def log_lines(daemon, name):
    return [line for line in daemon.read(name, "log").splitlines() if line.startswith("attempt")]


def kill_all(bed, host, attempt):
    """Everything of an attempt, as by the host's OOM killer."""
    mark = attempt[:-1] + "[" + attempt[-1] + "]"  # the search does not find itself
    bed.bed("in", host, "sh", "-c", f"""
        files=$(grep -ls '{mark}' /proc/[0-9]*/cmdline /proc/[0-9]*/environ)
        for f in $files; do f=${{f#/proc/}}; echo ${{f%%/*}}; done | sort -u | xargs kill -9 || true""")


@pytest.mark.parametrize("engine", ["aws", "presigned"])
def test_a_job_whose_host_loses_it_goes_on_from_its_checkpoint_on_another(bed, start, engine):
    daemon = start(hosts={"gpu1": {"slots": 1}, "gpu2": {"slots": 1}}, s3={"engine": engine})
    daemon.submit("c", {"run": counts(5, "[ $n != 3 ] || [ $JOB_ATTEMPT != 1 ] || { echo at 3; sleep 4711; }"),
                        "outputs": f"ckpt/out/{engine}/", "checkpoints":
                        {"destination": "ckpt/{job}/{id}/", "interval": "1s", "settle": "1s"},
                        "retry": {"max_attempts": 2, "on": ["ProcessLost", "HostRebooted", "Signaled"], "backoff": 0}})
    prefix = f"ckpt/c/{daemon.json('c')['id']}/"
    wait_for("the checkpoint", lambda: latest(bed, prefix).get("step 3/model") == 100000, LONG)
    checkpoint = wait_for("its news", lambda: daemon.json("c")["checkpoint"])
    assert checkpoint["count"] == 4 and checkpoint["bytes"] == 300002
    assert checkpoint["uri"] == f"s3://{BUCKET}/{prefix}"
    assert "checkpoint of " in daemon.read("c", "progress")
    first = daemon.json("c")["host"]
    other = {"gpu1": "gpu2", "gpu2": "gpu1"}[first]
    # the other host is the one that has room
    daemon.submit("blocks", {"run": "sleep 600", "resources": {"host": first}, "priority": 100})
    kill_all(bed, first, daemon.json("c")["id"] + "-1")
    daemon.wait("c", ("SUCCEEDED",), LONG)
    assert daemon.json("c")["host"] == other
    assert log_lines(daemon, "c") == ["attempt 1 begins at 0", "attempt 2 begins at 3"]
    bed.get(f"ckpt/out/{engine}/", daemon.dir / "out")
    assert (daemon.dir / "out" / "n").read_text() == "5\n"
    assert latest(bed, prefix) == {"count": 2, **{f"step {n}/model": 100000 for n in range(1, 6)}}
    events = [json.loads(line) for line in daemon.read("c", "events.jsonl").splitlines()]
    assert any(e["type"] == "checkpoint" for e in events)
    assert "DOWNLOADING" in daemon.read("c", "events.jsonl")
    ok(daemon, "blocks", "cancel now")
    daemon.wait("blocks", ("CANCELLED",), LONG)


def test_a_job_goes_on_from_its_checkpoint_after_a_reboot(bed, start):
    daemon = start(hosts={"gpu2": {}})
    daemon.submit("r", {"run": counts(3, "[ $n != 2 ] || [ $JOB_ATTEMPT != 1 ] || { echo at 2; sleep 4711; }"),
                        "checkpoints": {"destination": "ckpt/reboot/", "interval": 1, "settle": 0},
                        "retry": {"max_attempts": 2, "on": ["host"], "backoff": 0}})
    wait_for("the checkpoint", lambda: latest(bed, "ckpt/reboot/").get("step 2/model") == 100000, LONG)
    bed.bed("reboot", "gpu2")
    daemon.wait("r", ("SUCCEEDED",), LONG)
    assert log_lines(daemon, "r") == ["attempt 1 begins at 0", "attempt 2 begins at 2"]


def test_what_was_written_just_before_the_end_counts_too(bed, daemon):
    """Preemption: the program saves what it has and ends with a code that the spec names."""
    daemon.submit("p", {"run": counts(3, "[ $n != 2 ] || [ $JOB_ATTEMPT != 1 ] || exit 75"),
                        "checkpoints": f"s3://{BUCKET}/ckpt/{{job}}/",
                        "retry": {"max_attempts": 2, "exit_codes": [75], "backoff": 0}})
    daemon.wait("p", ("SUCCEEDED",), LONG)
    assert log_lines(daemon, "p") == ["attempt 1 begins at 0", "attempt 2 begins at 2"]
    # a job that comes later goes on, too, unless it says otherwise
    daemon.submit("p2", {"run": counts(4, ":"), "checkpoints": "ckpt/p/"})
    daemon.wait("p2", ("SUCCEEDED",), LONG)
    assert log_lines(daemon, "p2") == ["attempt 1 begins at 3"]
    daemon.submit("p3", {"run": counts(1, ":"), "checkpoints": {"destination": "ckpt/p/", "resume": False}})
    daemon.wait("p3", ("SUCCEEDED",), LONG)
    assert log_lines(daemon, "p3") == ["attempt 1 begins at 0"]
    assert latest(bed, "ckpt/p/") == {"count": 2, "step 1/model": 100000}
    assert not any("/.kept/" in key for key in bed.keys("ckpt/p/")), daemon.read("p3", "transfer.log")


def test_a_job_goes_on_from_its_checkpoint_under_another_name(bed, daemon):
    daemon.submit("old", {"run": counts(3, "[ $n != 2 ] || [ $JOB_ATTEMPT != 1 ] || exit 1"),
                          "checkpoints": "ckpt/name/{job}/"})
    daemon.wait("old", ("FAILED",), LONG)
    run("mv", daemon.job("old"), daemon.job("new"))
    ok(daemon, "new", "retry")
    daemon.wait("new", ("SUCCEEDED",), LONG)
    assert log_lines(daemon, "new") == ["attempt 1 begins at 0", "attempt 2 begins at 2"]
    assert not bed.keys("ckpt/name/new/")


@pytest.mark.parametrize("engine", ["aws", "presigned"])
def test_a_cancelled_job_leaves_its_last_checkpoint(bed, start, engine):
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3={"engine": engine})
    daemon.submit("x", {"run": "trap 'echo 7 >$JOB_CHECKPOINT_DIR/count; exit 0' TERM; echo up; while :; do sleep 0.1; done",
                        "checkpoints": f"ckpt/x/{engine}/"})
    wait_for("the trap", lambda: daemon.read("x", "log") == "up\n")
    daemon.wait("x", ("RUNNING",), LONG)
    ok(daemon, "x", "cancel")
    daemon.wait("x", ("CANCELLED", "SUCCEEDED"), LONG)
    assert latest(bed, f"ckpt/x/{engine}/") == {"count": 2}


def test_a_checkpoint_that_lacks_a_file_fails_the_job(bed, daemon):
    daemon.submit("a", {"run": counts(2, ":"), "checkpoints": "ckpt/lacks/"})
    daemon.wait("a", ("SUCCEEDED",), LONG)
    bed.aws("s3", "rm", f"s3://{BUCKET}/ckpt/lacks/step 1/model")
    daemon.submit("b", {"run": "echo ran", "checkpoints": "ckpt/lacks/"})
    daemon.wait("b", ("FAILED",), LONG)
    assert daemon.json("b")["reason"] == "DownloadFailed"
    assert "LATEST names step 1/model with 100000 bytes; found none" in daemon.read("b", "error")
    assert daemon.read("b", "log") == ""
    bed.aws("s3", "rm", f"s3://{BUCKET}/ckpt/lacks/LATEST")
    ok(daemon, "b", "retry")
    daemon.wait("b", ("SUCCEEDED",), LONG)


def test_a_failed_upload_is_tried_again_and_told_at_the_end(bed, daemon):
    gate = "until [ -e go ]; do sleep 0.1; done; rm go"
    daemon.submit("f", {"run": f"echo 1 >checkpoints/a; {gate}; echo 2 >checkpoints/b; {gate}",
                        "checkpoints": {"destination": "ckpt/f/", "interval": 1, "settle": 0},
                        "timeouts": {"upload": "5s"}})
    wait_for("the first", lambda: latest(bed, "ckpt/f/") == {"a": 2}, LONG)
    host = daemon.json("f")["host"]
    go = f"touch ~/.jobfs/jobs/{daemon.json('f')['id']}-1/work/go"
    bed.bed("refuse", host, "s3", "80")
    try:
        bed.on(host, "sh", "-c", go)
        wait_for("a failure", lambda: "checkpoint failed: it is tried again" in daemon.read("f", "transfer.log"), LONG)
        assert daemon.status("f") == "RUNNING"
        bed.on(host, "sh", "-c", go)
        daemon.wait("f", ("SUCCEEDED",), LONG)
    finally:
        bed.bed("heal")
    assert "its last checkpoint could not be uploaded" in daemon.json("f")["message"]
    assert latest(bed, "ckpt/f/") == {"a": 2}


def test_a_destination_is_checked_before_anything_starts(bed, daemon):
    daemon.submit("n", {"run": "echo ran", "checkpoints": "s3://no-such-bucket/x/"})
    daemon.wait("n", ("FAILED",), LONG)
    assert "$.checkpoints (s3://no-such-bucket/x/)" in daemon.read("n", "error")


def test_two_jobs_do_not_share_a_destination(daemon):
    daemon.submit("one", {"run": "true", "hold": True, "checkpoints": "ckpt/shared/"})
    with pytest.raises(AssertionError):
        daemon.submit("two", {"run": "true", "checkpoints": "ckpt/shared/"})
    assert "$.checkpoints: job one writes to" in daemon.read("two", "error")
    assert ctl(daemon, "one", "cancel").returncode == 0


def test_another_client_is_refused(start):
    daemon = start(s3={"engine": "rclone"})
    with pytest.raises(AssertionError):
        daemon.submit("p", {"run": "true", "checkpoints": "ckpt/rclone/"})
    assert "$.checkpoints: data moves by rclone" in daemon.read("p", "error")
