"""The verdict on a run: what was promised of every job, held against what was seen (facts.py).

A job may end otherwise than its plan only where the journal explains it: somebody asked for
a cancel, its processes were killed, its host rebooted, was full or was cut off. The excuse
must fit the job, its host and its time. check() gives what is wrong, a sentence each.
"""

import json
import re

FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")
TOMBSTONE = {"claim", "exit", "end", "acked"}
LOST = ("ProcessLost", "HostRebooted", "HostStateLost")
# what a shell says of a command that was killed under it
LAST_WORDS = re.compile(rb"([^\n]*(Terminated|Killed)[^\n]*\n)*\Z")
NEXT_ATTEMPT = re.compile(rb"==> attempt \d+ on \w+ <==\n")
MARGIN_S = 3

# event: what it excuses at a job that it hit
BY_ATTEMPT = {"kill-runner": "runner", "kill-wrapper": "wrapper", "kill-session": "session"}
BY_HOST = {"reboot-host": "reboot", "fill-host": "full", "cut-host": "cut",
           "move-host": "moved"}
BY_JOB = {"delete-output": "deleted"}

# excuse: reasons of FAILED that it explains
REASONS = {
    "runner": {"ProcessLost"},
    "wrapper": {"ProcessLost"},
    "session": {"ProcessLost", "DownloadFailed", "UploadFailed"},
    "reboot": {"HostRebooted"},
    "full": {"DownloadFailed", "UploadFailed", "ProcessLost", "NonZeroExit", "Signaled",
             "SetupFailed", "HostNotReady"},
    "cut": {"DownloadFailed", "UploadFailed"},
    "moved": {"HostStateLost"},
    "deleted": {"UploadFailed"},
}
# what the daemon may complain of in its log, and when
COMPLAINTS = {
    "the disk of the job database is full": "fill-daemon",
    "No space left on device": "fill-daemon",
    "the job database is locked": "lock-database",
}


class View:
    """One job: its plan, what was seen of it, what excuses it."""

    def __init__(self, facts, name):
        self.facts = facts
        self.name = name
        self.plan = facts.jobs[name]
        self.files = facts.seen[name] or {}
        self.json = json.loads(self.files.get("status.json", b"{}"))
        self.state = self.files.get("status", b"").decode().strip()
        self.reason = self.json.get("reason") or ""
        self.host = self.json.get("host")
        self.id = facts.ids.get(name)
        lines = facts.ledger[name]
        self.starts = [(host, words[1]) for host, words in lines if words[0] == "S"]
        ends = [(int(words[1]), int(words[2])) for _, words in lines if words[0] == "E"]
        self.codes = [code for _, code in sorted(ends)]  # in the order of the attempts
        self.ended = {attempt for attempt, _ in ends}
        self.excuses = {"cancel"} if name in facts.cancelled else set()
        self.excuses |= {x for x in map(self._excuse, facts.journal) if x}

    def _excuse(self, event):
        if event["event"] in BY_ATTEMPT and event["attempt"].rsplit("-", 1)[0] == self.id:
            # the program has its own parent: it does not need the runner any more
            if event["event"] == "kill-runner" and event["phase"] == "run" and self.starts:
                return None
            return BY_ATTEMPT[event["event"]]
        if event["event"] in BY_JOB and event["job"] == self.name:
            return BY_JOB[event["event"]]
        if event["event"] in BY_HOST and event["host"] == self.host and self._overlaps(event):
            return BY_HOST[event["event"]]
        return None

    def _overlaps(self, event):
        begin = self.facts.accepted.get(self.name, 0)
        end = self.facts.ended.get(self.name, float("inf"))
        return (event["t"] <= end + MARGIN_S
                and event.get("end", event["t"]) >= begin - MARGIN_S)

    def ended_by_itself(self):
        """Its last attempt."""
        return bool(self.starts) and max(int(n) for _, n in self.starts) in self.ended

    def left_before(self):
        """What an earlier attempt may have left in S3, when the last one wrote nothing: it may
        have been lost before its program had a word in the ledger."""
        last = max([self.json.get("attempt") or 0, *(int(n) for _, n in self.starts)])
        return self.plan.outputs if any(n < last for n in self.ended) else {}

    def exit_code(self):
        text = self.files.get("exit_code")
        return int(text) if text else None


# --- of one job ---


def is_kept(view):
    if view.facts.seen[view.name] is None:
        yield "was accepted and is lost"
    elif view.files.get("spec.json") != view.plan.spec_text():
        yield "spec.json is not what was written"
    elif view.state not in FINAL:
        yield f"is not at its end: {view.state} {view.json.get('message')}"
    elif view.json.get("state") != view.state:
        yield f"status says {view.state}, status.json {view.json.get('state')}"


def started_once(view):
    attempts = [attempt for _, attempt in view.starts]
    for attempt in set(attempts):
        if attempts.count(attempt) > 1:
            yield f"attempt {attempt} was started {attempts.count(attempt)} times: {view.starts}"
    allowed = view.plan.attempts()
    if len(set(attempts)) > allowed:
        yield f"{len(set(attempts))} attempts were started, {allowed} may be: {view.starts}"
    if len(view.codes) > len(attempts):
        yield f"ended more often than it started: {view.codes}"
    if view.state == "SUCCEEDED" and not attempts:
        yield "succeeded without a start"


def ended_as_planned(view):
    """The state and its reason, by the plan or by an excuse."""
    code = view.codes[-1] if view.codes else view.plan.code
    if view.state == "SUCCEEDED":
        if code != 0 or not view.codes:
            yield f"succeeded, but its program did not exit with 0: {view.codes}"
    elif view.state == "CANCELLED":
        if "cancel" not in view.excuses:
            yield "was cancelled, and nobody asked for it"
    elif view.state == "FAILED":
        allowed = set().union(*(REASONS.get(x, set()) for x in view.excuses))
        if code != 0:
            allowed |= {"Signaled" if code > 128 else "NonZeroExit"}
        if view.reason not in allowed:
            error = view.files.get("error", b"").decode(errors="replace").strip()
            yield f"failed by {view.reason}, which nothing explains: {error}"


def has_right_code(view):
    code = view.exit_code()
    if view.codes and view.codes[-1] != view.plan.code and not view.excuses:
        yield f"the program ended with {view.codes[-1]}, planned was {view.plan.code}"
    if view.codes and view.reason not in LOST:
        # its last word was written, and then the TERM or KILL of its cancel came
        is_late = "cancel" in view.excuses and code in (137, 143)
        # whoever would have written it down was killed, and the cancel is what is left to tell;
        # or it was another attempt's, and this one was cancelled before it had a host
        is_unknown = view.state == "CANCELLED" and code is None and (
            "wrapper" in view.excuses or view.json.get("host") is None)
        if code != view.codes[-1] and not is_late and not is_unknown:
            yield f"exit_code is {code}, the program ended with {view.codes[-1]}"
    elif view.codes and code not in (None, view.codes[-1]):
        yield f"lost, but exit_code is {code}; the program ended with {view.codes[-1]}"
    elif code is not None and not view.excuses:
        yield f"exit_code is {code}, but the program did not end by itself"


def has_whole_log(view):
    """Of each attempt, between the lines that divide them."""
    if "full" in view.excuses:
        return  # what the disk did not take is in no log
    is_whole = not view.excuses & {"cancel", "session", "wrapper", "moved"}
    full = view.plan.log
    for attempt, log in enumerate(NEXT_ATTEMPT.split(view.files.get("log", b"")), 1):
        if attempt in view.ended and is_whole:
            if log != full:
                yield (f"log of attempt {attempt} differs from byte {common(log, full)} on: "
                       f"{len(log)} of {len(full)} bytes")
        elif not is_last_words(log, full):
            rest = log[common(log, full):]
            yield f"log is not the beginning of what it would have printed: {rest[:100]!r}"


def common(a, b):
    """How many bytes they begin with alike."""
    n = min(len(a), len(b))
    return next((i for i in range(n) if a[i] != b[i]), n)


def is_last_words(log, full):
    """Only a part of what it would have printed, and the shell's word on its end?"""
    return any(LAST_WORDS.match(log, i) for i in range(common(log, full), -1, -1)
               if i == 0 or log[i - 1:i] == b"\n" or i == common(log, full))


def has_outputs(view):
    destination = view.plan.destination
    if not destination:
        return
    is_there = "outputs.s3" in view.files
    if view.state == "SUCCEEDED" and not is_there:
        yield "succeeded, but there is no outputs.s3"
    if not is_there:
        return
    found = {key[len(destination):]: data for key, data in view.facts.s3.items()
             if key.startswith(destination)}
    lines = [json.loads(x) for x in view.files.get("outputs.jsonl", b"").splitlines()]
    if not lines or lines[-1].get("count") != len(lines) - 1:
        yield "outputs.jsonl is not complete"
    told = {x["key"][len(destination):]: x["size"] for x in lines[:-1]}
    sizes = {path: len(data) for path, data in found.items()}
    old = {path: len(data) for path, data in view.left_before().items()}
    if not told.items() <= sizes.items() <= (old | told).items():
        yield f"outputs.jsonl tells of {told}, in S3 is {sorted(found)}"
    if view.ended_by_itself() and "full" not in view.excuses and found != view.plan.outputs:
        yield f"its outputs in S3 are not what it wrote: {sorted(found)}"


def has_one_end(view):
    """The timeline grows in order, and has one final state, as its last."""
    events = [json.loads(x) for x in view.files.get("events.jsonl", b"").splitlines()]
    numbers = [e["seq"] for e in events]
    if numbers != sorted(set(numbers)):
        yield "events.jsonl is not in order"
    ends = [e for e in events if e.get("state") in FINAL]
    if len(ends) != 1 or ends[0]["state"] != view.state:
        yield f"events.jsonl has {len(ends)} ends: {[e['state'] for e in ends]}"


JOB_RULES = (started_once, ended_as_planned, has_right_code, has_whole_log, has_outputs,
             has_one_end)


def check_job(facts, name):
    view = View(facts, name)
    wrong = list(is_kept(view))
    if not wrong:
        wrong = [text for rule in JOB_RULES for text in rule(view)]
    elif view.starts:
        wrong += started_once(view)
    return [f"{name}: {text}{explained(view)}" for text in wrong]


def explained(view):
    return f" (on {view.host}, excuses: {', '.join(sorted(view.excuses)) or 'none'})"


# --- of hosts and of the daemon ---


def check_hosts(facts):
    by_id = {id_: name for name, id_ in facts.ids.items()}
    for host, attempts in facts.attempts.items():
        for attempt, files in attempts.items():
            name = by_id.get(attempt.rsplit("-", 1)[0])
            if not name:
                yield f"{host}: attempt {attempt} is of no job"
            elif set(files) - TOMBSTONE and not may_keep(View(facts, name), files):
                yield f"{host}: of {name} is left: {' '.join(sorted(set(files) - TOMBSTONE))}"
        for pid, environment in facts.processes.get(host, {}).items():
            mark = re.search("JOBFS_[A-Z]+=[^\0]*", environment)
            yield f"{host}: process {pid} of a job is left: {mark[0] if mark else '?'}"


def may_keep(view, files):
    """Outputs that are nowhere else stay on the host; and what was sent before the job was
    given to this host, or by an agent that was killed over it, is found by nobody."""
    left = set(files) - TOMBSTONE
    if files == ["payload"] or "moved" in view.excuses:
        return True
    if all(f.startswith("t.") for f in left) and happened(view.facts, "kill-agent"):
        return True
    return (view.state == "FAILED" and view.plan.destination
            and "outputs.s3" not in view.files and view.reason != "DownloadFailed")


def check_mount(facts):
    if facts.mounts != 1:
        yield f"{facts.mounts} mounts on the mount point"
    if facts.mounts_after != 0:
        yield "still mounted after the daemon's end"


def happened(facts, event, at=None):
    return any(e["event"] == event
               and (at is None or e["t"] - 1 <= at <= e.get("end", at) + MARGIN_S)
               for e in facts.journal)


def check_daemon(facts):
    if facts.exit != 0:
        yield f"jobfs exited with {facts.exit}"
    for at, code in facts.ends:
        if not happened(facts, "fill-daemon", at) and not happened(facts, "lock-database", at):
            yield f"jobfs ended by itself with {code} at {at:.1f}"
    if facts.integrity != ["ok"]:
        yield f"integrity_check: {facts.integrity}"
    for line in facts.log.splitlines():
        if any(w in line for w in ("Sanitizer", "runtime error", "Assertion")):
            yield f"in the daemon's log: {line}"
        elif "error:" in line and not any(text in line and happened(facts, event)
                                          for text, event in COMPLAINTS.items()):
            yield f"in the daemon's log: {line}"


# with a sanitizer's own; libfuse has ten threads more when there is much to do
GROWTH = {"fds": 12, "threads": 14, "rss_kb": 200_000}


def check_sizes(facts):
    for what, most in GROWTH.items():
        if facts.base and facts.sizes[what] > facts.base[what] + most:
            yield f"{what} grew from {facts.base[what]} to {facts.sizes[what]}"


def check(facts):
    wrong = list(facts.surprises)
    for name in facts.accepted:
        wrong += check_job(facts, name)
    for rule in (check_hosts, check_mount, check_daemon, check_sizes):
        wrong += rule(facts)
    return wrong
