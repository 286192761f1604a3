"""Hosts at whose address nobody answers, and their files in the mount."""

import atexit
import json
import shutil
import subprocess
import tempfile

from mount import read, result, same, write

KEYS = tempfile.mkdtemp(prefix="jobfs-fs-")
atexit.register(shutil.rmtree, KEYS)
subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{KEYS}/id"], check=True)


def config(*names):
    """Each has one slot. They are in trouble as soon as a job goes there."""
    return {"ssh": {"identity": [f"{KEYS}/id"]},
            "hosts": {name: {"address": "127.0.0.1", "port": 1, "gpus": 2, "slots": 1} for name in names}}


def host(m, name, file="status"):
    return f"{m.path}/.jobfs/hosts/{name}/{file}"


def ctl(m, verb, name=None):
    return result(write, host(m, name, "ctl") if name else f"{m.path}/.jobfs/ctl", f"{verb}\n")


def drained(m, *names):
    return [n for n in names if json.loads(read(host(m, n, "status.json")))["drained"]]


def resume(m, *names):
    same(ctl(m, "resume"), "ok")
    same(drained(m, *names), [])
