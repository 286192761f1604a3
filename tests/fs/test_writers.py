"""Every way in which people write spec.json, with what each of them sees."""

import os
import shutil
import subprocess

from mount import HALF, RIGHT, WRONG, case, count_submits, matches, read, result, same
from mount import shell, state, write

# $S: the text in a file outside of the mount, $J: the job. Who does not look at the result
# of close(2) cannot tell half a document.
WRITERS = {
    "cp": "cp $S $J/spec.json",
    "cp into the directory": "cp $S $J/ && mv $J/source.json $J/spec.json",
    "cp -a": "cp -a $S $J/spec.json",
    "install": "install -m 600 $S $J/spec.json",
    "cat >": "cat $S > $J/spec.json",
    "tee": "tee $J/spec.json < $S",
    "dd": "dd if=$S of=$J/spec.json",
    "dd bs=1": "dd bs=1 if=$S of=$J/spec.json",
    "dd conv=fsync": "dd conv=fsync if=$S of=$J/spec.json",
    "mv of a file beside it": "cp $S $J/x && mv $J/x $J/spec.json",
    "mv of a file in files/": "cp $S $J/files/x && mv $J/files/x $J/spec.json",
    "mv from another file system": "cp $S $S.m && mv $S.m $J/spec.json",
    "rsync": "rsync $S $J/spec.json",
    "rsync -a": "rsync -a $S $J/spec.json",
    "rsync --inplace": "rsync --inplace $S $J/spec.json",
    "sed >": "sed p -n $S > $J/spec.json",
    "python open": """python3 -c 'with open("'$J'/spec.json", "w") as f:
        f.write(open("'$S'").read())'""",
    # by bytes, but the rest of a huge one in ever larger pieces: that takes minutes
    "python unbuffered": """python3 -c 'with open("'$J'/spec.json", "wb", buffering=0) as f:
        s, n = open("'$S'", "rb"), 1
        while c := s.read(n): n += f.write(c) * (f.tell() > 4096)'""",
    "python os.replace": """python3 -c 'import os
with open("'$J'/spec.json.tmp", "w") as f: f.write(open("'$S'").read())
os.replace("'$J'/spec.json.tmp", "'$J'/spec.json")'""",
    "shutil.copy": """python3 -c 'import shutil; shutil.copy("'$S'", "'$J'/spec.json")'""",
    "perl": """perl -e 'local $/; open F, "<", shift; open G, ">", shift; print G <F>;
        close G or die "close: $!"' $S $J/spec.json""",
    "head -c": "head -c 1000 $S > $J/spec.json",
}
# These see write(2) only.
BLIND = {
    "echo": 'echo "$(cat $S)" > $J/spec.json',
    "printf": 'printf "%s\\n" "$(cat $S)" > $J/spec.json',
    "echo, in dash": """dash -c 'echo "$(cat $S)" > $J/spec.json'""",
    "a descriptor that is kept": 'exec 3> $J/spec.json; echo "$(cat $S)" >&3',
    "python's stdout": "python3 -c 'import sys; print(open(sys.argv[1]).read())' $S "
    "> $J/spec.json",
}
# Many hands on one descriptor: the last of them is a shell, which does not look either.
SHARED = {
    "( head; tail ) >": "( head -c 5 $S; tail -c +6 $S ) > $J/spec.json",
    "{ cat; cat; } >": "{ head -c 5 $S; tail -c +6 $S; } > $J/spec.json",
    ">> in two steps": "head -c 5 $S > $J/spec.json; tail -c +6 $S >> $J/spec.json",
}


def add(title, command, text, check):
    tool = command.split()[0]
    if tool in ("rsync", "perl") and not shutil.which(tool):
        return

    @case(title)
    def run(m):
        job = m.job()
        code, said = shell(command, S=m.source(text), J=job)
        check(job, code, said)


def submitted(job, code, said):
    same((code, said), (0, "") if not said else (0, said))
    same(state(job), "QUEUED")
    same(read(f"{job}/spec.json").strip(), RIGHT.strip())
    same(count_submits(job), 1)
    same(os.path.exists(f"{job}/error"), False)


def refused(job, code, said):
    assert code != 0, "it exited with 0"
    # coreutils has a text of its own for EINVAL from rename(2)
    matches(said, "Invalid argument|Errno 22|I/O error|subdirectory of itself")
    same(state(job), "NEW")
    matches(read(f"{job}/error"), r"spec.json:1:\d+: \$.run: ")


def refused_quietly(job, code, said):
    same(state(job), "NEW")
    matches(read(f"{job}/error"), r"spec.json:\d+:\d+: ")


for name, line in WRITERS.items():
    add(f"{name} submits", line, RIGHT, submitted)
    add(f"{name} sees that a spec is wrong", line, WRONG, refused)
for name, line in BLIND.items():
    add(f"{name} submits", line, RIGHT, submitted)
    add(f"{name} sees that a spec is wrong", line, WRONG, refused)
    add(f"{name} of half a spec leaves the reason", line, HALF, refused_quietly)
for name, line in SHARED.items():
    add(f"{name} submits", line, RIGHT, submitted)
    add(f"{name} of a wrong spec leaves the reason", line, WRONG, refused_quietly)
for name in ("cp", "cat >", "tee", "dd", "install", "mv of a file beside it", "python open"):
    add(f"{name} sees that half a spec is not enough", WRITERS[name], HALF,
        lambda job, code, said: (refused_half(job, code, said)))


def refused_half(job, code, said):
    assert code != 0, "it exited with 0"
    same(state(job), "NEW")
    matches(read(f"{job}/error"), "spec.json:")


@case("a text of any shorter length submits nothing")
def prefixes(m):
    for n in range(len(RIGHT.strip())):
        job = m.job(RIGHT[:n])
        same(state(job), "NEW")
    job = m.job(RIGHT.strip())
    same(state(job), "QUEUED")


@case("an empty spec.json submits nothing")
def empty(m):
    job = m.job()
    shell(": > $J/spec.json", J=job)
    same(state(job), "NEW")
    same(os.path.getsize(f"{job}/spec.json"), 0)
    job = m.job()
    same(shell("touch $J/spec.json", J=job), (0, ""))
    same(state(job), "NEW")
    write(f"{job}/spec.json", RIGHT)
    same(state(job), "QUEUED")


@case("more than 1 MiB is too large at once")
def huge(m):
    job = m.job()
    fd = os.open(f"{job}/spec.json", os.O_WRONLY | os.O_CREAT)
    same(os.write(fd, b'{ "x-a": "' + b"a" * (1 << 19)), (1 << 19) + 10)
    short = os.write(fd, b"a" * (1 << 19))  # what fits, as on a disk that is full
    assert short < 1 << 19
    same(result(os.write, fd, b"a" * ((1 << 19) - short)), "EFBIG")
    same(result(os.pwrite, fd, b"a", 1 << 62), "EFBIG")
    same(result(os.ftruncate, fd, 1 << 40), "EFBIG")
    same(result(os.close, fd), "EINVAL")
    same(result(os.truncate, f"{job}/spec.json", 1 << 40), "EFBIG")
    same(state(job), "NEW")


@case("a spec of which not all could be written is refused, even if its beginning is one")
def cut(m):
    for rest in (" " * (1 << 20), "x" * (1 << 20)):
        job = m.job()
        text = RIGHT + " " * ((1 << 20) - len(RIGHT)) + rest
        source = m.source(text)
        same(shell("cp $S $J/spec.json", S=source, J=job)[0], 1)
        same(state(job), "NEW")
        matches(read(f"{job}/error"), "more than 1048576 bytes")
        same(read(f"{job}/spec.json"), text[:1 << 20])
        same(shell("truncate -s 100 $J/spec.json", J=job), (0, ""))
        same(state(job), "QUEUED")
    job = m.job()
    same(shell("cp $S $J/spec.json", S=source, J=job)[0], 1)
    write(f"{job}/spec.json", RIGHT)
    same(state(job), "QUEUED")
    same(count_submits(job), 1)


@case("a spec of 1 MiB is taken, a byte at a time or not")
def large(m):
    pad = '{ "x-pad": "%s", "run": "true" }' % ("a" * ((1 << 20) - 100))
    job = m.job(pad)
    same(state(job), "QUEUED")
    same(read(f"{job}/spec.json"), pad)


FIXERS = {
    "cp": "cp $S $J/spec.json",
    "sed -i": "sed -i 's/17/\"true\"/' $J/spec.json",
    "vim": "vim -es -u NONE -c 's/17/\"true\"/' -c wq $J/spec.json",
    "vim, with a backup by renaming": "vim -es -u NONE -c 'set backup backupcopy=no' "
    "-c 's/17/\"true\"/' -c wq $J/spec.json",
    "vim, with a swap file": "cd $J; vim -es -u NONE -c 'set swapfile' "
    "-c 's/17/\"true\"/' -c wq spec.json",
    "perl -i": "perl -pi -e 's/17/\"true\"/' $J/spec.json",
    "mv": "cp $S $J/x; mv $J/x $J/spec.json",
    "mv from another file system": "cp $S $S.m; mv $S.m $J/spec.json",
    "rm and cp": "rm $J/spec.json; cp $S $J/spec.json",
    "rsync": "rsync -I $S $J/spec.json",
    "install": "install $S $J/spec.json",
    "python r+": """python3 -c 'f = open("'$J'/spec.json", "r+")
text = f.read().replace("17", "\\"true\\"")
f.seek(0); f.write(text); f.truncate(); f.close()'""",
}
for name, line in FIXERS.items():
    if line.split()[0] in ("rsync", "perl", "vim") and not shutil.which(line.split()[0]):
        continue

    def fix(m, line=line):
        job = m.job(WRONG)
        same(read(f"{job}/spec.json"), WRONG)
        same(os.path.exists(f"{job}/error"), True)
        code, said = shell(line, S=m.source(RIGHT), J=job)
        same(code, 0)
        same(state(job), "QUEUED")
        same(count_submits(job), 1)
        same(os.path.exists(f"{job}/error"), False)
        left = set(os.listdir(job)) - {"spec.json"}
        assert not any("spec" in x or x.endswith("~") for x in left if x != "spec.json~"), left

    case(f"{name} mends a refused spec")(fix)


@case("git checkout submits, and mends")
def git(m):
    if not shutil.which("git"):
        return
    repo = f"{m.work}/repo"
    os.mkdir(repo)
    run = f"git -C {repo} -c user.name=a -c user.email=a@b"
    for text in (WRONG, RIGHT):
        write(f"{repo}/spec.json", text)
        same(shell(f"{run} init -q; {run} add .; {run} commit -qm {len(text)}")[0], 0)
    job = m.job()
    tree = f"git --git-dir={repo}/.git --work-tree={job}"
    shell(f"{tree} checkout -q HEAD~1 -- spec.json")
    same(state(job), "NEW")
    same(shell(f"{tree} checkout -q HEAD -- spec.json"), (0, ""))
    same(state(job), "QUEUED")


@case("what was written stays readable after a refusal")
def stays(m):
    job = m.job(WRONG)
    same(read(f"{job}/spec.json"), WRONG)
    same(os.path.getsize(f"{job}/spec.json"), len(WRONG))
    with open(f"{job}/spec.json", "a") as f:
        same(read(f"{job}/spec.json"), WRONG)
        f.write(" ")
        same(result(f.flush), "EINVAL")
        same(read(f"{job}/spec.json"), WRONG + " ")
        same(os.path.getsize(f"{job}/spec.json"), len(WRONG) + 1)
        same(result(f.close), "EINVAL")


@case("a spec that was accepted is read-only, whatever one tries")
def sealed(m):
    job = m.job(RIGHT)
    spec = f"{job}/spec.json"
    write(m.source(RIGHT), RIGHT)
    same(oct(os.stat(spec).st_mode & 0o777), "0o440")
    same(result(write, spec, RIGHT), "EPERM")
    same(result(write, spec, "x", "a"), "EPERM")
    same(result(os.truncate, spec, 0), "EPERM")
    same(result(os.unlink, spec), "EBUSY")
    same(result(os.rename, spec, f"{job}/x"), "EPERM")
    same(result(write, f"{job}/x", "x"), "EPERM")
    same(os.access(spec, os.W_OK), False)
    same(read(spec), RIGHT)
    same(count_submits(job), 1)


@case("who holds it open across the acceptance cannot change it any more")
def across(m):
    job = m.job()
    held = os.open(f"{job}/spec.json", os.O_RDWR | os.O_CREAT)
    write(f"{job}/spec.json", RIGHT)
    same(state(job), "QUEUED")
    same(result(os.write, held, b"x"), "EPERM")
    same(result(os.ftruncate, held, 0), "EPERM")
    same(os.pread(held, 100, 0).decode(), RIGHT)
    same(result(os.close, held), "ok")
    same(read(f"{job}/spec.json"), RIGHT)


@case("two descriptors share one draft, and what is whole is submitted once")
def shared(m):
    job = m.job()
    a = os.open(f"{job}/spec.json", os.O_WRONLY | os.O_CREAT)
    b = os.open(f"{job}/spec.json", os.O_WRONLY)
    os.pwrite(a, RIGHT[:5].encode(), 0)
    os.pwrite(b, RIGHT[5:].encode(), 5)
    same(result(os.close, a), "ok")
    same(result(os.close, b), "ok")
    same(state(job), "QUEUED")
    same(count_submits(job), 1)


@case("a duplicate that is closed in between means nothing")
def duplicates(m):
    job = m.job()
    fd = os.open(f"{job}/spec.json", os.O_WRONLY | os.O_CREAT)
    os.close(os.dup(fd))
    os.write(fd, RIGHT[:5].encode())
    child = os.fork()
    if child == 0:
        os._exit(0 if result(os.close, fd) == "ok" else 1)
    same(os.waitpid(child, 0)[1], 0)
    same(state(job), "NEW")
    same(os.path.exists(f"{job}/error"), False)
    os.write(fd, RIGHT[5:].encode())
    same(result(os.close, fd), "ok")
    same(state(job), "QUEUED")


@case("a writer that is killed leaves no job, and the reason")
def killed(m):
    job = m.job()
    command = f"exec 3>{job}/spec.json; printf '%s' '{HALF}' >&3; exec sleep 60"
    p = subprocess.Popen(["sh", "-c", command])
    while not os.path.exists(f"{job}/spec.json") or read(f"{job}/spec.json") != HALF:
        pass
    p.kill()
    p.wait()
    while not os.path.exists(f"{job}/error"):
        pass
    same(state(job), "NEW")
    same(read(f"{job}/spec.json"), HALF)


@case("two cp at once submit one of the two")
def race(m):
    a, b = m.source(RIGHT, "a"), m.source(RIGHT.replace("true", "false"), "b")
    for _ in range(20):
        job = m.job()
        both = [subprocess.Popen(["cp", x, f"{job}/spec.json"], stderr=subprocess.DEVNULL)
                for x in (a, b)]
        codes = [p.wait() for p in both]
        same(state(job), "QUEUED")
        same(count_submits(job), 1)
        assert 0 in codes, codes
        assert read(f"{job}/spec.json").strip() in (read(a).strip(), read(b).strip())


@case("a rename that is refused leaves the source and says why")
def replace(m):
    job = m.job()
    write(f"{job}/x", WRONG)
    same(result(os.rename, f"{job}/x", f"{job}/spec.json"), "EINVAL")
    same(read(f"{job}/x"), WRONG)
    matches(read(f"{job}/error"), r"\$.run")
    write(f"{job}/x", RIGHT)
    same(result(os.rename, f"{job}/x", f"{job}/spec.json"), "ok")
    same(os.path.exists(f"{job}/x"), False)
    same(os.stat(f"{job}/spec.json").st_size, len(RIGHT))
    same(read(f"{job}/spec.json"), RIGHT)


@case("cp -r, cp -a, rsync and mv of a whole job directory make and submit it")
def whole(m):
    source = f"{m.work}/whole"
    for n, command in enumerate(("cp -r", "cp -a", "rsync -a", "mv")):
        if not shutil.which(command.split()[0]):
            continue
        os.makedirs(f"{source}/files", exist_ok=True)
        write(f"{source}/files/train.sh", "echo\n")
        write(f"{source}/spec.json", '{ "script": "train.sh" }')
        job = f"{m.path}/whole{n}"
        slash = "/" if command == "rsync -a" else ""
        same(shell(f"{command} {source}{slash} {job}"), (0, ""))
        same(state(job), "QUEUED")
        same(read(f"{job}/files/train.sh"), "echo\n")
    same(os.path.exists(source), False)


@case("cp -r makes a job with nested files")
def nested(m):
    source = f"{m.work}/nested"
    os.makedirs(f"{source}/files/a/b")
    os.makedirs(f"{source}/files/empty")
    write(f"{source}/files/a/b/c", "x")
    write(f"{source}/notes.txt", "x")
    for n, command in enumerate(("cp -r", "cp -a", "mv")):
        job = f"{m.path}/nested{n}"
        same(shell(f"{command} {source} {job}"), (0, ""))
        same(sorted(os.listdir(f"{job}/files")), ["a", "empty"])
        same(read(f"{job}/files/a/b/c"), "x")
        same(read(f"{job}/notes.txt"), "x")


@case("files/ is there at once for all but the cp that makes the job")
def visible(m):
    job = m.job()
    same(result(os.mkdir, f"{job}/files"), "EEXIST")
    same(shell(f"mkdir -p {job}/files/a && mkdir {job}x && cp -r {m.config} {job}x/files/n"),
         (0, ""))
    same(result(os.mkdir, f"{m.job()}/files/d"), "ok")


@case("spec.json may come before what it names")
def spec_first(m):
    source = f"{m.work}/first"
    os.makedirs(f"{source}/files")
    write(f"{source}/files/train.sh", "echo\n")
    write(f"{source}/spec.json", '{ "script": "train.sh" }')
    job = m.job()
    same(shell(f"tar -C {source} -cf - spec.json files | tar -C {job} -xf -"), (0, ""))
    same(read(f"{job}/files/train.sh"), "echo\n")
    same(count_submits(job), 1)
