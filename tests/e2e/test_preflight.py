"""What a job needs is looked at before it holds a GPU: a job that cannot work fails early and says why."""

import json

import pytest

from bed import BUCKET, run, wait_for


@pytest.fixture
def disk(bed):
    """disk("full"), disk("100m"): of gpu2, without what jobs left whose daemon ended before it
    had acknowledged them."""
    bed.on("gpu2", "rm", "-rf", ".jobfs/jobs")
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


FILL = "k=$(df -Pk / | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4); head -c $(((k - 8192) * 1024)) /dev/zero >/filler"


def test_a_disk_that_is_full_altogether_is_waited_for(bed, start, large, disk):
    daemon = start(hosts={"gpu2": {}})
    disk("100m")
    bed.bed("in", "gpu2", "sh", "-c", FILL)
    try:
        daemon.submit("waits", {"inputs": {"set": large}, "run": "echo ran"})
        wait_for("a word of it", lambda: " free" in (daemon.json("waits").get("message") or ""))
        assert daemon.status("waits") == "QUEUED"
    finally:
        bed.bed("in", "gpu2", "rm", "/filler")
    disk("4g")
    daemon.wait("waits", ("SUCCEEDED",), 90)


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


def test_a_dry_run_prints_its_plan_and_starts_nothing(bed, start, large):
    daemon = start(hosts={"gpu1": {"gpus": 2}})
    spec = {"inputs": {"set": large, "one": large + "a"}, "setup": "echo 'a b'", "script": "t.sh",
            "args": ["--epochs", "3"], "resources": {"gpus": 1}, "outputs": "dry/{job}/", "dry_run": True}
    files = {"t.sh": "#!/bin/sh\necho ran >output/x\n"}

    def attempts():
        return bed.on("gpu1", "find", ".jobfs/jobs", "-mindepth", "1", "-maxdepth", "1", check=False)

    before = attempts()
    daemon.submit("dry", spec, files)
    daemon.wait("dry", ("SUCCEEDED",))
    log = daemon.read("dry", "log")
    print("\n" + log, end="")
    for words in ("host: gpu1, GPUs 0, ", "inputs: 2, 180.0 MiB", f"set: s3://{BUCKET}/large/ -> inputs/set, 2 objects, 120.0 MiB",
                  "1 object, 60.0 MiB", 'script: "t.sh" "--epochs" "3"', f"output/ -> s3://{BUCKET}/dry/dry/", "engine: "):
        assert words in log, words
    assert "log has the plan" in daemon.json("dry")["message"]
    present = {p.name for p in daemon.job("dry").iterdir()}
    assert not present & {"outputs.s3", "exit_code", "error"}, present
    assert attempts() == before
    assert bed.keys("dry/") == {}
    # the real one may have the same destination at the same time
    daemon.submit("wet", dict(spec, outputs="dry/dry/", dry_run=False), files)
    daemon.submit("dry2", dict(spec, outputs="dry/dry/"), files)
    daemon.wait("dry2", ("SUCCEEDED",))
    daemon.wait("wet", ("SUCCEEDED",))
    assert list(bed.keys("dry/")) == ["dry/dry/x"]


def test_a_dry_run_fails_as_its_job_would(start, large, disk):
    daemon = start(hosts={"gpu2": {}})
    daemon.submit("none", {"inputs": {"x": "no/such/key"}, "run": "true", "dry_run": True})
    disk("100m")
    daemon.wait("none", ("FAILED",), 30)
    assert "no/such/key" in error_of(daemon, "none")
    daemon.submit("full", {"inputs": {"x": large}, "run": "true", "dry_run": True})
    daemon.wait("full", ("FAILED",), 30)
    assert daemon.json("full")["reason"] == "HostDiskFull"


@pytest.mark.parametrize("engine", ["aws", "presigned"])
def test_each_of_many_inputs_is_looked_at_and_the_first_that_is_not_there_is_told(bed, start, data, engine):
    for i in range(12):
        (data / f"k{i:02}").write_text(f"{i}\n")
    bed.put(data, "twelve/")
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3={"engine": engine})
    inputs = {f"i{i:02}": f"twelve/k{i:02}" for i in range(12)}
    daemon.submit("all", {"inputs": inputs, "run": "cat $(find inputs -type f | sort)", "outputs": "twelve-out/"})
    daemon.submit("two", {"inputs": dict(inputs, i04="twelve/no", i11="twelve/none"), "run": "echo ran"})
    daemon.wait("two", ("FAILED",))
    assert daemon.json("two")["reason"] == "NoSuchInput"
    assert '"i04"' in error_of(daemon, "two")
    daemon.wait("all", ("SUCCEEDED",))
    assert daemon.read("all", "log") == "".join(f"{i}\n" for i in range(12))


def test_a_destination_that_cannot_be_written_fails_the_job_before_it_runs(bed, daemon):
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject"],
         "Resource": [f"arn:aws:s3:::{BUCKET}/readonly/*"]}]}
    bed.aws("s3api", "put-bucket-policy", "--bucket", BUCKET, "--policy", json.dumps(policy))
    try:
        daemon.submit("ro", {"run": "echo ran", "outputs": "readonly/{job}/"})
        daemon.wait("ro", ("FAILED",), 30)
    finally:
        bed.aws("s3api", "delete-bucket-policy", "--bucket", BUCKET)
    error = error_of(daemon, "ro")
    assert daemon.json("ro")["reason"] == "AccessDenied"
    assert "$.outputs" in error and f"s3://{BUCKET}/readonly/ro/" in error and "write" in error
    assert daemon.read("ro", "log") == ""
    daemon.submit("rw", {"run": "echo x >output/x", "outputs": "writable/{job}/"})
    daemon.wait("rw", ("SUCCEEDED",))
    assert list(bed.keys("writable/")) == ["writable/rw/x"]
