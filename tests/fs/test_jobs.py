"""Making, renaming, removing jobs; ctl."""

import os

from mount import RIGHT, WRONG, case, matches, read, result, same, shell, state, write


def everything(job):
    return sorted(os.path.join(p, x) for p, d, f in os.walk(job) for x in d + f)


@case("the name of a job is checked")
def names(m):
    for name in (".hidden", "a\nb", "a\x1bb", b"\xff"):
        path = os.path.join(os.fsencode(m.path), os.fsencode(name))
        same(result(os.mkdir, path), "EINVAL")
    same(result(os.mkdir, f"{m.path}/{'a' * 255}"), "ok")
    same(result(os.mkdir, f"{m.path}/{'a' * 256}"), "ENAMETOOLONG")
    same(result(os.mkdir, f"{m.path}/a b'c\"ü%s"), "ok")
    same(result(os.mkdir, f"{m.path}/a b'c\"ü%s"), "EEXIST")
    same(result(os.mkdir, f"{m.path}/.jobfs"), "EEXIST")
    same(state(f"{m.path}/a b'c\"ü%s"), "NEW")


@case("mv renames a job, whatever its state, and never onto another")
def rename(m):
    a, b, other = m.job(), m.job(RIGHT), m.job()
    for job in (a, b):
        ino = os.stat(job).st_ino
        same(result(os.rename, job, f"{job}x"), "ok")
        same(os.stat(f"{job}x").st_ino, ino)
        same(result(os.stat, job), "ENOENT")
        matches(read(f"{job}x/status.json"), os.path.basename(job) + "x")
        same(result(os.rename, f"{job}x", other), "EEXIST")
        same(result(os.rename, f"{job}x", f"{m.path}/.x"), "EINVAL")
        same(result(os.rename, f"{job}x", f"{other}/files/x"), "EPERM")
        same(result(os.rename, f"{job}x", f"{job}x"), "ok")
    same(shell(f"mv -T --no-clobber {a}x {other}; mv {a}x {a}"), (0, ""))
    same(state(a), "NEW")


@case("rm -r of a job without a spec removes it with all that is in it")
def remove_new(m):
    for spec in (None, WRONG):
        job = m.job(spec)
        os.makedirs(f"{job}/files/a/b")
        write(f"{job}/files/a/b/c", "x")
        write(f"{job}/.x.swp", "x")
        same(shell(f"rm -r {job}"), (0, ""))
        same(result(os.stat, job), "ENOENT")


@case("rm -r of a job that is not finished changes nothing")
def remove_busy(m):
    job = m.job()
    os.makedirs(f"{job}/files/a")
    write(f"{job}/files/a/b", "x")
    write(f"{job}/spec.json", RIGHT)
    before = everything(job)
    for command in ("rm -r", "rm -rf", "rmdir"):
        code, said = shell(f"{command} {job}")
        assert code != 0
        matches(said, "Device or resource busy")
        same(everything(job), before)
    same(state(job), "QUEUED")
    same(result(os.rmdir, job), "EBUSY")
    same(result(os.unlink, f"{job}/files/a/b"), "EBUSY")
    same(result(os.unlink, f"{job}/status"), "EBUSY")
    same(result(os.rmdir, f"{job}/files"), "EBUSY")


@case("rm -r of a job that has ended removes it")
def remove_ended(m):
    job = m.job()
    os.makedirs(f"{job}/files/a")
    write(f"{job}/files/a/b", "x")
    write(f"{job}/spec.json", RIGHT)
    write(f"{job}/ctl", "cancel")
    same(state(job), "CANCELLED")
    same(shell(f"rm -r {job}"), (0, ""))
    same(result(os.stat, job), "ENOENT")
    same(shell(f"rm -rf {m.ended()}"), (0, ""))
    same(shell(f"find {m.ended()} -delete"), (0, ""))
    same(shell(f"python3 -c 'import shutil; shutil.rmtree(\"{m.ended()}\")'"), (0, ""))
    same(result(os.rmdir, m.ended()), "ok")
    same(result(os.rmdir, m.job()), "ok")


@case("rmdir of a job without a spec is refused when it has files of the user")
def remove_full(m):
    job = m.job()
    write(f"{job}/files/a", "x")
    same(result(os.rmdir, job), "ENOTEMPTY")
    same(result(os.rmdir, f"{job}/files"), "ENOTEMPTY")
    same(read(f"{job}/files/a"), "x")


@case("a name that was removed can be made again, as another job")
def again(m):
    ids = set()
    for _ in range(5):
        job = f"{m.path}/again"
        os.mkdir(job)
        ids.add(os.stat(job).st_ino)
        fd = os.open(f"{job}/status", os.O_RDONLY)
        os.rmdir(job)
        same(os.read(fd, 10), b"NEW\n")
        os.close(fd)
    same(len(ids), 5)


@case("ctl takes verbs, a line each, and says what is wrong with them")
def control(m):
    job = m.job()
    ctl = f"{job}/ctl"
    same(result(write, ctl, "cancel\n"), "EBUSY")
    same(result(write, ctl, "nonsense\n"), "EINVAL")
    same(result(write, ctl, "x" * 5000), "EINVAL")
    same(shell("echo cancel > $J/ctl", J=job)[0], 1)
    write(f"{job}/spec.json", RIGHT)
    same(result(write, ctl, "nonsense\ncancel\n"), "EINVAL")
    same(state(job), "QUEUED")
    same(result(write, ctl, "\n"), "ok")
    same(shell("echo cancel >> $J/ctl", J=job), (0, ""))
    same(state(job), "CANCELLED")
    same(result(write, ctl, "cancel\n"), "EBUSY")
    same(result(os.truncate, ctl, 0), "ok")
    job = m.job(RIGHT)
    same(result(write, f"{job}/ctl", "\ncancel now\n\n"), "ok")
    same(state(job), "CANCELLED")
