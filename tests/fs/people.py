"""Users other than root, and what they see."""

import subprocess
import sys

import mount

OWNER, MEMBER, OTHER = (2001, 3001), (2002, 3001), (2003, 3003)
SUPPLEMENTARY = (2004, 3004)  # in the group 3001 too


def as_user(who, code, groups=()):
    """What the Python expression gives, as somebody else; names of errnos."""
    # as text: the checkout may be in a directory that is closed to others
    with open(mount.__file__, encoding="utf-8") as f:
        program = f"{f.read()}\nos.umask(0o022)\nprint({code})"
    extra = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
    done = subprocess.run(
        ["setpriv", "--reuid", str(who[0]), "--regid", str(who[1]), *extra,
         sys.executable, "-"],
        input=program, capture_output=True, text=True, timeout=60, cwd="/", check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
