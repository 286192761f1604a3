"""The checker finds what it looks for: each time in facts that were all right before one
thing in them was made wrong."""

import copy
import json
import sys
import unittest
from pathlib import Path

import checker
import workload

ID = "0123456789abcdef0123456789abcdef"


class Good:
    """The facts of one job that went well: exit 0, outputs, no trouble."""

    def __init__(self):
        self.job = workload.Job(1, "j", code=0, outputs=True, has_input=False, cancel_after=None,
                                is_retried=False)
        name, job = "j", self.job
        keys = {job.destination + path: data for path, data in job.outputs.items()}
        lines = [{"key": k, "size": len(v), "etag": "x"} for k, v in keys.items()]
        lines.append({"complete": True, "count": len(keys), "bytes": 0})
        events = [{"seq": 1, "type": "state", "state": "QUEUED"},
                  {"seq": 2, "type": "state", "state": "SUCCEEDED"}]
        self.jobs = {name: job}
        self.accepted, self.ended, self.cancelled = {name: 100.0}, {name: 110.0}, {}
        self.surprises, self.journal = [], []
        self.seen = {name: {
            "status": b"SUCCEEDED\n", "log": job.log, "spec.json": job.spec_text(),
            "status.json": json.dumps({"state": "SUCCEEDED", "reason": None, "host": "gpu1",
                                       "id": ID}).encode(),
            "exit_code": b"0\n", "outputs.s3": b"s3://b/\n",
            "outputs.jsonl": "".join(json.dumps(x) + "\n" for x in lines).encode(),
            "events.jsonl": "".join(json.dumps(x) + "\n" for x in events).encode()}}
        self.ids = {name: ID}
        self.ledger = {name: [("gpu1", ["S", "1"]), ("gpu1", ["E", "1", "0"])]}
        self.attempts = {"gpu1": {f"{ID}-1": ["acked", "claim", "end", "exit"]}, "gpu2": {}}
        self.processes = {"gpu1": {}, "gpu2": {}}
        self.s3 = keys
        self.mounts, self.mounts_after, self.exit = 1, 0, 0
        self.integrity, self.ends, self.log = ["ok"], [], "jobfs: info: host gpu1 is ready\n"
        self.base = {"rss_kb": 30000, "threads": 10, "fds": 12}
        self.sizes = dict(self.base)

    def fail(self, reason, code=None, attempt=1):
        """The same job, failed in that attempt."""
        seen = self.seen["j"]
        seen["status"] = b"FAILED\n"
        seen["status.json"] = json.dumps({"state": "FAILED", "reason": reason, "host": "gpu1",
                                          "id": ID, "attempt": attempt}).encode()
        seen["events.jsonl"] = seen["events.jsonl"].replace(b"SUCCEEDED", b"FAILED")
        for file in ("outputs.s3", "outputs.jsonl", "exit_code"):
            seen.pop(file, None)
        self.ledger["j"].pop()
        if code is not None:
            self.ledger["j"].append(("gpu1", ["E", "1", str(code)]))
            seen["exit_code"] = f"{code}\n".encode()
        return self


def event(name, **what):
    return {"t": 105.0, "end": 106.0, "event": name, **what}


class Checker(unittest.TestCase):
    def check(self, facts, part):
        wrong = checker.check(facts)
        self.assertEqual(len(wrong), 1 if part else 0, wrong)
        if part:
            self.assertIn(part, wrong[0])

    def edit(self, part, **changes):
        """The facts with members replaced; "seen__log" is a file of the job."""
        facts = Good()
        for key, value in changes.items():
            if key.startswith("seen__"):
                facts.seen["j"][key[6:].replace("_", ".")] = value
            else:
                setattr(facts, key, value)
        self.check(facts, part)

    def test_finds_nothing_where_nothing_is_wrong(self):
        self.check(Good(), None)

    def test_finds_a_lost_job(self):
        self.edit("is lost", seen={"j": None}, attempts={})

    def test_finds_a_job_that_did_not_end(self):
        self.edit("not at its end", seen__status=b"RUNNING\n")

    def test_finds_another_spec(self):
        self.edit("spec.json is not", seen__spec_json=b"{}")

    def test_finds_a_double_start(self):
        facts = Good()
        facts.ledger["j"].insert(0, ("gpu2", ["S", "1"]))
        self.check(facts, "started 2 times")

    def test_finds_a_second_attempt_that_nobody_asked_for(self):
        facts = Good()
        facts.ledger["j"].insert(0, ("gpu2", ["S", "2"]))
        self.check(facts, "2 attempts were started")

    def test_takes_a_second_attempt_that_the_spec_asked_for_and_wants_both_logs_whole(self):
        facts = Good()
        facts.job.is_retried, facts.job.first_code = True, 3
        full, seen = facts.job.log, facts.seen["j"]
        seen["spec.json"] = facts.job.spec_text()
        seen["log"] = full + b"==> attempt 2 on gpu2 <==\n" + full
        facts.ledger["j"] = [("gpu1", ["S", "2"]), ("gpu1", ["E", "2", "0"]),
                             ("gpu2", ["S", "1"]), ("gpu2", ["E", "1", "3"])]
        self.check(facts, None)
        seen["log"] = full[:-3] + b"==> attempt 2 on gpu2 <==\n" + full
        self.check(facts, "log of attempt 1")

    def test_finds_a_success_without_a_start(self):
        facts = Good()
        facts.ledger["j"] = []
        self.assertTrue(any("without a start" in w for w in checker.check(facts)))

    def test_finds_a_success_of_a_program_that_failed(self):
        facts = Good()
        facts.ledger["j"][1] = ("gpu1", ["E", "1", "3"])
        self.assertTrue(any("did not exit with 0" in w for w in checker.check(facts)))

    def test_finds_a_wrong_code(self):
        facts = Good().fail("NonZeroExit", 3)
        facts.jobs["j"].code = 3
        facts.seen["j"]["spec.json"] = facts.job.spec_text()
        self.check(facts, None)
        facts.seen["j"]["exit_code"] = b"0\n"
        self.check(facts, "exit_code is 0")
        facts.cancelled = {"j": 105.0}
        self.check(facts, "exit_code is 0")
        facts.seen["j"]["exit_code"] = b"143\n"  # the cancel came between its last word and its end
        self.check(facts, None)

    def test_takes_a_cancel_without_a_code_from_a_killed_wrapper_or_between_attempts(self):
        facts = Good().fail(None, 3)
        facts.jobs["j"].code = 3
        facts.cancelled = {"j": 105.0}
        facts.seen["j"].update({
            "status": b"CANCELLED\n", "spec.json": facts.job.spec_text(),
            "status.json": facts.seen["j"]["status.json"].replace(b"FAILED", b"CANCELLED"),
            "events.jsonl": facts.seen["j"]["events.jsonl"].replace(b"FAILED", b"CANCELLED")})
        del facts.seen["j"]["exit_code"]
        self.check(facts, "exit_code is None")
        facts.journal = [event("kill-wrapper", host="gpu1", attempt=f"{ID}-1", phase="run")]
        self.check(facts, None)
        facts.journal = []
        facts.seen["j"]["status.json"] = facts.seen["j"]["status.json"].replace(b'"gpu1"', b"null")
        self.check(facts, None)

    def test_finds_a_loss_that_nothing_explains(self):
        self.check(Good().fail("ProcessLost"), "nothing explains")

    def test_takes_a_loss_that_the_journal_explains(self):
        facts = Good().fail("ProcessLost")
        facts.journal = [event("kill-wrapper", host="gpu1", attempt=f"{ID}-1", phase="run")]
        self.check(facts, None)

    def test_does_not_take_the_death_of_the_runner_for_the_end_of_the_program(self):
        facts = Good().fail("ProcessLost")
        facts.journal = [event("kill-runner", host="gpu1", attempt=f"{ID}-1", phase="run")]
        self.check(facts, "nothing explains")

    def test_takes_a_reboot_of_the_right_host_at_the_right_time_only(self):
        facts = Good().fail("HostRebooted")
        facts.journal = [event("reboot-host", host="gpu1")]
        self.check(facts, None)
        facts.journal = [event("reboot-host", host="gpu2")]
        self.check(facts, "nothing explains")
        facts.journal = [dict(event("reboot-host", host="gpu1"), t=200.0, end=201.0)]
        self.check(facts, "nothing explains")

    def test_finds_a_cancel_that_nobody_asked_for(self):
        facts = Good().fail("Cancelled")
        for file, text in facts.seen["j"].items():
            facts.seen["j"][file] = text.replace(b"FAILED", b"CANCELLED")
        self.check(facts, "nobody asked")
        facts.cancelled = {"j": 104.0}
        self.check(facts, None)

    def test_finds_a_gap_and_a_repeat_in_a_log(self):
        full = Good().job.log
        self.edit("differs from byte", seen__log=full[:-3])
        self.edit("differs from byte", seen__log=full + full[-3:])

    def test_takes_a_part_of_the_log_of_a_job_that_was_killed_and_no_other(self):
        facts = Good().fail("ProcessLost")
        facts.journal = [event("kill-session", host="gpu1", attempt=f"{ID}-1", phase="run")]
        full = facts.job.log
        facts.seen["j"]["log"] = full[:len(full) // 2]
        self.check(facts, None)
        facts.seen["j"]["log"] = b"main.sh: line 5: Killed\n"
        self.check(facts, None)
        facts.seen["j"]["log"] = full[:len(full) // 2] + b"something else"
        self.check(facts, "not the beginning")

    def test_finds_missing_and_damaged_outputs(self):
        facts = Good()
        key = next(k for k in facts.s3 if k.endswith("lines"))
        facts.s3 = {k: v for k, v in facts.s3.items() if k != key}
        self.assertTrue(any("outputs in S3" in w for w in checker.check(facts)))
        facts = Good()
        facts.s3 = dict(facts.s3, **{key: b"x" * len(facts.s3[key])})
        self.check(facts, "outputs in S3")

    def test_excuses_outputs_of_an_earlier_attempt_only_where_it_ended(self):
        facts = Good()
        facts.job.is_retried, facts.job.first_code = True, 3
        facts.fail("HostRebooted")
        facts.journal = [{"event": "reboot-host", "host": "gpu1", "t": 105.0}]
        seen = facts.seen["j"]
        seen["spec.json"], seen["outputs.s3"] = facts.job.spec_text(), b"s3://b/\n"
        seen["outputs.jsonl"] = b'{"complete": true, "count": 0, "bytes": 0}\n'
        seen["log"] = facts.job.log + b"==> attempt 2 on gpu1 <==\n"
        facts.ledger["j"] = [("gpu1", ["S", "1"]), ("gpu1", ["E", "1", "3"]),
                             ("gpu1", ["S", "2"])]
        self.check(facts, None)
        facts.ledger["j"] = [("gpu1", ["S", "2"])]
        self.check(facts, "outputs.jsonl tells of")

    def test_excuses_them_when_the_last_attempt_was_lost_before_its_program_began(self):
        facts = Good()
        facts.job.is_retried, facts.job.first_code = True, 3
        facts.journal = [{"event": "reboot-host", "host": "gpu1", "t": 105.0}]
        seen = facts.seen["j"]
        for attempt, wrong in ((2, None), (1, "outputs.jsonl tells of")):
            facts.fail("HostRebooted", attempt=attempt)
            seen["spec.json"], seen["outputs.s3"] = facts.job.spec_text(), b"s3://b/\n"
            seen["outputs.jsonl"] = b'{"complete": true, "count": 0, "bytes": 0}\n'
            facts.ledger["j"] = [("gpu1", ["S", "1"]), ("gpu1", ["E", "1", "3"])]
            self.check(facts, wrong)

    def test_finds_a_success_without_outputs(self):
        facts = Good()
        del facts.seen["j"]["outputs.s3"]
        self.check(facts, "no outputs.s3")

    def test_finds_two_ends(self):
        facts = Good()
        line = b'{"seq": 3, "type": "state", "state": "FAILED"}\n'
        facts.seen["j"]["events.jsonl"] += line
        self.check(facts, "2 ends")

    def test_finds_what_is_left_on_a_host(self):
        facts = Good()
        left = copy.deepcopy(facts.attempts)
        left["gpu1"][f"{ID}-1"].append("t.77.claim")
        self.edit("is left: t.77.claim", attempts=left)
        self.edit(None, attempts=left, journal=[event("kill-agent", host="gpu2")])
        self.edit("of no job", attempts={"gpu1": {"beef-1": ["claim"]}, "gpu2": {}})
        self.edit("process 77", processes={"gpu1": {77: "A=1\0JOBFS_ATTEMPT=x\0"}})

    def test_finds_what_is_wrong_with_the_daemon(self):
        self.edit("2 mounts", mounts=2)
        self.edit("still mounted", mounts_after=1)
        self.edit("exited with -6", exit=-6)
        self.edit("integrity_check", integrity=["row 1 missing from index"])
        self.edit("Sanitizer", log="==1==ERROR: AddressSanitizer: heap-use-after-free\n")
        self.edit("daemon's log", log="jobfs: error: the disk of the job database is full\n")
        self.edit(None, log="jobfs: error: the disk of the job database is full\n",
                  journal=[event("fill-daemon")])
        self.edit("ended by itself", ends=[(50.0, 1)])
        self.edit(None, ends=[(105.5, 1)], journal=[event("fill-daemon")])
        self.edit("fds grew", sizes={"rss_kb": 30000, "threads": 10, "fds": 99})

    def test_tells_what_was_seen_on_the_way(self):
        self.edit("was SUCCEEDED, then", surprises=["j: was SUCCEEDED, then RUNNING"])


def test_every_planted_bug_still_has_its_place_in_the_source():
    sys.path.insert(0, str(Path(__file__).resolve().parent / "mutants"))
    from table import MUTANTS  # noqa: E402, PLC0415
    top = Path(__file__).resolve().parents[2]
    lost = [(m.name, name) for m in MUTANTS for name, before, _ in m.edits
            if (top / name).read_text().count(before) != 1]
    assert len(MUTANTS) >= 8 and not lost


if __name__ == "__main__":
    unittest.main()
