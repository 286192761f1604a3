"""Temporary credentials: a host gets those of a role, cut down to its job, in place of the
daemon's, and new ones when they run out."""

import os
import subprocess
import sys
import threading

import pytest

from bed import ACCESS_KEY, BED, BUCKET, SECRET_KEY, run, wait_for
from test_secrets import Scanner, files_with, is_transfer, places, read

ROLE = "arn:aws:iam:::role/r1"
PORT, SHORT_PORT = 8000, 8100

# In front of the real STS: its credentials seem to hold for so many seconds only.
SHORT = r"""
import http.server, re, sys, time, urllib.request
addr, port, to, life = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        ask = urllib.request.Request(to, data=body, headers=dict(self.headers))
        with urllib.request.urlopen(ask) as answer:
            text = answer.read().decode()
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + life))
        text = re.sub("<Expiration>[^<]*", "<Expiration>" + until, text).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *args):
        print("asked", flush=True)
http.server.ThreadingHTTPServer((addr, port), Handler).serve_forever()
"""


class Store:
    """An S3 with an STS, beside the one of the bed, whose errors are others without it."""

    def __init__(self, bed):
        self.bed = bed
        self.dir = bed.dir / "sts"
        self.endpoint = f"http://{bed.ip['s3']}:{PORT}"
        run(BED / "bed", "in", "s3", BED / "s3", "up", self.dir, bed.ip["s3"], str(PORT), ACCESS_KEY, SECRET_KEY,
            BUCKET, env=dict(bed.env, S3_STS="true"))

    def aws(self, *argv, keys=None, check=True):
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        return self.bed.aws(*argv, endpoint=self.endpoint, check=check, **dict(zip(names, keys or ())))

    def text(self, key):
        return self.aws("s3", "cp", f"s3://{BUCKET}/{key}", "-").stdout.decode()

    def close(self):
        self.bed.bed("in", "s3", BED / "s3", "down", self.dir, check=False)


@pytest.fixture(scope="module")
def store(bed):
    the_store = Store(bed)
    yield the_store
    the_store.close()


def of_role(store, **more):
    return dict({"endpoint_url": store.endpoint, "credentials": "sts", "sts_role_arn": ROLE}, **more)


class KeySpy(threading.Thread):
    """Reads the credentials in the environment of each transfer on a host."""

    def __init__(self, store):
        super().__init__()
        self.stopping, self.keys, self.mark = False, [], store.endpoint.encode()

    def run(self):
        while not self.stopping:
            for pid in filter(str.isdigit, os.listdir("/proc")):
                environ = read(f"/proc/{pid}/environ")
                if is_transfer(environ) and self.mark in read(f"/proc/{pid}/cmdline"):  # not of another bed
                    words = dict(w.partition(b"=")[::2] for w in environ.split(b"\0"))
                    keys = tuple(words.get(n, b"").decode() for n in
                                 (b"AWS_ACCESS_KEY_ID", b"AWS_SECRET_ACCESS_KEY", b"AWS_SESSION_TOKEN"))
                    if keys not in self.keys:
                        self.keys.append(keys)

    def stop(self):
        self.stopping = True
        self.join()
        return self.keys


def refused(done):
    return done.returncode != 0


def test_a_host_gets_credentials_of_this_job_and_never_the_daemons(bed, start, store, data):
    (data / "one").write_bytes(os.urandom(20 << 20))
    store.aws("s3", "cp", "--quiet", data / "one", f"s3://{BUCKET}/in/a b/one")
    store.aws("s3", "cp", "--quiet", data / "one", f"s3://{BUCKET}/other/two")
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3=of_role(store))
    spy, scanner = KeySpy(store), Scanner({"secret": SECRET_KEY.encode()})
    spy.start()
    scanner.start()
    daemon.submit("own", {"inputs": {"one": "in/a b/one", "all": "in/"}, "outputs": "out/{job}/",
                          "run": "cmp \"$JOB_INPUT_ONE\" \"$JOB_INPUT_ALL/a b/one\" && cp \"$JOB_INPUT_ONE\" output/"})
    daemon.wait("own", ("SUCCEEDED",))
    keys, hits = spy.stop(), scanner.stop()
    assert keys and all(k[0] != ACCESS_KEY and k[1] != SECRET_KEY and k[2] for k in keys), keys
    # the secret of the daemon is with what this test itself starts, and nowhere else
    assert {h for h in hits if "jobfs" in h[3] or "sshd" in h[3]} == set()
    mine = keys[0]
    assert not refused(store.aws("s3", "cp", "--quiet", f"s3://{BUCKET}/in/a b/one", data / "x", keys=mine, check=False))
    for argv in (["cp", f"s3://{BUCKET}/other/two", data / "x"], ["ls", f"s3://{BUCKET}/"],
                 ["ls", f"s3://{BUCKET}/other/"], ["cp", data / "one", f"s3://{BUCKET}/in/a b/one"],
                 ["cp", data / "one", f"s3://{BUCKET}/out/another/one"], ["rm", f"s3://{BUCKET}/out/own/one"]):
        assert refused(store.aws("s3", *argv, keys=mine, check=False)), argv
    secrets = {"key": mine[1].encode(), "token": mine[2].encode(), "own": SECRET_KEY.encode()}
    assert files_with(secrets, *places(bed, daemon)) == set()
    print(f"\n{len(keys)} sets of temporary credentials were on the host")


def write_wrapper(bed, host, text):
    """In place of the AWS CLI of alice."""
    bed.on(host, "mkdir", "-p", ".jobfs/aws", "wrapper")
    bed.on(host, "sh", "-c", "cat >wrapper/aws && chmod +x wrapper/aws && echo $PWD/wrapper/aws >.jobfs/aws/path",
           input=("#!/bin/sh\n" + text + 'exec /usr/bin/aws "$@"\n').encode())


# Each transfer is told that the first credentials that it comes with have expired.
EXPIRES_ONCE = """
case "$*" in *"--version"*) ;; *" cp "*once/*)
	case "$*" in *once/in*) n=in ;; *) n=out ;; esac
	[ -f "$HOME/wrapper/$n" ] || echo "$AWS_ACCESS_KEY_ID" >"$HOME/wrapper/$n"
	if [ "$(cat "$HOME/wrapper/$n")" = "$AWS_ACCESS_KEY_ID" ]; then
		echo "fatal error: An error occurred (ExpiredToken) when calling the $n operation: has expired"
		exit 1
	fi ;;
esac
"""


def test_credentials_that_expire_in_a_transfer_are_renewed_and_cost_no_attempt(bed, start, store, data):
    (data / "in").write_text("data\n")
    store.aws("s3", "cp", "--quiet", data / "in", f"s3://{BUCKET}/once/in")
    write_wrapper(bed, "gpu2", EXPIRES_ONCE)
    try:
        daemon = start(hosts={"gpu2": {"slots": 4}}, s3=of_role(store))
        daemon.submit("once", {"inputs": {"in": "once/in"}, "outputs": "once/{job}/",
                               "run": "cat \"$JOB_INPUT_IN\"; cp \"$JOB_INPUT_IN\" output/copy"})
        daemon.wait("once", ("SUCCEEDED",))
    finally:
        bed.on("gpu2", "sh", "-c", "ls wrapper; rm -rf wrapper .jobfs/aws/path")
    assert store.text("once/once/copy") == "data\n"
    assert daemon.json("once")["attempt"] == 1
    said = daemon.read("once", "transfer.log")
    assert said.count("(ExpiredToken)") >= 2, said
    events = daemon.read("once", "events.jsonl")
    assert events.count("gpu2 got new ones") == 2, events
    assert '"failed"' not in events and " failed: " not in events, events


def start_short(bed, store):
    process = subprocess.Popen(
        ["nsenter", f"--net={bed.dir}/bed/net/s3", sys.executable, "-c", SHORT, bed.ip["s3"], str(SHORT_PORT),
         store.endpoint, "6"], stdout=subprocess.PIPE)
    wait_for("the proxy of STS", lambda: bed.bed(
        "in", "s3", "sh", "-c", f"ss -ltn | grep -c :{SHORT_PORT} || true").strip() != "0")
    return process


@pytest.fixture
def short(bed, store):
    """An STS whose credentials seem to hold for 6 s."""
    processes = [start_short(bed, store)]
    yield processes
    for process in processes:
        process.terminate()
        process.wait()


def test_a_program_that_outlives_its_credentials_still_gets_its_outputs_to_s3(bed, start, store, short):
    daemon = start(hosts={"gpu1": {"slots": 4}},
                   s3=of_role(store, sts_endpoint_url=f"http://{bed.ip['s3']}:{SHORT_PORT}"))
    spy = KeySpy(store)
    spy.start()
    daemon.submit("long", {"run": "sleep 7; echo done >output/o", "outputs": "long/{job}/"})
    daemon.wait("long", ("SUCCEEDED",))
    keys = spy.stop()
    assert store.text("long/long/o") == "done\n"
    assert len(keys) == 1 and keys[0][0] != ACCESS_KEY
    assert "gpu1 got new ones" in daemon.read("long", "events.jsonl")


def test_a_daemon_that_comes_back_renews_for_a_host_that_waits(bed, start, store, short):
    daemon = start(hosts={"gpu1": {"slots": 4}},
                   s3=of_role(store, sts_endpoint_url=f"http://{bed.ip['s3']}:{SHORT_PORT}"))
    daemon.submit("away", {"run": "echo up; sleep 8; echo done >output/o", "outputs": "long/{job}/"})
    wait_for("the program", lambda: daemon.read("away", "log") == "up\n")
    daemon.kill()
    name = "/home/alice/.jobfs/jobs/*/keys.*"
    wait_for("the host wants credentials", lambda: bed.on("gpu1", "sh", "-c", f"ls {name} 2>/dev/null || true"), 60)
    daemon.start()
    daemon.wait("away", ("SUCCEEDED",))
    assert store.text("long/away/o") == "done\n"


def test_a_job_is_followed_while_sts_is_away_and_its_host_waits_for_credentials(bed, start, store, short):
    daemon = start(hosts={"gpu1": {"slots": 4}},
                   s3=of_role(store, sts_endpoint_url=f"http://{bed.ip['s3']}:{SHORT_PORT}"))
    daemon.submit("sts", {"run": "n=0; until [ -e $HOME/go-sts ]; do n=$((n+1)); echo $n; echo $n >checkpoints/n; sleep 1; done; "
                                 "echo done >output/o",
                          "outputs": "away/{job}/", "checkpoints": {"destination": "ckpt/{job}/", "interval": "1s"}})
    wait_for("the program", lambda: daemon.read("sts", "log").startswith("1\n"))
    short[0].terminate()
    short[0].wait()
    wait_for("the reason", lambda: daemon.json("sts")["reason"] == "S3Unreachable")
    assert daemon.json("sts")["message"].startswith(f"STS at http://{bed.ip['s3']}:{SHORT_PORT} cannot be reached")
    lines = len(daemon.read("sts", "log").split())
    wait_for("the log goes on", lambda: len(daemon.read("sts", "log").split()) > lines + 5, 30)
    assert daemon.status("sts") == "RUNNING" and daemon.json("sts")["reason"] == "S3Unreachable"
    bed.on("gpu1", "touch", "go-sts")
    daemon.wait("sts", ("UPLOADING",))
    short.append(start_short(bed, store))
    daemon.wait("sts", ("SUCCEEDED",))
    assert store.text("away/sts/o") == "done\n"
    assert "STS at" not in daemon.json("sts")["message"]


def test_checkpoints_go_up_with_credentials_of_the_job(bed, start, store):
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3=of_role(store))
    daemon.submit("ckpt", {"run": "echo $JOB_RESUME_FROM; n=0; while [ $n -lt 3 ]; do n=$((n+1)); echo $n >checkpoints/t.tmp; "
                                  "mv checkpoints/t.tmp checkpoints/n; sleep 3; done",
                           "checkpoints": {"destination": "ckpt/{job}/", "interval": "1s", "settle": "0s"}})
    daemon.wait("ckpt", ("SUCCEEDED",))
    assert store.text("ckpt/ckpt/n") == "3\n", daemon.explain("ckpt")
    assert "AccessDenied" not in daemon.read("ckpt", "transfer.log"), daemon.read("ckpt", "transfer.log")


def test_another_client_works_with_credentials_of_the_job_too(bed, start, store, data):
    (data / "in").write_bytes(os.urandom(1 << 20))
    store.aws("s3", "cp", "--quiet", data / "in", f"s3://{BUCKET}/clients/in/x")
    daemon = start(hosts={"gpu2": {"slots": 4}}, s3=of_role(store))
    for engine in ("rclone", "s3cmd"):
        daemon.submit(engine, {"inputs": {"in": "clients/in/x", "all": "clients/in/"}, "outputs": "clients/{job}/",
                               "run": "cmp \"$JOB_INPUT_IN\" \"$JOB_INPUT_ALL/x\" && cp \"$JOB_INPUT_IN\" output/y",
                               "s3": {"engine": engine}})
    for engine in ("rclone", "s3cmd"):
        daemon.wait(engine, ("SUCCEEDED",))


def test_who_may_not_assume_the_role_hears_which_and_what_to_do(start, store):
    spec = {"run": "true", "outputs": "out/{job}/"}
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3=of_role(store, sts_role_arn="arn:aws:iam:::role/nobody"))
    daemon.submit("role", spec)
    daemon.wait("role", ("FAILED",))
    told = daemon.json("role")
    assert told["reason"] == "NoCredentials" and "arn:aws:iam:::role/nobody" in told["message"], told
    assert "check s3.sts_role_arn" in told["message"]


def test_an_sts_that_does_not_answer_is_waited_for(bed, start, store):
    daemon = start(hosts={"gpu1": {"slots": 4}}, limits={"s3_patience": "2s"},
                   s3=of_role(store, sts_endpoint_url=f"http://{bed.ip['s3']}:9"))
    daemon.submit("none", {"run": "true", "outputs": "out/{job}/"})
    daemon.wait("none", ("FAILED",))
    told = daemon.json("none")
    assert told["reason"] == "S3Unreachable" and "STS at" in told["message"], told


def test_a_spec_can_ask_for_it_where_there_is_a_role(bed, start, store):
    spec = {"run": "echo x >output/x", "outputs": "asked/{job}/", "s3": {"credentials": "sts"}}
    daemon = start(hosts={"gpu1": {"slots": 4}}, s3={"endpoint_url": store.endpoint})
    with pytest.raises(AssertionError):
        daemon.submit("no", spec)
    assert "s3.sts_role_arn" in daemon.read("no", "error")
    daemon.stop()
    daemon.config["s3"]["sts_role_arn"] = ROLE
    daemon.start()
    spy = KeySpy(store)
    spy.start()
    daemon.submit("yes", spec)
    daemon.wait("yes", ("SUCCEEDED",))
    keys = spy.stop()
    assert keys and all(k[0] != ACCESS_KEY for k in keys)
    daemon.submit("dry", dict(spec, dry_run=True))
    daemon.wait("dry", ("SUCCEEDED",))
    assert f"credentials: temporary, of {ROLE}\n" in daemon.read("dry", "log")
