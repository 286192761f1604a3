"""Wrong specs of the grammar (tests/specs), written to a mount: all of them fail, and the
file `error` names the place."""

import os
import pathlib
import sys

from mount import case, read, same, state

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "specs"))
from document import Document  # noqa: E402
from grammar import random_of, right_spec  # noqa: E402
from mutations import MUTATIONS  # noqa: E402

# What the table of the grammar takes for granted. Nobody answers there, and no wrong spec asks.
CONFIG = {"hosts": {"gpu-a": {"address": "192.0.2.1", "gpus": 8}, "gpu-b": {"address": "192.0.2.2", "gpus": 2}},
          "s3": {"bucket": "models"}}
EACH = 3  # specs a mutation


def made_wrong(seed, function):
    tries, made = 0, None
    while not made or not made.text:  # to write nothing is no mistake
        rng = random_of(f"{seed}-{tries}")
        tries += 1
        made = function(rng, Document(rng, right_spec(rng)))
    return made


def refusal(path, text):
    """The name of the errno with which writing the text fails, at write(2) or at close(2)."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    problems = []
    for step in (lambda: os.write(fd, text), lambda: os.close(fd)):
        try:
            step()
        except OSError as e:
            problems.append(e.strerror)
    return set(problems)


@case("a wrong spec is no job, and `error` names the line and the JSON path")
def wrong(m):
    for title, function in MUTATIONS:
        for n in range(EACH):
            made = made_wrong(f"mount-{title}-{n}", function)
            job = m.job()
            same((title, made.text, refusal(f"{job}/spec.json", made.text)),
                 (title, made.text, {"Invalid argument"}))
            error = read(f"{job}/error")
            assert error.startswith(made.place()), f"{made.text!r}: want {made.place()!r}, have {error!r}"
            same((error.count("\n"), state(job)), (1, "NEW"))
            with open(f"{job}/spec.json", "rb") as f:
                same(f.read(), made.text)
            os.unlink(f"{job}/spec.json")
            same(os.path.exists(f"{job}/error"), False)
            os.rmdir(job)
