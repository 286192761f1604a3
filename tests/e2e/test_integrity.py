"""An S3 that is out of order (tests/s3/faulty in front of the real one): a job has SUCCEEDED only
if every byte is right, in both directions, with each engine.

INTEGRITY=long tries each fault at each of the first 200 requests in turn; it takes an hour."""

import hashlib
import os
import random
import subprocess
import sys

import pytest

from bed import BUCKET, TESTS, wait_for

MIB = 1 << 20
ENGINES = ("presigned", "aws", "rclone", "s3cmd")
HOST = {"gpu2": {"slots": 8}}  # which has all clients
FAULTS = ("flip", "short", "cut", "rst", "500")
PORT = 8080


class Faulty:
    """The proxy, in the namespace of the S3 server."""

    def __init__(self, bed, directory):
        self.dir = directory
        directory.mkdir()
        self.endpoint = f"http://{bed.ip['s3']}:{PORT}"
        self.process = subprocess.Popen(
            ["nsenter", f"--net={bed.dir}/bed/net/s3", sys.executable, TESTS / "s3" / "faulty", directory, bed.ip["s3"],
             str(PORT), bed.ip["s3"], "80"])
        wait_for("the faulty S3", (directory / "ready").exists)

    def rules(self, *lines):
        """From now on; nothing was harmed yet."""
        (self.dir / "done").write_text("")
        (self.dir / "rules").write_text("".join(f"{line}\n" for line in lines))

    def done(self):
        return [line.split() for line in (self.dir / "done").read_text().splitlines()]

    def close(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def faulty(bed, tmp_path):
    the_proxy = Faulty(bed, tmp_path / "faulty")
    yield the_proxy
    the_proxy.close()


def fill(bed, data, big):
    """Small objects named after what will happen to them, a large one in one piece, and one in parts."""
    rng = random.Random(3)
    for fault in FAULTS:
        (data / f"{fault}.in").write_bytes(rng.randbytes(50_000))
    (data / "parts.bin").write_bytes(rng.randbytes(big))
    bed.put(data, "faulty/in/")
    (data / "whole.bin").write_bytes(rng.randbytes(big))
    bed.aws("s3api", "put-object", "--bucket", BUCKET, "--key", "faulty/in/whole.bin", "--body", data / "whole.bin")
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in data.iterdir()}


def submit(daemon, name, engine):
    daemon.submit(name, {"inputs": {"in": "faulty/in/"}, "s3": {"engine": engine}, "outputs": "faulty/out/{job}/",
                         "run": "cd $JOB_INPUT_IN; sha256sum *; ln * $JOB_OUTPUT_DIR/; cd $JOB_OUTPUT_DIR; "
                                "for f in *.in; do mv $f ${f%.in}.out; done"})


def came_whole(bed, daemon, name, want, top):
    """What the program saw, and what is in S3."""
    seen = dict(reversed(line.split()) for line in daemon.read(name, "log").splitlines())
    assert seen == want
    bed.get(f"faulty/out/{name}/", top / name)
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (top / name).iterdir()}
    assert sums == {k.replace(".in", ".out"): v for k, v in want.items()}
    bed.aws("s3", "rm", "--quiet", "--recursive", f"s3://{BUCKET}/faulty/out/")


@pytest.mark.parametrize("engine", ENGINES)
def test_harm_that_passes_is_repaired(bed, start, data, faulty, tmp_path, engine):
    want = fill(bed, data, 70 * MIB)
    daemon = start(hosts=HOST, s3={"endpoint_url": faulty.endpoint})
    rules = [*[f"{fault} GET 1 {fault}.in" for fault in FAULTS], "flip GET 1 whole.bin", "flip GET 2 parts.bin",
             "rst GET 2 whole.bin", "cut GET 1 parts.bin", "rst PUT 2 whole.bin", "cut PUT 1 parts.bin",
             *[f"{fault} PUT 1 {fault}.out" for fault in ("cut", "rst", "500")]]
    if engine == "presigned":  # the AWS CLI does not try again what S3 refused for its checksum
        rules += ["flip PUT 1 flip.out", "short PUT 1 short.out", "flip PUT 1 whole.bin", "flip PUT 3 parts.bin"]
    faulty.rules(*rules)
    submit(daemon, "passes", engine)
    daemon.wait("passes", ("SUCCEEDED",), 120)
    met, asked = {(fault, method) for fault, method, _ in faulty.done()}, {tuple(r.split()[:2]) for r in rules}
    assert met == asked
    came_whole(bed, daemon, "passes", want, tmp_path)


def test_harm_that_stays_is_no_success(bed, start, data, faulty):
    for name in ("down", "up"):
        (data / name).write_bytes(random.Random(name).randbytes(50_000))
    bed.put(data, "faulty/stays/")
    daemon = start(hosts=HOST, s3={"endpoint_url": faulty.endpoint})
    faulty.rules("flip GET 0 stays/down", "short GET 0 stays/up/in", "flip PUT 0 stays/out")
    for engine in ENGINES:
        daemon.submit(f"down-{engine}", {"inputs": {"in": "faulty/stays/down"}, "s3": {"engine": engine}, "run": "true"})
        daemon.submit(f"up-{engine}", {"run": "echo x >output/x", "outputs": "faulty/stays/out/{job}/", "s3": {"engine": engine}})
    for engine in ENGINES:
        daemon.wait(f"down-{engine}", ("FAILED",), 120)
        assert daemon.json(f"down-{engine}")["reason"] == "DownloadFailed"
        daemon.wait(f"up-{engine}", ("FAILED",), 120)
        assert daemon.json(f"up-{engine}")["reason"] == "UploadFailed"


@pytest.mark.parametrize("engine", ENGINES)
def each_fault_at_each_request(bed, start, data, faulty, tmp_path, engine):
    want = fill(bed, data, 70 * MIB)
    daemon = start(hosts=HOST, s3={"endpoint_url": faulty.endpoint})
    ends = {}
    for n in range(1, 201):
        for fault in FAULTS:
            name = f"{fault}-{n}"
            faulty.rules(f"{fault} * {n}")
            submit(daemon, name, engine)
            state = daemon.wait(name, ("SUCCEEDED", "FAILED"), 300)
            ends.setdefault((fault, state, bool(faulty.done())), []).append(n)
            if state == "SUCCEEDED":
                came_whole(bed, daemon, name, want, tmp_path)
    for (fault, state, harmed), which in sorted(ends.items()):
        print(f"{engine}: {fault}{'' if harmed else ' (never met)'}: {state} {len(which)} times")


if os.environ.get("INTEGRITY") == "long":
    test_each_fault_at_each_request = each_fault_at_each_request
