#!/usr/bin/env python3
"""embed.py IN OUT.h SYMBOL - the bytes of a file as a C array, `static const char SYMBOL[]`.

For chunks of Lua that are part of the program: sizeof SYMBOL is their length, without a NUL.
"""
import os
import re
import sys

BYTES_PER_LINE = 20


def header(name, symbol, data):
    guard = re.sub(r"\W", "_", symbol).upper() + "_H"
    signed = [byte - 256 if byte > 127 else byte for byte in data]
    lines = ["    " + " ".join("%d," % byte for byte in signed[i:i + BYTES_PER_LINE])
             for i in range(0, len(signed), BYTES_PER_LINE)]
    return "\n".join(["/* %s, made by embed.py; do not edit. */" % name, "#ifndef " + guard,
                      "#define " + guard, "", "static const char %s[] = {" % symbol]
                     + lines + ["};", "", "#endif", ""])


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: embed.py IN OUT.h SYMBOL")
    source, out, symbol = sys.argv[1:]
    if not re.fullmatch(r"[A-Za-z_]\w*", symbol):
        sys.exit("embed.py: '%s' is not a C identifier" % symbol)
    with open(source, "rb") as file:
        data = file.read()
    if not data:
        sys.exit("embed.py: %s is empty, and C has no array of no bytes" % source)
    with open(out, "w") as file:
        file.write(header(os.path.basename(source), symbol, data))


main()
