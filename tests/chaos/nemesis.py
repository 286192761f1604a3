"""What happens to the daemon, its disk, the hosts and the network between them, drawn from
a seed. All of it goes into a journal: one JSON object a line, with what was hit.

Some events last: the host is cut for a while, its disk is full for a while. A host suffers
one such thing at a time; the journal has the time of its end too.
"""

import json
import re
import threading
import time

from field import sqlite3

CLAIM = re.compile(r"run \S+ (\d+) (\d+)")


class Journal:
    """The events; also what the checker excuses by them."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")
        self.events = []
        self.lock = threading.Lock()

    def add(self, event, **what):
        entry = {"t": round(time.time(), 3), "event": event, **what}
        with self.lock:
            self.events.append(entry)
            self._write(entry)
        return entry

    def end(self, entry):
        with self.lock:
            entry["end"] = round(time.time(), 3)
            self._write({"t": entry["end"], "event": f"end of {entry['event']}",
                         **{k: entry[k] for k in ("host",) if k in entry}})

    def _write(self, entry):
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()

    def count(self, *names):
        return sum(e["event"] in names for e in self.events)


class Nemesis:
    """Draws events and undoes the lasting ones when their time has come."""

    # name: weight, in the order in which they are drawn
    WEIGHTS = {
        "kill-daemon": 52, "stop-daemon": 4, "kill-sessions": 10, "freeze-sshd": 5,
        "cut-host": 5, "reset-connections": 6, "kill-agent": 4, "kill-runner": 4,
        "kill-wrapper": 3, "kill-session": 2, "reboot-host": 2, "fill-host": 2,
        "fill-daemon": 2, "lock-database": 3,
    }

    def __init__(self, bed, daemon, rng, journal, weights=None):
        self.bed = bed
        self.daemon = daemon
        self.rng = rng
        self.journal = journal
        self.weights = weights or self.WEIGHTS
        self.lasting = {}  # what suffers: (when it ends, how, the entry)
        self.lock = threading.RLock()
        self.is_over = threading.Event()
        # apart: who makes trouble may be stuck in it, waiting for a locked database
        self.healer = threading.Thread(target=self._heal_in_time)
        self.healer.start()

    def strike(self):
        """One event. Always draws the same numbers, whatever is hit."""
        name = self.rng.choices(list(self.weights), list(self.weights.values()))[0]
        host = self.rng.choice(self.bed.hosts)
        seconds = self.rng.uniform(0.5, 4)
        aim = self.rng.random()
        getattr(self, name.replace("-", "_"))(host, seconds, aim)

    def stop(self):
        """The end of all trouble."""
        self.is_over.set()
        self.healer.join()

    def _heal_in_time(self):
        while not self.is_over.wait(0.05):
            self._heal(time.monotonic())
        self._heal(float("inf"))

    def _heal(self, now):
        with self.lock:
            for victim, (end, undo, entry) in list(self.lasting.items()):
                if now >= end:
                    undo()
                    self.journal.end(entry)
                    del self.lasting[victim]

    def _last(self, victim, seconds, begin, undo, event, **what):
        """Something that lasts, unless the victim suffers already."""
        with self.lock:
            if victim not in self.lasting and begin() is not False:
                entry = self.journal.add(event, seconds=round(seconds, 2), **what)
                self.lasting[victim] = (time.monotonic() + seconds, undo, entry)

    # --- the daemon ---

    def kill_daemon(self, _host, _seconds, _aim):
        self.journal.add("kill-daemon")
        self.daemon.crash()

    def stop_daemon(self, _host, _seconds, _aim):
        self.journal.add("stop-daemon")
        self.daemon.restart()

    def fill_daemon(self, _host, seconds, _aim):
        path = self.daemon.dir / "state" / "fill"
        self._last("daemon", seconds, lambda: fill(path), path.unlink, "fill-daemon")

    def lock_database(self, _host, seconds, _aim):
        db = sqlite3.connect(self.daemon.dir / "state" / "jobfs.db", timeout=5,
                             isolation_level=None, check_same_thread=False)

        def begin():
            try:
                db.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error:  # the daemon was quicker for 5 s, or is being born
                db.close()
                return False
            return True
        self._last("daemon", seconds, begin, db.close, "lock-database")

    # --- connections ---

    def kill_sessions(self, host, _seconds, _aim):
        self.journal.add("kill-sessions", host=host)
        self.bed.bed("sshd", host, "kill-sessions", check=False)

    def reset_connections(self, host, _seconds, _aim):
        self.journal.add("reset-connections", host=host)
        reset_connections(self.bed, host)

    def freeze_sshd(self, host, seconds, _aim):
        self._last(host, seconds * 2, lambda: self.bed.bed("sshd", host, "pause"),
                   lambda: self.bed.bed("sshd", host, "resume"), "freeze-sshd", host=host)

    def cut_host(self, host, seconds, _aim):
        self._last(host, seconds * 2, lambda: self.bed.bed("cut", host),
                   lambda: self.bed.bed("join", host), "cut-host", host=host)

    # --- processes on hosts ---

    def _aim_at(self, host, aim):
        found = attempts(self.bed, host) if host not in self.lasting else []
        return found[int(aim * len(found))] if found else None

    def _kill(self, event, host, target, pids):
        attempt, phase, _, _ = target
        self.journal.add(event, host=host, attempt=attempt, phase=phase)
        self.bed.signal(host, "KILL", [p for p in pids if p and p > 1])

    def kill_runner(self, host, _seconds, aim):
        target = self._aim_at(host, aim)
        if target:
            self._kill("kill-runner", host, target, [target[2]])

    def kill_wrapper(self, host, _seconds, aim):
        target = self._aim_at(host, aim)
        if target:
            self._kill("kill-wrapper", host, target, [target[3]])

    def kill_session(self, host, _seconds, aim):
        """As the out-of-memory killer that takes a whole scope."""
        target = self._aim_at(host, aim)
        if target:
            mark = f"={target[0]}\0".encode()  # JOBFS_ATTEMPT, JOBFS_WRAPPER, JOBFS_XFER
            self._kill("kill-session", host, target,
                       [target[2], target[3], *self.bed.processes(host, mark)])

    def kill_agent(self, host, _seconds, aim):
        """A verb of the agent in the middle: its channel ends well, its answer does not."""
        pids = sorted(self._verbs(host)) if host not in self.lasting else []
        if pids:
            self.journal.add("kill-agent", host=host)
            self.bed.signal(host, "KILL", [pids[int(aim * len(pids))]])

    def _verbs(self, host):
        root = self.bed.root(host)
        for path in (root / "proc").iterdir() if root else ():
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if len(words) > 2 and b".jobfs/bin/" in words[1] and not words[2].startswith(b"_"):
                yield int(path.name)

    # --- hosts ---

    def reboot_host(self, host, _seconds, _aim):
        with self.lock:
            if host not in self.lasting:
                entry = self.journal.add("reboot-host", host=host)
                self.bed.bed("reboot", host)
                self.journal.end(entry)

    def fill_host(self, host, seconds, _aim):
        self._last(host, seconds, lambda: self.bed.bed("disk", host, "full"),
                   lambda: self.bed.bed("disk", host, "4g"), "fill-host", host=host)


def fill(path):
    """Until nothing more fits."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            pass


def reset_connections(bed, host):
    """RST to both ends of what the daemon has open there."""
    bed.bed("in", "ctl", "ss", "-Kt", "dst", bed.ip[host], "dport", "=", "22", check=False)


def attempts(bed, host):
    """[(name, phase, pid of the runner, of the wrapper)] of those that are going on."""
    found = []
    for path in sorted((bed.home(host) / ".jobfs/jobs").glob("*")):
        try:
            claim = CLAIM.match((path / "claim").read_text())
            if claim and not (path / "end").exists():
                phase, prog = path / "phase", path / "prog"
                found.append((path.name,
                              phase.read_text().strip() if phase.exists() else "prepare",
                              int(claim[1]),
                              int(prog.read_text().split()[0]) if prog.exists() else None))
        except (OSError, IndexError, ValueError):  # it goes on meanwhile
            continue
    return found
