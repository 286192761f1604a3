"""What the benchmarks share: a daemon whose one host refuses connections, a store filled
with jobs, the client program, and how figures are printed."""

import json
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
JOBFS = os.environ.get("JOBFS", "jobfs")
LIMIT_S = 120
SPEC = ('{ "inputs": { "train": "s3://bucket/ds/train.csv", "eval": "s3://bucket/ds/eval/" },'
        ' "run": "./train --epochs 3", "outputs": "s3://bucket/runs/{job}/{id}/" }\n')
STREAM_LOG = 0
CHUNK = 64 << 10


class Scratch:
    """A directory that goes, and with it the compiled client."""

    def __init__(self, where=None):
        self.path = tempfile.mkdtemp(prefix="jobfs-bench.", dir=where)
        self.client = f"{self.path}/client"
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", self.client, HERE / "client.c"], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path)

    def run(self, what, clients, seconds, *paths, cwd=None):
        """{"rate": operations a second, "mb_s": , "p50_ms": , "p99_ms": , "max_ms": }"""
        out = subprocess.run([self.client, what, str(clients), str(seconds), *paths],
                             check=True, stdout=subprocess.PIPE, text=True, cwd=cwd).stdout.split()
        n, took, size, p50, p99, most = map(float, out)
        return {"rate": n / took, "mb_s": size / took / 1e6,
                "p50_ms": p50 / 1e3, "p99_ms": p99 / 1e3, "max_ms": most / 1e3}


class Daemon:
    """The state directory is in top; so is the mount."""

    hosts = {"gpu": {"address": "127.0.0.1", "port": 1, "user": "nobody"}}

    def __init__(self, top, hosts=hosts, **limits):
        self.top, self.mount, self.process = top, f"{top}/mnt", None
        self.database = f"{top}/state/jobfs.db"
        os.mkdir(self.mount)
        self.config = f"{top}/config.json"
        with open(self.config, "w") as f:
            json.dump({"state_dir": f"{top}/state", "ssh": {"agent": False, "identity": []},
                       "hosts": hosts,
                       "limits": {"connect_patience": "30d", "user_jobs": 10000000,
                                  "user_dirs": 10000000, **limits}}, f)

    def start(self):
        env = dict(os.environ, AWS_ACCESS_KEY_ID="AK", AWS_SECRET_ACCESS_KEY="SK")
        with open(f"{self.top}/log", "ab") as log:
            self.process = subprocess.Popen([JOBFS, "-f", "-c", self.config, self.mount],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        self.wait(".jobfs/version")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0

    def wait(self, path):
        """Until the mount answers with it."""
        end = time.monotonic() + LIMIT_S
        while True:
            try:
                with open(f"{self.mount}/{path}", "rb") as f:
                    return f.read()
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise
            time.sleep(0.002)

    def submit(self, name):
        os.mkdir(f"{self.mount}/{name}")
        with open(f"{self.mount}/{name}/spec.json", "w") as f:
            f.write(SPEC)

    def resident_mb(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmRSS"))

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        if self.process and self.process.poll() is None:
            self.kill()
        subprocess.run(["umount", "-l", self.mount], stderr=subprocess.DEVNULL, check=False)


def columns_of(db, table):
    return [c[1] for c in db.execute(f"PRAGMA table_info({table})")]


def copy_rows(db, table, n, change):
    """n copies of the table's first row; change(row, i) makes each its own."""
    columns = columns_of(db, table)
    row = dict(zip(columns, db.execute(f"SELECT * FROM {table}").fetchone(), strict=True))
    marks = ",".join("?" * len(columns))
    db.executemany(f"INSERT INTO {table} VALUES({marks})",
                   (list(change(dict(row), i).values()) for i in range(n)))


def name_of(i):
    return f"run-{i:06d}-of-the-sweep"


def is_queued(i):
    return i % 100 == 0


def ended(row, i):
    row.update(id=row["id"] + 1 + i, key=f"{i:016x}", name=name_of(i), events_size=0)  # those are not copied
    if not is_queued(i):
        row.update(state="SUCCEEDED", reason=None, message="", accepted=1, attempt=1, attempts=1,
                   exit_code=0, outputs_count=12, outputs_bytes=1 << 30,
                   outputs_uri=f"s3://bucket/runs/run-{i:06d}/{i:016x}/",
                   submitted=row["created"], started=row["created"], ended=row["created"])
    return row


def fill(path, n):
    """n copies of the one job there is: most of them ended with an attempt, two transfers
    and outputs, one in a hundred queued."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous = OFF")
    first = db.execute("SELECT id FROM job").fetchone()[0]
    copy_rows(db, "job", n, ended)
    attempt = {"host": "gpu", "gpus": "0,1", "storeid": "0" * 32, "claimed": 1, "acked": 1,
               "exit": "exit 0", "end": "ok", "log_base": 0, "transfer_base": 0,
               "transfers": "2\t1000\t1000\ttrain\ts3://bucket/ds/train.csv\n"
                            "2\t5000\t5000\teval\ts3://bucket/ds/eval/\n"}
    names = ",".join(attempt)
    db.executemany(f"INSERT INTO attempt(job, n, {names}) VALUES(?, 1{', ?' * len(attempt)})",
                   ([first + 1 + i, *attempt.values()] for i in range(n) if not is_queued(i)))
    copy_rows(db, "spec", n, lambda row, i: dict(row, job=first + 1 + i))
    db.commit()
    db.close()


def add_log(path, job, size, is_live=False):
    """The job of that name gets a log of so many bytes, in chunks as the daemon writes; and it runs."""
    text = bytes(random.Random(1).choices(b"abcdefghijklmnopqrstuvwxyz 0123456789\n", k=CHUNK))
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous = OFF")
    number = db.execute("SELECT id FROM job WHERE name = ?", (job,)).fetchone()[0]
    db.executemany("INSERT INTO chunk(job, stream, off, data) VALUES(?, ?, ?, ?)",
                   ((number, STREAM_LOG, at, text[:size - at]) for at in range(0, size, CHUNK)))
    db.execute("UPDATE job SET log_size = ? WHERE id = ?", (size, number))
    if is_live:
        db.execute("UPDATE job SET state = 'RUNNING', ended = 0, exit_code = -1, outputs_uri = NULL"
                   " WHERE id = ?", (number,))
    else:
        db.execute("UPDATE attempt SET log_end = ? WHERE job = ?", (size, number))
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def filled(top, n, prepare=None, **options):
    """A daemon that was started once, and whose store then got n jobs; it does not run.
    prepare(path of the database) may add to that."""
    daemon = Daemon(top, **options)
    try:
        daemon.start()
        daemon.submit("first")
        daemon.stop()
        fill(daemon.database, n)
        if prepare:
            prepare(daemon.database)
    except BaseException:
        daemon.end()
        raise
    return daemon


def poll(condition):
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.02)


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def bar(ok):
    return "" if ok else "   <-- misses its bar"
