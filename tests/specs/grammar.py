"""Right specs, made at random from a table of the keys.

A key is one row: the kinds of values it takes, right ones and wrong ones. What is not in
the table (which keys exclude or need each other) is in build() and in mutations.py."""

import random

# kinds: o object, a array, s string, i integer, r real, b boolean, n null
# right: texts of JSON by kind; a function of the random numbers makes one
# wrong: of a right kind, but refused; the place is that of the value
# keys, wrong_keys: of an object whose keys are the user's; the place is that of the key


class Row:
    def __init__(self, kinds, right=None, wrong=(), keys=None, wrong_keys=()):
        self.kinds, self.right, self.wrong = kinds, right or {}, wrong
        self.keys, self.wrong_keys = keys, wrong_keys


def choice(*texts):
    return lambda rng: rng.choice(texts)


PIECES = ("train", "3", "--lr=1e-3", "$(id)", "`id`", "'", "%n", "*", " ", ";", "é", "日本", "😀",
          r"\"", r"\\", r"\/", r"\n", r"\t", r"\r", r"\u0001", r"\u00e9", r"\ud83d\ude00", r"\u2028")
PLAIN = tuple(p for p in PIECES if p not in (r"\n", r"\t", r"\r", r"\u0001"))


def text(pieces, least=0):
    """A string; the first piece is a word, so that it is not white space alone."""
    def make(rng):
        n = rng.randint(least, 5)
        return '"' + "".join([rng.choice(pieces[:3])] * bool(n) + rng.choices(pieces, k=n)) + '"'
    return make


ANY, FILLED = text(PIECES), text(PIECES, 1)
ADDRESS = choice('"s3://bkt/ds/train.csv"', '"s3://bkt/ds/eval/"', '"configs/run.yaml"', '"s3://b"',
                 '"s3://other.bucket/a b/é"', '"k"', '"s3://bkt/a//b"')
BAD_ADDRESSES = ('""', '"s3://"', '"s3://b!d/k"', '"ftp://h/k"', '"/k"', '"s3://bkt//k"', '"~/k"',
                 '"s3://bkt/.."', '"./k"', '"s3://u@b/k"', '"s3://bkt/%s"' % ("k" * 1025))
BAD_PATHS = ('""', '"/x"', '"a/../x"', '"a//x"', '"."', '"files"', '"%s"' % ("p" * 256), r'"a\nb"')
DURATION = {"s": choice('"90s"', '"10m"', '"2h"', '"3d"', '"7"'), "i": choice("1", "3600"), "r": choice("1.5")}
ZERO = ("0", '"0s"')
BAD_DURATIONS = ("-1", "-1e300", '"367d"', '"2 h"', '"h"', '""', "1e300", "31622401", '"99999999999d"')
LONG = '"%s"' % ("x" * 131072)

ROWS = {
    "": Row("o"),
    "version": Row("i", {"i": choice("1")}, ("0", "2", "-1", "9223372036854775807")),
    "labels": Row("o", keys=("team", "ticket", "a b", "über", "x-1", "$"), wrong_keys=("", "a\nb", "n" * 256)),
    "labels.*": Row("s", {"s": text(PLAIN)}, (r'"a\nb"', r'"\u001b"', '"%s"' % ("v" * 256))),
    "resources": Row("o"),
    "resources.host": Row("s", {"s": choice('"gpu-a"', '"gpu-b"')}, ('"gpu-x"', '""', '"GPU-A"', r'"a\tb"')),
    "resources.gpus": Row("i", {"i": choice("0", "1", "2", "-0")}, ("-1", "9", "1000000", "9223372036854775807")),
    "inputs": Row("o", keys=("train", "eval_1", "config.yaml", "_x", "T2-b"),
                  wrong_keys=("", "1st", "a b", "é", "a/b", "n" * 65)),
    "inputs.*": Row("so", {"s": ADDRESS}, BAD_ADDRESSES),
    "inputs.*.source": Row("s", {"s": ADDRESS}, BAD_ADDRESSES),
    "inputs.*.path": Row("s", {"s": lambda rng: '"data/%x/"' % rng.getrandbits(40)}, (*BAD_PATHS, '"files/x"')),
    "inputs.*.cache": Row("b", {"b": choice("true", "false")}),
    "script": Row("s", {"s": choice('"train.sh"', '"src/run me.py"', '"é.sh"')},
                  ('""', '"/bin/sh"', '"a/./b"', '"a/"', '"../x"', r'"a\u0007"')),
    "run": Row("sa", {"s": FILLED}, ('""', r'" \n\t"', "[]", '[""]')),
    "run[]": Row("s", {"s": FILLED}, (LONG,)),
    "args": Row("a"),
    "args[]": Row("s", {"s": ANY}, (LONG,)),
    "setup": Row("s", {"s": ANY}),
    "image": Row("s", {"s": choice('"pytorch/pytorch:2.4.0"', '"img"')}, ('""', '"--rm"', '"a b"', r'"a\nb"')),
    "env": Row("o", keys=("EPOCHS", "a", "_", "X1"),
               wrong_keys=("", "1A", "A B", "A=B", "é", "JOB_ID", "JOBFS_X", "LD_PRELOAD", "BASH_ENV", "ENV", "IFS",
                           "AWS_SECRET_ACCESS_KEY", "A\nB", "A-B")),
    "env.*": Row("s", {"s": ANY}, (LONG,)),
    "outputs": Row("so", {"s": choice('"runs/{job}/"', '"s3://bkt/r/{id}"', '"s3://bkt"')},
                   ('""', '"s3://b!/k"', '"runs/{x}"', '"runs//x"', '"runs/../x"', '"/runs"')),
    "outputs.path": Row("s", {"s": choice('"out"', '"results/1/"')}, (*BAD_PATHS, '"inputs/x"')),
    "outputs.destination": Row("s", {"s": choice('"runs/{job}/"', '"s3://bkt/r/{id}"')},
                               ('""', '"s3://b!/k"', '"runs/{x}"', '"runs//x"', '"s3://b/./x"')),
    "outputs.exclude": Row("a"),
    "outputs.exclude[]": Row("s", {"s": choice('"*.log"', '"tmp/**"', '"[a-z]?"')}, ('""', r'"a\nb"', LONG)),
    "checkpoints": Row("so", {"s": choice('"ckpt/{job}/"', '"s3://bkt/c/{id}"')},
                       ('""', '"s3://b!/k"', '"ckpt/{x}"', '"c//x"', '"c/../x"', '"/c"')),
    "checkpoints.path": Row("s", {"s": choice('"ckpt"', '"state/1/"')}, (*BAD_PATHS, '"inputs/x"')),
    "checkpoints.destination": Row("s", {"s": choice('"ckpt/{job}/"', '"s3://bkt/c/{id}"')},
                                   ('""', '"s3://b!/k"', '"ckpt/{x}"', '"c//x"', '"s3://b/./x"')),
    "checkpoints.interval": Row("sir", DURATION, (*ZERO, *BAD_DURATIONS)),
    "checkpoints.settle": Row("sir", DURATION, BAD_DURATIONS),
    "checkpoints.resume": Row("b", {"b": choice("true", "false")}),
    "s3": Row("o"),
    "s3.region": Row("s", {"s": choice('"ap-south-1"')}, ('""', '"eu west"', '"EU"', '"%s"' % ("r" * 65))),
    "s3.endpoint_url": Row("s", {"s": choice('"https://minio.example:9000"', '"http://[::1]:9000"')},
                           ('""', '"h:9000"', '"http://u:p@h"', '"http://"', '"http://h/?q"', '"http://h/é"')),
    "s3.engine": Row("s", {"s": choice('"auto"', '"aws"', '"presigned"', '"rclone"', '"s3cmd"')}, ('"AWS"', '""', '"s5cmd"')),
    "s3.credentials": Row("s", {"s": choice('"env"', '"sts"')}, ('"ENV"', '""', '"AKIA"')),
    "timeouts": Row("o"),
    "timeouts.queue": Row("sir", DURATION, (*ZERO, *BAD_DURATIONS)),
    "timeouts.prepare": Row("sir", DURATION, (*ZERO, *BAD_DURATIONS)),
    "timeouts.download": Row("sir", DURATION, (*ZERO, *BAD_DURATIONS)),
    "timeouts.run": Row("sir", DURATION, (*ZERO, *BAD_DURATIONS)),
    "timeouts.upload": Row("sir", DURATION, (*ZERO, *BAD_DURATIONS)),
    "timeouts.stop_grace": Row("sir", DURATION, BAD_DURATIONS),
    "timeouts.unreachable": Row("sir", DURATION, (*ZERO, *BAD_DURATIONS)),
    "priority": Row("i", {"i": choice("0", "50", "100")}, ("-1", "101", "9223372036854775807")),
    "hold": Row("b", {"b": choice("true", "false")}),
    "dry_run": Row("b", {"b": choice("true", "false")}),
    "metrics": Row("o"),
    "metrics.files": Row("a"),
    "metrics.files[]": Row("s", {"s": choice('"output/m.jsonl"', '"logs/*/[a-z]?.json"', '"files/x"')},
                           ('""', '"/x"', '"a/../x"', '"a//x"', '"."', '"%s"' % ("p" * 256), r'"a\nb"')),
    "retry": Row("o"),
    "retry.max_attempts": Row("i", {"i": choice("1", "100")}, ("0", "-1", "101", "-9223372036854775808")),
    "retry.on": Row("a"),
    "retry.on[]": Row("s", {"s": choice('"HostRebooted"', '"host"', '"transfer"', '"user"', '"limit"')},
                      ('""', '"Host"', '"nothing"', '"spec"', '"SUCCEEDED"', '"host "')),
    "retry.exit_codes": Row("a"),
    "retry.exit_codes[]": Row("i", {"i": choice("1", "255")}, ("0", "-1", "256")),
    "retry.backoff": Row("sir", DURATION, BAD_DURATIONS),
}
REQUIRED = ("inputs.*.source", "outputs.destination", "checkpoints.destination", "metrics.files")
# Known, and refused until a version can do them.
NOT_YET = ("depends_on", "array", "docker_args", "secrets", "notify", "ttl",
           "resources.pool", "resources.gpu_type", "inputs.*.required", "inputs.*.checksum",
           "outputs.when", "outputs.sync_interval")

ANYTHING = ("null", "true", "false", "0", "-1.5e-3", '"text"', "[]", "{}", "[1, [2]]", '{"a": {"b": null}}')


class Node:
    """A value: of a scalar the text, else the members as (key or None, Node)."""

    def __init__(self, row, kind, text="", items=None):
        self.row, self.kind, self.text, self.items = row, kind, text, items
        self.path, self.depth, self.parent, self.key = "$", 0, None, None  # by name_all()
        self.first = self.last = self.key_token = None  # by tokens_of()

    def is_scalar(self):
        return self.items is None


def children_of(name):
    prefix = name + "." if name else ""
    return [n for n in ROWS if n.startswith(prefix) and n != name
            and not set(n[len(prefix):]) & set(".[*")]


def build_members(rng, name):
    if ROWS[name].keys:
        keys = rng.sample(ROWS[name].keys, rng.randint(0, min(3, len(ROWS[name].keys))))
        return [(key, build(rng, name + ".*")) for key in keys]
    members = children_of(name)
    if name == "":
        program = rng.choice(("script", "run"))
        members = [m for m in members if m not in ("script", "run", program)] + [program]
        required = (program,)
    else:
        required = REQUIRED
    items = [(m.rpartition(".")[2], build(rng, m)) for m in members if m in required or rng.random() < 0.6]
    if rng.random() < 0.2:
        items.append(("x-" + rng.choice(("note", "1", "ü")), Node(None, "x", rng.choice(ANYTHING))))
    rng.shuffle(items)
    return items


def build(rng, name=""):
    kind = rng.choice(ROWS[name].kinds)
    if kind == "o":
        return Node(name, kind, items=build_members(rng, name))
    if kind == "a":
        least = name == "run"
        return Node(name, kind, items=[(None, build(rng, name + "[]")) for _ in range(rng.randint(least, 3))])
    return Node(name, kind, ROWS[name].right[kind](rng))


def right_spec(rng):
    top = build(rng)
    run = [v for k, v in top.items if k == "run"]
    if run and run[0].kind == "a":
        top.items = [(k, v) for k, v in top.items if k != "args"]
    return top


SHOWN_MAX = 75  # bytes before a name is cut


def shown(key):
    """A name as messages show it."""
    out = '"'
    for c in key:
        if c in '"\\':
            c = "\\" + c
        elif c in "\n\t":
            c = "\\" + {"\n": "n", "\t": "t"}[c]
        elif ord(c) < 0x20 or c == "\u202e":
            c = f"\\u{ord(c):04x}"
        if len((out + c).encode()) > SHOWN_MAX:
            return out + '..."'
        out += c
    return out + '"'


def step(key):
    """One step of a JSON path: .key, or ["key"] where it is no identifier."""
    is_identifier = 0 < len(key) < SHOWN_MAX and key.isascii() and key.replace("_", "a").isalnum() and not key[0].isdigit()
    return "." + key if is_identifier else "[" + shown(key) + "]"


def name_all(node, path="$", depth=0):
    """Paths, and how many brackets are open around each value."""
    node.path, node.depth = path, depth
    for i, (key, child) in enumerate(node.items or ()):
        child.parent, child.key = node, key
        name_all(child, path + (step(key) if key is not None else f"[{i}]"), depth + 1)


def walk(node):
    yield node
    for _, child in node.items or ():
        yield from walk(child)


def random_of(seed):
    return random.Random(seed)
