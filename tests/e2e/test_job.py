"""A job from mkdir to verified outputs, and what it may cost on each wire."""

import hashlib
import json
import os
import random
import time

from bed import BUCKET, run, wait_for

MIB = 1 << 20
ODD_NAMES = ["with space.txt", "quo'te\".txt", "ünïcödé-日本.txt", "-dash", "empty", "a/b/c/deep.bin",
             "semi;colon & $HOME `id`.txt", "star*?[x].txt", "back\\slash", "plus+percent%20.txt"]

SCRIPT = r"""#!/bin/bash
set -eu
echo "job $JOB_NAME attempt $JOB_ATTEMPT in $PWD"
sha256sum <"$JOB_INPUT_TRAIN"
ls "$JOB_INPUT_EVAL" | wc -l
cat "$JOB_INPUT_CONFIG"
mkdir -p "$JOB_OUTPUT_DIR/a/b/c" "$JOB_OUTPUT_DIR/logs"
cd "$JOB_OUTPUT_DIR"
n=0
while IFS= read -r name; do
    n=$((n + 1))
    if [ "$name" = empty ]; then : >"./$name"; else echo "content $n of $name" >"./$name"; fi
done <"$JOB_DIR/files/names"
cat "$JOB_INPUT_TRAIN" >train.copy
cat "$JOB_INPUT_EVAL"/* >eval.all
echo secret progress >run.log
echo more >logs/x.txt
echo done >&2
"""


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_inputs(bed, data):
    rng = random.Random(7)
    (data / "train.csv").write_bytes(rng.randbytes(100 * MIB))
    (data / "eval").mkdir()
    for i in range(200):
        (data / "eval" / f"part-{i:03}").write_bytes(rng.randbytes(1000 + i))
    (data / "run.yaml").write_text("lr: 1e-5\n")
    bed.put(data / "train.csv", "ds/train.csv")
    bed.put(data / "eval", "ds/eval/")
    bed.put(data / "run.yaml", "configs/run.yaml")


def print_table(before, after):
    def count(a, b):
        return after.get(f"{a}->{b}", 0) - before.get(f"{a}->{b}", 0)

    print("\nbytes on the wire            there         back")
    for a, b in (("ctl", "gpu1"), ("ctl", "s3"), ("gpu1", "s3")):
        print(f"  {a:>5} <-> {b:<5}     {count(a, b):>12} {count(b, a):>12}")
    return count


def test_the_main_job_moves_its_data_directly_and_whole(bed, start, data, tmp_path):
    make_inputs(bed, data)
    daemon = start(hosts={"gpu1": {"slots": 2}})
    before = bed.bytes()
    daemon.submit("exp1", {
        "inputs": {"train": f"s3://{BUCKET}/ds/train.csv", "eval": f"s3://{BUCKET}/ds/eval/",
                   "config": "configs/run.yaml"},
        "script": "train.sh",
        "outputs": f"s3://{BUCKET}/runs/{{job}}/",
    }, {"train.sh": SCRIPT, "names": "".join(n + "\n" for n in ODD_NAMES)})
    daemon.wait("exp1", ("SUCCEEDED",), 180)
    count = print_table(before, bed.bytes())

    assert daemon.read("exp1", "outputs.s3") == f"s3://{BUCKET}/runs/exp1/\n"
    assert daemon.read("exp1", "exit_code") == "0\n"
    assert not (daemon.job("exp1") / "error").exists()
    log = daemon.read("exp1", "log").splitlines()
    assert log[1].split()[0] == digest(data / "train.csv")
    assert log[2] == "200" and log[3] == "lr: 1e-5" and log[-1] == "done"

    names = set(ODD_NAMES) | {"train.copy", "eval.all"}
    keys = bed.keys("runs/exp1/")
    assert {k[len("runs/exp1/"):] for k in keys} == names  # no *.log, no logs/
    bed.get("runs/exp1/", tmp_path / "out")
    assert digest(tmp_path / "out" / "train.copy") == digest(data / "train.csv")
    every = b"".join((data / "eval" / f"part-{i:03}").read_bytes() for i in range(200))
    assert (tmp_path / "out" / "eval.all").read_bytes() == every
    for n, name in enumerate(ODD_NAMES, 1):
        want = "" if name == "empty" else f"content {n} of {name}\n"
        assert (tmp_path / "out" / name).read_text() == want

    lines = [json.loads(x) for x in daemon.read("exp1", "outputs.jsonl").splitlines()]
    assert lines[-1] == {"complete": True, "count": len(names), "bytes": sum(keys.values())}
    assert {x["key"]: x["size"] for x in lines[:-1]} == keys

    assert count("ctl", "gpu1") + count("gpu1", "ctl") < 300_000
    assert count("ctl", "s3") + count("s3", "ctl") < 300_000
    assert count("s3", "gpu1") > 100 * MIB and count("gpu1", "s3") > 100 * MIB


def test_a_job_without_data_needs_no_credentials(start):
    daemon = start(hosts={"gpu1": {}}, credentials=False)
    daemon.submit("plain", {"run": "echo out; echo err >&2; pwd"})
    daemon.wait("plain", ("SUCCEEDED",))
    log = daemon.read("plain", "log").splitlines()
    assert log[:2] == ["out", "err"] and log[2].endswith("/work")
    assert not (daemon.job("plain") / "outputs.s3").exists()


def test_the_log_is_what_the_program_printed_byte_for_byte(daemon):
    program = ("import sys, random\nrng = random.Random(3)\n"
               "for i in range(300):\n"
               "    sys.stdout.buffer.write(rng.randbytes(rng.randrange(9000)))\n"
               "    sys.stdout.buffer.flush()\n"
               "sys.stdout.buffer.write(b'no newline at the end')\n")
    daemon.submit("bytes", {"script": "p.py"}, {"p.py": "#!/usr/bin/python3\n" + program})
    daemon.wait("bytes", ("SUCCEEDED",))
    rng = random.Random(3)
    want = b"".join(rng.randbytes(rng.randrange(9000)) for _ in range(300))
    want += b"no newline at the end"
    log = daemon.job("bytes") / "log"
    assert log.stat().st_size == len(want)
    assert log.read_bytes() == want
    assert run("tail", "-c", "21", log).stdout == want[-21:]


def test_the_program_sees_its_environment_arguments_and_files(daemon):
    nasty = "a'b\"c $(touch /tmp/pwned) `id` \\ \n\ttab é*"
    files = {"show.sh": "#!/bin/sh\nprintf '%s\\0' \"$@\" \"$NASTY\" \"$JOB_NAME\" \"$JOB_ID\" "
                        "\"$CUDA_VISIBLE_DEVICES\"; cat \"$JOB_DIR/files/lib/deep/x\"\n",
             "lib/deep/x": b"\x00\xffdata"}
    daemon2_hosts = daemon.config["hosts"]
    assert daemon2_hosts["gpu1"].get("gpus", 0) == 0
    job = daemon.submit("env", {"script": "show.sh", "args": [nasty, "-n", ""],
                                "env": {"NASTY": nasty}}, files)
    daemon.wait("env", ("SUCCEEDED",))
    parts = (job / "log").read_bytes().split(b"\0")
    assert parts[0].decode() == nasty and parts[1:3] == [b"-n", b""]
    assert parts[3].decode() == nasty
    assert parts[4] == b"env" and parts[5].decode() == daemon.json("env")["id"]
    assert b"\0".join(parts[6:]).endswith(b"\x00\xffdata")


def test_gpus_are_reserved_by_index_and_given_back(start):
    daemon = start(hosts={"gpu1": {"slots": 8, "gpus": 2}})
    for i in range(4):
        daemon.submit(f"g{i}", {"run": "echo gpu=$CUDA_VISIBLE_DEVICES; sleep 0.5",
                                "resources": {"gpus": 1}})
    for i in range(4):
        daemon.wait(f"g{i}", ("SUCCEEDED",))
    seen = sorted(daemon.read(f"g{i}", "log").strip() for i in range(4))
    assert seen == ["gpu=0", "gpu=0", "gpu=1", "gpu=1"]
    status = daemon.submit("both", {"run": "echo $CUDA_VISIBLE_DEVICES", "resources": {"gpus": 2}})
    daemon.wait("both", ("SUCCEEDED",))
    assert (status / "log").read_text() == "0,1\n"


def test_an_upload_that_is_done_again_takes_no_gpus(start):
    daemon = start(hosts={"gpu1": {"slots": 8, "gpus": 1}})
    spec = {"resources": {"gpus": 1}}
    daemon.submit("lost", dict(spec, run="touch output/f; chmod 0 output/f", outputs="gpus/{job}/"))
    daemon.wait("lost", ("FAILED",))
    daemon.submit("runs", dict(spec, run="echo up; until [ -e go ]; do sleep 0.1; done"))
    wait_for("it runs", lambda: daemon.read("runs", "log") == "up\n")
    (daemon.job("lost") / "ctl").write_text("retry-upload")
    daemon.wait("lost", ("FAILED",))
    daemon.submit("waits", dict(spec, run="true"))
    time.sleep(1)
    assert daemon.status("waits") == "QUEUED" and daemon.status("runs") == "RUNNING"
    daemon.bed.on("gpu1", "touch", f".jobfs/jobs/{daemon.json('runs')['id']}-1/work/go")
    for name in ("runs", "waits"):
        daemon.wait(name, ("SUCCEEDED",))


def test_what_a_reader_sees_survives_a_restart(daemon):
    daemon.submit("one", {"run": "echo kept; exit 5", "labels": {"team": "nlp"}})
    daemon.wait("one", ("FAILED",))
    names = sorted(os.listdir(daemon.job("one")))
    before = {n: (daemon.job("one") / n).read_bytes() for n in names if n not in ("files", "ctl", "attempts")}
    inodes = {n: (daemon.job("one") / n).stat().st_ino for n in names}
    mtime = (daemon.job("one") / "status").stat().st_mtime_ns
    assert daemon.stop() == 0
    daemon.start()
    assert sorted(os.listdir(daemon.job("one"))) == names
    assert {n: (daemon.job("one") / n).read_bytes() for n in before} == before
    assert {n: (daemon.job("one") / n).stat().st_ino for n in names} == inodes
    assert (daemon.job("one") / "status").stat().st_mtime_ns == mtime


def test_a_copied_job_directory_is_whole_whatever_comes_first(daemon, tmp_path):
    """cp -r copies in the order of the directory: here spec.json may come before files/."""
    for i, order in enumerate((["spec.json", "files"], ["files", "spec.json"])):
        source = tmp_path / f"c{i}"
        source.mkdir()
        for name in order:
            if name == "files":
                (source / "files" / "lib").mkdir(parents=True)
                for k in range(30):
                    (source / "files" / "lib" / f"m{k}").write_text(f"{k}\n" * 100)
            else:
                (source / name).write_text('{"run": "cat files/lib/* | wc -l"}')
        run("cp", "-r", source, daemon.mount)
    names = []
    for i, argv in enumerate((["rsync", "-a"], ["cp", "-a"])):
        copy = tmp_path / f"r{i}"
        run("cp", "-r", tmp_path / "c0", copy)
        run(*argv, copy, daemon.mount)
        names.append(copy.name)
    for name in ["c0", "c1", *names]:
        daemon.wait(name, ("SUCCEEDED",))
        assert daemon.read(name, "log").strip() == "3000"
