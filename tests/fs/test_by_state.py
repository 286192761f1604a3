"""The jobs by their states: links that follow them."""

import os
import stat

from inotify import Inotify
from mount import RIGHT, case, result, same, wait, write
from people import OTHER, as_user

STATES = {"NEW", "QUEUED", "HELD", "PREPARING", "DOWNLOADING", "RUNNING", "UPLOADING", "STOPPING",
          "SUCCEEDED", "FAILED", "CANCELLED"}


def where(m, job):
    """The states in which the job is listed, and those in which its name is found."""
    top, name = f"{m.path}/.jobfs/by-state", os.path.basename(job)
    listed = [s for s in os.listdir(top) if name in os.listdir(f"{top}/{s}")]
    found = [s for s in os.listdir(top) if os.path.lexists(f"{top}/{s}/{name}")]
    same(listed, found)
    return listed


@case("there is a directory for each state")
def states(m):
    top = f"{m.path}/.jobfs/by-state"
    same(set(os.listdir(top)), STATES)
    same(os.stat(top).st_nlink, 2 + len(STATES))
    same(oct(os.stat(f"{top}/NEW").st_mode), "0o40555")


@case("a job is linked in the directory of its state, and in no other, at once")
def follows(m):
    top, job = f"{m.path}/.jobfs/by-state", m.job()
    name = os.path.basename(job)
    same(where(m, job), ["NEW"])
    write(f"{job}/spec.json", RIGHT)
    same(where(m, job), ["QUEUED"])
    write(f"{job}/ctl", "hold\n")
    same(where(m, job), ["HELD"])
    link = f"{top}/HELD/{name}"
    same(os.readlink(link), f"../../../{name}")
    same(os.path.samefile(link, job), True)
    same(os.listdir(link), os.listdir(job))
    st = os.lstat(link)
    same((stat.S_ISLNK(st.st_mode), st.st_size), (True, len(os.readlink(link))))
    write(f"{link}/ctl", "cancel\n")  # it leads to the job
    same(where(m, job), ["CANCELLED"])
    same(result(os.readlink, link), "ENOENT")
    os.rmdir(job)
    same(where(m, job), [])


@case("it follows a rename")
def renamed(m):
    top, job = f"{m.path}/.jobfs/by-state", m.job()
    os.rename(job, f"{job}-b")
    same(where(m, job), [])
    same(where(m, f"{job}-b"), ["NEW"])
    same(os.readlink(f"{top}/NEW/{os.path.basename(job)}-b"), f"../../../{os.path.basename(job)}-b")


@case("its inode number is its own and is the same after a restart")
def inode(m):
    job = m.job(RIGHT)
    link = f"{m.path}/.jobfs/by-state/QUEUED/{os.path.basename(job)}"
    before = os.lstat(link).st_ino
    assert before not in {os.stat(job).st_ino, *(os.stat(f"{job}/{n}").st_ino for n in os.listdir(job))}
    m.restart()
    same(os.lstat(link).st_ino, before)


@case("a listing in pieces has every job that stays, once, while others come and go")
def many(m):
    jobs = [m.job() for _ in range(300)]
    names = []
    with os.scandir(f"{m.path}/.jobfs/by-state/NEW") as entries:
        for entry in entries:
            if len(names) == 10:
                os.rmdir(jobs[2])
                os.rmdir(jobs[250])
                m.job()
            names.append(entry.name)
    stay = {os.path.basename(j) for n, j in enumerate(jobs) if n not in (2, 250)}
    same(len(names), len(set(names)))
    same(stay - set(names), set())


REFUSED = """[
    result(os.unlink, f"{top}/NEW/{name}"), result(os.rmdir, f"{top}/NEW"),
    result(os.rename, f"{top}/NEW/{name}", f"{top}/NEW/x"), result(os.rename, f"{top}/NEW/{name}", f"{root}/x"),
    result(os.rename, f"{top}/NEW/{name}", f"{top}/QUEUED/{name}"), result(os.symlink, "x", f"{top}/NEW/x"),
    result(os.mkdir, f"{top}/NEW/x"), result(write, f"{top}/NEW/x", "x"), result(os.mkdir, f"{top}/OTHER"),
    result(os.utime, f"{top}/NEW/{name}", follow_symlinks=False),
    result(os.chown, f"{top}/NEW/{name}", 1, 1, follow_symlinks=False),
    result(os.link, f"{top}/NEW/{name}", f"{top}/NEW/x", follow_symlinks=False),
]"""


@case("nobody changes anything there, not even root")
def read_only(m):
    job = m.job()
    names = {"top": f"{m.path}/.jobfs/by-state", "name": os.path.basename(job), "root": m.path}
    for who in ((0, 0), OTHER):
        code = f"(lambda top, name, root: sorted(set({REFUSED})))(**{names!r})"
        same(as_user(who, code), "['EPERM']")
    same(where(m, job), ["NEW"])


@case("which state a job is in is seen by all, what is in it by those whom it lets in")
def others(m):
    job = m.job()
    link = f"{m.path}/.jobfs/by-state/NEW/{os.path.basename(job)}"
    for mode, want in ((0o700, "EACCES"), (0o755, "ok")):
        os.chmod(job, mode)
        same(as_user(OTHER, f"os.readlink({link!r})"), f"../../../{os.path.basename(job)}")
        same(as_user(OTHER, f"result(os.listdir, {link!r})"), want)
        same(as_user(OTHER, f"result(read, {link + '/status'!r})"), want)


@case("who watches a state hears of the jobs that come and go")
def watched(m):
    top = f"{m.path}/.jobfs/by-state"
    w = Inotify().watch(f"{top}/NEW", f"{top}/QUEUED", f"{top}/CANCELLED")
    job = m.job()
    name = os.path.basename(job)
    w.wait(f"{top}/NEW/{name}", "CREATE")
    write(f"{job}/spec.json", RIGHT)
    w.wait(f"{top}/NEW/{name}", "DELETE")
    w.wait(f"{top}/QUEUED/{name}", "CREATE")
    os.rename(job, f"{job}-b")
    w.wait(f"{top}/QUEUED/{name}", "DELETE")
    w.wait(f"{top}/QUEUED/{name}-b", "CREATE")
    write(f"{job}-b/ctl", "cancel\n")
    w.wait(f"{top}/QUEUED/{name}-b", "DELETE")
    w.wait(f"{top}/CANCELLED/{name}-b", "CREATE")
    os.rmdir(f"{job}-b")
    w.wait(f"{top}/CANCELLED/{name}-b", "DELETE")
    for state in ("NEW", "QUEUED", "CANCELLED"):  # and nothing else, each once
        for n in (name, f"{name}-b"):
            events = w.of(f"{top}/{state}/{n}")
            assert events in ([], ["CREATE", "DELETE"]), (state, n, events)
    w.close()


@case("where one job takes the name of another, the last that is heard is that it is there")
def again(m):
    top = f"{m.path}/.jobfs/by-state/NEW"
    job = m.job()
    link = f"{top}/{os.path.basename(job)}"
    w = Inotify().watch(top)
    for _ in range(20):
        os.rmdir(job)
        os.mkdir(job)
    wait(lambda: w.read() is not None and (w.had(link, "DELETE", "CREATE") or w.had(link, "MODIFY")))
    while w.read(0.3):
        pass
    assert w.of(link)[-1] != "DELETE", w.of(link)
    same(os.path.samefile(link, job), True)
    w.close()
