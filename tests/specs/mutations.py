"""One way each to make a right spec wrong, with the place that is wrong then.

A mutation takes random numbers and a Document and gives a Case, or None where it cannot
be done. It knows the place from what it changed, not from any reader of JSON."""

from document import Token, joined, key_text, offset_of, position
from grammar import NOT_YET, ROWS, children_of, step

MUTATIONS = []


class Case:
    def __init__(self, text, at, path):
        self.text, self.at, self.path = text, at, path

    def place(self):
        line, column = position(self.text, self.at)
        return f"spec.json:{line}:{column}: {self.path}: "


def mutation(function):
    MUTATIONS.append((function.__name__.replace("_", " "), function))
    return function


# ---- what they share


def changed(doc, i, remove, new, wrong=0, path=None, delta=0):
    """Tokens from i on are taken away and new texts put there; of these the one that is
    `wrong` is, at its byte `delta`."""
    tokens = [Token("new", text, None, None) for text in new]
    for token in tokens[:1]:
        token.gap = doc.tokens[i].gap if i < len(doc.tokens) else b""
    tokens = doc.tokens[:i] + tokens + doc.tokens[i + remove:]
    return Case(joined(tokens), offset_of(tokens, i + wrong) + delta, path)


def replaced(doc, node, text, path="", delta=0):
    """Another text in place of a value."""
    return changed(doc, node.first, node.last + 1 - node.first, [text], 0, node.path + path, delta)


def member(key, value):
    return [key_text(key), ":", value]


def inserted(doc, rng, node, key, value):
    """One more member of an object, somewhere; its key is wrong."""
    new = member(key, value)
    i = rng.randint(0, len(node.items))
    path = node.path + step(key)
    if i < len(node.items):
        return changed(doc, node.items[i][1].key_token, 0, new + [","], 0, path)
    return appended(doc, node, new, 0, path)


def appended(doc, node, new, wrong, path, delta=0):
    if node.items:
        new, wrong = [",", *new], wrong + 1
    return changed(doc, node.last, 0, new, wrong, path, delta)


def of_kind(doc, rng, wanted):
    nodes = [n for n in doc.nodes if wanted(n)]
    return rng.choice(nodes) if nodes else None


def some_row(doc, rng):
    """A value below the top that a row describes."""
    return of_kind(doc, rng, lambda n: n.row)


def fixed_object(doc, rng):
    return of_kind(doc, rng, lambda n: n.kind == "o" and n.row is not None and not ROWS[n.row].keys)


# ---- values


KINDS = {"n": ("null",), "b": ("true", "false"), "i": ("7",), "r": ("1.5", "2e3"), "s": ('"text"',),
         "a": ("[]", "[1]"), "o": ("{}",)}


@mutation
def a_value_of_another_kind(rng, doc):
    node = some_row(doc, rng)
    kind = rng.choice([k for k in KINDS if k not in ROWS[node.row].kinds])
    return replaced(doc, node, rng.choice(KINDS[kind]))


@mutation
def a_value_that_is_out_of_range(rng, doc):
    node = of_kind(doc, rng, lambda n: n.row and ROWS[n.row].wrong)
    if not node:
        return None
    text = rng.choice(ROWS[node.row].wrong)
    if text[0] == "[" and any(n.row == "args" for n in doc.nodes):
        return None  # that would be two mistakes
    if text == '[""]':
        return replaced(doc, node, text, "[0]", 1)
    return replaced(doc, node, text)


@mutation
def a_number_that_is_none(rng, doc):
    flaws = ("NaN", "-NaN", "Infinity", "-Infinity", "007", "+1", ".5", "1.", "-", "1e", "0x10", "1_000", "1e+",
             "99999999999999999999", "-9223372036854775809", "1e999", "9" * 65, "1.0.0", "12px", "--1", "1e5e5")
    node = some_row(doc, rng)
    return replaced(doc, node, rng.choice(flaws))


@mutation
def a_word_that_is_none(rng, doc):
    flaws = ("True", "FALSE", "None", "undefined", "nil", "yes", "tru", "nulll", "word", "_", "'x'", "@", ")", ";",
             "\\n", "é", "😀", "\u2028")
    node = some_row(doc, rng)
    return replaced(doc, node, rng.choice(flaws))


@mutation
def a_value_that_is_missing(rng, doc):
    node = of_kind(doc, rng, lambda n: n.key is not None)
    return changed(doc, node.first, node.last + 1 - node.first, [], 0, node.path) if node else None


@mutation
def nesting_that_is_too_deep(rng, doc):
    node = some_row(doc, rng)
    k = 16 - node.depth  # brackets that are allowed there
    if rng.random() < 0.5:
        return replaced(doc, node, "[" * (k + 1) + "]" * (k + 1), "[0]" * k, k)
    opening = '{"a":'
    return replaced(doc, node, opening * k + "{" + "}" * (k + 1), ".a" * k, len(opening) * k)


@mutation
def more_values_than_allowed(rng, doc):
    node = some_row(doc, rng)
    return replaced(doc, node, "[" + "0,\n" * 10000 + "0]", "", 30001)


# ---- strings


def units(raw):
    """Where the characters and escapes of a string begin and end; without its quotes."""
    at = 1
    while at < len(raw) - 1:
        n = 1
        if raw[at:at + 2] == b"\\u":
            n = 12 if raw[at + 2:at + 4].lower() in (b"d8", b"d9", b"da", b"db") else 6
        elif raw[at:at + 1] == b"\\":
            n = 2
        else:
            while raw[at + n] & 0xc0 == 0x80:
                n += 1
        yield at, at + n
        at += n


def some_string(rng, doc):
    """A string's token, and what is named when it is wrong: for a key its object."""
    i = rng.choice([i for i, t in enumerate(doc.tokens) if t.text[:1] == b'"'])
    return i, doc.tokens[i].path


def spoiled(rng, doc, flaws):
    i, path = some_string(rng, doc)
    raw = doc.tokens[i].text
    at = rng.choice([1, *(end for _, end in units(raw))])
    return changed(doc, i, 1, [raw[:at] + rng.choice(flaws) + raw[at:]], 0, path, at)


@mutation
def bytes_that_are_not_UTF_8(rng, doc):
    return spoiled(rng, doc, (b"\xff", b"\xfe", b"\x80", b"\xbf", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc0\xaf",
                              b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80",
                              b"\xf8\x88\x80\x80\x80", b"\xc1\x81"))


@mutation
def a_NUL_in_a_string(rng, doc):
    return spoiled(rng, doc, (b"\0", b"\\u0000"))


@mutation
def a_control_character_in_a_string(rng, doc):
    return spoiled(rng, doc, tuple(bytes([c]) for c in range(1, 32)))


@mutation
def an_escape_that_is_none(rng, doc):
    return spoiled(rng, doc, (b"\\x41", b"\\'", b"\\ ", b"\\u12g4", b"\\u", b"\\U0001", b"\\0", b"\\\n", b"\\\xc3\xa9",
                              b"\\ud800", b"\\udfff", b"\\ud83d-", b"\\ud83d\\n", b"\\udc00\\ud800"))


# ---- keys


@mutation
def a_key_that_is_unknown(rng, doc):
    node = fixed_object(doc, rng)
    known = [n.rpartition(".")[2] for n in children_of(node.row)]
    word = rng.choice(known)
    i = rng.randrange(len(word))
    key = rng.choice(("zzz", "x", "", "a b", "ключ", "__proto__", "-x", word.upper(), word + "s", word + " ", " " + word,
                      word[:i] + word[i + 1:], word[:i] + "q" + word[i:], word + "\u200b", word + "\n"))
    if key in known:
        return None
    return inserted(doc, rng, node, key, rng.choice(("1", "null", '"x"', "{}", "[]")))


@mutation
def a_key_of_a_later_version(rng, doc):
    node = fixed_object(doc, rng)
    prefix = node.row + "." if node.row else ""
    keys = [n[len(prefix):] for n in NOT_YET if n.startswith(prefix) and "." not in n[len(prefix):]]
    return inserted(doc, rng, node, rng.choice(keys), "1") if keys else None


@mutation
def a_key_that_is_no_name(rng, doc):
    node = of_kind(doc, rng, lambda n: n.row and ROWS[n.row].wrong_keys)
    if not node:
        return None
    value = ROWS[node.row + ".*"].right["s"](rng)
    key = rng.choice(ROWS[node.row].wrong_keys)
    return inserted(doc, rng, node, key, value)


@mutation
def a_key_that_is_there_twice(rng, doc):
    node = of_kind(doc, rng, lambda n: n.key)
    i = rng.randrange(len(node.key))
    spelt = rng.choice((key_text(node.key), '"' + "".join(
        "\\u%04x" % ord(c) if j == i else key_text(c)[1:-1] for j, c in enumerate(node.key)) + '"'))
    new = [spelt, ":", rng.choice(("1", '"x"', "[{}]", "null"))]
    return appended(doc, node.parent, new, 0, node.path)


@mutation
def a_key_without_its_quotes(rng, doc):
    node = of_kind(doc, rng, lambda n: n.key)
    key = rng.choice((node.key, "'" + node.key + "'", "7", "null", "{}", "`k`"))
    return changed(doc, node.key_token, 1, [key], 0, node.parent.path) if key else None


@mutation
def a_key_that_is_needed_and_missing(rng, doc):
    needed = ("script", "run", "inputs.*.source", "outputs.destination")
    node = of_kind(doc, rng, lambda n: n.row in needed)
    parent, first, last = node.parent, node.key_token, node.last
    if len(parent.items) > 1:
        if parent.items[-1][1] is node:
            first -= 1  # the comma in front of it
        else:
            last += 1
    return Case(joined(doc.tokens[:first] + doc.tokens[last + 1:]), offset_of(doc.tokens, parent.first), parent.path)


# ---- keys that exclude each other


@mutation
def both_script_and_run(rng, doc):
    node = of_kind(doc, rng, lambda n: n.row in ("script", "run"))
    if node.kind == "a":
        return None
    other = "run" if node.key == "script" else "script"
    return appended(doc, doc.top, member(other, '"x"'), 0, "$." + other)


@mutation
def args_beside_an_argument_list(rng, doc):
    run = of_kind(doc, rng, lambda n: n.row == "run" and n.kind == "a")
    return inserted(doc, rng, doc.top, "args", rng.choice(("[]", '["x"]'))) if run else None


@mutation
def two_inputs_with_one_variable(rng, doc):
    node = of_kind(doc, rng, lambda n: n.row == "inputs.*" and n.key.upper() != n.key.swapcase())
    if not node:
        return None
    key = node.key.swapcase()
    return appended(doc, node.parent, member(key, '"s3://b/k"'), 0, node.parent.path + step(key))


@mutation
def two_inputs_in_one_place(rng, doc):
    node = of_kind(doc, rng, lambda n: n.row == "inputs")
    if not node:
        return None
    new = member("one", '{"source": "s3://b/k", "path": "same"}') + [","]
    second = '{"path": "same", "source": "s3://b/k"}'
    return appended(doc, node, new + member("two", second), 6, node.path + ".two.path", second.index('"same"'))


@mutation
def an_input_in_the_output_directory(rng, doc):
    node = of_kind(doc, rng, lambda n: n.row == "inputs")
    paths = [n.text[1:-1] for n in doc.nodes if n.row == "outputs.path"] or ["output"]
    if not node:
        return None
    value = '{"source": "s3://b/k", "path": "%s"}' % (paths[0].rstrip("/") + rng.choice(("", "/", "/x")))
    return appended(doc, node, member("one", value), 2, node.path + ".one.path", value.index('"path": ') + 8)


# ---- between the tokens


def between(rng, doc, flaws):
    """Something in front of a token, or behind all."""
    i = rng.randint(0, len(doc.tokens))
    path = doc.tokens[i - 1].after if i else "$"
    return changed(doc, i, 0, [rng.choice(flaws)], 0, path)


@mutation
def a_comment(rng, doc):
    return between(rng, doc, ("// why\n", "/* why */", "# why\n", "//", "/*", "#"))


@mutation
def a_character_that_does_not_belong_there(rng, doc):
    return between(rng, doc, ("@", ";", ")", "(", "=", "%", "\\", "`", "'", "\u00a0", "\u200b", "é", "😀", "/"))


@mutation
def a_byte_that_does_not_belong_there(rng, doc):
    return between(rng, doc, (b"\0", b"\x01", b"\x0b", b"\x0c", b"\x1b[31m", b"\x7f", b"\xff", b"\xc3", b"\xc0\xaf",
                              b"\xed\xa0\x80", b"\xef\xbb\xbf"))


@mutation
def a_comma_that_is_missing(rng, doc):
    i = rng.choice([i for i, t in enumerate(doc.tokens) if t.kind == ","] or [0])
    if i == 0:
        return None
    return changed(doc, i, 1, [" "], 1, doc.tokens[i].path)


@mutation
def a_comma_that_is_one_too_many(rng, doc):
    i = rng.choice([i for i, t in enumerate(doc.tokens) if t.kind in "]},"])
    token = doc.tokens[i]
    if token.kind == ",":
        return changed(doc, i, 0, [","], 1, token.after)
    if doc.tokens[i - 1].kind in "{[":  # alone in a container
        return changed(doc, i, 0, [","], 0, token.path)
    owner = next(n for n in doc.nodes if n.last == i)
    return changed(doc, i, 0, [","], 1, owner.path + ("" if owner.kind == "o" else f"[{len(owner.items)}]"))


@mutation
def a_colon_that_is_something_else(rng, doc):
    i = rng.choice([i for i, t in enumerate(doc.tokens) if t.kind == ":"])
    flaw = rng.choice(("", "=", "=>", ",", ";", "->"))
    return changed(doc, i, 1, [flaw] if flaw else [" "], 0 if flaw else 1, doc.tokens[i].path)


@mutation
def a_bracket_of_the_other_kind(rng, doc):
    i = rng.choice([i for i, t in enumerate(doc.tokens) if t.kind in "]}"])
    token = doc.tokens[i]
    return changed(doc, i, 1, [{"}": "]", "]": "}"}[token.kind]], 0, token.path)


@mutation
def something_in_front_of_the_document(rng, doc):
    text = rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"x", b"[", b"]", b"}", b",", b":", b'"a"', b"0", b"null"))
    return Case(text + doc.text(), 0, "$")


@mutation
def something_behind_the_document(rng, doc):
    text = doc.text() + rng.choice((b"", b" ", b"\n", b"\r\n\t"))
    return Case(text + rng.choice((b"{}", b"}", b",", b"]", b'"a"', b"0", b"null", b"\0")), len(text), "$")


@mutation
def no_object_at_all(rng, _doc):
    space = rng.choice((b"", b" ", b"\n", b"\n\n\t"))
    text = rng.choice((b"", b"[]", b'"x"', b"null", b"0", b"true", b"run: true", b"<spec/>", b"\x1f\x8b\x08"))
    return Case(space + text, len(space), "$")


# ---- a text that ends too early


@mutation
def a_text_that_ends_between_two_tokens(rng, doc):
    i = rng.randrange(1, len(doc.tokens))
    text = joined(doc.tokens[:i]) + rng.choice((b"", b"\n", b" "))
    return Case(text, len(text), doc.tokens[i - 1].after)


@mutation
def a_text_that_ends_in_a_string(rng, doc):
    i, path = some_string(rng, doc)
    raw = doc.tokens[i].text
    cut = rng.randrange(1, len(raw))
    start = offset_of(doc.tokens, i)
    at = start + cut
    for first, end in units(raw):
        if first < cut < end and not (cut == first + 1 and raw[first:cut] == b"\\"):
            at = start + first  # a character that is cut
    return Case(doc.text()[:start + cut], at, path)


@mutation
def a_text_that_ends_in_a_word(rng, doc):
    node = some_row(doc, rng)
    word = rng.choice(("t", "tru", "nul", "fals", "-", "1.", "1e", "-0."))
    start = offset_of(doc.tokens, node.first)
    return Case(joined(doc.tokens[:node.first]) + doc.tokens[node.first].gap + word.encode(), start, node.path)
