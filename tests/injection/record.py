"""The program of the jobs: writes down what it sees, byte for byte, as JSON with text in
hexadecimal. Its first argument is where to."""

import json
import os
import sys


def files(top):
    found = {}
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as f:
                found[os.path.relpath(path, top).hex()] = f.read().hex()
    return found


seen = {
    "argv": [os.fsencode(a).hex() for a in sys.argv[2:]],
    "env": {k.hex(): v.hex() for k, v in os.environb.items()},
    "files": files(b"files"),
    "inputs": files(os.environb[b"JOB_INPUT_IN"]) if os.path.isdir(os.environb.get(b"JOB_INPUT_IN", b"")) else {},
}
os.makedirs(os.environb[b"JOB_OUTPUT_DIR"], exist_ok=True)
with open(os.path.join(os.environb[b"JOB_OUTPUT_DIR"], b"out"), "wb") as f:
    f.write(b"out")
with open(sys.argv[1], "w", encoding="ascii") as f:
    json.dump(seen, f)
