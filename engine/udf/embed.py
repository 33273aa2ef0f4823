#!/usr/bin/env python3
"""embed.py IN.lua OUT.h SYMBOL - a file as an array of chars in a C header."""
import sys


def main():
    source, target, symbol = sys.argv[1:]
    with open(source, "rb") as file:
        data = file.read()
    lines = []
    for begin in range(0, len(data), 16):
        lines.append("    " + ", ".join(str(byte) for byte in data[begin:begin + 16]) + ",")
    with open(target, "w", encoding="ascii") as file:
        file.write("static const unsigned char %s[] = {\n%s\n};\n" % (symbol, "\n".join(lines)))


main()
