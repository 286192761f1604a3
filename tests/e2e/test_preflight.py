"""What a job needs is looked at before it holds a GPU: a job that cannot work fails early and says why."""

import pytest

from bed import BUCKET, run, wait_for


@pytest.fixture
def disk(bed):
    """disk("full"), disk("100m"): of gpu2."""
    yield lambda size: bed.bed("disk", "gpu2", size)
    bed.bed("disk", "gpu2", "4g")


@pytest.fixture(scope="module")
def large(bed, tmp_path_factory):
    """Two objects of 60 MiB below large/."""
    path = tmp_path_factory.mktemp("large")
    for name in ("a", "b"):
        run("truncate", "-s", "60M", path / name)
    bed.put(path, "large/")
    return "large/"


def error_of(daemon, name):
    text = daemon.read(name, "error")
    print(f"\n{name}: {text}", end="")
    return text


def test_inputs_that_no_host_has_room_for_fail_the_job_with_their_figures(start, large, disk):
    daemon = start(hosts={"gpu2": {}})
    disk("100m")
    daemon.submit("big", {"inputs": {"set": large, "one": large + "a"}, "run": "echo ran"})
    daemon.wait("big", ("FAILED",), 30)
    error = error_of(daemon, "big")
    assert daemon.json("big")["reason"] == "HostDiskFull"
    assert "inputs are 180.0 MiB, host gpu2 has " in error and "MiB free" in error
    assert "$.inputs" in error and '"set"' in error and f"s3://{BUCKET}/{large}" in error
    assert daemon.read("big", "log") == "" and not (daemon.job("big") / "exit_code").exists()


def test_a_job_goes_to_the_host_that_has_room(start, large, disk):
    daemon = start()
    disk("100m")
    for i in range(4):  # more than gpu1 would get if both had room
        daemon.submit(f"r{i}", {"inputs": {"set": large}, "run": "true"})
    for i in range(4):
        daemon.wait(f"r{i}", ("SUCCEEDED",))
        assert daemon.json(f"r{i}")["host"] == "gpu1"


def test_a_disk_that_a_job_fills_for_the_moment_is_waited_for_without_a_gpu(bed, start, large, disk):
    daemon = start(hosts={"gpu2": {"gpus": 2, "slots": 2}})
    disk("200m")
    daemon.submit("first", {"run": "head -c 150M /dev/zero >fill; echo full; "
                                   "until [ -e go ]; do sleep 0.2; done", "resources": {"gpus": 1}})
    wait_for("it is full", lambda: daemon.read("first", "log") == "full\n")
    daemon.submit("second", {"inputs": {"set": large}, "run": "echo ran", "resources": {"gpus": 1}})
    message = wait_for("a word of it", lambda: "MiB free" in (daemon.json("second").get("message") or "")
                       and daemon.json("second")["message"])
    print(message)
    assert daemon.status("second") == "QUEUED"
    (daemon.job("first") / "ctl").write_text("cancel now\n")
    daemon.wait("first", ("CANCELLED",))
    daemon.wait("second", ("SUCCEEDED",), 60)
    assert daemon.read("second", "log") == "ran\n"
