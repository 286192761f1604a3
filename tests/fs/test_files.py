"""files/ and files beside spec.json: an ordinary file system, until the job is accepted."""

import mmap
import os
import random
import shutil

from mount import RIGHT, case, read, result, same, shell, state, status, wait, write

SCRIPT = '{ "script": "train.sh" }'


@case("files can be written, read, appended to, truncated")
def files(m):
    f = f"{m.job()}/files/f"
    write(f, "hello")
    write(f, " world", "a")
    same((read(f), os.stat(f).st_size), ("hello world", 11))
    os.truncate(f, 5)
    same(read(f), "hello")
    os.truncate(f, 8)
    same(read(f), "hello\0\0\0")
    same(result(os.open, f, os.O_CREAT | os.O_EXCL | os.O_WRONLY), "EEXIST")
    write(f, "")
    same(os.stat(f).st_size, 0)
    fd = os.open(f, os.O_RDWR)
    os.pwrite(fd, b"x", 1 << 20)
    same(os.fstat(fd).st_size, (1 << 20) + 1)
    os.posix_fallocate(fd, 0, 1 << 21)
    same(os.fstat(fd).st_size, 1 << 21)
    with mmap.mmap(fd, 0) as p:
        p[0:5] = b"mmap!"
        p.flush()
    os.fsync(fd)
    same(os.pread(fd, 5, 0), b"mmap!")
    os.close(fd)
    same(result(os.listdir, f), "ENOTDIR")


@case("large files and random writes are what they were")
def large(m):
    job = m.job()
    data = bytearray(random.Random(1).randbytes(5 << 20))
    write(f"{job}/files/big", bytes(data), "wb")
    with open(f"{job}/files/big", "r+b") as f:
        for _ in range(200):
            at, n = random.randrange(len(data)), random.randrange(1, 9000)
            piece = random.randbytes(n)
            data[at:at + n] = piece
            f.seek(at)
            f.write(piece)
    same(open(f"{job}/files/big", "rb").read() == bytes(data), True)
    same(shell(f"cmp {job}/files/big <(cat {job}/files/big)"), (0, ""))


@case("folders nest, are listed, renamed and removed")
def folders(m):
    top = f"{m.job()}/files"
    deep = f"{top}/a/b c/ü/d"
    os.makedirs(deep)
    names = ["-dash", "new\nline", "x" * 255, "$(x)", "'", '"', "\\", "\udcff"]
    for name in names:
        write(f"{deep}/{name}", name.encode(errors="surrogateescape"), "wb")
    same(sorted(os.listdir(deep)), sorted(names))
    same(result(write, f"{deep}/{'x' * 256}", "x"), "ENAMETOOLONG")
    same(result(os.rmdir, deep), "ENOTEMPTY")
    same(result(os.rmdir, f"{deep}/'"), "ENOTDIR")
    same(result(os.unlink, deep), "EISDIR")
    same(result(os.rename, f"{top}/a", f"{deep}/inside"), "EINVAL")
    os.rename(f"{top}/a/b c", f"{top}/moved")
    same(sorted(os.listdir(f"{top}/moved/ü/d")), sorted(names))
    same(os.listdir(f"{top}/a"), [])
    os.rename(f"{top}/moved/ü/d/'", f"{top}/moved/ü/d/\"")
    same(read(f"{top}/moved/ü/d/\""), "'")
    same(result(os.rename, f"{top}/moved/ü/d/\"", f"{top}/a"), "EISDIR")
    same(shell(f"rm -r {top}/moved {top}/a"), (0, ""))
    same(os.listdir(top), [])


@case("cp -a, rsync and tar keep contents, modes and times")
def copies(m):
    source = f"{m.work}/tree"
    os.makedirs(f"{source}/d/e")
    for i in range(30):
        write(f"{source}/d/e/{i}", "x" * i * 1000)
        os.chmod(f"{source}/d/e/{i}", 0o600 + i)
        os.utime(f"{source}/d/e/{i}", (1e9 + i, 1e9 + i))
    commands = ["cp -a $S/. $J/files/", "tar -C $S -cf - . | tar -C $J/files -xf -"]
    if shutil.which("rsync"):
        commands.append("rsync -a $S/ $J/files/")
    for command in commands:
        job = m.job()
        same(shell(command, S=source, J=job), (0, ""))
        same(shell("diff -r $S $J/files", S=source, J=job), (0, ""))
        for i in range(30):
            a, b = os.stat(f"{source}/d/e/{i}"), os.stat(f"{job}/files/d/e/{i}")
            same((b.st_mode, b.st_mtime_ns), (a.st_mode, a.st_mtime_ns))


@case("a file that is removed or replaced while it is open stays usable")
def unlinked(m):
    f = f"{m.job()}/files/f"
    write(f, "one")
    fd = os.open(f, os.O_RDWR)
    os.unlink(f)
    same(os.pread(fd, 10, 0), b"one")
    same((os.fstat(fd).st_size, os.fstat(fd).st_nlink), (3, 0))
    os.ftruncate(fd, 1)
    same(os.fstat(fd).st_size, 1)
    write(f, "two")
    same(os.pread(fd, 10, 0), b"o")
    os.close(fd)
    fd = os.open(f, os.O_RDONLY)
    write(f + "x", "three")
    os.rename(f + "x", f)
    same((os.pread(fd, 10, 0), read(f)), (b"two", "three"))
    os.close(fd)


@case("files of one job cannot be renamed into another, but mv copies them")
def across(m):
    a, b = m.job(), m.job()
    write(f"{a}/files/f", "x")
    same(result(os.rename, f"{a}/files/f", f"{b}/files/f"), "EXDEV")
    same(shell(f"mv {a}/files/f {b}/files/f"), (0, ""))
    same((os.listdir(f"{a}/files"), read(f"{b}/files/f")), ([], "x"))
    same(result(os.rename, f"{b}/files/f", f"{m.path}/f"), "EPERM")


@case("files/ is read-only once the job was accepted")
def sealed(m):
    job = m.job()
    os.mkdir(f"{job}/files/d")
    write(f"{job}/files/d/f", "x")
    held = os.open(f"{job}/files/d/f", os.O_RDWR)
    write(f"{job}/spec.json", RIGHT)
    f = f"{job}/files/d/f"
    same(oct(os.stat(f).st_mode & 0o222), "0o0")
    same(oct(os.stat(f"{job}/files").st_mode & 0o222), "0o0")
    same(result(write, f, "y"), "EPERM")
    same(result(os.write, held, b"y"), "EPERM")
    same(result(os.ftruncate, held, 0), "EPERM")
    same(result(os.truncate, f, 0), "EPERM")
    same(result(write, f"{job}/files/new", "y"), "EPERM")
    same(result(os.mkdir, f"{job}/files/new"), "EPERM")
    same(result(os.rename, f, f"{job}/files/g"), "EPERM")
    same(result(os.unlink, f), "EBUSY")
    same(result(os.rmdir, f"{job}/files/d"), "EBUSY")
    same(os.access(f, os.W_OK), False)
    same(result(os.chmod, f, 0o600), "ok")
    same(result(os.close, held), "ok")
    same(read(f), "x")


@case("a job whose script is not there yet waits for it, with files/ still open")
def waits(m):
    job = m.job(SCRIPT)
    same((state(job), status(job)["reason"]), ("QUEUED", "WaitingForFiles"))
    os.mkdir(f"{job}/files/lib")
    write(f"{job}/files/lib/x", "x")
    same(status(job)["reason"], "WaitingForFiles")
    other = os.open(f"{job}/files/other", os.O_CREAT | os.O_WRONLY)
    script = os.open(f"{job}/files/train.sh", os.O_CREAT | os.O_WRONLY)
    os.write(script, b"echo")
    os.close(other)
    same(status(job)["reason"], "WaitingForFiles")
    os.write(script, b"\n")
    os.close(script)
    wait(lambda: status(job)["reason"] != "WaitingForFiles")
    same(result(write, f"{job}/files/more", "x"), "EPERM")
    same(read(f"{job}/files/train.sh"), "echo\n")


@case("other names beside spec.json are allowed for a while")
def beside(m):
    job = m.job()
    write(f"{job}/.x.swp", "x")
    os.rename(f"{job}/.x.swp", f"{job}/y")
    same(read(f"{job}/y"), "x")
    os.rename(f"{job}/y", f"{job}/files/y")
    os.rename(f"{job}/files/y", f"{job}/y")
    held = os.open(f"{job}/y", os.O_RDWR)
    write(f"{job}/spec.json", RIGHT)
    same(result(os.write, held, b"z"), "ok")
    os.close(held)
    same(result(os.unlink, f"{job}/y"), "ok")
    same(result(write, f"{job}/y", "x"), "EPERM")
