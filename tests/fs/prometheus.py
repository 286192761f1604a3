"""The text format of Prometheus, read strictly, with the rules of `promtool check metrics`:
promtool itself is in a package of 96 MB with a service that starts, so it is used only where
it is there already."""

import re
import shutil
import subprocess

NAME = r"[a-z_][a-z0-9_]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{({NAME})="((?:[^"\\\n]|\\["\\n])*)"\}})? (-?[0-9.e+-]+|\+Inf)')
UNITS = {"seconds", "bytes"}
NOT_BASE = {"milliseconds", "ms", "minutes", "hours", "kilobytes", "kb", "mb", "percent"}
PARTS = {"histogram": ("_bucket", "_sum", "_count")}


class Family:
    def __init__(self, name, help_text):
        self.name, self.help, self.type = name, help_text, None
        self.samples = {}  # (name, label, value of the label): number


def parse(text):
    """The families by their names; anything that is not as it should be is an AssertionError."""
    families, current = {}, None
    assert text.endswith("\n"), "the last line is not ended"
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, words = line[7:].partition(" ")
            assert name not in families and words, line
            current = families[name] = Family(name, words)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert current and current.name == name and current.type is None and not current.samples, line
            assert kind in ("counter", "gauge", "histogram"), line
            current.type = kind
        elif line:
            found = SAMPLE.fullmatch(line)
            assert found and current and current.type, line
            name, label, value, number = found.groups()
            assert name in {current.name + part for part in PARTS.get(current.type, ("",))}, line
            assert (name, label, value) not in current.samples, f"twice: {line}"
            current.samples[name, label, value] = float(number)
    return families


def lint(families):
    for f in families.values():
        words = f.name.split("_")
        assert f.help.endswith("."), f.name
        assert f.samples, f"{f.name} has none"
        assert (f.type == "counter") == f.name.endswith("_total"), f.name
        assert not f.name.endswith(("_bucket", "_count", "_sum", "_info")) or f.name.endswith("_build_info"), f.name
        assert not NOT_BASE & set(words) and not {"gauge", "counter", "histogram"} & set(words), f.name
        assert f.type != "histogram" or words[-1] in UNITS, f.name
        assert all(n >= 0 for n in f.samples.values()), f.name
        if f.type == "histogram":
            lint_histogram(f)


def lint_histogram(f):
    buckets = [(float(v), n) for (name, label, v), n in f.samples.items() if name.endswith("_bucket") and label == "le"]
    assert buckets == sorted(buckets), f"{f.name}: not cumulative"
    assert [n for _, n in buckets] == sorted(n for _, n in buckets), f"{f.name}: not cumulative"
    assert buckets[-1] == (float("inf"), f.samples[f"{f.name}_count", None, None]), f.name
    assert (f.samples[f"{f.name}_sum", None, None] > 0) <= (buckets[-1][1] > 0), f.name


def promtool(text):
    """What promtool says of it, "" for nothing; None: it is not here."""
    program = shutil.which("promtool")
    if not program:
        return None
    done = subprocess.run([program, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60,
                          check=False)
    return done.stdout + done.stderr
