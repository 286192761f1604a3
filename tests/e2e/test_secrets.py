"""Credentials exist in the environment of the AWS CLI on the host while it runs, and nowhere
else: not in an argument list, another environment, a file, a log or the database."""

import os
import subprocess
import threading
import time
from pathlib import Path

from bed import BUCKET, SECRET_KEY, wait_for

PASSPHRASE = "bed passphrase"
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
    """Reads the arguments and environments of all processes, over and over. The processes
    of the hosts are among them: their pid namespaces are below this one."""

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
            data = read(f"/proc/{pid}/{where}")
            for name, value in self.canaries.items():
                if value in data:
                    self.hits.add((name, where, is_transfer(data), " < ".join(commands_above(pid))))

    def stop(self):
        self.stopping = True
        self.join()
        return self.hits


def files_with(canaries, *roots):
    """Which files below the roots hold a canary. One that goes while it is read is gone."""
    hits = set()
    for root in roots:
        for directory, _, names in os.walk(root):
            for name in names:
                path = os.path.join(directory, name)
                if not os.path.isfile(path) or os.path.getsize(path) > 64 << 20:
                    continue
                data = read(path)
                hits |= {(n, path) for n, value in canaries.items() if value in data}
    return hits


def host_disks(bed):
    return [str(p) for p in (bed.dir / "bed" / "hosts").glob("*/disk/upper")]


def is_allowed(hit):
    _, where, transfer, _ = hit
    return where == "environ" and transfer


def test_the_scanner_finds_what_is_planted(bed, tmp_path):
    canary = {"planted": b"planted-canary-8c1f"}
    plants = [subprocess.Popen(["/bin/sleep", "20"], env={"X": "planted-canary-8c1f"}),
              subprocess.Popen(["sh", "-c", "sleep 20; : planted-canary-8c1f"])]
    disk = Path(host_disks(bed)[0]) / "tmp" / "plant"
    disk.write_bytes(b"xx planted-canary-8c1f xx")
    (tmp_path / "plant").write_bytes(b"planted-canary-8c1f")
    scanner = Scanner(canary)
    scanner.start()
    try:
        wait_for("two hits", lambda: {h[1] for h in list(scanner.hits)} >= {"cmdline", "environ"})
    finally:
        scanner.stop()
        for p in plants:
            p.kill()
            p.wait()
    assert len(files_with(canary, tmp_path, *host_disks(bed))) == 2
    disk.unlink()


def test_no_secret_outside_the_transfer_process(bed, start, data):
    (data / "in").write_bytes(os.urandom(30 << 20))
    bed.put(data / "in", "secrets/in")
    daemon = start(hosts={"gpu1": {"slots": 4}},
                   ssh={"identity": [str(bed.dir / "bed" / "id_ed25519_enc")]},
                   limits={"stop_grace": "1s"})
    daemon.stop()
    daemon.environment["JOBFS_SSH_PASSPHRASE"] = PASSPHRASE
    daemon.config["log"] = {"level": "debug"}
    daemon.start()
    scanner = Scanner(CANARIES)
    scanner.start()
    spec = {"inputs": {"in": "secrets/in"}, "outputs": "secrets/{job}/"}
    jobs = {"good": "cp $JOB_INPUT_IN output/out; env; set; sleep 1",
            "bad": "env; set; exit 9", "stopped": "echo up; sleep 500"}
    on_disk = set()
    for name, program in jobs.items():
        daemon.submit(name, dict(spec, run=program))
    wait_for("the one to stop", lambda: daemon.read("stopped", "log") == "up\n")
    (daemon.job("stopped") / "ctl").write_text("cancel")
    while not all(daemon.status(n) in ("SUCCEEDED", "FAILED", "CANCELLED") for n in jobs):
        on_disk |= files_with(CANARIES, daemon.dir, *host_disks(bed))
        time.sleep(0.1)
    hits = scanner.stop()
    on_disk |= files_with(CANARIES, daemon.dir, *host_disks(bed))
    allowed = {h for h in hits if is_allowed(h)}
    print(f"\n{scanner.rounds} scans of all processes: {len(allowed)} transfer processes had the secret, "
          f"{len(hits - allowed)} others; {len(on_disk)} files")
    assert {daemon.status(n) for n in jobs} == {"SUCCEEDED", "FAILED", "CANCELLED"}
    assert allowed, "the scan saw not even the transfers: it proves nothing"
    assert hits == allowed
    # the passphrase's key file itself is not below these directories
    assert on_disk == set()
    assert f"s3://{BUCKET}" in daemon.read("good", "transfer.log")
