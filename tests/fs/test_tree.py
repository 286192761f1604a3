"""What is there, what it says, and how much of it."""

import json
import os
import pathlib
import shutil
import stat

from handles import forget, handle_of, open_handle
from mount import RIGHT, WRONG, case, matches, read, result, same, shell, state, status
from mount import write

NEW = {"ctl", "events.jsonl", "files", "log", "progress", "status", "status.json",
       "transfer.log"}


def inodes(top):
    found = {}
    for path, dirs, files in os.walk(top):
        for name in dirs + files:
            found[f"{path}/{name}"] = os.lstat(f"{path}/{name}").st_ino
    return found


@case("ls of the mount shows jobs and nothing else")
def root(m):
    same(os.listdir(m.path), [".jobfs"])
    m.job()
    same(sorted(os.listdir(m.path)), [".jobfs", "j1"])
    st = os.stat(m.path)
    same((oct(st.st_mode), st.st_ino), ("0o41777", 1))


@case("a new job has the files of a new job")
def new(m):
    job = m.job()
    same(set(os.listdir(job)), NEW)
    for name in NEW - {"files"}:
        assert stat.S_ISREG(os.stat(f"{job}/{name}").st_mode), name
    assert stat.S_ISDIR(os.stat(f"{job}/files").st_mode)
    same(os.listdir(f"{job}/files"), [])
    for name in ("exit_code", "outputs.s3", "outputs.jsonl", "error", "spec.json", "nothing"):
        same(result(os.stat, f"{job}/{name}"), "ENOENT")
    same(read(f"{job}/log"), "")


@case("the size of each file is exactly what can be read")
def sizes(m):
    m.job(WRONG)
    m.job(RIGHT)
    n = 0
    for path, _, files in os.walk(m.path):
        for name in set(files) - {"ctl"}:
            file = f"{path}/{name}"
            same((name, os.stat(file).st_size), (name, len(open(file, "rb").read())))
            n += 1
    assert n > 20, n
    same(shell(f"tar -C {m.path} -cf - . | cat > /dev/null"), (0, ""))


@case("status is one word, status.json one object, progress for people")
def texts(m):
    job = m.job(RIGHT)
    same(read(f"{job}/status"), "QUEUED\n")
    have = status(job)
    same(have["name"], os.path.basename(job))
    same((have["state"], have["attempt"], have["host"]), ("QUEUED", 0, None))
    assert have["queue_position"] >= 1
    matches(have["id"], "^[0-9a-f]{16}$")
    matches(have["times"]["submitted"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
    same(have["owner"], {"uid": 0, "gid": 0})
    matches(read(f"{job}/progress"), r"^QUEUED, place \d+ in the queue")
    same(read(f"{job}/status.json").count("\n"), 1)


@case("a file that is kept open and read from the start again is read anew")
def again(m):
    job = m.job()
    fd = os.open(f"{job}/status", os.O_RDONLY)
    same(os.pread(fd, 100, 0), b"NEW\n")
    write(f"{job}/spec.json", RIGHT)
    same(os.pread(fd, 100, 0), b"QUEUED\n")
    os.close(fd)


@case("what appears and vanishes by itself does so at once")
def appears(m):
    job = m.job()
    same(os.path.exists(f"{job}/error"), False)
    same(result(write, f"{job}/spec.json", WRONG), "EINVAL")
    same(os.path.exists(f"{job}/error"), True)
    assert "error" in os.listdir(job)
    write(f"{job}/spec.json", RIGHT)
    same(os.path.exists(f"{job}/error"), False)
    same(result(open, f"{job}/error"), "ENOENT")
    assert "error" not in os.listdir(job)


@case("mtime of status is the last transition")
def mtime(m):
    job = m.job()
    before = os.stat(f"{job}/status").st_mtime_ns
    write(f"{job}/spec.json", RIGHT)
    after = os.stat(f"{job}/status").st_mtime_ns
    assert after > before
    matches(status(job)["times"]["changed"], f"{after // 10**6 % 1000:03}Z$")


@case(".jobfs tells about the daemon")
def dot(m):
    d = f"{m.path}/.jobfs"
    same(set(os.listdir(d)), {"README", "version", "config", "queue", "events.jsonl", "hosts", "by-state",
                              "metrics", "schema.json", "ctl"})
    matches(read(f"{d}/version"), r"^\d+\.\d+\.\d+\n$")
    matches(read(f"{d}/README"), "spec.json")
    json.loads(read(f"{d}/config"))
    assert "AKTEST" not in read(f"{d}/config")
    same(os.listdir(f"{d}/hosts"), [])
    job = m.job(RIGHT)
    matches(read(f"{d}/queue"), os.path.basename(job))
    for line in read(f"{d}/events.jsonl").splitlines():
        json.loads(line)


@case("schema.json is the schema that the tests hold against the parser")
def schema(m):
    source = pathlib.Path(__file__).resolve().parent.parent.parent / "src/job/schema.json"
    same(read(f"{m.path}/.jobfs/schema.json"), source.read_text())


@case("nothing can be made or changed where the daemon alone writes")
def read_only(m):
    job = m.job()
    for name in ("status", "log", "events.jsonl", "progress"):
        file = f"{job}/{name}"
        same(result(write, file, "x"), "EPERM")
        same(result(write, file, "x", "a"), "EPERM")
        same(result(os.truncate, file, 0), "EPERM")
        same(result(os.chmod, file, 0o777), "EPERM")
        same(result(os.utime, file), "EPERM")
        same(result(os.rename, file, f"{job}/x"), "EPERM")
        same(result(os.rename, file, f"{job}/files/x"), "EPERM")
    write(f"{job}/x", "x")
    for name in ("status", "exit_code", "error"):
        same(result(os.rename, f"{job}/x", f"{job}/{name}"), "EPERM")
    for name in ("exit_code", "error", "outputs.s3"):
        same(result(write, f"{job}/{name}", "x"), "EPERM")
    same(result(os.mkdir, f"{job}/dir"), "EPERM")
    for d in (f"{m.path}/.jobfs", f"{m.path}/.jobfs/hosts"):
        same(result(write, f"{d}/x", "x"), "EPERM")
        same(result(os.mkdir, f"{d}/x"), "EPERM")
    same(result(os.unlink, f"{m.path}/.jobfs/README"), "EPERM")
    same(result(os.rmdir, f"{m.path}/.jobfs"), "EPERM")
    same(result(os.rename, f"{m.path}/.jobfs", f"{m.path}/x"), "EPERM")
    same(result(write, f"{m.path}/x", "x"), "EPERM")
    for d in (job, f"{job}/files"):
        same(result(os.symlink, "x", f"{d}/link"), "EPERM")
        same(result(os.link, f"{job}/x", f"{d}/link"), "EPERM")
        same(result(os.mkfifo, f"{d}/fifo"), "EPERM")
    same(result(os.setxattr, f"{job}/x", "user.a", b"b"), "ENOTSUP")


@case("inode numbers are the same after a restart, and so is all that is there")
def restart(m):
    job = m.job(WRONG)
    os.makedirs(f"{job}/files/a/b")
    write(f"{job}/files/a/b/c", "text")
    before = inodes(m.path)
    assert len(set(before.values())) == len(before), "two have one number"
    error = read(f"{job}/error")
    m.restart()
    same(inodes(m.path), before)
    same((read(f"{job}/spec.json"), read(f"{job}/error")), (WRONG, error))
    same(read(f"{job}/files/a/b/c"), "text")
    same(state(job), "NEW")


@case("a mount that is dead is taken away by the next daemon")
def killed(m):
    job = m.job(RIGHT)
    with open("/proc/self/mountinfo") as f:
        before = f.read().count(m.path)
    cwd = os.getcwd()
    os.chdir(job)
    m.kill_all()
    same(result(os.stat, m.path), "ENOTCONN")
    m.start()
    os.chdir(cwd)
    same(state(job), "QUEUED")
    with open("/proc/self/mountinfo") as f:
        same(f.read().count(m.path), before)


@case("df, statfs and find work")
def tools(m):
    assert os.statvfs(m.path).f_namemax == 255
    same(shell(f"df {m.path}")[0], 0)
    same(shell(f"find {m.path} -type f | wc -l; ls -laR {m.path}; du -s {m.path}"), (0, ""))


@case("a file handle is good for ever: also when the kernel has forgotten the inode")
def handles(m):
    job = m.job()
    os.mkdir(f"{job}/files/a")
    write(f"{job}/files/a/x", "mine")
    write(f"{job}/spec.json", RIGHT)
    paths = [f"{job}/status", f"{job}/files/a/x", f"{job}/files/a", f"{m.path}/.jobfs/hosts", job, m.path]
    kept = {path: (handle_of(path), os.stat(path).st_ino) for path in paths}
    root = os.open(m.path, os.O_RDONLY)
    try:
        for path, (handle, ino) in kept.items():
            forget()
            fd = open_handle(root, handle)
            try:
                same(os.fstat(fd).st_ino, ino)
                if os.path.isfile(path):
                    same(os.read(fd, 100).decode(), read(path))
                else:
                    same(sorted(os.listdir(fd)), sorted(os.listdir(path)))
            finally:
                os.close(fd)
        write(f"{job}/ctl", "cancel\n")
        gone = kept[f"{job}/status"][0]
        shutil.rmtree(job)
        forget()
        same(result(open_handle, root, gone), "ESTALE")
    finally:
        os.close(root)
