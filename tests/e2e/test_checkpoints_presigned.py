"""Checkpoints of jobs whose hosts get no credentials: by URLs that the daemon signs."""

from bed import BUCKET, SECRET_KEY, run, wait_for
from test_checkpoints import LONG, counts, latest, log_lines
from test_presigned import unfinished
from test_retry import ok
from test_secrets import files_with, host_disks

ROUNDS = {"interval": 1, "settle": 0}


def named(bed, prefix):
    """What LATEST names is there, with its size: {path: (size, place)}."""
    text = bed.aws("s3", "cp", f"s3://{BUCKET}/{prefix}LATEST", "-", check=False).stdout.decode()
    keys = bed.keys(prefix)
    found = {}
    for line in text.split("\n")[1:-1]:
        path, size, _, place = line.split("\t")
        key = prefix + ("" if place == "." else place + "/") + path
        assert keys.get(key) == int(size), (line, keys)
        found[path] = (int(size), place)
    return found


def host_has(bed, host, words):
    return words in bed.on(host, "sh", "-c", "cat .jobfs/jobs/*/want 2>/dev/null || :")


def test_no_secret_is_on_the_host_and_old_rounds_go(bed, start):
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3={"credentials": "presigned"})
    daemon.submit("p", {"run": counts(4, "sleep 3"), "checkpoints": {"destination": "ckpt/pre/", **ROUNDS}})
    daemon.wait("p", ("SUCCEEDED",), LONG)
    assert set(latest(bed, "ckpt/pre/")) == {"count", *(f"step {n}/model" for n in range(1, 5))}
    places = {place for _, place in named(bed, "ckpt/pre/").values()}
    assert len(places) > 1 and all(p.startswith(".at/" + daemon.json("p")["id"] + "-1.") for p in places)
    assert len(bed.keys("ckpt/pre/")) == 6, bed.keys("ckpt/pre/")  # and LATEST
    assert files_with({"secret": SECRET_KEY.encode(), "url": b"X-Amz-Signature"},
                      daemon.dir, *host_disks(bed)) == set()
    assert "checkpoint of " in daemon.read("p", "progress")


def test_either_engine_goes_on_from_the_other_s_checkpoint(bed, start):
    daemon = start(hosts={"gpu1": {"slots": 4}})
    spec = {"checkpoints": {"destination": "ckpt/both/", **ROUNDS}}
    for n, engine in enumerate(("aws", "presigned", "aws", "presigned")):
        daemon.submit(f"e{n}", {**spec, "run": counts(n + 1, ":"), "s3": {"engine": engine}})
        daemon.wait(f"e{n}", ("SUCCEEDED",), LONG)
        assert log_lines(daemon, f"e{n}") == [f"attempt 1 begins at {n}"]
        assert len(named(bed, "ckpt/both/")) == n + 2


def test_a_killed_daemon_or_worker_only_delays_a_large_checkpoint(bed, start, tmp_path):
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3={"engine": "presigned"})
    daemon.submit("k", {"run": "if [ -n \"$JOB_RESUME_FROM\" ]; then md5sum <checkpoints/big; exit; fi; head -c 150000001 /dev/urandom >checkpoints/big.tmp; echo s >checkpoints/small; "
                               "mv checkpoints/big.tmp checkpoints/big; until [ -e go ]; do sleep 0.1; done; "
                               "md5sum <checkpoints/big; exit 75",
                        "checkpoints": {"destination": "ckpt/k/", **ROUNDS},
                        "retry": {"max_attempts": 2, "exit_codes": [75], "backoff": 0}})
    work = f".jobfs/jobs/{daemon.json('k')['id']}-1"
    wait_for("a round", lambda: host_has(bed, "gpu1", "ckput"), LONG)
    daemon.kill()
    run("umount", "-l", daemon.mount)
    daemon.start()
    for _ in range(3):
        wait_for("curl", lambda: bed.on("gpu1", "sh", "-c", "pidof curl || :").strip() or latest(bed, "ckpt/k/"), LONG)
        bed.on("gpu1", "sh", "-c", f"read -r pid _ <$(ls -t {work}/fetch.* | head -n 1) && kill -9 $pid || :")
    wait_for("the checkpoint", lambda: latest(bed, "ckpt/k/").get("big") == 150000001, LONG)
    named(bed, "ckpt/k/")
    bed.on("gpu1", "sh", "-c", f"touch {work}/work/go")
    daemon.wait("k", ("SUCCEEDED",), LONG)
    sums = {daemon.read("k", f"attempts/{n}/log") for n in (1, 2)}
    assert len(sums) == 1 and sums != {""}, sums
    assert unfinished(bed) == []


def test_the_last_round_waits_for_a_daemon_that_is_away(bed, start):
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3={"engine": "presigned"})
    daemon.submit("w", {"run": "until [ -e go ]; do sleep 0.1; done; echo 1 >checkpoints/a; echo o >output/o",
                        "outputs": "ckpt/w-out/",
                        "checkpoints": {"destination": "ckpt/w/", "interval": 1000, "settle": 0}})
    daemon.wait("w", ("RUNNING",), LONG)
    daemon.kill()
    bed.on("gpu1", "sh", "-c", "for d in .jobfs/jobs/*-1/work; do touch $d/go; done")
    wait_for("its end", lambda: host_has(bed, "gpu1", "upload"), LONG)
    run("umount", "-l", daemon.mount)
    daemon.start()
    daemon.wait("w", ("SUCCEEDED",), LONG)
    assert latest(bed, "ckpt/w/") == {"a": 2}
    assert bed.keys("ckpt/w-out/") == {"ckpt/w-out/o": 2}


def test_a_dry_run_tells_of_checkpoints_by_urls(bed, start):
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3={"credentials": "presigned"})
    daemon.submit("d", {"run": "true", "dry_run": True, "checkpoints": "ckpt/dry/"})
    daemon.wait("d", ("SUCCEEDED",), LONG)
    text = daemon.read("d", "log")
    assert "engine: presigned" in text and f"s3://{BUCKET}/ckpt/dry/" in text, text


def test_the_log_goes_on_while_the_daemon_cannot_reach_s3(bed, start):
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3={"engine": "presigned"})
    daemon.submit("l", {"run": "echo 1 >checkpoints/a; until [ -e go ]; do sleep 0.1; done; echo more; sleep 5; "
                               "echo 22 >checkpoints/a; until [ -e end ]; do sleep 0.1; done",
                        "checkpoints": {"destination": "ckpt/prel/", **ROUNDS}})
    wait_for("the first", lambda: latest(bed, "ckpt/prel/") == {"a": 2}, LONG)
    work = f".jobfs/jobs/{daemon.json('l')['id']}-1/work"
    bed.bed("refuse", "ctl", "s3", "80")
    try:
        bed.on("gpu1", "sh", "-c", f"echo 333 >{work}/checkpoints/b")
        wait_for("a want", lambda: host_has(bed, "gpu1", "ck"), LONG)
        bed.on("gpu1", "sh", "-c", f"touch {work}/go")
        wait_for("the log", lambda: daemon.read("l", "log") == "more\n", LONG)
    finally:
        bed.bed("heal")
    bed.on("gpu1", "sh", "-c", f"touch {work}/end")
    daemon.wait("l", ("SUCCEEDED",), LONG)
    assert set(named(bed, "ckpt/prel/")) == {"a", "b"}
