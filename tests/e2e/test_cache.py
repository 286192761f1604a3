"""The cache of inputs: what a job has fetched is linked into the next one of the same host."""

import os
import re
import secrets

import pytest

from bed import BUCKET, run, wait_for

MIB = 1 << 20
ENGINES = ("aws", "presigned")


@pytest.fixture(autouse=True)
def _empty(bed):
    for host in ("gpu1", "gpu2"):
        bed.on(host, "rm", "-rf", ".jobfs/cache")


@pytest.fixture
def tree(bed, data):
    """Objects below a prefix of their own, one of which comes in pieces."""
    prefix = f"cache/{secrets.token_hex(4)}/"
    (data / "deep").mkdir()
    (data / "big").write_bytes(os.urandom(70 * MIB + 5))
    (data / "deep" / "with space é").write_bytes(b"one")
    (data / "empty").write_bytes(b"")
    (data / "a'b\"").write_bytes(os.urandom(3 * MIB))
    bed.put(data, prefix)
    return prefix


def spec_of(engine, prefix, **more):
    return {"inputs": {"set": {"source": prefix, "cache": True}, "one": {"source": prefix + "big", "cache": True}},
            "run": "cmp \"$JOB_INPUT_ONE\" \"$JOB_INPUT_SET/big\" && cd \"$JOB_INPUT_SET\" && find . -type f -exec md5sum {} + | sort",
            "s3": {"engine": engine}, **more}


def sums(path):
    return run("sh", "-c", 'cd "$0" && find . -type f -exec md5sum {} + | sort', path).stdout.decode()


def from_s3(bed, host="gpu1"):
    return bed.bytes().get(f"s3->{host}", 0)


def cached(daemon, name):
    return {t["name"]: t["cached"] for t in daemon.json(name)["transfers"]}


def entries(bed, host="gpu1"):
    return bed.on(host, "sh", "-c", "cd .jobfs/cache && ls -ln").splitlines()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_second_job_gets_its_inputs_from_the_cache(bed, start, data, tree, engine):
    daemon = start(hosts={"gpu1": {"slots": 4}})
    want = sums(data)
    total = sum(p.stat().st_size for p in data.rglob("*") if p.is_file())
    daemon.submit("first", spec_of(engine, tree))
    daemon.wait("first", ("SUCCEEDED",))
    assert daemon.read("first", "log") == want
    before = from_s3(bed)
    daemon.submit("second", spec_of(engine, tree))
    daemon.wait("second", ("SUCCEEDED",))
    assert daemon.read("second", "log") == want
    came = from_s3(bed) - before
    print(f"\n{engine}: {came} bytes from S3 for the second job, of {total}")
    assert came < 100_000
    assert cached(daemon, "second") == {"set": total, "one": 70 * MIB + 5}
    assert set(cached(daemon, "first").values()) <= {0, 70 * MIB + 5}
    progress, log = daemon.read("second", "progress"), daemon.read("second", "transfer.log")
    print(progress + log)
    assert re.search(r"^set .* done, 73.0 MiB from the cache$", progress, re.M)
    assert "SET: 4 of 4 objects, 73.0 MiB from the cache\n" in log
    assert "from the cache" in daemon.read("second", "events.jsonl")
    modes = {line.split()[0] for line in entries(bed) if re.search(r" [0-9a-f]{64}$", line)}
    assert modes == {"-r--r--r--"}
    assert not [line for line in entries(bed) if "big" in line or "deep" in line]


@pytest.mark.parametrize("engine", ENGINES)
def test_only_what_changed_or_is_new_is_fetched(bed, start, data, tree, engine):
    daemon = start(hosts={"gpu1": {"slots": 4}})
    daemon.submit("first", spec_of(engine, tree))
    daemon.wait("first", ("SUCCEEDED",))
    (data / "deep" / "with space é").write_bytes(b"two")
    (data / "new").write_bytes(b"new")
    bed.put(data / "deep", tree + "deep/")
    bed.put(data / "new", tree + "new")
    before = from_s3(bed)
    daemon.submit("second", spec_of(engine, tree))
    daemon.wait("second", ("SUCCEEDED",))
    assert daemon.read("second", "log") == sums(data)
    came = from_s3(bed) - before
    print(f"\n{engine}: {came} bytes from S3")
    assert came < 500_000
    assert "SET: 3 of 5 objects, 73.0 MiB from the cache\n" in daemon.read("second", "transfer.log")
    daemon.submit("third", spec_of(engine, tree))
    daemon.wait("third", ("SUCCEEDED",))
    assert "SET: 5 of 5 objects" in daemon.read("third", "transfer.log")


@pytest.mark.parametrize("engine", ENGINES)
def test_many_at_once_fetch_once(bed, start, data, tree, engine):
    daemon = start(hosts={"gpu1": {"slots": 4}})
    before = from_s3(bed)
    bed.bed("wire", "s3", "delay_ms=50")
    try:
        for i in range(4):
            daemon.submit(f"j{i}", {"inputs": {"x": {"source": tree + "big", "cache": True}},
                                    "run": "md5sum <\"$JOB_INPUT_X\"", "s3": {"engine": engine}})
        for i in range(4):
            daemon.wait(f"j{i}", ("SUCCEEDED",))
    finally:
        bed.bed("wire", "s3", "off")
    came = from_s3(bed) - before
    print(f"\n{engine}: {came} bytes from S3 for four jobs with 70 MiB")
    assert came < 90 * MIB
    assert len({daemon.read(f"j{i}", "log") for i in range(4)}) == 1
    assert sorted(cached(daemon, f"j{i}")["x"] for i in range(4)) == [0] + [70 * MIB + 5] * 3


def test_one_engine_takes_what_the_other_has_fetched(bed, start, data, tree):
    daemon = start(hosts={"gpu1": {"slots": 4}})
    for n, engine in enumerate(("presigned", "aws", "presigned")):
        before = from_s3(bed)
        daemon.submit(f"j{n}", spec_of(engine, tree))
        daemon.wait(f"j{n}", ("SUCCEEDED",))
        assert daemon.read(f"j{n}", "log") == sums(data)
        assert n == 0 or from_s3(bed) - before < 100_000


def test_a_program_that_writes_into_its_input_harms_itself_only(bed, start, data, tree):
    daemon = start(hosts={"gpu1": {"slots": 4}})
    spec = {"inputs": {"x": {"source": tree + "big", "cache": True}}, "s3": {"engine": "presigned"}}
    daemon.submit("bad", dict(spec, run="if echo no >>\"$JOB_INPUT_X\"; then echo written; fi; chmod u+w \"$JOB_INPUT_X\"; "
                                        "printf X | dd of=\"$JOB_INPUT_X\" conv=notrunc"))
    daemon.wait("bad", ("SUCCEEDED",))
    assert "written" not in daemon.read("bad", "log")
    daemon.submit("next", dict(spec, run="md5sum <\"$JOB_INPUT_X\""))
    daemon.wait("next", ("SUCCEEDED",))
    assert daemon.read("next", "log") == run("sh", "-c", f"md5sum <{data}/big").stdout.decode()
    assert cached(daemon, "next")["x"] == 0
    assert "not what it was" in daemon.read("next", "transfer.log")


def test_the_cache_has_a_limit_and_may_be_off(bed, start, data, tree):
    daemon = start(hosts={"gpu1": {"slots": 4}}, limits={"cache_bytes": "71MiB"})

    def job(daemon, name, key):
        daemon.submit(name, {"inputs": {"x": {"source": key, "cache": True}}, "run": "true", "s3": {"engine": "presigned"}})
        daemon.wait(name, ("SUCCEEDED",))
        return cached(daemon, name)["x"]

    assert job(daemon, "a1", tree + "big") == 0
    assert job(daemon, "a2", tree + "big") > 0
    assert job(daemon, "b1", tree + "a'b\"") == 0  # there is no room for both
    assert job(daemon, "b2", tree + "a'b\"") > 0
    assert job(daemon, "a3", tree + "big") == 0
    off = start(hosts={"gpu1": {"slots": 4}}, limits={"cache_bytes": 0})
    assert job(off, "a4", tree + "big") == 0
    assert job(off, "a5", tree + "big") == 0


def test_the_cache_gives_way_when_the_disk_is_full(bed, start, data, tree):
    """gpu2 has room for one large input only: the cache must not keep a job away."""
    daemon = start(hosts={"gpu2": {"slots": 1}})
    bed.bed("disk", "gpu2", "150m")
    try:
        run("truncate", "-s", "71M", data / "other")
        bed.put(data / "other", tree + "other")
        for name, key in (("one", "big"), ("two", "other")):
            daemon.submit(name, {"inputs": {"x": {"source": tree + key, "cache": True}}, "run": "true"})
            daemon.wait(name, ("SUCCEEDED",))
            wait_for("its ack", lambda name=name: not bed.on("gpu2", "sh", "-c", "ls -d .jobfs/jobs/*/work 2>/dev/null || :"))
        daemon.submit("plain", {"inputs": {"x": tree + "big"}, "run": "head -c 10M /dev/zero >x"})
        daemon.wait("plain", ("SUCCEEDED",))
    finally:
        bed.bed("disk", "gpu2", "4g")


def test_what_a_running_job_holds_is_no_obstacle_to_one_that_wants_the_same(bed, start, tree):
    """There is room for the input once, and the cache has it."""
    daemon = start(hosts={"gpu2": {"slots": 2}})
    bed.bed("disk", "gpu2", "120m")
    spec = {"inputs": {"x": {"source": tree + "big", "cache": True}}}
    try:
        daemon.submit("one", dict(spec, run="head -c 20M /dev/zero >fill; echo up; until [ -e go ]; do sleep 0.2; done"))
        wait_for("the program", lambda: daemon.read("one", "log") == "up\n", 120)
        daemon.submit("two", dict(spec, run="md5sum <\"$JOB_INPUT_X\""))
        daemon.wait("two", ("SUCCEEDED",), 60)
        assert daemon.status("one") == "RUNNING"
        assert cached(daemon, "two")["x"] == 70 * MIB + 5
        daemon.submit("other", {"inputs": {"x": tree + "big"}, "run": "true"})
        wait_for("a word of it", lambda: " free" in (daemon.json("other").get("message") or ""))
        (daemon.job("one") / "ctl").write_text("cancel now\n")
        daemon.wait("one", ("CANCELLED",))
        daemon.wait("other", ("SUCCEEDED",), 90)
    finally:
        bed.bed("disk", "gpu2", "4g")


def test_a_host_with_curl_alone_has_a_cache_too(bed, start, data, tree):
    bed.on("fresh", "rm", "-rf", ".jobfs")
    daemon = start(hosts={"fresh": {"slots": 4}}, aws={"install_url": f"http://{bed.ip['s3']}:9/no.zip"})
    spec = {"inputs": {"x": {"source": tree, "cache": True}}, "run": "cat \"$JOB_INPUT_X/deep/with space é\""}
    for name in ("one", "two"):
        daemon.submit(name, spec)
        daemon.wait(name, ("SUCCEEDED",))
        assert daemon.read(name, "log") == "one"
    assert cached(daemon, "two")["x"] > 73 * MIB


def test_a_dry_run_names_the_cache(start, tree):
    daemon = start(hosts={"gpu1": {"slots": 4}})
    daemon.submit("dry", spec_of("aws", tree, dry_run=True))
    daemon.wait("dry", ("SUCCEEDED",))
    assert f"s3://{BUCKET}/{tree} -> inputs/set, 4 objects, 73.0 MiB, cache\n" in daemon.read("dry", "log")
