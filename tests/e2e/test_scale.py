"""Many jobs in one shell loop; the mount stays quick meanwhile."""

import json
import os
import statistics
import subprocess
import threading
import time

from bed import wait_for


class Watcher(threading.Thread):
    """Times `ls` of the mount and `cat status`, as system calls, until told to stop."""

    def __init__(self, mount):
        super().__init__()
        self.mount, self.stopping, self.times = mount, False, []

    def run(self):
        while not self.stopping:
            begin = time.monotonic()
            names = [n for n in os.listdir(self.mount) if n != ".jobfs"]
            for name in names[:3]:
                with open(self.mount / name / "status", "rb") as f:
                    f.read()
            self.times.append((time.monotonic() - begin) * 1000)
            time.sleep(0.02)


def test_forty_jobs_of_one_shell_loop_succeed_while_the_mount_answers(daemon):
    spec = daemon.dir / "spec.json"
    spec.write_text('{ "run": "echo $JOB_NAME >output/name", "outputs": "many/{job}/" }')
    watcher = Watcher(daemon.mount)
    watcher.start()
    try:
        subprocess.run(["sh", "-ec", 'for i in $(seq 40); do mkdir "$1/m$i"; cp "$2" "$1/m$i/spec.json"; done',
                        "sh", str(daemon.mount), str(spec)], check=True, timeout=60)
        for i in range(1, 41):
            daemon.wait(f"m{i}", ("SUCCEEDED",), 400)
    finally:
        watcher.stopping = True
        watcher.join()
    times = sorted(watcher.times)
    print(f"\nls + 3 x cat status, {len(times)} times while 40 jobs ran: median "
          f"{statistics.median(times):.2f} ms, p99 {times[int(len(times) * .99)]:.2f} ms, "
          f"max {times[-1]:.2f} ms")
    hosts = {daemon.json(f"m{i}")["host"] for i in range(1, 41)}
    assert hosts == {"gpu1", "gpu2"}


def most_at_once(daemon):
    """How many jobs were on hosts at once at most, by the events in the order of their commits."""
    there, most = set(), 0
    for line in (daemon.mount / ".jobfs" / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event.get("state") in ("PREPARING", "DOWNLOADING", "RUNNING", "UPLOADING"):
            there.add(event["job"])
        elif event.get("state"):
            there.discard(event["job"])
        most = max(most, len(there))
    return most


def test_no_host_has_more_jobs_at_once_than_slots_and_the_queue_is_first_in_first_out(start):
    daemon = start(hosts={"gpu1": {"slots": 2}})
    for i in range(6):
        daemon.submit(f"q{i}", {"run": "sleep 3" if i < 2 else "sleep 0.3"})
    wait_for("two running", lambda: sum(daemon.status(f"q{i}") == "RUNNING" for i in range(6)) == 2)
    queue = (daemon.mount / ".jobfs" / "queue").read_text()
    assert [line.split("\t")[1] for line in queue.splitlines()] == ["q2", "q3", "q4", "q5"]
    assert daemon.json("q4")["queue_position"] == 3
    assert daemon.json("q4")["reason"] == "WaitingForSlot"
    daemon.wait("q5", ("SUCCEEDED",))
    assert most_at_once(daemon) == 2
    started = [daemon.json(f"q{i}")["times"]["started"] for i in range(6)]
    assert max(started[:2]) <= min(started[2:]) and max(started[2:4]) <= min(started[4:])


def test_dead_hosts_do_not_slow_the_mount(bed, start):
    daemon = start(hosts={"gpu1": {}, "gpu2": {}}, limits={"connect_patience": "60s"})
    watcher = Watcher(daemon.mount)
    try:
        bed.bed("sshd", "gpu1", "pause")
        bed.bed("sshd", "gpu2", "pause")
        for i in range(8):
            daemon.submit(f"d{i}", {"run": "true"})
        watcher.start()
        time.sleep(3)
    finally:
        watcher.stopping = True
        bed.bed("sshd", "gpu1", "resume")
        bed.bed("sshd", "gpu2", "resume")
    watcher.join()
    times = sorted(watcher.times)
    print(f"\nls + cat status with every host frozen: median {statistics.median(times):.2f} ms, "
          f"max {times[-1]:.2f} ms")
    for i in range(8):
        daemon.wait(f"d{i}", ("SUCCEEDED",))
