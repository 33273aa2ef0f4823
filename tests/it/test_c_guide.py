#!/usr/bin/env python3
"""test_c_guide.py - compiles and runs the examples of docs/c-guide.md that have an answer.

A block of `c` above a block of `text` is the body of a main in which `flow` is there, and must print
the text, its lines in any order unless the block sorts.  Functions that a block needs stand in the
blocks above it that have a line "{" of their own.
"""
import os
import re
import shutil

import lib

GUIDE = os.path.join(lib.ROOT, "docs", "c-guide.md")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
PROGRAM = """#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "engine/gleam.h"
%s
int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    struct gleam_flow *flow = gleam_flow_new("guide");
%s    gleam_flow_free(flow);
    return 0;
}
"""


def is_functions(text):
    return re.search(r"^\{$", text, re.M) is not None


def examples(text):
    """[(functions above it, body, what it prints)]"""
    out, functions, above = [], [], None
    for kind, body in FENCE.findall(text):
        if kind == "text":
            if above is None or is_functions(above):
                raise ValueError("a text that no block prints:\n" + body)
            out.append(("".join(functions), above, body))
        elif kind == "c" and is_functions(body) and "static" in body:
            functions.append(body)
        above = body if kind == "c" else None
    return out


class CGuide(lib.Case):
    def test_self_examples(self):
        text = "```c\nstatic int f()\n{\n}\n```\n\n```c\nf();\n```\n\n```text\n1\n```\n\n```c\nx;\n```\n"
        self.assertEqual(examples(text), [("static int f()\n{\n}\n", "f();\n", "1\n")])
        with self.assertRaises(ValueError):
            examples("```text\n1\n```\n")

    def test_examples_print_what_stands_below_them(self):
        compiler = shutil.which("cc")
        if compiler is None or lib.SANITIZER != "none":
            self.skipTest("it needs a C compiler and a build without sanitizers")
        with open(GUIDE, encoding="utf-8") as file:
            found = examples(file.read())
        self.assertGreaterEqual(len(found), 6)
        agent = os.path.dirname(lib.binary("agent/libgleam.so"))
        for number, (functions, body, printed) in enumerate(found):
            with self.subTest(body=body):
                source = self.file(PROGRAM % (functions, body), "guide%d.c" % number)
                program = source[:-len(".c")]
                self.run_ok([compiler, "-std=gnu17", "-Wall", "-Werror", "-Wno-unused-function",
                             "-I" + lib.ROOT, source, "-o", program, "-L" + agent, "-lgleam",
                             "-Wl,-rpath," + agent])
                done = self.run_ok([program, "--quiet", "--cores", "2"])
                lines, want = done.out.splitlines(), printed.splitlines()
                if "gleam_sort" not in body:
                    lines, want = sorted(lines), sorted(want)
                self.assertEqual(lines, want)


if __name__ == "__main__":
    lib.main()
