"""What is to be seen after a run: in the ledgers, in the mount, in S3, on the hosts. Gathered
only; what it means is the checker's business."""

import json
import tempfile
from pathlib import Path

import workload

FILES = ("status", "status.json", "log", "spec.json", "exit_code", "outputs.s3", "outputs.jsonl",
         "events.jsonl", "error")


def of_job(daemon, name):
    """{file: bytes} of what is there; None: the job is not."""
    path = daemon.job(name)
    if not path.is_dir():
        return None
    seen = {}
    for file in FILES:
        try:
            seen[file] = (path / file).read_bytes()
        except FileNotFoundError:
            pass
    return seen


def of_ledgers(bed, names):
    """{name: [(host, words)]}"""
    lines = {name: [] for name in names}
    for host in bed.hosts:
        for name in names:
            path = bed.home(host) / workload.LEDGER / name
            for line in path.read_text().splitlines()[1:]:
                lines[name].append((host, line.split()))
    return lines


def of_s3(bed):
    """{key: bytes} of all outputs."""
    with tempfile.TemporaryDirectory() as top:
        bed.get(workload.OUTPUTS, top)
        return {workload.OUTPUTS + str(file.relative_to(top)): file.read_bytes()
                for file in Path(top).rglob("*") if file.is_file()}


def of_attempts(bed):
    """{host: {attempt: [names of its files]}}"""
    found = {}
    for host in bed.hosts:
        top = bed.home(host) / ".jobfs/jobs"
        found[host] = {p.name: sorted(f.name for f in p.iterdir()) for p in top.glob("*")}
    return found


def of_database(daemon):
    """The verdict of SQLite; the daemon must be at its end."""
    with daemon.database() as db:
        return [row[0] for row in db.execute("PRAGMA integrity_check")]


class Facts:
    """Everything of one run. The daemon is ended in between. What is in S3 may be asked for
    later, of many runs at once."""

    base = None  # sizes of the daemon before it had any job

    def __init__(self, bed, daemon, user, jobs, journal, watcher=None, with_s3=True):
        names = [j.name for j in jobs]
        self.jobs = {j.name: j for j in jobs}
        self.accepted = dict(user.accepted)
        self.cancelled = dict(user.cancelled)
        self.surprises = list(user.refused) + (watcher.surprises if watcher else [])
        self.ended = dict(watcher.ended) if watcher else {}
        self.journal = journal.events
        self.seen = {name: of_job(daemon, name) for name in names}
        self.ids = {name: json.loads(s["status.json"])["id"]
                    for name, s in self.seen.items() if s and "status.json" in s}
        self.ledger = of_ledgers(bed, names)
        self.attempts = of_attempts(bed)
        self.processes = {h: {p: e.decode(errors="replace") for p, e in bed.processes(h).items()}
                          for h in bed.hosts}
        self.s3 = of_s3(bed) if with_s3 else None
        self.mounts = daemon.most_mounts
        self.sizes = daemon.sizes()
        self.exit = daemon.end()
        self.mounts_after = daemon.mounts()
        self.integrity = of_database(daemon)
        self.ends = list(daemon.ends)
        self.log = daemon.log()
