"""A careful user's script: submits through a mount that may be dead at any moment, and
knows afterwards whether the job was taken.

An answer that did not come says nothing, so everything is asked again; what a second try
is told ("exists", "not permitted") is believed only after a look at what is there.
"""

import contextlib
import subprocess
import time

from bed import FINAL, wait_for


class User:
    """Owns the jobs that it submitted to one daemon."""

    def __init__(self, daemon, patience_s=120):
        self.daemon = daemon
        self.patience_s = patience_s
        self.accepted = {}  # name: when cp returned 0, or the look said so
        self.cancelled = {}  # name: when cancel was first asked for
        self.refused = []  # what should not have been

    def submit(self, job):
        end = time.monotonic() + self.patience_s
        while not self._try(job):
            if time.monotonic() > end:
                self.refused.append(f"{job.name}: could not be submitted in {self.patience_s} s")
                return False
            time.sleep(0.05)
        self.accepted[job.name] = time.time()
        return True

    def _try(self, job):
        path = self.daemon.job(job.name)
        with contextlib.suppress(OSError):
            with contextlib.suppress(FileExistsError):
                path.mkdir()
            if self._was_taken(job):
                return True
            for name, text in job.files().items():
                (path / "files" / name).write_text(text)
            return self._copy_spec(job)
        return False

    def _copy_spec(self, job):
        source = self.daemon.dir / f"{job.name}.spec"
        source.write_bytes(job.spec_text())
        done = subprocess.run(["cp", str(source), str(self.daemon.job(job.name) / "spec.json")],
                              stderr=subprocess.PIPE, timeout=60, check=False)
        if done.returncode == 0:
            return True
        if b"Invalid argument" in done.stderr:
            self.refused.append(f"{job.name}: a right spec was refused: {done.stderr!r}")
        return False

    def _was_taken(self, job):
        """spec.json is ours, whole, and the job is not new any more."""
        path = self.daemon.job(job.name)
        try:
            text = (path / "spec.json").read_bytes()
        except FileNotFoundError:
            return False
        return text == job.spec_text() and self.daemon.status(job.name) != "NEW"

    def cancel(self, name, words="cancel"):
        """False: it was over before, or nobody answered (and it may be taken all the same)."""
        self.cancelled.setdefault(name, time.time())
        try:
            (self.daemon.job(name) / "ctl").write_text(words + "\n")
        except OSError:
            return False
        return True

    def state(self, name):
        """None while nobody answers."""
        try:
            return self.daemon.status(name)
        except OSError:
            return None

    def wait(self, names, seconds=120):
        """Until all are final; the names of those that are not by then."""
        def left():
            return [n for n in names if self.state(n) not in FINAL]
        with contextlib.suppress(AssertionError):
            wait_for("the end of the jobs", lambda: not left(), seconds, 0.2)
        return left()
