"""Lines of the program's own files, in metrics.jsonl while it runs."""

import json

from bed import wait_for

PROGRAM = """
mkdir -p "logs/run 1"
for i in 1 2 3; do echo "{\\"step\\":$i}" >>output/m.jsonl; done
printf '{"step"' >>output/m.jsonl
until [ -e {gate} ]; do sleep 0.05; done
echo ':4}' >>output/m.jsonl
printf '{"loss":0.5}' >"logs/run 1/global.json"
exit {exit}
"""
FILES = ["output/m.jsonl", "logs/*/global.json"]


def program(gate, code=0):
    return PROGRAM.replace("{gate}", gate).replace("{exit}", str(code))


def lines(daemon, name, file="metrics.jsonl"):
    path = daemon.job(name) / file
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


STEPS = [{"step": 1}, {"step": 2}, {"step": 3}]


def test_metrics_come_while_the_program_runs_and_survive_the_daemon(bed, daemon):
    daemon.submit("m", {"run": program("/tmp/m-go"), "metrics": {"files": FILES}, "resources": {"host": "gpu1"}})
    wait_for("three lines", lambda: lines(daemon, "m") == STEPS)
    daemon.kill()
    bed.bed("in", "gpu1", "touch", "/tmp/m-go")
    daemon.start()
    daemon.wait("m", ("SUCCEEDED",))
    assert lines(daemon, "m") == [*STEPS, {"step": 4}, {"loss": 0.5}]
    assert daemon.read("m", "metrics.jsonl").endswith("\n")
    bed.bed("in", "gpu1", "rm", "/tmp/m-go")


def test_each_attempt_has_its_own_metrics(bed, daemon):
    bed.bed("in", "gpu1", "touch", "/tmp/m-go")
    run = program("/tmp/m-go", 3) + "\n"
    run = f"[ $JOB_ATTEMPT != 1 ] || exit 3\n{run}"
    daemon.submit("a", {"run": run, "metrics": {"files": FILES}, "resources": {"host": "gpu1"},
                        "retry": {"max_attempts": 3, "exit_codes": [3], "backoff": 0}})
    daemon.wait("a", ("FAILED",))
    whole = [*STEPS, {"step": 4}, {"loss": 0.5}]
    assert lines(daemon, "a") == whole + whole
    assert [lines(daemon, "a", f"attempts/{n}/metrics.jsonl") for n in (1, 2, 3)] == [[], whole, whole]
    bed.bed("in", "gpu1", "rm", "/tmp/m-go")


def test_a_job_that_names_no_files_has_no_metrics(daemon):
    daemon.submit("n", {"run": "echo 1 >output/m.jsonl"})
    daemon.wait("n", ("SUCCEEDED",))
    assert not (daemon.job("n") / "metrics.jsonl").exists()
