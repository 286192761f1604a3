"""Trouble that once led to a wrong end, a hang or a spin: each was a bug, each has its test."""

import subprocess
import time

import pytest

from bed import BUCKET, run, wait_for


def cpu_seconds(daemon):
    with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def ctl(daemon, name, verb):
    (daemon.job(name) / "ctl").write_text(verb + "\n")


def test_outputs_that_were_not_verified_before_a_stop_are_verified_after_it(bed, start):
    daemon = start(hosts={"gpu1": {"slots": 4}})
    names = [f"v{i}" for i in range(4)]
    for name in names:
        daemon.submit(name, {"run": "sleep 2; echo x >output/f", "outputs": f"stop/{name}/"})
    for name in names:
        daemon.wait(name, ("RUNNING",))
    bed.bed("hole", "ctl", "s3")  # the host reaches S3, the daemon does not
    try:
        wait_for("the uploads", lambda: all(bed.keys(f"stop/{n}/") for n in names), 90, 0.5)
        wait_for("UPLOADING", lambda: all(daemon.status(n) == "UPLOADING" for n in names), 60)
        bed.aws("s3", "rm", "--quiet", "--recursive", f"s3://{BUCKET}/stop/v0/")
        assert daemon.stop() == 0
    finally:
        bed.bed("heal")
    daemon.start()
    assert daemon.wait("v0", ("FAILED",)) and daemon.json("v0")["reason"] == "UploadFailed"
    for name in names[1:]:
        daemon.wait(name, ("SUCCEEDED",))
        assert '"count":1' in daemon.read(name, "outputs.jsonl")


def test_a_cancel_is_a_cancel_after_a_restart_too(daemon):
    daemon.submit("c", {"run": "trap 'sleep 3; exit 143' TERM; echo armed; sleep 100 & wait"})
    wait_for("the trap", lambda: daemon.read("c", "log") == "armed\n")
    ctl(daemon, "c", "cancel")
    daemon.wait("c", ("STOPPING",))
    daemon.kill()
    time.sleep(4)
    daemon.start()
    daemon.wait("c", ("CANCELLED",))


def test_cancel_now_right_after_cancel_does_not_wait_for_the_grace(daemon):
    daemon.submit("c", {"run": "trap '' TERM; echo armed; while :; do sleep 0.2; done"})
    wait_for("the trap", lambda: daemon.read("c", "log") == "armed\n")
    ctl(daemon, "c", "cancel")
    ctl(daemon, "c", "cancel now")
    daemon.wait("c", ("CANCELLED",), 20)  # the grace is 30 s


def test_a_cancel_on_a_silent_host_costs_no_cpu(bed, start):
    daemon = start(hosts={"gpu1": {}}, ssh={"keepalive": "1s"})
    daemon.submit("c", {"run": "sleep 300"})
    daemon.wait("c", ("RUNNING",))
    bed.bed("hole", "ctl", "gpu1")
    try:
        wait_for("unreachable", lambda: daemon.json("c")["unreachable_since"], 40)
        ctl(daemon, "c", "cancel")
        time.sleep(1)
        before = cpu_seconds(daemon)
        time.sleep(3)
        assert cpu_seconds(daemon) - before < 1
    finally:
        bed.bed("heal")
    daemon.wait("c", ("CANCELLED",), 60)


def test_a_host_that_went_silent_between_two_jobs_is_told_to_the_second(bed, start):
    daemon = start(hosts={"gpu1": {}}, ssh={"keepalive": "1s", "connect_timeout": "2s"},
                   limits={"connect_patience": "4s"})
    daemon.submit("a", {"run": "true"})
    daemon.wait("a", ("SUCCEEDED",))
    bed.bed("hole", "ctl", "gpu1")
    try:
        time.sleep(5)
        daemon.submit("b", {"run": "true"})
        daemon.wait("b", ("FAILED",), 60)
        assert "gpu1" in daemon.read("b", "error")
    finally:
        bed.bed("heal")


def test_new_jobs_are_not_judged_by_trouble_that_was_mended(bed, start):
    daemon = start(hosts={"gpu1": {}})
    daemon.stop()
    good = daemon.config["ssh"]["known_hosts"]
    mended = daemon.dir / "known_hosts"
    mended.write_text("")
    daemon.config["ssh"]["known_hosts"] = str(mended)
    daemon.start()
    daemon.submit("a", {"run": "true"})
    daemon.wait("a", ("FAILED",))
    with open(good, encoding="ascii") as f:
        mended.write_text(f.read())
    for i in range(3):
        daemon.submit(f"b{i}", {"run": "true"})
    for i in range(3):
        daemon.wait(f"b{i}", ("SUCCEEDED",))


def test_a_host_that_is_back_gets_jobs_again(bed, start):
    daemon = start(hosts={"gpu1": {"slots": 1}, "gpu2": {"slots": 1}},
                   limits={"connect_patience": "3s"}, ssh={"connect_timeout": "2s"})
    bed.bed("hole", "ctl", "gpu2")
    try:
        daemon.submit("a", {"run": "true", "resources": {"host": "gpu2"}})
        daemon.wait("a", ("FAILED",))
    finally:
        bed.bed("heal")
    daemon.submit("w", {"run": "sleep 60", "resources": {"host": "gpu1"}})
    daemon.wait("w", ("RUNNING",))
    daemon.submit("b", {"run": "true"})
    daemon.wait("b", ("SUCCEEDED",), 60)
    assert daemon.json("b")["host"] == "gpu2"
    ctl(daemon, "w", "cancel now")


@pytest.fixture
def small_disk(tmp_path):
    path = tmp_path / "small"
    path.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs", path)
    yield path
    run("umount", "-l", path)


def test_a_full_disk_is_told_and_everything_goes_on_when_there_is_room(start, small_disk):
    daemon = start(hosts={"gpu1": {}})
    daemon.stop()
    daemon.config["state_dir"] = str(small_disk)
    daemon.start()
    daemon.submit("r", {"run": "sleep 6; echo done"})
    daemon.wait("r", ("RUNNING",))
    (daemon.mount / "n").mkdir()
    spec = daemon.dir / "n.spec"
    spec.write_text('{ "run": "true" }')
    with open(small_disk / "fill", "wb", buffering=0) as f, pytest.raises(OSError):
        while True:
            f.write(b"x" * 4096)
    refused = None
    for i in range(300):  # the database has room inside for some
        done = subprocess.run(["mkdir", str(daemon.mount / f"y{i}")], stderr=subprocess.PIPE,
                              timeout=30, check=False)
        if done.returncode:
            refused = done.stderr
            break
    assert refused and b"No space left" in refused
    done = run("cp", spec, daemon.mount / "n" / "spec.json", check=False)
    assert done.returncode and b"No space left" in done.stderr
    time.sleep(7)  # the job ends meanwhile
    (small_disk / "fill").unlink()
    daemon.wait("r", ("SUCCEEDED",), 60)
    assert daemon.read("r", "log") == "done\n"
    (daemon.mount / "z").mkdir()
    run("cp", spec, daemon.mount / "n" / "spec.json")
    daemon.wait("n", ("SUCCEEDED",), 60)
    before = cpu_seconds(daemon)
    time.sleep(2)
    assert cpu_seconds(daemon) - before < 0.5
    assert daemon.stop() == 0
    # what was said of the full disk is right, and no reason to complain of the log
    daemon.log_path.write_text(daemon.log().replace("error: the disk of the job database is full", ""))
