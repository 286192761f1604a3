"""`echo cancel > ctl`: in every state, with a truthful exit status."""

import time

import pytest

from bed import run, wait_for


def ctl(daemon, name, verb):
    return run("bash", "-c", 'echo "$1" >"$2"', "bash", verb, daemon.job(name) / "ctl", check=False)


def test_a_running_job_is_stopped_its_outputs_kept_and_nothing_survives(bed, daemon):
    daemon.submit("c", {"run": "echo kept >output/f; setsid sleep 4242 & sleep 4242",
                        "outputs": "cancel/c/"})
    daemon.wait("c", ("RUNNING",))
    wait_for("its processes", lambda: "sleep 4242" in bed.bed("in", daemon.json("c")["host"], "ps", "ax"))
    assert ctl(daemon, "c", "cancel").returncode == 0
    daemon.wait("c", ("CANCELLED",))
    assert bed.keys("cancel/c/") == {"cancel/c/f": 5}
    assert "sleep 4242" not in bed.bed("in", daemon.json("c")["host"], "ps", "ax")
    assert ctl(daemon, "c", "cancel").returncode != 0


def test_a_program_that_ignores_term_is_killed_after_the_grace_or_at_once(start):
    daemon = start(hosts={"gpu1": {}}, limits={"stop_grace": "100s"})
    daemon.submit("stubborn", {"run": "trap '' TERM; echo armed; while :; do sleep 0.2; done"})
    wait_for("the trap", lambda: daemon.read("stubborn", "log") == "armed\n")
    assert ctl(daemon, "stubborn", "cancel").returncode == 0
    daemon.wait("stubborn", ("STOPPING",))
    assert ctl(daemon, "stubborn", "cancel now").returncode == 0
    daemon.wait("stubborn", ("CANCELLED",), 30)


def test_a_program_that_ends_well_because_of_the_cancel_is_cancelled(daemon):
    daemon.submit("polite", {"run": "trap 'exit 0' TERM; echo armed; sleep 100 & wait"})
    wait_for("the trap", lambda: daemon.read("polite", "log") == "armed\n")
    assert ctl(daemon, "polite", "cancel").returncode == 0
    daemon.wait("polite", ("CANCELLED",))
    assert daemon.read("polite", "exit_code") == "0\n"


def test_a_queued_job_is_cancelled_before_it_ran(start):
    daemon = start(hosts={"gpu1": {"slots": 1}})
    daemon.submit("first", {"run": "sleep 2"})
    daemon.submit("second", {"run": "echo ran"})
    assert ctl(daemon, "second", "cancel").returncode == 0
    assert daemon.status("second") == "CANCELLED"
    daemon.wait("first", ("SUCCEEDED",))
    assert daemon.read("second", "log") == ""


@pytest.mark.parametrize("verb,words", [("explode", b"Invalid argument"),
                                        ("cancel please", b"Invalid argument"),
                                        ("sync now", b"Invalid argument")])
def test_a_verb_that_is_none_is_refused(daemon, verb, words):
    daemon.submit("v", {"run": "sleep 1"})
    done = ctl(daemon, "v", verb)
    assert done.returncode != 0 and words in done.stderr
    daemon.wait("v", ("SUCCEEDED",))


def test_sync_asks_the_host_before_it_is_due(start):
    daemon = start(hosts={"gpu1": {}}, limits={"poll_interval": "1h"})
    daemon.submit("s", {"run": "sleep 1; echo first; sleep 60"})
    daemon.wait("s", ("RUNNING",))
    end = time.monotonic() + 30
    while daemon.read("s", "log") != "first\n" and time.monotonic() < end:
        assert ctl(daemon, "s", "sync").returncode == 0
        time.sleep(0.3)
    assert daemon.read("s", "log") == "first\n"
    assert ctl(daemon, "s", "cancel now").returncode == 0
    daemon.wait("s", ("CANCELLED",))


def test_a_job_that_is_not_finished_cannot_be_removed_a_finished_one_can(daemon):
    daemon.submit("r", {"script": "s.sh"}, {"s.sh": "sleep 1; echo done", "more/x": "y"})
    done = run("rm", "-r", daemon.job("r"), check=False)
    assert done.returncode != 0 and b"busy" in done.stderr.lower()
    daemon.wait("r", ("SUCCEEDED",))
    assert daemon.read("r", "log") == "done\n"
    assert (daemon.job("r") / "files" / "more" / "x").read_text() == "y"
    run("rm", "-r", daemon.job("r"))
    assert not daemon.job("r").exists()
