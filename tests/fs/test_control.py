"""The ctl of the daemon: reload, gc, backup."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess

from hosts import ctl
from mount import JOBFS, LIMIT_S, RIGHT, case, matches, read, result, same, state, wait, write

BIG = 3 << 20


def database(path):
    return contextlib.closing(sqlite3.connect(f"{path}/jobfs.db"))


@case("reload reads the configuration, and says when it is wrong")
def reload(m):
    same(ctl(m, "reload"), "ok")
    matches(read(m.log), "is right; log.level is in force")
    right = read(m.config)
    write(m.config, right.replace("state_dir", "state_die"))
    m.expected += ["reload: the configuration stays", "state_die"]
    same(ctl(m, "reload"), "EINVAL")
    assert "state_die" in read(m.log)
    write(m.config, right)
    same(ctl(m, "reload"), "ok")


@case("gc gives back what removed jobs had, and contents that nobody has a name for")
def collect(m):
    state_dir = f"{m.top}/state"
    job = m.job()
    write(f"{job}/files/kept", "kept")
    orphan = f"{state_dir}/files/987654321"
    write(orphan, "x" * BIG)
    write(f"{state_dir}/files/README", "not ours")
    for _ in range(40):
        other = m.job(json.dumps({"run": f"true # {'x' * 60000}"}))
        write(f"{other}/ctl", "cancel\n")
        shutil.rmtree(other)
    before = os.path.getsize(f"{state_dir}/jobfs.db") + os.path.getsize(f"{state_dir}/jobfs.db-wal")
    same(ctl(m, "gc"), "ok")
    after = os.path.getsize(f"{state_dir}/jobfs.db") + os.path.getsize(f"{state_dir}/jobfs.db-wal")
    same(os.path.exists(orphan), False)
    same(os.path.exists(f"{state_dir}/files/README"), True)
    os.unlink(f"{state_dir}/files/README")
    same(read(f"{job}/files/kept"), "kept")
    assert after < before / 2, (before, after)
    matches(read(m.log), "gc: 1 files that no job has were removed, [0-9]+ bytes are free")
    write(f"{job}/spec.json", RIGHT)
    same(state(job), "QUEUED")


@case("backup makes a state directory of one moment, in which queued jobs are held")
def backup(m):
    queued, new = m.job(RIGHT), m.job()
    write(f"{new}/files/data", "x" * BIG)
    over = m.job(RIGHT)
    write(f"{over}/ctl", "cancel\n")
    place = f"{m.top}/copy"
    same(ctl(m, f"backup {place}"), "ok")
    same(sorted(os.listdir(place)), ["files", "jobfs.db"])
    same(oct(os.stat(place).st_mode), "0o40700")
    with database(place) as db:
        same(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
    shutil.rmtree(queued, ignore_errors=True)  # what comes later is not in it
    names = [os.path.basename(x) for x in (queued, new, over)]
    seen = with_daemon_of(m, place, lambda mount: [
        [state(f"{mount}/{x}") for x in names], read(f"{mount}/{names[1]}/files/data"),
        json.loads(read(f"{mount}/{names[0]}/status.json"))["message"],
        result(write, f"{mount}/{names[0]}/ctl", "release\n"), state(f"{mount}/{names[0]}")])
    same(seen[0], ["HELD", "NEW", "CANCELLED"])
    same(seen[1], "x" * BIG)
    matches(seen[2], "from a backup: echo release > ctl")
    same(seen[3:], ["ok", "QUEUED"])
    same(state(queued), "QUEUED")


def with_daemon_of(m, state_dir, look):
    """What look() sees in the mount of another daemon with that state directory."""
    mount, config = f"{m.top}/other", f"{m.top}/other.json"
    os.mkdir(mount)
    write(config, json.dumps(dict(json.loads(read(m.config)), state_dir=state_dir)))
    with open(f"{m.top}/other.log", "wb") as log:
        daemon = subprocess.Popen([JOBFS, "-f", "-c", config, mount], stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log)
    try:
        wait(lambda: os.path.exists(f"{mount}/.jobfs") or daemon.poll() is not None)
        return look(mount)
    finally:
        daemon.terminate()
        daemon.wait(LIMIT_S)


@case("a backup that cannot be made leaves nothing, and says why")
def no_backup(m):
    m.expected.append("backup: ")
    small = f"{m.top}/small"
    os.mkdir(small)
    before = sorted(os.listdir(m.top))
    for path, errno in ((m.top, "EEXIST"), (f"{m.top}/none/x", "ENOENT"), ("copy", "EINVAL"),
                        ("", "EINVAL"), (f"{m.config}/x", "ENOTDIR"), (f"{m.path}/x", "EINVAL"),
                        (f" {m.path}/x", "EINVAL")):
        same((path, ctl(m, f"backup {path}")), (path, errno))
    write(f"{m.job()}/files/data", "x" * BIG)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], check=True)
    try:
        same(ctl(m, f"backup {small}/x"), "ENOSPC")
        same(os.listdir(small), [])
    finally:
        subprocess.run(["umount", small], check=True)
    same(sorted(os.listdir(m.top)), before)
    matches(read(m.log), "backup: .*: No space left on device")


@case("a job that is on no host cannot be synced")
def sync(m):
    job = m.job(RIGHT)
    same(result(write, f"{job}/ctl", "sync\n"), "EBUSY")
