"""Who watches hears: inotify."""

import contextlib
import os
import pty
import select
import shutil
import signal
import subprocess
import threading
import time

from inotify import Inotify
from mount import JOBFS, RIGHT, WRONG, case, read, result, same, state, wait, write


@contextlib.contextmanager
def watching(*paths, **options):
    watcher = Inotify().watch(*paths, **options)
    try:
        yield watcher
    finally:
        watcher.close()


@case("a watch of a file or of its directory hears of a new state")
def new_state(m):
    job = m.job()
    with watching(job) as by_directory, watching(f"{job}/status") as by_file:
        write(f"{job}/spec.json", RIGHT)
        for w in (by_directory, by_file):
            w.wait(f"{job}/status", "MODIFY", "CLOSE_WRITE")
        for name in ("status.json", "progress", "events.jsonl"):
            by_directory.wait(f"{job}/{name}", "MODIFY")


@case("who reads at an event reads what it tells of")
def fresh(m):
    job = m.job(RIGHT)
    with watching(f"{job}/status") as w:
        write(f"{job}/ctl", "cancel\n")
        w.wait(f"{job}/status", "MODIFY")
        same(state(job), "CANCELLED")


@case("a file that comes is created, one that goes is deleted")
def rows(m):
    job = m.job()
    with watching(job) as w:
        same(result(write, f"{job}/spec.json", WRONG), "EINVAL")
        w.wait(f"{job}/error", "CREATE", "MODIFY", "CLOSE_WRITE")
        same(os.path.exists(f"{job}/error"), True)
        with watching(f"{job}/error") as by_file:
            write(f"{job}/spec.json", RIGHT)
            w.wait(f"{job}/error", "DELETE")
            by_file.wait(f"{job}/error", "DELETE_SELF")
        same(os.path.exists(f"{job}/error"), False)
        same(sorted(set(w.of(f"{job}/spec.json")) - {"MODIFY"}), ["CLOSE_WRITE", "CREATE"])


@case("who looks for a file that comes finds it, whoever looked before")
def looked_for(m):
    for _ in range(20):
        job = m.job()
        with watching(job) as w:
            same(os.path.exists(f"{job}/error"), False)
            same(result(write, f"{job}/spec.json", WRONG), "EINVAL")
            same(os.path.exists(f"{job}/error"), True)  # at once, before it is told
            w.wait(f"{job}/error", "CREATE")
            write(f"{job}/spec.json", RIGHT)
            same(os.path.exists(f"{job}/error"), False)


@case("the end of a job closes its log and its timeline")
def end(m):
    job = m.job(RIGHT)
    with watching(job) as w:
        write(f"{job}/ctl", "cancel\n")
        for name in ("status", "log", "transfer.log", "events.jsonl"):
            w.wait(f"{job}/{name}", "CLOSE_WRITE")


@case("the queue and the timeline of all jobs are told")
def all_jobs(m):
    dot = f"{m.path}/.jobfs"
    with watching(dot) as by_directory, watching(f"{dot}/events.jsonl") as by_file:
        job = m.job(RIGHT)
        by_directory.wait(f"{dot}/queue", "MODIFY", "CLOSE_WRITE")
        by_file.wait(f"{dot}/events.jsonl", "MODIFY")
        assert os.path.basename(job) in read(f"{dot}/queue")


@case("what users do is told once")
def users(m):
    with watching(m.path) as w:
        job = m.job()
        os.rename(job, f"{job}x")
        os.rmdir(f"{job}x")
        time.sleep(0.3)
        while w.read():
            pass
        same(w.of(job), ["CREATE"])
        same(w.of(f"{job}x"), ["DELETE"])


@case("an event is at the time of change of the file, not at another one")
def times(m):
    job = m.job(RIGHT)
    with watching(f"{job}/status") as w:
        write(f"{job}/ctl", "cancel\n")
        w.wait(f"{job}/status", "CLOSE_WRITE")
        before = os.stat(f"{job}/status").st_mtime_ns
        w.clear()
        same(os.stat(f"{job}/status").st_mtime_ns, before)


@case("tools that watch see it: inotifywait and entr")
def tools(m):
    for command, said in (
        ("inotifywait -q --format %e -e close_write {}", "CLOSE_WRITE,CLOSE\n"),
        ("echo {} | entr -npz cat /_", "NEW\n"),
    ):
        job = m.job()
        p = subprocess.Popen(command.format(f"{job}/status"), shell=True, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # they do not say when they have begun, so there is news until they have seen it
        wait(lambda job=job, p=p: make_news(job) and p.poll() is not None)
        out, err = p.communicate()
        same((out, err), (said, ""))


def make_news(job):
    return result(write, f"{job}/spec.json", WRONG) == "EINVAL"


@contextlib.contextmanager
def submitting(m, seconds, n=8):
    """Jobs that nobody watches, by as many scripts."""
    def submit(count):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            m.job(RIGHT)
            count.append(1)
    count = []
    threads = [threading.Thread(target=submit, args=(count,)) for _ in range(n)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()
    assert len(count) > 8 * n, f"{len(count)} jobs in {seconds} s are no storm"


@case("who watches hears while many jobs change that nobody watches")
def storm(m):
    with submitting(m, 3):
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            job = m.job()
            with watching(job) as w, watching(f"{job}/status") as by_file:
                write(f"{job}/spec.json", RIGHT)
                w.wait(f"{job}/status", "MODIFY", "CLOSE_WRITE")
                by_file.wait(f"{job}/status", "MODIFY", "CLOSE_WRITE")
                w.clear()
                write(f"{job}/ctl", "cancel\n")
                w.wait(f"{job}/status", "MODIFY", "CLOSE_WRITE")
                w.wait(f"{job}/log", "CLOSE_WRITE")


# --- poll


def ready(fd, seconds=0.0, events=select.POLLIN):
    """What poll(2) says of it."""
    poll = select.poll()
    poll.register(fd, events)
    found = poll.poll(seconds * 1000)
    return found[0][1] if found else 0


@contextlib.contextmanager
def opened(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


POLLED = ("status", "status.json", "progress", "events.jsonl")


@case("a file is ready until it was read, and again when it has changed")
def poll_once(m):
    for name in POLLED:
        job = m.job()
        with opened(f"{job}/{name}") as fd:
            same(ready(fd), select.POLLIN)
            os.read(fd, 1 << 16)
            same(ready(fd), 0)
            write(f"{job}/spec.json", RIGHT)
            same(ready(fd, 30), select.POLLIN)
            same(ready(fd, 0, select.POLLPRI | select.POLLERR), select.POLLPRI)
            os.pread(fd, 1 << 16, 0)
            same(ready(fd), 0)


@case("who sleeps in poll, select or epoll is woken by a change")
def sleepers(m):
    for name in POLLED:
        for wait_in in (in_poll, in_select, in_epoll, in_epoll_edge):
            job = m.job(RIGHT)
            with opened(f"{job}/{name}") as fd, later(f"echo cancel > {job}/ctl"):
                os.read(fd, 1 << 16)
                assert wait_in(fd), f"{wait_in.__name__}: nobody woke it"
                assert "CANCELLED" in os.pread(fd, 1 << 16, 0).decode()


@contextlib.contextmanager
def later(command):
    p = subprocess.Popen(["sh", "-c", f"sleep 0.1; {command}"])
    try:
        yield
    finally:
        same(p.wait(), 0)


def in_poll(fd):
    return ready(fd, 30)


def in_select(fd):
    return select.select([fd], [], [], 30)[0]


def in_epoll(fd, flags=0):
    with select.epoll() as epoll:
        epoll.register(fd, select.EPOLLIN | flags)
        return epoll.poll(30)


def in_epoll_edge(fd):
    return in_epoll(fd, select.EPOLLET)


@case("each descriptor has its own view of what was read")
def own_view(m):
    job = m.job(RIGHT)
    with opened(f"{job}/events.jsonl") as a, opened(f"{job}/events.jsonl") as b:
        os.read(a, 1 << 16)
        same((ready(a), ready(b)), (0, select.POLLIN))


@case("what is gone hangs up")
def hang_up(m):
    job = m.ended()
    with opened(f"{job}/status") as fd:
        os.read(fd, 100)
        os.rmdir(job)
        assert ready(fd) & select.POLLHUP


@case("who waits for what goes is woken by that")
def hang_up_wakes(m):
    for file in ("status", "status.json", "progress", "spec.json", "wait"):
        job = m.ended()
        with opened(f"{job}/{file}") as fd, select.epoll() as epoll:
            os.read(fd, 1 << 16)
            epoll.register(fd, select.EPOLLET)  # only what comes from now on, and hang-ups
            epoll.poll(0)
            os.rmdir(job)
            same([x & select.EPOLLHUP for _, x in epoll.poll(10)], [select.EPOLLHUP])


@case("tail -f, tail -F and less +F follow")
def followers(m):
    for command in ("tail -n +1 -s 0.1 -f {}", "tail -n +1 -s 0.1 -F {}"):
        job = m.job()
        p = subprocess.Popen(command.format(f"{job}/events.jsonl"), shell=True,
                             stdout=subprocess.PIPE, text=True)
        write(f"{job}/spec.json", RIGHT)
        assert '"QUEUED"' in next(line for line in p.stdout if '"QUEUED"' in line)
        write(f"{job}/ctl", "cancel\n")
        assert '"CANCELLED"' in next(line for line in p.stdout if '"CANCELLED"' in line)
        p.terminate()
        p.wait()
    job = m.job()
    follow_with_less(job)


def follow_with_less(job):
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execvp("less", ["less", "+F", f"{job}/events.jsonl"])
    try:
        write(f"{job}/spec.json", RIGHT)
        expect(terminal, b"QUEUED")
        write(f"{job}/ctl", "cancel\n")
        expect(terminal, b"CANCELLED")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def expect(terminal, text):
    have = b""
    deadline = time.monotonic() + 30
    while text not in have:
        assert time.monotonic() < deadline, have
        if select.select([terminal], [], [], 1)[0]:
            have += os.read(terminal, 4096)


# --- wait


@case("reading wait ends with the job, and says how it ended")
def wait_for_end(m):
    job = m.job(RIGHT)
    with later(f"echo cancel > {job}/ctl"):
        same(read(f"{job}/wait"), "CANCELLED\n")
    same(read(f"{job}/wait"), "CANCELLED\n")  # at once
    same("wait" in os.listdir(job), False)


@case("a shell's loop waits, under each shell")
def shells(m):
    for name in ("bash", "dash", "busybox sh"):
        job = m.job(RIGHT)
        with later(f"echo cancel > {job}/ctl"):
            line = f"until read -r s < {job}/wait || [ ! -e {job}/wait ]; do :; done; echo $s"
            done = subprocess.run([*name.split(), "-c", line], text=True, timeout=60,
                                  capture_output=True, check=False)
            same((done.stdout, done.stderr), ("CANCELLED\n", ""))


@case("who waits can be interrupted and killed, and the mount serves on")
def interrupted(m):
    job = m.job(RIGHT)
    readers = [subprocess.Popen(["cat", f"{job}/wait"]) for _ in range(40)]
    wait(lambda: all(is_reading(p.pid) for p in readers))
    same(state(job), "QUEUED")  # there are more of them than threads
    for n, p in enumerate(readers):
        p.send_signal((signal.SIGINT, signal.SIGTERM, signal.SIGKILL)[n % 3])
    for n, p in enumerate(readers):
        same(p.wait(10), -(signal.SIGINT, signal.SIGTERM, signal.SIGKILL)[n % 3])


def is_reading(pid):
    return "fuse" in read(f"/proc/{pid}/wchan") or "request_wait" in read(f"/proc/{pid}/wchan")


@case("a job that is removed and the end of the daemon end the waiting")
def wait_ends(m):
    job = m.job()
    p = subprocess.Popen(["cat", f"{job}/wait"], stderr=subprocess.PIPE, text=True)
    wait(lambda: is_reading(p.pid))
    os.rmdir(job)
    assert "Stale file handle" in p.communicate()[1]
    job = m.job()
    p = subprocess.Popen(["cat", f"{job}/wait"], stderr=subprocess.PIPE, text=True)
    wait(lambda: is_reading(p.pid))
    m.daemon.terminate()
    same(m.daemon.wait(30), 0)
    same((p.communicate()[1], p.returncode), ("", 0))
    m.start()


@case("a read that waits in vain ends before a kernel gives the mount up")
def slice_of_time(m):
    same(read(f"{m.job(RIGHT)}/wait"), "")


@case("wait is ready when the job has ended")
def wait_polled(m):
    job = m.job(RIGHT)
    with opened(f"{job}/wait") as fd, later(f"echo cancel > {job}/ctl"):
        same(ready(fd), 0)
        same(ready(fd, 30), select.POLLIN)
        same(os.read(fd, 3) + os.read(fd, 100), b"CANCELLED\n")


# --- caches


@case("nothing of what the kernel remembers is ever old")
def stale(m):
    for _ in range(30):
        job = m.job()
        for name in ("status", "log", "events.jsonl", "spec.json", ""):
            result(os.stat, f"{job}/{name}")
        check_sizes(job)
        write(f"{job}/spec.json", RIGHT)
        check_sizes(job)
        same(oct(os.stat(f"{job}/spec.json").st_mode & 0o777), "0o440")
        write(f"{job}/ctl", "cancel\n")
        check_sizes(job)
        times = {os.stat(f"{job}/{n}").st_mtime_ns for n in ("", "status")}
        same(len(times), 1)
        os.chmod(job, 0o700)
        same(oct(os.stat(f"{job}/log").st_mode & 0o777), "0o400")


def check_sizes(job):
    """stat(2) says what read(2) finds."""
    for name in ("status", "status.json", "progress", "events.jsonl"):
        same(os.stat(f"{job}/{name}").st_size, len(read(f"{job}/{name}")))


# --- without privileges

# In a mount namespace of its own, where /dev/fuse is open to all, as most systems have it.
AS_NOBODY = """set -e
mknod -m 666 $top/fuse c 10 229
mount --bind $top/fuse /dev/fuse
eval "$prepare"
exec $within setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 -c '
import os, subprocess, sys
sys.path.insert(0, os.environ["here"])
from inotify import Inotify
from mount import RIGHT, read, state, wait, write
top = os.environ["top"]
daemon = subprocess.Popen([os.environ["JOBFS"], "-c", top + "/c", "-d", top + "/m"],
                          stderr=open(top + "/log", "w"))
wait(lambda: daemon.poll() is not None or os.path.exists(top + "/m/.jobfs"))
job = top + "/m/j"
os.mkdir(job)
wait(lambda: "inotify is told through " in read(top + "/log"))
w = Inotify().watch(job, job + "/status")
write(job + "/spec.json", RIGHT)
w.wait(job + "/status", "MODIFY", "CLOSE_WRITE")
wait(lambda: subprocess.run(["fusermount3", "-uq", top + "/m"]).returncode == 0)
sys.exit(daemon.wait(30))
'
"""


def as_nobody(m, way, prepare=":", within=""):
    top = f"{m.work}/{len(os.listdir(m.work))}"
    for path in (top, f"{top}/m", f"{top}/state"):
        os.mkdir(path, 0o700)
        os.chown(path, 65534, 65534)
    write(f"{top}/c", '{ "state_dir": "%s/state", "hosts": {} }' % top)
    os.chmod(f"{top}/c", 0o644)
    for name in ("jobfs", "jobfs-holder", "jobfs-toucher"):
        shutil.copy(f"{os.path.dirname(JOBFS)}/{name}", top)
    program = f"{top}/jobfs"
    env = {"JOBFS": program, "top": top, "here": m.work,
           "prepare": prepare, "within": within.format(top)}
    for name in ("inotify.py", "mount.py"):  # the checkout may be closed to others
        shutil.copy(f"{os.path.dirname(__file__)}/{name}", m.work)
    done = subprocess.run(["unshare", "-m", "sh", "-c", AS_NOBODY], text=True, timeout=60,
                          env=dict(os.environ, **env), capture_output=True)
    same((done.returncode, done.stderr), (0, ""))
    assert f"inotify is told through {way}" in read(f"{top}/log")


@case("a daemon without privileges tells through a user namespace")
def in_user_namespace(m):
    as_nobody(m, "a private clone, made in a user namespace")


@case("a daemon that may make no namespaces tells by the path of the mount")
def by_path(m):
    # who is in a chroot may make none
    as_nobody(m, "its path", "mkdir $top/root && mount --rbind / $top/root", "chroot {}/root")


@case("an unmount succeeds at once while there is news all the time")
def unmount(m):
    for _ in range(5):
        jobs = [m.job(RIGHT) for _ in range(20)]
        with watching(*jobs):
            for job in jobs:
                write(f"{job}/ctl", "cancel\n")
            m.restart()


@case("a daemon that is killed in the middle of telling leaves nothing that hangs")
def killed(m):
    for _ in range(5):
        jobs = [m.job(RIGHT) for _ in range(20)]
        with watching(*jobs):
            for job in jobs[:10]:
                write(f"{job}/ctl", "cancel\n")
            m.daemon.send_signal(signal.SIGKILL)
            m.daemon.wait(timeout=10)  # in state D it would not end
        m.start()
        same({state(job) for job in jobs}, {"CANCELLED", "QUEUED"})
