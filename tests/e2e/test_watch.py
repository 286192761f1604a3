"""Fifty jobs on real hosts, and everybody who can watch them: none misses a transition."""

import json
import os
import select
import subprocess
import sys
import threading

from bed import FINAL, TESTS, wait_for

sys.path.insert(0, str(TESTS / "fs"))
from inotify import Inotify  # noqa: E402

JOBS = int(os.environ.get("WATCHED_JOBS", "50"))


class Watcher(threading.Thread):
    """Reads the timelines on when it is told that they have grown, and only then."""

    def __init__(self, jobs):
        super().__init__(daemon=True)
        self.jobs = jobs
        self.files = {str(job): open(job / "events.jsonl", "rb", buffering=0) for job in jobs}
        self.text = {job: b"" for job in self.files}
        self.stopping = False

    def read_on(self, job):
        while chunk := self.files[job].read(1 << 16):
            self.text[job] += chunk

    def states(self, job):
        lines = self.text[str(job)].split(b"\n")[:-1]
        return [e["state"] for e in map(json.loads, lines) if e["type"] == "state"]

    def has_all(self):
        return all((self.states(job) or [""])[-1] in FINAL for job in self.jobs)

    def stop(self):
        self.stopping = True
        self.join()
        for f in self.files.values():
            f.close()


class ByInotify(Watcher):
    def __init__(self, jobs):
        super().__init__(jobs)
        self.inotify = Inotify().watch(*self.files)

    def run(self):
        while not self.stopping:
            for job, name, event in self.inotify.read(0.1):
                if name == "events.jsonl" and event == "MODIFY":
                    self.read_on(job)


class ByPoll(Watcher):
    def run(self):
        poll = select.poll()
        by_fd = {f.fileno(): job for job, f in self.files.items()}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        while not self.stopping:
            for fd, _ in poll.poll(100):
                self.read_on(by_fd[fd])


class ByEpoll(Watcher):
    def run(self):
        by_fd = {f.fileno(): job for job, f in self.files.items()}
        with select.epoll() as epoll:
            for fd in by_fd:
                epoll.register(fd, select.EPOLLIN | select.EPOLLET)
            while not self.stopping:
                for fd, _ in epoll.poll(0.1):
                    self.read_on(by_fd[fd])


class ByTool(Watcher):
    """A program that prints lines until it is ended."""

    def __init__(self, jobs):
        super().__init__(jobs)
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def run(self):
        for line in self.process.stdout:
            self.hear(line)

    def stop(self):
        self.process.terminate()
        self.process.communicate()
        super().stop()


class ByInotifywait(ByTool):
    def __init__(self, jobs):
        super().__init__(jobs)
        begun = b"Watches established."
        while begun not in self.process.stderr.readline():
            pass

    def command(self):
        return ["inotifywait", "-m", "-e", "modify", "--format", "%w",
                *[f"{job}/events.jsonl" for job in self.files]]

    def hear(self, line):
        self.read_on(line.decode().strip().removesuffix("/events.jsonl"))


class ByTail(ByTool):
    follow = "-f"

    def command(self):
        self.job = None
        return ["tail", "-v", "-n", "+1", "-s", "0.2", self.follow,
                *[f"{job}/events.jsonl" for job in self.files]]

    def hear(self, line):
        if line.startswith(b"==> "):
            self.job = line.decode()[4:].split("/events.jsonl")[0]
        elif self.job and line != b"\n":
            self.text[self.job] += line


class ByTailName(ByTail):
    follow = "-F"


class OfStatus(threading.Thread):
    """Reads `status` at each of its events."""

    def __init__(self, jobs):
        super().__init__(daemon=True)
        self.seen = {str(job): [] for job in jobs}
        self.inotify = Inotify().watch(*[f"{job}/status" for job in jobs])
        self.stopping = False

    def run(self):
        while not self.stopping:
            for path, _, event in self.inotify.read(0.1):
                if event == "MODIFY":
                    seen = self.seen[path.removesuffix("/status")]
                    with open(path) as f:
                        state = f.read().strip()
                    if seen[-1:] != [state]:
                        seen.append(state)


def is_part_of(part, whole):
    rest = iter(whole)
    return all(x in rest for x in part)


def test_nobody_who_watches_fifty_jobs_misses_a_transition(daemon):
    jobs = [daemon.job(f"w{i}") for i in range(JOBS)]
    for job in jobs:
        job.mkdir()
    kinds = (ByInotify, ByPoll, ByEpoll, ByInotifywait, ByTail, ByTailName)
    watchers = [kind(jobs) for kind in kinds]
    of_status = OfStatus(jobs)
    waiting = subprocess.Popen(["cat", jobs[-1] / "wait"], stdout=subprocess.DEVNULL)
    for watcher in (*watchers, of_status):
        watcher.start()
    for job in jobs:
        (job / "spec.json").write_text('{ "run": "echo $JOB_NAME" }')
    for job in jobs:
        daemon.wait(job.name, ("SUCCEEDED",), 400)
    for watcher in watchers:
        wait_for(type(watcher).__name__, watcher.has_all, 30)
    wait_for("status", lambda: all(s[-1:] == ["SUCCEEDED"] for s in of_status.seen.values()), 30)
    of_status.stopping = True
    waiting.wait(30)
    for watcher in watchers:
        watcher.stop()
        for job in jobs:
            states = [e["state"] for e in map(json.loads, (job / "events.jsonl").open())
                      if e["type"] == "state"]
            assert states[0] == "QUEUED" and states[-1] == "SUCCEEDED" and len(states) >= 4
            assert watcher.states(job) == states, f"{type(watcher).__name__}, {job}"
            assert is_part_of(of_status.seen[str(job)], states)
    shown = sum(map(len, of_status.seen.values()))
    print(f"\n{JOBS} jobs, all transitions seen by {len(watchers)} kinds of watchers; "
          f"`status` itself showed {shown}")


def test_each_attempt_and_each_state_of_a_job_is_heard_of_where_it_is_listed(daemon):
    by_state = daemon.mount / ".jobfs/by-state"
    job = daemon.job("heard")
    job.mkdir()
    inotify = Inotify().watch(str(job), *(str(by_state / s) for s in ("QUEUED", "RUNNING", "SUCCEEDED")))
    spec = {"run": "sleep 1; [ $JOB_ATTEMPT = 2 ]",
            "retry": {"max_attempts": 2, "exit_codes": [1], "backoff": "1s"}}
    (job / "spec.json").write_text(json.dumps(spec))
    inotify.wait(str(job / "attempts"), "CREATE", seconds=120)
    inotify.watch(str(job / "attempts"))
    inotify.wait(str(job / "attempts/2"), "CREATE", seconds=120)
    inotify.wait(str(by_state / "SUCCEEDED/heard"), "CREATE", seconds=120)
    assert daemon.read("heard", "status") == "SUCCEEDED\n"
    inotify.wait(str(by_state / "QUEUED/heard"), "CREATE", "DELETE")
    inotify.wait(str(by_state / "RUNNING/heard"), "CREATE", "DELETE", "CREATE", "DELETE")
    assert (by_state / "SUCCEEDED/heard/status").read_text() == "SUCCEEDED\n"
    inotify.close()
