#!/usr/bin/env python3
"""embed.py NAME INPUT OUTPUT: a file as the C array NAME[] and its length NAME_len."""

import sys

name, source, target = sys.argv[1:]
with open(source, "rb") as f:
    data = f.read()
with open(target, "w", encoding="ascii") as f:
    f.write("#include <stddef.h>\n\n")
    f.write(f"extern const char {name}[];\nextern const size_t {name}_len;\n\n")
    f.write(f"const char {name}[] = {{\n")
    for i in range(0, len(data), 16):
        f.write("\t" + " ".join(f"{b - 256 if b > 127 else b}," for b in data[i:i + 16]) + "\n")
    f.write(f"\t0,\n}};\nconst size_t {name}_len = {len(data)};\n")
