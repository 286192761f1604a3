"""Each thing that goes wrong has its own sentence in `error`, and the job its right end."""

import errno
import json
import os

import pytest

from bed import BUCKET, run, wait_for


def error_of(daemon, name):
    text = daemon.read(name, "error")
    print(f"\n{name}: {text}", end="")
    assert text.endswith("\n") and len(text.splitlines()) == 1
    return text


def test_a_script_that_exits_3_fails_with_its_code_outputs_and_log(bed, daemon):
    daemon.submit("three", {"script": "t.sh", "outputs": "runs/three/"},
                  {"t.sh": "#!/bin/sh\necho before\necho partial >output/part\nexit 3\n"})
    daemon.wait("three", ("FAILED",))
    assert daemon.read("three", "exit_code") == "3\n"
    assert "t.sh exited with code 3" in error_of(daemon, "three")
    assert daemon.read("three", "log") == "before\n"
    assert daemon.read("three", "outputs.s3") == f"s3://{BUCKET}/runs/three/\n"
    assert bed.keys("runs/three/") == {"runs/three/part": 8}
    assert daemon.json("three")["reason"] == "NonZeroExit"


def test_exit_255_and_a_signal_are_told_apart(daemon):
    daemon.submit("c255", {"run": "exit 255"})
    daemon.submit("sig", {"script": "s.sh"}, {"s.sh": "#!/bin/sh\nkill -9 $$\n"})
    daemon.wait("c255", ("FAILED",))
    daemon.wait("sig", ("FAILED",))
    assert daemon.read("c255", "exit_code") == "255\n"
    assert daemon.read("sig", "exit_code") == "137\n"
    assert "signal 9" in error_of(daemon, "sig")


def test_a_failing_setup_keeps_the_program_from_running(daemon):
    daemon.submit("setup", {"setup": "echo preparing; exit 4", "run": "echo never"})
    daemon.wait("setup", ("FAILED",))
    assert "setup exited with code 4" in error_of(daemon, "setup")
    assert daemon.read("setup", "log") == "preparing\n"
    assert not (daemon.job("setup") / "exit_code").exists()


@pytest.mark.parametrize("name,key", [("object", "no/such/key.csv"), ("prefix", "no/such/prefix/")])
def test_a_missing_input_fails_before_the_script_runs(daemon, name, key):
    daemon.submit(name, {"inputs": {"train": key}, "run": "echo ran"})
    daemon.wait(name, ("FAILED",))
    error = error_of(daemon, name)
    assert f"s3://{BUCKET}/{key}" in error and "train" in error
    assert daemon.read(name, "log") == ""
    assert not (daemon.job(name) / "exit_code").exists()


def test_a_missing_bucket_is_named(daemon):
    daemon.submit("bucket", {"inputs": {"x": "s3://no-such-bucket/k"}, "run": "true"})
    daemon.wait("bucket", ("FAILED",))
    assert 'no-such-bucket' in error_of(daemon, "bucket")


@pytest.mark.parametrize("variable,value,words", [
    ("AWS_SECRET_ACCESS_KEY", "wrong", "AWS_SECRET_ACCESS_KEY"),
    ("AWS_ACCESS_KEY_ID", "AKWRONG", "AWS_ACCESS_KEY_ID"),
])
def test_wrong_credentials_are_named_and_no_secret_is_shown(bed, start, data, variable, value, words):
    (data / "k").write_text("x")
    bed.put(data / "k", "creds/k")
    daemon = start()
    daemon.stop()
    daemon.environment[variable] = value
    daemon.start()
    daemon.submit("creds", {"inputs": {"x": "creds/k"}, "run": "true"})
    daemon.wait("creds", ("FAILED",))
    error = error_of(daemon, "creds")
    assert words in error and value not in error.replace(words, "")
    assert daemon.json("creds")["class"] == "credentials"


def test_no_credentials_at_all_say_what_to_set(start):
    daemon = start(credentials=False)
    daemon.submit("none", {"inputs": {"x": "k"}, "run": "true"})
    daemon.wait("none", ("FAILED",))
    assert "AWS_ACCESS_KEY_ID" in error_of(daemon, "none")


def test_an_unknown_host_key_is_refused_with_its_fingerprint(bed, start):
    daemon = start(hosts={"gpu1": {}},
                   ssh={"known_hosts": str(bed.dir / "bed" / "known_hosts.empty")})
    daemon.submit("key", {"run": "true"})
    daemon.wait("key", ("FAILED",))
    error = error_of(daemon, "key")
    assert "SHA256:" in error and "known_hosts.empty" in error and "gpu1" in error
    assert daemon.json("key")["reason"] == "HostKeyMismatch"


def test_a_refused_connection_says_so_while_it_tries_and_then_fails(bed, start):
    daemon = start(hosts={"gpu1": {"port": 2}}, limits={"connect_patience": "3s"})
    daemon.submit("refused", {"run": "true"})
    daemon.wait("refused", ("FAILED",))
    error = error_of(daemon, "refused")
    assert "refused" in error and f"{bed.ip['gpu1']}" in error and "2" in error


def test_an_unknown_host_name_is_told(start):
    daemon = start(hosts={"nowhere": {"address": "no-such-host.invalid"}},
                   limits={"connect_patience": "3s"})
    daemon.submit("dns", {"run": "true"})
    daemon.wait("dns", ("FAILED",))
    assert "no-such-host.invalid" in error_of(daemon, "dns")


def test_a_host_that_is_not_configured_is_refused_at_submit(daemon):
    job = daemon.job("wrong")
    job.mkdir()
    source = daemon.dir / "spec"
    source.write_text('{\n  "run": "true",\n  "resources": { "host": "gpu9" }\n}\n')
    done = run("cp", source, job / "spec.json", check=False)
    assert done.returncode == 1 and b"Invalid argument" in done.stderr
    error = error_of(daemon, "wrong")
    assert error.startswith("spec.json:3:26: $.resources.host:") and "gpu1" in error
    assert daemon.status("wrong") == "NEW"
    assert (job / "spec.json").read_text() == source.read_text()
    source.write_text('{ "run": "true" }')
    run("cp", source, job / "spec.json")
    daemon.wait("wrong", ("SUCCEEDED",))
    assert not (job / "error").exists()


def test_keys_that_are_not_supported_yet_are_refused_by_name(daemon):
    job = daemon.job("later")
    job.mkdir()
    for key, value in {"ttl": "1d", "array": {"matrix": {}}, "depends_on": ["x"]}.items():
        source = daemon.dir / "spec"
        source.write_text(json.dumps({"run": "true", key: value}))
        assert run("cp", source, job / "spec.json", check=False).returncode == 1
        error = error_of(daemon, "later")
        assert f"$.{key}" in error and "not supported yet" in error


def test_a_destination_that_does_not_exist_is_told_before_the_program_runs(daemon):
    daemon.submit("denied", {"run": "echo x >output/x", "outputs": "s3://no-such-bucket-at-all/p/"})
    daemon.wait("denied", ("FAILED",))
    assert "no-such-bucket-at-all" in error_of(daemon, "denied")
    assert not (daemon.job("denied") / "exit_code").exists()


def test_a_name_by_which_a_job_would_write_over_another_is_refused(bed, start):
    daemon = start(hosts={"gpu1": {"slots": 1}})
    go = "rm -f $HOME/go; echo up; until [ -e $HOME/go ]; do sleep 0.05; done; echo $JOB_NAME >output/name"
    daemon.submit("first", {"run": go, "outputs": "renamed/{job}/"})
    wait_for("it runs", lambda: daemon.read("first", "log") == "up\n")
    daemon.submit("second", {"run": "echo 2 >output/name", "outputs": "renamed/{job}/"})
    daemon.wait("second", ("QUEUED",))
    run("mv", daemon.job("first"), daemon.job("older"))  # it still writes to renamed/first/
    with pytest.raises(OSError) as e:
        os.rename(daemon.job("second"), daemon.job("first"))
    assert e.value.errno == errno.EBUSY
    assert "job older" in daemon.read("second", "events.jsonl")
    run("mv", daemon.job("second"), daemon.job("third"))
    daemon.submit("bad", {"script": "none-yet", "outputs": "renamed/{job}/"})
    (daemon.job("bad") / "ctl").write_text("cancel")
    daemon.wait("bad", ("CANCELLED",))
    run("mv", daemon.job("bad"), daemon.job("first"))  # it is over, and may have any name
    with pytest.raises(FileExistsError):
        (daemon.job("first") / "ctl").write_text("retry")
    bed.on("gpu1", "touch", "go")
    for name in ("older", "third"):
        daemon.wait(name, ("SUCCEEDED",))
    assert set(bed.keys("renamed/")) == {"renamed/first/name", "renamed/third/name"}


def test_outputs_that_cannot_be_uploaded_are_no_success_and_stay_on_the_host(bed, daemon):
    bed.aws("s3", "mb", "s3://short-lived")
    daemon.submit("late", {"run": "echo x >output/x; sleep 2", "outputs": "s3://short-lived/p/"})
    daemon.wait("late", ("RUNNING",))
    bed.aws("s3", "rb", "s3://short-lived")
    daemon.wait("late", ("FAILED",), 180)
    assert daemon.read("late", "exit_code") == "0\n"
    assert not (daemon.job("late") / "outputs.s3").exists()
    where = error_of(daemon, "late").split("~/")[1].strip()
    assert bed.on(daemon.json("late")["host"], "cat", f"{where}/x") == "x\n"


@pytest.mark.parametrize("program,words", [
    ("echo a >output/good; echo b >output/locked; chmod 0 output/locked", "locked"),
    ("echo a >output/good; printf x >\"output/$(printf 'bad\\377')\"", "badname"),
    ("rmdir output; echo a >output", "notdir"),
    ("rmdir output; mkdir other; ln -s other output", "symlink"),
])
def test_outputs_that_the_host_cannot_read_are_no_success(daemon, program, words):
    daemon.submit("lost", {"run": program, "outputs": "lost/{id}/"})
    daemon.wait("lost", ("FAILED",))
    assert words in error_of(daemon, "lost")
    assert daemon.json("lost")["reason"] == "UploadFailed"


def test_the_run_limit_stops_the_program_and_keeps_its_outputs(bed, daemon):
    daemon.submit("long", {"run": "echo early >output/early; sleep 600",
                           "timeouts": {"run": "2s"}, "outputs": "runs/long/"})
    daemon.wait("long", ("FAILED",))
    assert daemon.json("long")["reason"] == "TimeoutRun"
    assert "timeouts.run" in error_of(daemon, "long")
    assert bed.keys("runs/long/") == {"runs/long/early": 6}
