"""The clients of S3 that a user names, rclone and s3cmd: the real ones, on gpu2."""

import json

import pytest

from bed import BUCKET, SECRET_KEY, wait_for
from test_presigned import MIB, digests, make_tree
from test_secrets import Scanner, files_with, host_disks

CLIENTS = ("rclone", "s3cmd")
GPU2 = {"gpu2": {"slots": 4}}


@pytest.fixture(scope="module", autouse=True)
def tidy(bed):
    """Outputs that could not be uploaded stay on the host otherwise."""
    yield
    bed.on("gpu2", "rm", "-rf", ".jobfs/jobs")


@pytest.fixture
def denied(bed):
    """What is below denied/ may be listed, but not read."""
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": f"arn:aws:s3:::{BUCKET}/denied/*"}]}
    bed.on("gpu2", "rm", "-f", "go-denied")
    yield lambda: bed.aws("s3api", "put-bucket-policy", "--bucket", BUCKET, "--policy", json.dumps(policy))
    bed.aws("s3api", "delete-bucket-policy", "--bucket", BUCKET)


@pytest.mark.parametrize("engine", CLIENTS)
def test_data_moves_whole_and_secrets_stay_in_the_environment(bed, start, data, tmp_path, engine):
    make_tree(data, 40 * MIB + 12345)
    (data / "quote‛d").write_text("x")
    for name in {"rclone": ["quote‛d"], "s3cmd": ["new\nline"]}[engine]:
        (data / name).unlink()  # see below
    prefix = f"clients/{engine}/in/"
    bed.put(data, prefix)
    daemon = start(hosts=GPU2, s3={"engine": engine})
    scanner = Scanner({"secret": SECRET_KEY.encode()})
    scanner.start()
    daemon.submit(engine, {
        "inputs": {"all": prefix, "one": prefix + "big.bin", "odd": prefix + "plus+percent%20"},
        "run": "cp -r \"$JOB_INPUT_ALL\"/. output/ && cmp \"$JOB_INPUT_ONE\" output/big.bin && "
               "cmp \"$JOB_INPUT_ODD\" output/plus+percent%20 && echo x >output/left.out && ln -s /etc/passwd output/link",
        "outputs": {"destination": "clients/{job}/out/", "exclude": ["*.out"]}})
    daemon.wait(engine, ("SUCCEEDED",), 120)
    hits = scanner.stop()
    bed.get(f"clients/{engine}/out/", tmp_path / "out")
    assert digests(tmp_path / "out") == digests(data)
    assert all(t["state"] == "done" for t in daemon.json(engine)["transfers"])
    tool = {h for h in hits if h[2]}
    assert tool, "not even the client has them"
    assert {h for h in hits if not h[2] and (h[1] == "cmdline" or "sshd" in h[3])} == set()
    assert files_with({"secret": SECRET_KEY.encode()}, daemon.dir, *host_disks(bed)) == set()


def test_keys_that_a_client_cannot_fetch_are_named(bed, start, data):
    for name in ("new\nline", "quote‛d", "q?"):
        (data / name).write_text("x")
    bed.put(data, "clients/odd/")
    daemon = start(hosts=GPU2)
    cases = {"line": ("s3cmd", "clients/odd/", "control character"), "sign": ("rclone", "clients/odd/", "U+201B"),
             "star": ("s3cmd", "clients/odd/q?", "pattern")}
    for name, (engine, source, word) in cases.items():
        daemon.submit(name, {"inputs": {"in": source}, "run": "true", "s3": {"engine": engine}})
        daemon.wait(name, ("FAILED",))
        assert word in daemon.read(name, "error")
        assert daemon.json(name)["reason"] == "NoSuchInput"
    daemon.submit("up", {"run": "touch \"output/a$(printf '\\nb')\"", "outputs": "clients/{job}/", "s3": {"engine": "s3cmd"}})
    daemon.wait("up", ("FAILED",))
    assert daemon.json("up")["reason"] == "UploadFailed"
    assert "newline" in daemon.read("up", "transfer.log")


@pytest.mark.parametrize("engine", CLIENTS)
def test_what_the_client_said_is_in_the_error(bed, start, data, denied, engine):
    (data / "x").write_text("x")
    bed.put(data, "denied/")
    daemon = start(hosts=GPU2, s3={"engine": engine})
    daemon.submit("up", {"run": "echo x >output/x; echo up; until [ -e $HOME/go-denied ]; do sleep 0.05; done",
                         "outputs": "denied/{job}/"})
    wait_for("the program", lambda: daemon.read("up", "log") == "up\n")
    denied()
    bed.on("gpu2", "touch", "go-denied")
    for name, source in {"object": "denied/x", "prefix": "denied/"}.items():
        daemon.submit(name, {"inputs": {"in": source}, "run": "true"})
    for name, reason in {"object": "DownloadFailed", "prefix": "DownloadFailed", "up": "UploadFailed"}.items():
        daemon.wait(name, ("FAILED",), 180)
        assert daemon.json(name)["reason"] == reason
    for name in ("object", "prefix"):
        error = daemon.read(name, "error")
        print(error)
        assert f"what {engine} said" in error
        # rclone takes an object that it may not look at for an empty directory
        word = "nothing came" if (engine, name) == ("rclone", "object") else "403" if engine == "s3cmd" else "AccessDenied"
        assert word in error, error


@pytest.mark.parametrize("engine", CLIENTS)
def test_a_host_without_the_client_is_named_until_it_has_it(bed, start, data, engine):
    (data / "x").write_text("x")
    bed.put(data, "clients/x/")
    spec = {"inputs": {"in": "clients/x/x"}, "run": "true", "s3": {"engine": engine}}
    daemon = start(hosts={"gpu1": {"slots": 4}, "gpu2": {"slots": 1}})
    daemon.submit("here", dict(spec, resources={"host": "gpu1"}))
    daemon.wait("here", ("FAILED",))
    error = daemon.read("here", "error")
    assert daemon.json("here")["reason"] == "CliInstallFailed"
    assert f"host gpu1: no {engine}" in error and f"apt-get install {engine}" in error, error
    for i in range(3):  # none of them goes to gpu1, which has more room
        daemon.submit(f"any{i}", spec)
    for i in range(3):
        daemon.wait(f"any{i}", ("SUCCEEDED",))
        assert daemon.json(f"any{i}")["host"] == "gpu2"
    bed.bed("in", "gpu2", "mount", "--bind", "/dev/null", f"/usr/bin/{engine}")
    try:
        other = start(hosts=GPU2, s3={"engine": engine})
        other.submit("none", {"run": "true"})  # needs no S3, so no client
        other.wait("none", ("SUCCEEDED",))
        other.submit("gone", spec)
        other.wait("gone", ("FAILED",))
        assert f"host gpu2: no {engine}" in other.read("gone", "error")
    finally:
        bed.bed("in", "gpu2", "umount", f"/usr/bin/{engine}")
    other.submit("back", spec)
    other.wait("back", ("SUCCEEDED",))


def test_no_checkpoints_and_no_cache(bed, start, data):
    (data / "x").write_text("x")
    bed.put(data, "clients/x/")
    daemon = start(hosts=GPU2)
    with pytest.raises(AssertionError, match="Invalid argument"):
        daemon.submit("ckpt", {"run": "true", "checkpoints": "clients/ckpt/", "s3": {"engine": "rclone"}})
    assert "data moves by rclone here" in daemon.read("ckpt", "error")
    for name in ("one", "two"):
        daemon.submit(name, {"inputs": {"in": {"source": "clients/x/", "cache": True}}, "run": "echo y >>$JOB_INPUT_IN/x",
                             "s3": {"engine": "rclone"}})
        daemon.wait(name, ("SUCCEEDED",))
        assert not daemon.json(name)["transfers"][0].get("cached")
