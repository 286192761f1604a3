"""A spec as text: its tokens, each with the white space in front of it, and the place of
each one. What a reader of JSON says of a place has two parts: line and column are of the
byte that is wrong (columns count bytes); the path is of the value that was being read, of
the last one where a comma or the end was expected, and of the object where a key was."""

from grammar import name_all, walk

STYLES = {
    "compact": ("", "", ""),
    "lines": ("\n", " ", ""),
    "indented": ("\n    ", " ", ""),
    "crlf": ("\r\n", " ", " "),
    "tabs": ("\n\t", "\t", "\t"),
    "empty lines": ("\n\n \n", "\n", " \n"),
}


class Token:
    def __init__(self, kind, text, path, after):
        self.kind, self.text = kind, text if isinstance(text, bytes) else text.encode()
        self.path = path  # named when this token is wrong
        self.after = after  # named when what comes next is wrong
        self.gap = b""


def key_text(key):
    return '"' + "".join("\\" + c if c in '"\\' else c if c.isprintable() else f"\\u{ord(c):04x}" for c in key) + '"'


def add_container(node, tokens):
    is_object = node.kind == "o"
    first = node.path if is_object else node.path + "[0]"
    tokens.append(Token("{" if is_object else "[", "{" if is_object else "[", node.path, first))
    for i, (key, child) in enumerate(node.items):
        if i > 0:
            before = node.path if is_object else node.path + f"[{i}]"
            tokens.append(Token(",", ",", node.items[i - 1][1].path, before))
        if is_object:
            child.key_token = len(tokens)
            tokens.append(Token("key", key_text(key), node.path, child.path))
            tokens.append(Token(":", ":", child.path, child.path))
        add_value(child, tokens)
    last = node.items[-1][1].path if node.items else first
    tokens.append(Token("}" if is_object else "]", "}" if is_object else "]", last, node.path))


def add_value(node, tokens):
    node.first = len(tokens)
    if node.is_scalar():
        tokens.append(Token("scalar", node.text, node.path, node.path))
    else:
        add_container(node, tokens)
    node.last = len(tokens) - 1


class Document:
    def __init__(self, rng, top):
        name_all(top)
        self.top, self.tokens = top, []
        add_value(top, self.tokens)
        self.nodes = list(walk(top))
        line, colon, before = STYLES[rng.choice(list(STYLES))]
        for i, token in enumerate(self.tokens):
            behind = self.tokens[i - 1].kind if i else ""
            if behind in ("{", "[", ",") or token.kind in ("}", "]"):
                token.gap = line.encode()
            elif behind == ":":
                token.gap = colon.encode()
            elif token.kind in (",", ":"):
                token.gap = before.encode()

    def text(self):
        return joined(self.tokens)


def joined(tokens):
    return b"".join(t.gap + t.text for t in tokens)


def offset_of(tokens, i):
    """Of the text of token i; of the end when there is no such token."""
    return len(joined(tokens[:i])) + (len(tokens[i].gap) if i < len(tokens) else 0)


def position(text, at):
    """Line and column of an offset, both from 1."""
    before = text[:at]
    return before.count(b"\n") + 1, at - (before.rfind(b"\n") + 1) + 1
