"""Jobs whose whole behaviour is a function of their name: what they print, write and exit
with. So whoever has the name knows what must be seen of the job, whatever happened.

A job says in the ledger when it starts ("S ATTEMPT") and what it ends with ("E ATTEMPT
CODE"). The ledger is a file a job on the host, outside of the job's directory; its first
page is there before the job is, so a full disk takes no line of it.
"""

import hashlib
import json
import random

LEDGER = "ledger"  # below the home directory on a host
INPUTS = "chaos-inputs"  # the prefix of what jobs read
OUTPUTS = "chaos-outputs/"  # and of what they write
INPUT_DATA = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(400))

CODES = (0, 0, 0, 0, 0, 0, 1, 3, 42, 127, 255)
HEAD = """\
l=$HOME/{ledger}/$JOB_NAME
echo "S $JOB_ATTEMPT" >>"$l"
trap 'echo "E $JOB_ATTEMPT $?" >>"$l"' EXIT
"""


def octal(data):
    """Bytes for printf(1)'s format."""
    return "".join(f"\\{b:03o}" for b in data)


def print_lines(rng, name):
    n = rng.choice((1, 5, 50, 2000))
    text = "".join(f"{name} {i}\n" for i in range(1, n + 1))
    return f"seq 1 {n} | sed 's/^/{name} /'", text.encode()


def print_bytes(rng, name):
    data = rng.randbytes(rng.randrange(1, 200))
    return f"printf '{octal(data)}'", data


def print_error(rng, name):
    return f"echo '{name} complains' >&2", f"{name} complains\n".encode()


class Job:
    """The plan of one job."""

    def __init__(self, seed, name, **fixed):
        rng = random.Random(f"{seed}/{name}")
        self.name = name
        self.code = rng.choice(CODES)
        self.log = b""
        self.outputs = {}
        self.destination = None
        self.has_input = rng.random() < 0.15
        self.is_script = rng.random() < 0.5
        self.cancel_after = rng.uniform(0, 3) if rng.random() < 0.1 else None
        self.tree = ""  # commands that leave processes behind
        self.seconds = rng.uniform(0.1, 2.0)
        wants_outputs = rng.random() < 0.25
        self.is_retried = rng.random() < 0.15 and self.code != 0  # and succeeds then
        for key, value in fixed.items():
            if key == "outputs":
                wants_outputs = value
            else:
                setattr(self, key, value)
        self.text = HEAD.format(ledger=LEDGER) + self.tree
        if self.has_input:
            self._say('sha256sum <"$JOB_INPUT_DATA"',
                      hashlib.sha256(INPUT_DATA).hexdigest().encode() + b"  -\n")
        self._work(rng)
        if wants_outputs:
            self.destination = f"{OUTPUTS}{seed}/{name}/"
            self._write(rng)
        self.text += f"[ $JOB_ATTEMPT = {self.attempts()} ] || exit {self.code}\n"
        self.first_code, self.code = self.code, 0 if self.is_retried else self.code
        self.text += f"exit {self.code}\n"

    def attempts(self):
        return 2 if self.is_retried else 1

    def _say(self, command, data):
        self.text += command + "\n"
        self.log += data

    def _work(self, rng):
        parts = rng.randrange(1, 5)
        for _ in range(parts):
            self._say(*rng.choice((print_lines, print_bytes, print_error))(rng, self.name))
            self.text += f"sleep {self.seconds / parts:.2f}\n"
        if rng.random() < 0.5:
            self._say("printf 'no newline at the end'", b"no newline at the end")

    def _write(self, rng):
        data = rng.randbytes(rng.randrange(0, 300))
        n = rng.choice((1, 100, 30000))
        lines = "".join(f"{i}\n" for i in range(1, n + 1)).encode()
        self.outputs = {"lines": lines, "deep/er/bytes": data, "empty": b""}
        self.text += f"mkdir -p output/deep/er\nseq 1 {n} >output/lines\n"
        self.text += f"printf '{octal(data)}' >output/deep/er/bytes\n: >output/empty\n"

    def files(self):
        return {"main.sh": "#!/bin/sh\nset -e\n" + self.text} if self.is_script else {}

    def spec(self):
        spec = {"script": "main.sh"} if self.is_script else {"run": self.text}
        if self.has_input:
            spec["inputs"] = {"data": f"{INPUTS}/data"}
        if self.destination:
            spec["outputs"] = self.destination
        if self.is_retried:
            spec["retry"] = {"max_attempts": 2, "exit_codes": [self.first_code], "backoff": 0}
        return spec

    def spec_text(self):
        return json.dumps(self.spec(), indent=1).encode()


def plan(seed, n):
    return [Job(seed, f"j{seed}-{i:04}") for i in range(n)]
