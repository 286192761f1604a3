"""The bed of the end-to-end tests with a daemon that somebody starts again whenever it has
died, and eyes on the hosts that need nothing of them."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))
from bed import BED, BUCKET, TESTS, Bed, Daemon, run, wait_for  # noqa: E402, F401

import workload  # noqa: E402

STATE_SIZE = "96m"


def keep_out_of_sanitizers_way():
    """A daemon's memory is measured; freed memory kept for reports would be counted."""
    options = os.environ.get("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=1")
    os.environ["ASAN_OPTIONS"] = options + ":quarantine_size_mb=8"
    os.environ.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
    os.environ.setdefault("TSAN_OPTIONS", "halt_on_error=1:second_deadlock_stack=1")


class ChaosBed(Bed):
    """Hosts with a ledger, a bucket with inputs."""

    def __init__(self, hosts="gpu1=aws gpu2=aws"):
        keep_out_of_sanitizers_way()
        super().__init__(hosts)
        self.hosts = [h.split("=")[0] for h in hosts.split()]
        data = self.dir / "data"
        data.write_bytes(workload.INPUT_DATA)
        self.put(data, f"{workload.INPUTS}/data")
        for host in self.hosts:
            ledger = self.home(host) / workload.LEDGER
            ledger.mkdir()
            os.chown(ledger, 1000, 1000)

    def root(self, host):
        """The root directory of a host, seen from here; None while it is down."""
        with contextlib.suppress(OSError, ValueError):
            pid = (self.dir / "bed" / "hosts" / host / "init.pid").read_text().split()[0]
            path = Path(f"/proc/{int(pid)}/root")
            if (path / "run").exists():
                return path
        return None

    def home(self, host):
        root = self.root(host)
        return root / "home" / "alice" if root else Path("/nonexistent")

    def open_ledger(self, names, hosts=None):
        for host in hosts or self.hosts:
            for name in names:
                path = self.home(host) / workload.LEDGER / name
                path.write_text("#\n")
                os.chown(path, 1000, 1000)

    def processes(self, host, mark=b"JOBFS_"):
        """{pid: environment} of what runs on a host with the mark of a job."""
        found = {}
        root = self.root(host)
        for path in (root / "proc").iterdir() if root else ():
            if path.name.isdigit():
                with contextlib.suppress(OSError):
                    environment = (path / "environ").read_bytes()
                    if mark in environment:
                        found[int(path.name)] = environment
        return found

    def signal(self, host, signal, pids):
        if pids:
            self.bed("in", host, "kill", f"-{signal}", *pids, check=False)


class Lane:
    """One host of a bed, as a bed of its own."""

    def __init__(self, bed, host):
        self.whole = bed
        self.hosts = [host]

    def __getattr__(self, name):
        return getattr(self.whole, name)

    def open_ledger(self, names):
        self.whole.open_ledger(names, self.hosts)

    def clear(self):
        """As a host that never had a job."""
        self.bed("in", self.hosts[0], "rm", "-rf", "/home/alice/.jobfs")


class Supervised(Daemon):
    """A daemon as systemd would run it: started again after every death."""

    def __init__(self, bed, small_disk=False, more_environment=None, on_death=None,
                 on_start=None, **options):
        self.ends = []  # (time, exit code) of those that ended by themselves
        self.most_mounts = 0
        self.lock = threading.RLock()
        self.small_disk = small_disk
        self.more_environment = more_environment or {}
        self.on_death = on_death or (lambda daemon: None)  # before it is started again
        self.on_start = on_start or (lambda config: None)
        self.was_up = False
        super().__init__(bed, **options)

    def make_directories(self):
        """The mount point is in a read-only place, as it should be wherever a daemon may die:
        what is written before the next one has mounted must fail, not go into the bare
        directory."""
        state, place = self.dir / "state", self.dir / "place"
        state.mkdir(mode=0o700)
        if self.small_disk:
            run("mount", "-t", "tmpfs", "-o", f"size={STATE_SIZE},mode=0700", "tmpfs", state)
        place.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place)
        self.mount = place / "mnt"
        self.mount.mkdir()
        run("mount", "-o", "remount,ro", place)

    def start(self):
        """The first one may end at its start too."""
        if self.was_up:
            self.start_once()
        else:
            self.start_until_up()

    def start_once(self):
        if not (self.dir / "state").exists():
            self.make_directories()
        self.environment = {k: v for k, v in self.environment.items() if "FAILPOINT" not in k}
        self.environment.update(self.more_environment)
        # We start the daemon and have files of the mount open ourselves: the start closes its
        # duplicates of them, and would wait for the daemon that it is to start.
        self.config.setdefault("limits", {}).setdefault("restart_patience", "2s")
        self.on_start(self.config)
        with self.lock:
            super().start()
        self.most_mounts = max(self.most_mounts, self.mounts())

    def start_until_up(self, seconds=60):
        """As Restart=always: what ends at its start is started again, a moment later."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.start_once()
                self.was_up = True
                return
            except AssertionError:
                if self.process.poll() is None or time.monotonic() > end:
                    raise
                self.note_end()
                time.sleep(0.2)

    def note_end(self):
        self.ends.append((time.time(), self.process.returncode))
        self.on_death(self)

    def look_after(self):
        """Starts it again if it has ended by itself."""
        with self.lock:
            if self.process.poll() is not None:
                self.note_end()
                self.start_until_up()

    def crash(self):
        with self.lock:
            self.kill()
            self.start_until_up()

    def restart(self):
        with self.lock:
            code = self.stop()
            if code != 0:
                self.ends.append((time.time(), code))
            self.start_until_up()

    def sizes(self):
        """What must not grow: {"rss_kb", "fds", "threads"}."""
        proc = Path(f"/proc/{self.process.pid}")
        fields = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        return {"rss_kb": int(fields["VmRSS"].split()[0]), "threads": int(fields["Threads"]),
                "fds": len(list((proc / "fd").iterdir()))}

    def mounts(self):
        """How often something is mounted on the mount point."""
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return sum(line.split()[4] == str(self.mount) for line in lines)

    @contextlib.contextmanager
    def database(self):
        """A connection of another program."""
        db = sqlite3.connect(self.dir / "state" / "jobfs.db", timeout=5, isolation_level=None)
        try:
            yield db
        finally:
            db.close()

    def end(self):
        """SIGTERM; the exit code."""
        return self.stop() if self.process.poll() is None else self.process.returncode

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        for path in (self.mount, self.mount.parent, self.dir / "state"):
            subprocess.run(["umount", "-l", str(path)], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


class Keeper:
    """A thread that looks after a daemon, and does what else is to be done all the time."""

    def __init__(self, daemon, tick=lambda: None):
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(daemon, tick))
        self.thread.start()

    def _run(self, daemon, tick):
        while not self.is_over.wait(0.02):
            daemon.look_after()
            tick()

    def stop(self):
        self.is_over.set()
        self.thread.join()
