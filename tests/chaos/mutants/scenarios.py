"""The smallest troubles in which a planted bug shows itself. Each gives the facts of its runs;
the daemon as it should be comes out of all of them well."""

import contextlib
import time

import facts as evidence
import workload
from field import BUCKET, Keeper, Supervised, wait_for
from nemesis import Journal, attempts, reset_connections
from user import User

PATIENCE_S = 25  # for a job's end, once the trouble is over

# The first launch of a host stops before it has a claim, until there is /tmp/go.
SLOW_LAUNCH = """#!/bin/sh
case $1 in
*.c)
    if mkdir /tmp/stopped 2>/dev/null; then
        n=0
        until [ -e /tmp/go ] || [ $n = 600 ]; do sleep 0.1; n=$((n + 1)); done
    fi
    ;;
esac
exec /usr/bin/mkfifo "$@"
"""
# The first agent that removes a job's directory dies of it.
DEADLY_RM = """#!/bin/sh
case "$*" in */work) mkdir /tmp/stopped 2>/dev/null && kill -9 $PPID && exit 1 ;; esac
exec /usr/bin/rm "$@"
"""


class Stage:
    """A daemon with its keeper and its user, and two hosts without a past."""

    def __init__(self, bed, directory, failpoint=None, lives=1, **options):
        self.bed = bed
        for host in bed.hosts:
            bed.bed("in", host, "sh", "-c",
                    "rm -rf /home/alice/.jobfs /tmp/stopped /tmp/go /usr/local/bin; "
                    "mkdir -p /usr/local/bin")
        self.journal = Journal(directory / "journal.jsonl")
        self.lives = lives  # so often the failpoint is in force
        options.setdefault("hosts", {"gpu1": {"slots": 16}, "gpu2": {"slots": 1}})
        self.daemon = Supervised(
            bed, more_environment=failpoint, on_death=self.note_death,
            ssh={"keepalive": "1s", "connect_timeout": "2s"},
            limits={"connect_patience": "1h", "s3_patience": "1h", "stop_grace": "1s"}, **options)
        self.user = User(self.daemon, PATIENCE_S)
        self.jobs = []
        self.keeper = Keeper(self.daemon)

    def note_death(self, daemon):
        """It died of itself, perhaps at its first start; the next one is about to start."""
        self.journal.add("kill-daemon")
        self.lives -= 1
        if self.lives <= 0:
            daemon.more_environment = {}

    def submit(self, name, **fixed):
        job = workload.Job("mutant", name, **{
            "has_input": False, "outputs": False, "is_script": False, "code": 0,
            "cancel_after": None, "is_retried": False, "seconds": 0.3, **fixed})
        self.bed.open_ledger([name])
        self.jobs.append(job)
        self.user.submit(job)
        return job

    def shim(self, host, name, text):
        """A program that comes before the host's own of this name."""
        path = self.bed.root(host) / "usr/local/bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def wait_for_start(self, host, name):
        ledger = self.bed.home(host) / workload.LEDGER / name
        wait_for(f"the start of {name}", lambda: "S" in ledger.read_text(), 30)

    def wait_until_stopped(self, host):
        wait_for("the shim", (self.bed.root(host) / "tmp/stopped").is_dir, 30)

    def go(self, host):
        (self.bed.root(host) / "tmp/go").touch()

    def is_tidy(self):
        return (not any(self.bed.processes(h) for h in self.bed.hosts)
                and all((a / "acked").exists() for h in self.bed.hosts
                        for a in (self.bed.home(h) / ".jobfs/jobs").glob("*")))

    def facts(self):
        """When all jobs are at their end, and their hosts have heard of it."""
        self.user.wait([j.name for j in self.jobs if j.name in self.user.accepted], PATIENCE_S)
        with contextlib.suppress(AssertionError):  # the checker tells what is left
            wait_for("tidy hosts", self.is_tidy, 3)
        self.keeper.stop()
        facts = evidence.Facts(self.bed, self.daemon, self.user, self.jobs, self.journal)
        facts.ends = [e for e in facts.ends if e[1] != -9]
        return facts

    def close(self):
        self.keeper.stop()
        self.daemon.close()
        for host in self.bed.hosts:
            self.bed.signal(host, "KILL", self.bed.processes(host))


@contextlib.contextmanager
def stage(*args, **options):
    made = Stage(*args, **options)
    try:
        yield made
    finally:
        made.close()


def late_launch(bed, directory):
    """A launch that stops before its claim, and goes on after another one took it."""
    with stage(bed, directory) as s:
        s.shim("gpu1", "mkfifo", SLOW_LAUNCH)
        s.submit("late", seconds=4)
        s.wait_until_stopped("gpu1")
        reset_connections(bed, "gpu1")
        s.wait_for_start("gpu1", "late")
        s.go("gpu1")
        yield s.facts()


def late_launch_after_cancel(bed, directory):
    """The same, but a cancel took the claim."""
    with stage(bed, directory) as s:
        s.shim("gpu1", "mkfifo", SLOW_LAUNCH)
        s.submit("late", seconds=1)
        s.wait_until_stopped("gpu1")
        s.user.cancel("late")
        reset_connections(bed, "gpu1")
        s.user.wait(["late"], PATIENCE_S)
        s.go("gpu1")
        time.sleep(1)  # what must not happen now has had its time
        yield s.facts()


def killed_before_commits(bed, directory):
    """Daemons that die before their second commit, their third, … A moment passes first, for
    what went out too early to arrive. The next daemon has another host, unless the job has
    an attempt on the first."""
    command = directory / "die"
    command.write_text("#!/bin/sh\nsleep 0.3\nkill -9 $PPID\n")
    command.chmod(0o755)
    for n in range(2, 9):
        failpoint = {"JOBFS_FAILPOINT": f"turn.commit:{n}:run",
                     "JOBFS_FAILPOINT_COMMAND": str(command)}
        with stage(bed, directory, failpoint, hosts={"gpu1": {"slots": 2}}) as s:
            s.daemon.on_death = lambda d, s=s: (s.note_death(d), move(s))
            s.submit(f"commit{n}")
            yield s.facts()


def move(s):
    with s.daemon.database() as db:
        committed = db.execute("SELECT count(*) FROM job WHERE attempt > 0").fetchone()[0]
    if not committed:
        s.daemon.config["hosts"] = {"gpu2": {"slots": 2, "address": s.bed.ip["gpu2"],
                                             "user": "alice"}}


def killed_while_printing(bed, directory):
    """A daemon that dies again and again before a commit, while jobs print."""
    with stage(bed, directory, {"JOBFS_FAILPOINT": "turn.commit:3:kill"}, lives=12) as s:
        for i in range(3):
            s.submit(f"print{i}", seconds=4)
        yield s.facts()


def one_after_another(bed, directory):
    """Jobs each of which has the polls of its host for itself."""
    with stage(bed, directory) as s:
        for i in range(4):
            s.submit(f"short{i}", seconds=1)
            s.user.wait([f"short{i}"], PATIENCE_S)
        yield s.facts()


def agent_killed_at_ack(bed, directory):
    """The agent is killed while it removes the directory; the next daemon looks again."""
    with stage(bed, directory) as s:
        s.shim("gpu1", "rm", DEADLY_RM)
        s.submit("ack")
        s.wait_until_stopped("gpu1")
        s.user.wait(["ack"], PATIENCE_S)
        time.sleep(0.5)  # for the answer that is none
        s.journal.add("kill-daemon")
        s.daemon.crash()
        yield s.facts()


def number_given_again(bed, directory):
    """All of a job is killed, and the number of its runner is given to another process."""
    with stage(bed, directory) as s:
        s.submit("number", seconds=30)
        s.wait_for_start("gpu1", "number")
        with s.daemon.lock:
            s.daemon.stop()
            name, phase, runner, wrapper = attempts(bed, "gpu1")[0]
            s.journal.add("kill-session", host="gpu1", attempt=name, phase=phase)
            bed.signal("gpu1", "KILL", [runner, wrapper, *bed.processes("gpu1")])
            bystander = give_again(bed, "gpu1", runner)
            s.daemon.start_until_up()
        yield s.facts()
        bed.signal("gpu1", "KILL", [bystander])


def give_again(bed, host, pid):
    """Starts a process that has this number."""
    bed.bed("in", host, "sh", "-c", f"""
        for i in $(seq 100); do
            echo {pid - 1} >/proc/sys/kernel/ns_last_pid
            sleep 300 </dev/null >/dev/null 2>&1 &
            [ $! != {pid} ] || exit 0
            kill $!
        done
        exit 1""")
    return pid


def name_moved(bed, directory):
    """A daemon dies after a launch; for the next one the host's name is another machine's."""
    failpoint = {"JOBFS_FAILPOINT": "call.answered.launch:1:kill"}
    with stage(bed, directory, failpoint) as s:
        def move_name(daemon):
            s.note_death(daemon)
            s.journal.add("move-host", host="gpu1")
            s.daemon.config["hosts"] = {"gpu1": {"slots": 4, "address": bed.ip["gpu2"],
                                                 "user": "alice"}}
        s.daemon.on_death = move_name
        s.submit("moved", seconds=2)
        yield s.facts()


def output_lost(bed, directory):
    """An output that was uploaded is gone before the daemon could look."""
    with stage(bed, directory) as s:
        job = s.submit("lost", outputs=True, seconds=1)
        s.wait_for_start("gpu1", "lost")
        bed.bed("hole", "ctl", "s3")
        try:
            wait_for("the upload", lambda: len(bed.keys(job.destination)) == 3, 60, 0.5)
            wait_for("UPLOADING", lambda: s.user.state("lost") == "UPLOADING", 30)
            bed.aws("s3", "rm", "--quiet", f"s3://{BUCKET}/{job.destination}lines")
            s.journal.add("delete-output", job="lost")
        finally:
            bed.bed("heal")
        yield s.facts()


def program_that_scatters(bed, directory):
    """A program that leaves a process in a session of its own."""
    with stage(bed, directory) as s:
        s.submit("scatter", tree="setsid sleep 200 </dev/null >/dev/null 2>&1 &\n")
        yield s.facts()
