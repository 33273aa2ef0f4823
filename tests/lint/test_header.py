#!/usr/bin/env python3
"""test_header.py - engine/gleam.h, the one public header, in the languages a person may use.

It compiles alone, twice in one file, as strict C11 and as C++17, without warnings; each other header
of ours compiles alone too, so that nobody depends on what another one happens to include.
"""
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))

import tap  # noqa: E402

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic-errors", "-fsyntax-only"]
HEADER = '#include "engine/gleam.h"\n'


def compiler(name, variable):
    return os.environ.get(variable, "").split() or [shutil.which(name) or ""]


def complaints(command, text):
    """What the compiler says about a text; "" when it takes it."""
    done = subprocess.run(command + ["-I", ROOT, "-"], input=text, capture_output=True, text=True,
                          timeout=60)
    return "" if done.returncode == 0 else done.stderr or "exit status %d" % done.returncode


class Header(unittest.TestCase):

    def c11(self, text):
        return complaints(compiler("cc", "CC") + ["-x", "c", "-std=c11"] + WARNINGS, text)

    def cpp17(self, text):
        command = compiler("c++", "CXX")
        if not command[0]:
            self.skipTest("there is no C++ compiler")
        return complaints(command + ["-x", "c++", "-std=c++17"] + WARNINGS, text)

    def test_compiles_as_c11(self):
        self.assertEqual(self.c11(HEADER * 2), "")

    def test_compiles_as_cpp17(self):
        self.assertEqual(self.cpp17(HEADER * 2), "")

    def test_compiles_without_the_macros_of_places(self):
        self.assertEqual(self.c11("#define GLEAM_NO_PLACES\n" + HEADER), "")

    def test_self_a_wrong_call_is_refused(self):
        wrong = HEADER + "int f(void);\nint f(void)\n{\n    return gleam_run(1, 2);\n}\n"
        self.assertNotEqual(self.c11(wrong), "")
        self.assertNotEqual(self.cpp17(wrong), "")

    def test_every_header_compiles_alone(self):
        bad = []
        command = compiler("cc", "CC") + ["-x", "c", "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only"]
        for room in ("engine", "shuffle", "iouring", "agent"):
            for folder, _, files in os.walk(os.path.join(ROOT, room)):
                for name in sorted(f for f in files if f.endswith(".h")):
                    path = os.path.relpath(os.path.join(folder, name), ROOT)
                    said = complaints(command, '#include "%s"\n' % path)
                    if said:
                        bad.append("%s:\n%s" % (path, said))
        self.assertEqual(bad, [])


if __name__ == "__main__":
    tap.main()
