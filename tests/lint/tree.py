"""The files of the repository, and one way to report what is wrong with them."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
if ROOT.is_file():
    ROOT = ROOT.parents[2]

problems = 0


def _names():
    if not (ROOT / ".git").exists():  # a release tarball
        for top, dirs, names in os.walk(ROOT):
            dirs[:] = [d for d in dirs if not d.startswith((".", "build", "__"))]
            yield from (os.path.relpath(os.path.join(top, n), ROOT) for n in names)
        return
    out = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
    ).stdout
    yield from (os.fsdecode(n) for n in out.split(b"\0") if n)


def files(*endings, below=""):
    """(name, path) of each file with one of the endings (all without), in order."""
    for name in sorted(set(_names())):
        path = ROOT / name
        # What is in the index only was deleted; a symlink's target is a file of its own.
        if not path.is_file() or path.is_symlink() or not name.startswith(below):
            continue
        if not endings or name.endswith(endings):
            yield name, path


def text(path):
    """None when it is not text."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        return None


def report(name, line, what):
    global problems
    problems += 1
    print(f"{name}:{line}: {what}")


def done():
    sys.exit(1 if problems else 0)
