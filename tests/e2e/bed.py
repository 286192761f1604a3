"""The test bed (tests/bed) and a daemon in it, for the tests in this directory.

Real parts only: jobfs in the namespace `ctl`, OpenSSH servers on gpu1, gpu2 and fresh, Ceph's
RGW in `s3`, the AWS CLI on the hosts, other clients on gpu2. A Bed is made once a run, a Daemon where a test asks.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
BED = TESTS / "bed"
ACCESS_KEY = "AKBEDEXAMPLE"
# its own, so that a scan finds no other bed's
SECRET_KEY = "bedSecret/with+signs=" + secrets.token_hex(8)
BUCKET = "bed-bucket"
FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")


def run(*argv, check=True, timeout=120, **options):
    """A command to its end; its output is in the error when it fails."""
    return ended(subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, timeout=timeout, **options), check)


def ended(done, check):
    if check and done.returncode != 0:
        raise AssertionError(f"{done.args}: exit {done.returncode}\n"
                             f"{done.stdout.decode(errors='replace')}"
                             f"{done.stderr.decode(errors='replace')}")
    return done


class AwsCli:
    """The AWS CLI in a namespace of a bed, by tests/bed/awscli; one command at a time."""

    def __init__(self, bed, host, **env):
        self.env = dict(PATH=os.environ["PATH"], LC_ALL="C.UTF-8", AWS_DEFAULT_REGION="us-east-1",
                        AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/nonexistent", **env)
        self.lock = threading.Lock()
        self.process = subprocess.Popen([BED / "bed", "in", host, BED / "awscli"], env=bed.env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, *argv, check=True, **env):
        """As run()."""
        request = {"argv": [str(a) for a in argv], "env": {**self.env, **env}}
        with self.lock:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        out, err = answer["stdout"].encode("latin-1"), answer["stderr"].encode("latin-1")
        return ended(subprocess.CompletedProcess(["aws", *argv], answer["code"], out, err), check)

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


def wait_for(what, condition, seconds=60, every=0.02):
    """Polls until condition() is true, and gives what it gave. A look that takes long, as one by
    the AWS CLI does, is not to hold up what is waited for."""
    end = time.monotonic() + seconds
    while True:
        begin = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(max(every, now - begin))


class Bed:
    """Hosts in network namespaces, and an S3 server."""

    def __init__(self, hosts="gpu1=aws gpu2=aws+zsh+fish+tcsh+rclone+s3cmd fresh=base"):
        self.dir = Path(tempfile.mkdtemp(prefix="jobfs-bed."))
        self.env = dict(os.environ, BED_DIR=str(self.dir / "bed"), BED_HOSTS=hosts)
        self.bed("up", timeout=300)
        self.ip = {h: self.bed("ip", h).strip() for h in ["ctl", "s3", *[x.split("=")[0] for x in hosts.split()]]}
        self.endpoint = f"http://{self.ip['s3']}:80"
        self.bed("in", "s3", BED / "s3", "up", self.dir / "s3", self.ip["s3"], "80",
                 ACCESS_KEY, SECRET_KEY, BUCKET, timeout=120)
        self.aws_cli = AwsCli(self, "s3", AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY)

    def bed(self, *argv, **options):
        """One verb of tests/bed/bed; its output."""
        return run(BED / "bed", *argv, env=self.env, **options).stdout.decode()

    def aws(self, *argv, endpoint=None, **options):
        """The AWS CLI in the namespace of the S3 server: its bytes are not counted."""
        return self.aws_cli("--endpoint-url", endpoint or self.endpoint, *argv, **options)

    def put(self, path, key):
        """A file or a directory into the bucket."""
        more = ["--recursive"] if Path(path).is_dir() else []
        self.aws("s3", "cp", "--quiet", *more, path, f"s3://{BUCKET}/{key}")

    def get(self, prefix, path):
        """All below a prefix, as files."""
        self.aws("s3", "cp", "--quiet", "--recursive", f"s3://{BUCKET}/{prefix}", path)

    def keys(self, prefix):
        out = self.aws("s3api", "list-objects-v2", "--bucket", BUCKET, "--prefix", prefix,
                       "--output", "json").stdout
        return {o["Key"]: o["Size"] for o in json.loads(out or b"{}").get("Contents", [])}

    def on(self, host, *argv, **options):
        """A command on a host as alice, who is whom jobs run as."""
        return self.bed("as", host, "alice", *argv, **options)

    def bytes(self):
        return json.loads(self.bed("bytes", "--json"))

    def close(self):
        self.aws_cli.close()
        self.bed("in", "s3", BED / "s3", "down", self.dir / "s3", check=False)
        self.bed("down", check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


class Daemon:
    """jobfs with a mount of its own. Its log must stay clean (close() looks)."""

    def __init__(self, bed, hosts=None, credentials=True, **config):
        self.bed = bed
        self.dir = Path(tempfile.mkdtemp(prefix="jobfs-test."))
        self.mount = self.dir / "mnt"
        self.mount.mkdir()
        self.log_path = self.dir / "log"
        self.process = None
        hosts = hosts or {h: {"slots": 4} for h in ("gpu1", "gpu2")}
        for name, host in hosts.items():
            host.setdefault("address", bed.ip.get(name, name))
            host.setdefault("user", "alice")
        self.config = {
            "state_dir": str(self.dir / "state"),
            "hosts": hosts,
            "ssh": {"identity": [str(bed.dir / "bed" / "id_ed25519")],
                    "known_hosts": str(bed.dir / "bed" / "known_hosts"), "agent": False},
            "s3": {"endpoint_url": bed.endpoint, "region": "us-east-1"},
        }
        for key, value in config.items():
            self.config.setdefault(key, {}).update(value)
        self.environment = {"BUCKET_NAME": BUCKET}
        if credentials:
            self.environment.update(AWS_ACCESS_KEY_ID=ACCESS_KEY,
                                    AWS_SECRET_ACCESS_KEY=SECRET_KEY)
        self.start()

    def start(self):
        (self.dir / "config.json").write_text(json.dumps(self.config))
        binary = os.environ["JOBFS"]
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        env.update(self.bed.env, **self.environment)
        with open(self.log_path, "ab") as log:
            self.log_at = log.tell()
            # nsenter, not `bed in`: the process started here is the daemon itself
            self.process = subprocess.Popen(
                [str(BED / "bed"), "in", "ctl", binary, "-f", "-c", str(self.dir / "config.json"),
                 str(self.mount)], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env)
        wait_for("the mount", self.is_up, 30)

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"jobfs ended: {self.log()}")
        # Not by a look at the mount: one whose daemon dies at its start lets us wait.
        with open(self.log_path, "rb") as log:
            log.seek(self.log_at)
            return b" is mounted at " in log.read()

    def kill(self):
        """As a crash: no cleaning up, the mount stays behind."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self):
        """As `systemctl stop`: the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def close(self):
        try:
            if self.process and self.process.poll() is None:
                code = self.stop()
                assert code == 0, f"jobfs exited with {code}: {self.log()[-3000:]}"
            wrong = [line for line in self.log().splitlines()
                     if any(w in line for w in ("error:", "Sanitizer", "runtime error", "assert"))
                     and "transfer.log has what" not in line]  # words of a client
            assert not wrong, "in the daemon's log:\n" + "\n".join(wrong)
        finally:
            if self.process.poll() is None:
                self.kill()
            subprocess.run(["umount", "-l", str(self.mount)], stderr=subprocess.DEVNULL, check=False)
            shutil.rmtree(self.dir, ignore_errors=True)

    # --- jobs, as a user has them: files ---

    def job(self, name):
        return self.mount / name

    def submit(self, name, spec, files=None):
        """mkdir, files/, cp spec.json. The exit status of cp is checked."""
        job = self.job(name)
        job.mkdir()
        for path, content in (files or {}).items():
            target = job / "files" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        source = self.dir / f"{name}.spec"
        source.write_text(json.dumps(spec))
        run("cp", source, job / "spec.json")
        return job

    def status(self, name):
        return (self.job(name) / "status").read_text().strip()

    def read(self, name, file):
        return (self.job(name) / file).read_text()

    def json(self, name):
        return json.loads(self.read(name, "status.json"))

    def wait(self, name, states=FINAL, seconds=120):
        """The state, once it is one of `states` (or final, which ends the wait too)."""
        def reached():
            state = self.status(name)
            return state if state in states or state in FINAL else None
        try:
            state = wait_for(f"{name} {states}", reached, seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.explain(name)}") from None
        assert state in states, f"{name} is {state}\n{self.explain(name)}"
        return state

    def explain(self, name):
        parts = []
        for file in ("status.json", "error", "events.jsonl", "transfer.log", "log"):
            path = self.job(name) / file
            if path.exists():
                parts.append(f"--- {file}\n{path.read_text(errors='replace')[-3000:]}")
        return "\n".join(parts) + f"\n--- daemon\n{self.log()[-4000:]}"
