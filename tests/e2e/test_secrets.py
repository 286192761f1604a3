"""Credentials exist in the environment of the AWS CLI on the host while it runs, and nowhere
else: not in an argument list, another environment, a file, a log or the database."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from bed import BUCKET, SECRET_KEY, run, wait_for

# its own, since that of the bed's key is in the arguments of ssh-keygen wherever a bed comes up
PASSPHRASE = "own passphrase " + secrets.token_hex(8)
CANARIES = {"secret key": SECRET_KEY.encode(), "passphrase": PASSPHRASE.encode(),
            "token": b"canary-session-token-0123456789"}


def read(path):
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def commands_above(pid):
    """The command lines of a process and of its parents."""
    commands = []
    while int(pid) > 1 and len(commands) < 6:
        commands.append(read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip())
        stat = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        pid = stat[1] if len(stat) > 1 else b"0"
    return commands


def is_transfer(environ):
    """The environment that the agent makes for the AWS CLI, by the mark that the agent sets in no
    other; not the program's. What the CLI starts itself (lsb_release, to know its platform)
    inherits it, and may be gone before more can be asked of it."""
    return b"\0JOBFS_XFER=" in b"\0" + environ and b"\0JOB_ID=" not in b"\0" + environ


class Scanner(threading.Thread):
    """Reads the arguments, the environments and the files without a name of all processes, over
    and over. The processes of the hosts are among them: their pid namespaces are below this one."""

    def __init__(self, canaries):
        super().__init__()
        self.canaries, self.stopping, self.rounds, self.hits = canaries, False, 0, set()

    def run(self):
        while not self.stopping:
            for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
                if int(pid) != os.getpid():
                    self.look(pid)
            self.rounds += 1

    def look(self, pid):
        for where in ("cmdline", "environ"):
            self.note(where, pid, read(f"/proc/{pid}/{where}"))
        for fd in unnamed_files(pid):
            self.note("fd", pid, read(fd))

    def note(self, where, pid, data):
        for name, value in self.canaries.items():
            if value in data:
                self.hits.add((name, where, is_transfer(data), " < ".join(commands_above(pid))))

    def stop(self):
        self.stopping = True
        self.join()
        return self.hits


def unnamed_files(pid):
    """What a process has open of files that have no name any more, or never had: removed ones,
    memfds. Those with a name are found by it."""
    found = []
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{fd}"
            target = os.readlink(path)
            if target.endswith(" (deleted)") and os.path.isfile(path) and os.path.getsize(path) <= LARGEST:
                found.append(path)
    except OSError:
        pass  # it ended
    return found


LARGEST = 64 << 20


def files_with(canaries, *roots):
    """Which files below the roots hold a canary. One that goes while it is read is gone."""
    hits = set()
    for root in roots:
        for directory, _, names in os.walk(root):
            for name in names:
                path = os.path.join(directory, name)
                try:
                    if not os.path.isfile(path) or os.path.getsize(path) > LARGEST:
                        continue
                except OSError:  # of a mount whose daemon was killed
                    continue
                data = read(path)
                hits |= {(n, path) for n, value in canaries.items() if value in data}
    return hits


def host_disks(bed):
    return [str(p) for p in (bed.dir / "bed" / "hosts").glob("*/disk/upper")]


def places(bed, daemon):
    """Everything on disk where a secret could be: the state and its database, the log, the mount,
    what the hosts wrote, and what this machine shares."""
    return [str(daemon.dir), *host_disks(bed), "/dev/shm"]


def is_allowed(hit):
    _, where, transfer, _ = hit
    return where == "environ" and transfer


def plant_in_processes(value):
    """In an argument list, in an environment, in a removed file and in a file of memory only."""
    holder = ("import os, sys, time; v = sys.stdin.readline().encode(); f = os.memfd_create('x'); os.write(f, v); "
              "p = '/tmp/planted-%d' % os.getpid(); g = open(p, 'wb', 0); g.write(v); os.unlink(p); "
              "del v; time.sleep(60)")
    plants = [subprocess.Popen(["/bin/sleep", "60"], env={"X": value}),
              subprocess.Popen(["sh", "-c", f"sleep 60; : {value}"]),
              subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE)]
    plants[2].stdin.write(value.encode() + b"\n")
    plants[2].stdin.close()
    return plants


def test_the_scanner_finds_what_is_planted(bed, start):
    """Twelve times, in twelve places."""
    value = "planted-canary-" + os.urandom(8).hex()
    canary = {"planted": value.encode()}
    daemon = start(hosts={"gpu1": {"slots": 1}})
    scanner = Scanner(canary)
    scanner.start()
    plants = plant_in_processes(value)
    shared = Path("/dev/shm") / f"jobfs-plant-{os.getpid()}"
    try:
        disks = [Path(d) for d in host_disks(bed)]
        for path in (disks[0] / "tmp/plant", disks[1] / "root.plant", shared, daemon.dir / "core.1"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\0\xff" + value.encode() + b"\0")
        with open(daemon.log_path, "a", encoding="ascii") as f:
            f.write(f"planted: {value}\n")
        # in the spec, and by that in the database; in files/; on the host; in the log
        daemon.submit("planted", {"run": f"echo {value}"}, {"f": value})
        daemon.wait("planted", ("SUCCEEDED",))

        def found_in_processes():
            return {(h[1], h[3].split(" < ")[0].split()[0]) for h in list(scanner.hits)}
        wanted = {("environ", "/bin/sleep"), ("cmdline", "sh"), ("fd", sys.executable)}
        wait_for("the plants in processes", lambda: found_in_processes() >= wanted)
        unnamed = [p for p in unnamed_files(plants[2].pid) if value.encode() in read(p)]
        assert len(unnamed) == 2, unnamed
        found = {path for _, path in files_with(canary, *places(bed, daemon))}
        state = str(daemon.dir / "state")
        kinds = {
            "a host's /tmp": str(disks[0] / "tmp/plant") in found,
            "a host's root": str(disks[1] / "root.plant") in found,
            "shared memory": str(shared) in found,
            "a core": str(daemon.dir / "core.1") in found,
            "the database": bool({f"{state}/jobfs.db", f"{state}/jobfs.db-wal"} & found),
            "the contents of files/": any(p.startswith(f"{state}/files/") for p in found),
            "the log": str(daemon.log_path) in found,
            "the mount": str(daemon.job("planted") / "log") in found,
        }
        assert all(kinds.values()), kinds
        print(f"\n{2 + len(unnamed) + sum(kinds.values())} of 12 plants found")
    finally:
        scanner.stop()
        for p in plants:
            p.kill()
            p.wait()
        shared.unlink(missing_ok=True)
        for disk in disks:
            for path in (disk / "tmp/plant", disk / "root.plant"):
                path.unlink(missing_ok=True)


def test_the_daemon_leaves_no_core_and_lets_nobody_look(bed, start):
    daemon = start(hosts={"gpu1": {"slots": 1}})
    limits = Path(f"/proc/{daemon.process.pid}/limits").read_text()
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core file")] == [["0", "0"]]
    environ = read(f"/proc/{daemon.process.pid}/environ")
    assert SECRET_KEY.encode() not in environ and b"BUCKET_NAME" in environ
    daemon.process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(daemon.process.pid, 0)
    daemon.process.returncode = -signal.SIGABRT
    assert os.WIFSIGNALED(status) and not os.WCOREDUMP(status), status
    daemon.start()


def test_no_secret_outside_the_transfer_process(bed, start, data):
    (data / "in").write_bytes(os.urandom(30 << 20))
    bed.put(data / "in", "secrets/in")
    daemon = start(hosts={"gpu1": {"slots": 6}}, limits={"stop_grace": "1s"})
    daemon.stop()
    key = shutil.copy(bed.dir / "bed" / "id_ed25519", daemon.dir / "key")
    run("ssh-keygen", "-q", "-p", "-N", PASSPHRASE, "-f", key)
    daemon.config["ssh"]["identity"] = [str(key)]
    daemon.environment["JOBFS_SSH_PASSPHRASE"] = PASSPHRASE
    daemon.config["log"] = {"level": "debug"}
    daemon.start()
    hits, on_disk, rounds = set(), set(), 0
    spec = {"inputs": {"in": "secrets/in"}, "outputs": "secrets/{job}/"}
    jobs = {"good": "cp $JOB_INPUT_IN output/out; env; set; sleep 1",
            "bad": "env; set; exit 9", "stopped": "echo up; sleep 500",
            "long": "until [ -e go ]; do sleep 0.1; done; cp $JOB_INPUT_IN output/out; env; set"}

    def scan_until(condition):
        """All processes all the time, and the disks over and over."""
        nonlocal rounds
        scanner = Scanner(CANARIES)
        scanner.start()
        end = time.monotonic() + 300
        try:
            while not condition():
                assert time.monotonic() < end, daemon.explain("stopped")
                on_disk.update(files_with(CANARIES, *places(bed, daemon)))
        finally:
            hits.update(scanner.stop())
            rounds += scanner.rounds

    for name, program in jobs.items():
        daemon.submit(name, dict(spec, run=program))
    scan_until(lambda: daemon.read("stopped", "log") == "up\n")
    (daemon.job("stopped") / "ctl").write_text("cancel")
    scan_until(lambda: daemon.status("good") in ("SUCCEEDED", "FAILED") and
               daemon.status("long") == "RUNNING")
    # a crash while a job runs; whoever starts the next one hands it the secrets, and that is no leak
    daemon.kill()
    on_disk.update(files_with(CANARIES, *places(bed, daemon)))
    daemon.start()
    work = f"/home/alice/.jobfs/jobs/{daemon.json('long')['id']}-1/work"
    bed.on("gpu1", "touch", f"{work}/go")
    scan_until(lambda: all(daemon.status(n) in ("SUCCEEDED", "FAILED", "CANCELLED") for n in jobs))
    on_disk.update(files_with(CANARIES, *places(bed, daemon)))
    allowed = {h for h in hits if is_allowed(h)}
    print(f"\n{rounds} scans of all processes: {len(allowed)} transfer processes had the secret, "
          f"{len(hits - allowed)} others; {len(on_disk)} files")
    assert {n: daemon.status(n) for n in jobs} == {
        "good": "SUCCEEDED", "bad": "FAILED", "stopped": "CANCELLED", "long": "SUCCEEDED"}
    assert allowed, "the scan saw not even the transfers: it proves nothing"
    assert hits == allowed
    # the passphrase's key file itself is not below these directories
    assert on_disk == set()
    assert f"s3://{BUCKET}" in daemon.read("good", "transfer.log")
