"""Transfers by presigned URLs: the hosts get no credentials and need no AWS CLI."""

import hashlib
import json
import os
import random

from bed import BUCKET, SECRET_KEY, run, wait_for
from test_secrets import Scanner, files_with, host_disks

MIB = 1 << 20
ODD = ["with space", "quo'te\"", "ünïcödé-日本", "-dash", "empty", "a/b/deep", "$HOME `id`;",
       "star*?[x]{1,2}", "back\\slash", "plus+percent%20", "new\nline", ".hidden/.file"]
PRESIGNED = {"engine": "presigned"}


def digests(directory):
    return {str(p.relative_to(directory)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in directory.rglob("*") if p.is_file()}


def make_tree(directory, big):
    rng = random.Random(5)
    for n, name in enumerate(ODD):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty" else rng.randbytes(1000 + n))
    (directory / "big.bin").write_bytes(rng.randbytes(big))


def unfinished(bed):
    out = bed.aws("s3api", "list-multipart-uploads", "--bucket", BUCKET, "--output", "json").stdout
    return json.loads(out or b"{}").get("Uploads", [])


def test_data_moves_whole_without_credentials_on_the_host(bed, start, data, tmp_path):
    make_tree(data, 150 * MIB + 12345)
    bed.put(data, "presigned/in/")
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3={"credentials": "presigned"})
    scanner = Scanner({"secret": SECRET_KEY.encode(), "url": b"X-Amz-Signature", "tool": b"aws-cli"})
    scanner.start()
    before = bed.bytes()
    daemon.submit("tree", {
        "inputs": {"all": "presigned/in/", "one": "presigned/in/big.bin"},
        "run": "cp -r \"$JOB_INPUT_ALL\"/. output/ && cmp \"$JOB_INPUT_ONE\" output/big.bin",
        "outputs": "presigned/{job}/"})
    daemon.wait("tree", ("SUCCEEDED",), 120)
    hits = scanner.stop()
    after = bed.bytes()
    bed.get("presigned/tree/", tmp_path / "out")
    want = digests(data)
    assert digests(tmp_path / "out") == want
    assert unfinished(bed) == []
    link = after["ctl->gpu1"] - before.get("ctl->gpu1", 0) + after["gpu1->ctl"] - before.get("gpu1->ctl", 0)
    print(f"\n{sum(f.stat().st_size for f in data.rglob('*') if f.is_file())} bytes each way, "
          f"{link} between daemon and host")
    assert link < 300_000
    # The secret is in the environment of what this test itself starts, and nowhere else. Who runs
    # an agent that was removed from the host meanwhile has it open, and that names the AWS CLI.
    hits = {h for h in hits if h[:2] != ("tool", "fd")}
    assert {h for h in hits if "jobfs" in h[3] or "sshd" in h[3]} == set()
    assert files_with({"secret": SECRET_KEY.encode(), "url": b"X-Amz-Signature"},
                      daemon.dir, *host_disks(bed)) == set()


def test_a_host_that_cannot_get_the_aws_cli_does_with_curl(bed, start, data):
    (data / "in").write_bytes(os.urandom(3 * MIB))
    bed.put(data / "in", "presigned/small")
    bed.on("fresh", "rm", "-rf", ".jobfs")
    daemon = start(hosts={"fresh": {"slots": 4}}, aws={"install_url": f"http://{bed.ip['s3']}:9/no.zip"})
    daemon.submit("plain", {"inputs": {"in": "presigned/small"}, "outputs": "presigned/{job}/",
                            "run": "cp \"$JOB_INPUT_IN\" output/copy"})
    daemon.wait("plain", ("SUCCEEDED",), 60)
    assert bed.keys("presigned/plain/") == {"presigned/plain/copy": 3 * MIB}


def test_outputs_wait_for_a_daemon_that_is_away(bed, start, data):
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3=PRESIGNED)
    daemon.submit("away", {"run": "echo up; until [ -e $HOME/go-away ]; do sleep 0.05; done; "
                                  "echo out >output/o; head -c 70000000 /dev/zero >output/z",
                           "outputs": "presigned/{job}/"})
    wait_for("the program", lambda: daemon.read("away", "log") == "up\n")
    daemon.kill()
    bed.on("gpu1", "touch", "go-away")
    wait_for("its end", lambda: "upload 1 0" in bed.on(
        "gpu1", "sh", "-c", "cat .jobfs/jobs/*/want 2>/dev/null || :"))
    run("umount", "-l", daemon.mount)
    daemon.start()
    daemon.wait("away", ("SUCCEEDED",), 60)
    assert bed.keys("presigned/away/") == {"presigned/away/o": 4, "presigned/away/z": 70000000}
    assert unfinished(bed) == []


def test_a_failed_upload_leaves_no_parts(bed, start):
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3=PRESIGNED)
    daemon.submit("parts", {"run": "head -c 140000000 /dev/zero >output/z; until [ -e $HOME/go-on ]; do "
                                   "sleep 0.05; done", "outputs": "presigned/{job}/"})
    daemon.wait("parts", ("RUNNING",))
    bed.bed("refuse", "gpu1", "s3", "80")
    bed.on("gpu1", "touch", "go-on")
    try:
        wait_for("an upload in parts", lambda: unfinished(bed), 60)
        daemon.wait("parts", ("FAILED",), 120)
    finally:
        bed.bed("heal")
    assert daemon.json("parts")["reason"] == "UploadFailed"
    assert unfinished(bed) == []


def test_keys_that_cannot_be_files_are_named(bed, start, data):
    (data / "x").write_text("x")
    cases = {"up": ("../x", "presigned/bad/up/", ".."), "both": ("a/b", "presigned/bad/both/", "directory"),
             "twice": ("a//b", "presigned/bad/twice/", "empty"), "dot": ("./x", "presigned/bad/dot/", '"."')}
    for name, (key, prefix, _) in cases.items():
        for k in (["a"] if name == "both" else []) + [key]:
            bed.aws("s3api", "put-object", "--bucket", BUCKET, "--key", prefix + k, "--body", data / "x")
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3=PRESIGNED)
    for name, (key, prefix, word) in cases.items():
        daemon.submit(name, {"inputs": {"in": prefix}, "run": "true"})
        daemon.wait(name, ("FAILED",))
        error = daemon.read(name, "error")
        assert prefix + key in error and word in error, error
        assert daemon.json(name)["reason"] == "NoSuchInput"


def test_no_engine_hides_a_host_without_a_tool(bed, start, data):
    (data / "in").write_text("x")
    bed.put(data / "in", "presigned/x")
    bed.bed("in", "fresh", "mv", "/usr/bin/curl", "/usr/bin/curl.away")
    try:
        daemon = start(hosts={"fresh": {}}, s3=PRESIGNED)
        daemon.submit("none", {"inputs": {"in": "presigned/x"}, "run": "true"})
        daemon.wait("none", ("FAILED",))
        assert "has no curl of version 7.68" in daemon.read("none", "error")
    finally:
        bed.bed("in", "fresh", "mv", "/usr/bin/curl.away", "/usr/bin/curl")
