"""Who may do what: the owner, his group, others, root."""

import os

from mount import RIGHT, WRONG, case, read, result, same, state, write
from people import MEMBER, OTHER, OWNER, SUPPLEMENTARY, as_user


def owned(m, name):
    job = f"{m.path}/{name}"
    same(as_user(OWNER, f"result(os.mkdir, {job!r})"), "ok")
    return job


@case("a job belongs to who made it, and others have nothing of it")
def made(m):
    job = owned(m, "made")
    st = os.stat(job)
    same((st.st_uid, st.st_gid, oct(st.st_mode)), (*OWNER, "0o40750"))
    st = os.stat(f"{job}/status")
    same((st.st_uid, st.st_gid, oct(st.st_mode)), (*OWNER, "0o100440"))


TRIES = {
    # expression: (owner, member of the group, other)
    "result(os.listdir, J)": ("ok", "ok", "EACCES"),
    "result(read, J + '/status')": ("ok", "ok", "EACCES"),
    "result(os.stat, J + '/status')": ("ok", "ok", "EACCES"),
    "result(os.stat, J)": ("ok", "ok", "ok"),
    "result(os.chdir, J)": ("ok", "ok", "EACCES"),
    "result(read, J + '/files/f')": ("ok", "ok", "EACCES"),
    "result(os.stat, J + '/files/d/f')": ("ok", "ok", "EACCES"),
    "result(read, J + '/ctl')": ("EACCES", "EACCES", "EACCES"),
    "result(write, J + '/ctl', 'cancel')": ("EBUSY", "EACCES", "EACCES"),
    "result(write, J + '/spec.json', WRONG)": ("EINVAL", "EACCES", "EACCES"),
    "result(os.truncate, J + '/spec.json', 3)": ("ok", "EACCES", "EACCES"),
    "result(os.utime, J + '/spec.json')": ("ok", "EPERM", "EACCES"),
    "result(write, J + '/files/f', 'x')": ("ok", "EACCES", "EACCES"),
    "result(write, J + '/files/' + str(os.getuid()), 'x')": ("ok", "EACCES", "EACCES"),
    "result(write, J + '/x' + str(os.getuid()), 'x')": ("ok", "EACCES", "EACCES"),
    "result(os.mkdir, J + '/files/m' + str(os.getuid()))": ("ok", "EACCES", "EACCES"),
    "result(os.unlink, J + '/files/f')": ("ok", "EACCES", "EACCES"),
    "result(os.rename, J + '/files/g', J + '/files/f')": ("ok", "EACCES", "EACCES"),
    "result(os.unlink, J + '/status')": ("ok", "EACCES", "EACCES"),
    "result(os.chmod, J + '/files/f', 0o600)": ("ok", "EPERM", "EACCES"),
    "result(os.utime, J + '/files/f')": ("ok", "EACCES", "EACCES"),
    "result(os.utime, J + '/files/f', (1, 1))": ("ok", "EPERM", "EACCES"),
    "result(os.chmod, J, 0o750)": ("ok", "EPERM", "EPERM"),
    "result(os.chown, J, -1, 3003)": ("EPERM", "EPERM", "EPERM"),
    "result(os.chown, J, 2003, -1)": ("EPERM", "EPERM", "EPERM"),
    "result(os.rename, J, J + 'x')": ("ok", "EPERM", "EPERM"),
    "os.access(J + '/spec.json', os.W_OK)": ("True", "False", "False"),
    "os.access(J + '/log', os.R_OK)": ("True", "True", "False"),
}


@case("the table of who may do what")
def table(m):
    problems = []
    for n, (code, want) in enumerate(TRIES.items()):
        have = []
        for i, who in enumerate((OWNER, MEMBER, OTHER)):
            job = owned(m, f"t{n}-{i}")
            os.mkdir(f"{job}/files/d")
            for name in ("files/f", "files/g", "files/d/f"):
                write(f"{job}/{name}", "x")
                os.chown(f"{job}/{name}", *OWNER)
            same(result(write, f"{job}/spec.json", WRONG), "EINVAL")
            os.listdir(job)  # names are in the kernel's cache now
            os.listdir(f"{job}/files/d")
            have.append(as_user(who, f"(J := {job!r}) and {code}"))
        if tuple(have) != want:
            problems.append(f"{code}: have {have}, want {want}")
    assert not problems, "\n".join(problems)


@case("supplementary groups count")
def groups(m):
    job = owned(m, "groups")
    same(as_user(SUPPLEMENTARY, f"result(read, {job!r} + '/status')"), "EACCES")
    same(as_user(SUPPLEMENTARY, f"result(read, {job!r} + '/status')", (3001,)), "ok")
    same(as_user(OWNER, f"result(os.chown, {job!r}, -1, 3004)", (3004,)), "ok")
    same(os.stat(job).st_gid, 3004)


@case("chmod gives a group or others what they had not")
def chmod(m):
    job = owned(m, "chmod")
    same(as_user(OWNER, f"result(os.chmod, {job!r}, 0o770)"), "ok")
    same(oct(os.stat(f"{job}/spec.json").st_mode & 0o777)
         if os.path.exists(f"{job}/spec.json") else "none", "none")
    same(as_user(MEMBER, f"result(write, {job!r} + '/files/f', 'x')"), "ok")
    same(os.stat(f"{job}/files/f").st_uid, MEMBER[0])
    same(as_user(MEMBER, f"result(write, {job!r} + '/spec.json', RIGHT)"), "ok")
    same(state(job), "QUEUED")
    same(as_user(OTHER, f"result(read, {job!r} + '/status')"), "EACCES")
    same(as_user(OWNER, f"result(os.chmod, {job!r}, 0o775)"), "ok")
    same(as_user(OTHER, f"result(read, {job!r} + '/status')"), "ok")
    same(as_user(OTHER, f"result(write, {job!r} + '/ctl', 'cancel')"), "EACCES")
    same(as_user(MEMBER, f"result(write, {job!r} + '/ctl', 'cancel')"), "ok")
    same(state(job), "CANCELLED")
    same(as_user(MEMBER, f"result(os.rmdir, {job!r})"), "EPERM")
    same(as_user(OWNER, f"result(os.rmdir, {job!r})"), "ok")


@case("root may all that anyone may")
def root(m):
    job = owned(m, "root")
    os.chmod(job, 0)
    same(read(f"{job}/status"), "NEW\n")
    same(read(f"{job}/ctl"), "")
    same(as_user(OWNER, f"result(read, {job!r} + '/status')"), "EACCES")
    same(result(os.chown, job, *OTHER), "ok")
    os.chmod(job, 0o700)
    same(as_user(OTHER, f"result(write, {job!r} + '/spec.json', RIGHT)"), "ok")
    same(as_user(OTHER, f"result(write, {job!r} + '/ctl', 'cancel')"), "ok")
    same(result(os.rmdir, job), "ok")
