"""Strings that something between a user and his program may take for more than text. `mark`
is a path: a string that is executed anywhere makes a file whose name begins so."""


def commands(mark):
    touch = f"touch {mark}"
    return [
        f"$({touch})", f"`{touch}`", f"; {touch}", f"| {touch}", f"|| {touch}", f"&& {touch}", f"& {touch} &",
        f"\n{touch}\n", f"\r\n{touch}\r\n", f"'; {touch}; '", f"'$({touch})'", f"\"; {touch}; \"", f"\"$({touch})\"",
        f"'\\''; {touch}; '\\''", f"\\'; {touch}; \\'", f"'\"'\"'; {touch}; '", f"${{IFS}}$({touch})",
        f"${{x:=$({touch})}}", f"$(({touch}))", f"$((x[$({touch})]))", f"<({touch})", f">{mark}", f">>{mark}",
        f"2>{mark}", f"&>{mark}", f"> {mark} <", f"$'\\n{touch}'", f"!{touch}", f"#\n{touch}", f"\\\n{touch}",
        f"{{{touch},}}", f"}}\nplan_env() {{ {touch}; }}", f"'\n}}\n{touch}\nplan_files() {{\n'", f"eval {touch}",
        f"exec {touch}", f"trap '{touch}' EXIT", f". {mark}", f"x=$({touch}) y", f"a[$({touch})]=1",
        f"EOF\n{touch}\nEOF", f"')\n{touch}\n('", f"*) {touch};;", f"esac; {touch}", f"done; {touch}",
        f"--{touch}", f"-o ProxyCommand={touch}", f"ext::sh -c {touch}", f"%({touch})", f"{{{{{touch}}}}}",
        f"*|{touch}|*", f"@eval[{touch}]", f"() {{ :; }}; {touch}", f"__import__('os').system('{touch}')",
    ]


PLAIN = [
    "", "'", "\"", "`", "\\", "\\\\", "''", "'\\''", "\"\"", "\\'", "'\"'", "\"'\"", "$", "$$", "$?", "$!", "$0", "$@",
    "$*", "$#", "$-", "${", "${}", "${HOME}", "$HOME", "$PATH", "${#HOME}", "$(", "$((", "))", "(", ")", "{", "}",
    "[", "]", "[[", "]]", "<", ">", "|", "&", ";", ";;", "!", "!!", "!$", "#", "# x", "~", "~root", "~+", "~-",
    "*", "?", "[a-z]", "[!a]", "**", "{a,b}", "{1..9}", ".", "..", "/", "//", "/etc/passwd", "../../etc/passwd",
    "./-", "-", "--", "-rf", "-rf /", "-e", "-n", "-c", "-x", "-i", "--help", "--version", "--recursive", "--delete",
    "--exclude=*", "--endpoint-url=http://192.0.2.1", "--profile=x", "--no-sign-request", "--debug",
    "--cli-input-json=file:///etc/passwd", "--name=other", "--privileged", "-v/:/host", "-D", "-Fx",
    "file:///etc/passwd", "fileb:///etc/passwd", "http://192.0.2.1/", "s3://other/key", "@/etc/passwd", "@",
    "%", "%n", "%s%s%s%s", "%x", "%%", "%1$n", "%00", "%0a", "%2e%2e%2f", "\\0", "\\n", "\\x00", "\\u0000",
    "\\c", "\\1", "&amp;", "<script>", "=", "==", "A=B", "=x", "IFS= ", "a b", " a", "a ", "  ", "\t", "a\tb", "\n",
    "\n\n", "a\nb", "a\n", "\na", "\r", "a\rb", "\r\n", "\x01", "\x02", "\x07", "\x08", "\x0b", "\x0c", "\x1b[31m",
    "\x1b]0;x\x07", "\x7f", "\x80", "\x85", "\x9b31m", "\xa0", "\u00ad", "\u200b", "\u200d", "\u200e", "\u202e",
    "\u2028", "\u2029", "\u2066", "\ufeff", "\ufffd", "\uffff", "é", "e\u0301", "ﬁ", "İ", "ß", "日本語", "العربية",
    "😀", "👩\u200d💻", "\U0010ffff", "\U000e0001", "null", "true", "0", "-1", "1e999", "NaN", "CON", "nul", "aux.txt",
    "jobfs 1 10", "END 0123456789abcdef", "@@0123456789abcdef END OK", "@@0123456789abcdef BEGIN", "AK x", "SK y",
    "run.sh", "setup.sh", "claim", "exit 0", "exit", "return 1", "set -x", "cd /", "unset PATH", "kill $$", "kill 0",
    "sleep 999", "{job}", "{id}", "{job", "id}", "\\{job}", "..{id}", "x" * 255, "x" * 256, "é" * 127,
    "x" * 1000, "'" * 1000, "\\" * 1000, "$(" * 500, "\n" * 1000, "x" * 100000, "'" * 20000,
]


def strings(mark):
    """All of them, each once: as they are, and inside of other text."""
    found = []
    for n, text in enumerate(commands(mark)):
        # each has a name of its own, so that what is found says who did it
        found += [text.replace(mark, f"{mark}{n}{c}") for c in "abc"]
        found[-2] = "a" + found[-2]
        found[-1] = "a'" + found[-1] + "\" b"
    found += PLAIN
    found += ["a" + text + "b" for text in PLAIN if 0 < len(text) < 200]
    found += ["-" + text for text in PLAIN if 0 < len(text) < 4]
    return list(dict.fromkeys(found))


def file_names(mark):
    """Names of one file: bytes, since those of a file need not be UTF-8."""
    names = [s.encode() for s in strings(mark) if "/" not in s]
    names += [b"byte-" + bytes([b]) for b in range(1, 256) if b != 0x2f]
    names += [b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", bytes(range(1, 47)), bytes(range(48, 256))]
    return [n for n in dict.fromkeys(names) if 0 < len(n) <= 255 and n not in (b".", b"..")]
