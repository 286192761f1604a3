"""What waits for the disk, and what does not: strace holds the disk up, or breaks it."""

import contextlib
import os
import subprocess
import threading

from mount import LIMIT_S, RIGHT, case, matches, read, same, state, wait


@contextlib.contextmanager
def disk(m, how):
    """Each fdatasync(2) of the daemon is `how`, in words of strace --inject."""
    log = f"{m.work}/strace"
    with open(log, "w") as out:
        tracer = subprocess.Popen(["strace", "-f", "-p", str(m.daemon.pid), "-e", "trace=fdatasync",
                                   "-e", f"inject=fdatasync:{how}"], stdin=subprocess.DEVNULL, stderr=out)
    try:
        wait(lambda: "attached" in read(log))
        yield
    finally:
        tracer.terminate()
        tracer.wait()


class Submit(threading.Thread):
    """Closes the spec of a job; .result: what close(2) said, None: it has not returned."""

    def __init__(self, job):
        super().__init__(daemon=True)
        self.fd, self.result = os.open(f"{job}/spec.json", os.O_WRONLY | os.O_CREAT), None
        os.write(self.fd, RIGHT.encode())
        self.start()

    def run(self):
        try:
            os.close(self.fd)
            self.result = "ok"
        except OSError as e:
            self.result = os.strerror(e.errno)

    def end(self):
        self.join(LIMIT_S)
        return self.result


@case("a submit waits for the disk, directories that are made meanwhile do not")
def beside(m):
    jobs = [m.job() for _ in range(3)]
    with disk(m, "delay_enter=1500000"):
        first = Submit(jobs[0])
        wait(lambda: state(jobs[0]) == "QUEUED")  # committed, but not on disk
        made = threading.Thread(target=m.job)  # now there are two writers
        made.start()
        same(first.end(), "ok")
        made.join(LIMIT_S)
        second = Submit(jobs[1])
        wait(lambda: state(jobs[1]) == "QUEUED")
        more = [m.job() for _ in range(5)]
        same(second.result, None)
        third = Submit(jobs[2])
        same(second.end(), "ok")
        same(third.end(), "ok")
    same([os.path.isdir(x) for x in more], [True] * 5)
    same(sorted(state(x) for x in jobs), ["QUEUED"] * 3)


@case("a disk that fails ends the daemon with a reason; who submits hears from the next one")
def broken(m):
    job = m.job()
    m.expected.append("cannot be written to disk")
    with disk(m, "error=EIO"):
        submit = Submit(job)
        same(m.daemon.wait(timeout=LIMIT_S), 1)
    matches(read(m.log), "the job database cannot be written to disk: Input/output error; jobfs ends, .* "
                         "Look at the disk, and start jobfs again")
    same(submit.result, None)
    m.start()
    same(submit.end(), "ok")
    same(state(job), "QUEUED")
