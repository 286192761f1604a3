"""Hosts as they come: fresh ones, all kinds of keys, odd login shells, docker."""

import json

import pytest

from bed import BED, run, wait_for


@pytest.fixture
def bundle_url(bed):
    directory = bed.dir / "web"
    zip_path = bed.bed("bundle", timeout=300).strip()
    url = bed.bed("in", "s3", BED / "webserve", "up", directory, bed.ip["s3"], "8088",
                  f"awscli-x86_64.zip={zip_path}").split()[-1]
    yield f"{url}/awscli-{{arch}}.zip", zip_path
    bed.bed("in", "s3", BED / "webserve", "down", directory)


def job_with_data(bed, daemon, data, name):
    (data / "in").write_text("input\n")
    bed.put(data / "in", "fresh/in")
    daemon.submit(name, {"inputs": {"x": "fresh/in"}, "run": "cat $JOB_INPUT_X >output/out",
                         "outputs": "fresh/{job}/"})
    daemon.wait(name, ("SUCCEEDED",), 180)
    assert bed.keys(f"fresh/{name}/") == {f"fresh/{name}/out": 6}


def test_the_first_job_on_a_fresh_host_installs_the_cli_and_the_second_does_not(bed, start, data, bundle_url):
    bed.on("fresh", "rm", "-rf", ".jobfs")
    assert bed.on("fresh", "sh", "-c", "command -v aws python3 || echo neither").strip() == "neither"
    daemon = start(hosts={"fresh": {}}, aws={"install_url": bundle_url[0]})
    job_with_data(bed, daemon, data, "f1")
    assert "installed the AWS CLI" in daemon.log()
    installed = daemon.log().count("installing")
    job_with_data(bed, daemon, data, "f2")
    daemon.stop()
    daemon.start()
    job_with_data(bed, daemon, data, "f3")
    assert daemon.log().count("installing") == installed == 1
    assert (bed.dir / "web" / "log").read_text().count("GET /awscli") == 1


def test_the_cli_can_be_pushed_over_ssh_from_a_bundle(bed, start, data, bundle_url):
    bed.on("fresh", "rm", "-rf", ".jobfs")
    daemon = start(hosts={"fresh": {}}, aws={"bundle": bundle_url[1]})
    job_with_data(bed, daemon, data, "b1")


def test_an_install_that_cannot_work_says_why(bed, start, data):
    (data / "in").write_text("x")
    bed.put(data / "in", "fresh/in")
    bed.on("fresh", "rm", "-rf", ".jobfs")
    url = f"http://{bed.ip['s3']}:9/no.zip"
    daemon = start(hosts={"fresh": {}}, s3={"engine": "aws"}, aws={"install_url": url})
    daemon.submit("noinst", {"inputs": {"x": "fresh/in"}, "run": "true"})
    daemon.wait("noinst", ("FAILED",))
    error = daemon.read("noinst", "error")
    assert "AWS CLI" in error and url in error and "fresh" in error
    assert daemon.json("noinst")["reason"] == "CliInstallFailed"


@pytest.mark.parametrize("key", ["id_ed25519", "id_ecdsa", "id_rsa", "id_rsa_openssh"])
def test_every_kind_of_user_key_works(bed, start, key):
    daemon = start(hosts={"gpu1": {}}, ssh={"identity": [str(bed.dir / "bed" / key)]})
    daemon.submit("key", {"run": "echo ok"})
    daemon.wait("key", ("SUCCEEDED",))


def test_an_encrypted_key_works_with_its_passphrase(bed, start):
    daemon = start(hosts={"gpu1": {}}, ssh={"identity": [str(bed.dir / "bed" / "id_ed25519_enc")]},
                   limits={"connect_patience": "2s"})
    daemon.submit("locked", {"run": "true"})
    daemon.wait("locked", ("FAILED",))
    assert "passphrase" in daemon.read("locked", "error")
    daemon.stop()
    daemon.environment["JOBFS_SSH_PASSPHRASE"] = "bed passphrase"
    daemon.start()
    daemon.submit("open", {"run": "true"})
    daemon.wait("open", ("SUCCEEDED",))


def test_a_key_that_the_host_does_not_know_is_told_by_name(bed, start):
    daemon = start(hosts={"gpu1": {}}, limits={"connect_patience": "2s"})
    daemon.stop()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", daemon.dir / "stranger")
    daemon.config["ssh"]["identity"] = [str(daemon.dir / "stranger")]
    daemon.start()
    daemon.submit("auth", {"run": "true"})
    daemon.wait("auth", ("FAILED",))
    error = daemon.read("auth", "error")
    assert "stranger" in error and "alice" in error
    assert daemon.json("auth")["reason"] == "HostAuthFailed"


def test_a_chatty_login_shell_does_no_harm(bed, start):
    noise = "head -c 70000 /dev/zero | tr '\\\\0' x; echo; echo '@@0000 BEGIN'; echo oops >&2"
    bed.on("gpu2", "sh", "-c", f"printf '%s\\n' \"{noise}\" >.bashrc")
    try:
        daemon = start(hosts={"gpu2": {}})
        daemon.submit("chatty", {"run": "echo clean"})
        daemon.wait("chatty", ("SUCCEEDED",))
        assert daemon.read("chatty", "log") == "clean\n"
    finally:
        bed.on("gpu2", "rm", ".bashrc")


def test_one_connection_carries_all_jobs_of_a_host(bed, start):
    daemon = start(hosts={"gpu1": {"slots": 12}})
    for i in range(12):
        daemon.submit(f"one{i}", {"run": "sleep 1"})
    for i in range(12):
        daemon.wait(f"one{i}", ("SUCCEEDED",))
    host = json.loads((daemon.mount / ".jobfs/hosts/gpu1/status.json").read_text())
    assert host["connects"] == 1


@pytest.fixture
def docker(bed):
    """The stand-in for docker (its head says what it is not) on gpu1."""
    stand_in = (BED.parent / "agent" / "fake" / "docker").read_bytes()
    bed.bed("in", "gpu1", "sh", "-c", "cat >/usr/bin/docker; chmod 755 /usr/bin/docker",
            input=stand_in)
    yield lambda: bed.on("gpu1", "sh", "-c", "ls docker; cat docker/calls")
    bed.bed("in", "gpu1", "sh", "-c", "rm -rf /usr/bin/docker ~alice/docker")


def test_a_job_with_an_image_runs_in_a_container_of_its_own_name(bed, start, docker):
    daemon = start(hosts={"gpu1": {"slots": 2}})
    daemon.submit("boxed", {"image": "pytorch/pytorch:2.7.1", "setup": "echo setup", "script": "t.sh",
                            "args": ["a b"], "env": {"LR": "it's 3"}, "outputs": "docker/{job}/"},
                  {"t.sh": "#!/bin/sh\necho \"$1 $LR in $PWD\"; echo out >$JOB_OUTPUT_DIR/o; exit 6\n"})
    daemon.wait("boxed", ("FAILED",))
    assert daemon.read("boxed", "exit_code") == "6\n"
    log = daemon.read("boxed", "log").splitlines()
    assert log[0] == "setup" and log[1].startswith("a b it's 3 in ") and log[1].endswith("/work")
    assert bed.keys("docker/boxed/") == {"docker/boxed/o": 4}
    seen = docker()
    name = f"jobfs-{daemon.json('boxed')['id']}-1"
    assert name in seen and "it's 3" not in seen


def test_a_container_is_stopped_by_name_at_a_cancel(bed, start, docker):
    daemon = start(hosts={"gpu1": {"slots": 2}}, limits={"stop_grace": "2s"})
    daemon.submit("stopped", {"image": "img", "run": "echo up; sleep 300"})
    wait_for("it runs", lambda: daemon.read("stopped", "log") == "up\n")
    (daemon.job("stopped") / "ctl").write_text("cancel")
    daemon.wait("stopped", ("CANCELLED",))
    assert "stop" in docker()


def test_a_drained_host_ends_the_job_that_it_has_and_gets_no_other(daemon):
    host = daemon.mount / ".jobfs/hosts/gpu1"
    on_gpu1 = {"resources": {"host": "gpu1"}}
    daemon.submit("has", {"run": "until [ -e go ]; do sleep 0.1; done", **on_gpu1})
    daemon.wait("has", ("RUNNING",))
    (host / "ctl").write_text("drain\n")
    assert (host / "status").read_text() == "draining\n"
    daemon.submit("no", {"run": "true", **on_gpu1})
    daemon.submit("other", {"run": "true"})
    daemon.wait("other", ("SUCCEEDED",))
    assert daemon.json("other")["host"] == "gpu2"
    daemon.stop()
    daemon.start()
    assert daemon.json("has")["state"] == "RUNNING" and daemon.json("no")["state"] == "QUEUED"
    daemon.bed.on("gpu1", "sh", "-c", f"touch ~/.jobfs/jobs/{daemon.json('has')['id']}-1/work/go")
    daemon.wait("has", ("SUCCEEDED",))
    wait_for("the host to be empty", lambda: (host / "status").read_text() == "drained\n")
    assert daemon.json("no")["state"] == "QUEUED"
    (host / "ctl").write_text("resume\n")
    daemon.wait("no", ("SUCCEEDED",))
