"""Hostile strings through the mount, SSH and the AWS CLI: nothing is executed, and the program
sees the bytes that the user wrote. All strings and all shells are in tests/injection."""

import hashlib
import json
import os
import secrets
import sys
from pathlib import Path

from bed import BUCKET, TESTS

sys.path.insert(0, str(TESTS / "injection"))
import corpus  # noqa: E402

PWN = f"pwn{secrets.token_hex(3)}"  # tests/injection may be at it on this machine, too

# Says of everything that it sees the digest.
RECORDER = """#!/bin/sh
printf '%s\\0' "$@" | sha256sum >output/argv
env -0 | grep -z '^V[0-9]' | sort -z | sha256sum >output/env
(cd files && find . -type f ! -name 'record me' -print0 | sort -z | sha256sum) >output/files
printf %s "$JOB_NAME" | sha256sum >output/name
sha256sum <"$JOB_INPUT_IN" >output/input
cp "$JOB_INPUT_IN" "output/$1"
"""


def digest(*parts):
    return hashlib.sha256(b"".join(parts)).hexdigest()


def executed(bed, daemon):
    """Files that only a string that was executed can have made, anywhere."""
    found = [p for host in ("gpu1", "gpu2") for p in
             bed.on(host, "find", "/", "-xdev", "-name", f"{PWN}*", "-not", "-path", "*/work/files/*",
                    "-not", "-path", "/proc/*", check=False).split("\n") if p]
    here = [os.path.join(d, n) for top in (daemon.dir, "/tmp") for d, _, names in os.walk(top)
            for n in names if n.startswith(PWN) and str(daemon.mount) not in d]
    return found + [p for p in here if not p.startswith(str(bed.dir))]


def test_hostile_strings_arrive_unchanged_and_do_nothing(bed, start, data):
    daemon = start(hosts={"gpu1": {"slots": 4}, "gpu2": {"slots": 4}})
    strings = corpus.strings(PWN)
    sample = [s for s in strings[::len(strings) // 40] if len(s) < 10000]
    names = [n for n in corpus.file_names(PWN)[::20] if n != b"record me"]
    key = f"injection/a'b \"$(touch {PWN})\"; `touch {PWN}` --recursive * ~ %n é\u202e😀"
    out = f"-o$(touch {PWN})'"
    (data / "in").write_bytes(b"input")
    bed.put(data / "in", key)
    jobs = [f"-rf; touch {PWN} '$(touch {PWN})`touch {PWN}`", "--endpoint-url=http:x é\u202e%n*", "plain"]
    for job in jobs:
        directory = os.fsencode(daemon.job(job))
        os.mkdir(directory)
        for name in names:
            Path(os.fsdecode(os.path.join(directory, b"files", name))).write_bytes(b"x")
        (daemon.job(job) / "files/record me").write_text(RECORDER)
        spec = {"script": "record me", "args": [out, *sample], "env": {f"V{i}": s for i, s in enumerate(sample)},
                "inputs": {"in": f"s3://{BUCKET}/{key}"}, "labels": {"l": f"$(touch {PWN})"},
                "outputs": f"s3://{BUCKET}/injection/out '$(touch {PWN})/{{id}}/"}
        (daemon.job(job) / "spec.json").write_text(json.dumps(spec))
    for job in jobs:
        daemon.wait(job, ("SUCCEEDED",))
        prefix = daemon.read(job, "outputs.s3").strip().removeprefix(f"s3://{BUCKET}/")
        got = data / hashlib.sha256(job.encode()).hexdigest()[:8]
        bed.get(prefix, got)
        env = sorted(b"V%d=%s\0" % (i, s.encode()) for i, s in enumerate(sample))
        want = {
            "argv": digest(*(s.encode() + b"\0" for s in [out, *sample])),
            "env": digest(*env),
            "files": digest(*sorted(b"./" + n + b"\0" for n in names)),
            "name": digest(job.encode()),
            "input": digest(b"input"),
        }
        have = {n: (got / n).read_text().split()[0] for n in want}
        assert have == want, (job, have, want)
        assert (got / out).read_bytes() == b"input"
    assert executed(bed, daemon) == []
