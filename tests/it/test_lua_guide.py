#!/usr/bin/env python3
"""test_lua_guide.py - runs the examples of docs/lua-guide.md, and holds that every method has one.

A block of `lua` is run in a folder with the files that the guide shows, and must print the block of
`text` below it: exactly, its lines in `any order`, or as an `error` on standard error.  A block below
a line that ends with "`NAME.EXT`...:" is the content of that file.  Blocks of `sh` must succeed.
"""
import os
import re
import subprocess
from collections import namedtuple

import lib

GUIDE = os.path.join(lib.ROOT, "docs", "lua-guide.md")
SECONDS = 30
FILE_ABOVE = re.compile(r"`([\w-]+\.(?:txt|csv|tsv|lua|c))`[^`]*:$")
NAME = re.compile(r"\b(gleam\.|flow:|dataset:|order:)([A-Z]\w*)")

# heading: the one above.  file: what the block is the content of, or None.
Block = namedtuple("Block", "line info text heading file")

# Prints the name of everything that a script can call, as the reference's headings have it.
NAMES = """
local f = gleam.New()
local classes = {["gleam."] = gleam, ["flow:"] = getmetatable(f).__index,
  ["dataset:"] = getmetatable(f:Ints(0, 1)).__index, ["order:"] = getmetatable(gleam.Field(1)).__index}
for class, members in pairs(classes) do
  for name in pairs(members) do print(class .. name) end
end
"""


class Mistake(Exception):
    """The guide is not as it should be; says where."""


def blocks(text):
    """The fenced blocks of the guide, in order."""
    out, heading, above, begin = [], "", "", None
    for number, line in enumerate(text.split("\n"), 1):
        if begin is None:
            if line.startswith("```"):
                begin, body = number, []
            elif line.startswith("#"):
                heading = line
            if line and begin is None:
                above = line
        elif line == "```":
            match = FILE_ABOVE.search(above)
            out.append(Block(begin, info, "".join(body), heading, match and match.group(1)))
            begin, above = None, ""
        else:
            body.append(line + "\n")
        if begin == number:
            info = line[3:].strip()
    if begin is not None:
        raise Mistake("line %d: a fence that never closes" % begin)
    return out


def examples(all_blocks):
    """[(block of lua, block of what it prints)]"""
    out = []
    for at, block in enumerate(all_blocks):
        if block.info != "lua" or block.file:
            continue
        below = all_blocks[at + 1] if at + 1 < len(all_blocks) else block
        if below.info.split(",")[0] != "text" or below.file or not below.text.strip():
            raise Mistake("line %d: an example without the text that it prints" % block.line)
        if below.info not in ("text", "text, any order", "text, error"):
            raise Mistake("line %d: what is '%s'?" % (below.line, below.info))
        out.append((block, below))
    return out


def without_executor(text):
    return re.sub(r"executor \d+", "executor N", text)


class Self(lib.Case):
    """The reading of the guide, and that a wrong guide is seen."""

    def test_self_blocks(self):
        found = blocks("# a\nwords\n\n```lua\nx\n\ny\n```\n\n## b\n`z.csv`, so:\n\n```text\n1\n```\n")
        self.assertEqual(found, [Block(4, "lua", "x\n\ny\n", "# a", None),
                                 Block(13, "text", "1\n", "## b", "z.csv")])
        with self.assertRaises(Mistake):
            blocks("```lua\n")

    def test_self_files(self):
        for line, name in (("`a.csv`:", "a.csv"), ("Of `b.txt`, its lines:", "b.txt"),
                           ("by `cc -o x.so x.c`:", None), ("`a.csv` and `b`:", None), ("a.csv:", None)):
            self.assertEqual(blocks("%s\n\n```text\n```\n" % line)[0].file, name)

    def test_self_examples_print_something(self):
        for text in ("```lua\nx\n```\n", "```lua\nx\n```\n```text\n```\n",
                     "```lua\nx\n```\n```lua\ny\n```\n", "```lua\nx\n```\n```text, maybe\n1\n```\n"):
            with self.assertRaises(Mistake, msg=text):
                examples(blocks(text))


class Guide(lib.Case):
    """One case for each example, added below."""

    def setUp(self):
        super().setUp()
        for block in BLOCKS:
            if block.file:
                self.file(block.text, block.file)

    def compile_c(self):
        for block in BLOCKS:
            if block.file and block.file.endswith(".c"):
                out = block.file[:-len(".c")] + ".so"
                subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", out,
                                "-I", os.path.join(lib.ROOT, "engine"), block.file],
                               cwd=self.dir, check=True)

    def run_example(self, text):
        if ".so" in text:
            self.compile_c()
        return self.run_it([lib.binary("gleam"), "run", "--quiet", "--executors", "2", "--memory",
                            "512M", "-"], stdin=text, seconds=SECONDS)

    def names(self):
        """{"dataset:Map", ...}: what there is to call."""
        done = self.run_ok([lib.binary("gleam"), "run", "-e", NAMES])
        return set(done.out.split())

    def test_every_method_has_a_heading_and_an_example_below(self):
        called = {}
        for block, _ in EXAMPLES:
            called[block.heading] = called.get(block.heading, "") + block.text
        described = set()
        for heading in re.findall(r"^### .*", TEXT, re.M):
            for kind, name in NAME.findall(heading):
                described.add(kind + name)
                call = (r"gleam\.%s\b" if kind == "gleam." else r":%s\b") % name
                self.assertRegex(called.get(heading, ""), call, heading)
        self.assertEqual(self.names() - described, set(), "not in the guide")
        self.assertEqual(described - self.names(), set(), "in the guide alone")

    def test_it_names_nothing_that_is_not_there(self):
        names = self.names()
        methods = {name.split(":")[1] for name in names if ":" in name}
        for name in re.findall(r"\bgleam\.([A-Z]\w*)", TEXT):
            self.assertIn("gleam." + name, names)
        for name in re.findall(r":([A-Z]\w*)", TEXT):
            self.assertIn(name, methods)

    def check(self, block, below):
        done = self.run_example(block.text)
        said = "line %d:\n%s\nstatus %d\n%s%s" % (block.line, block.text, done.status, done.out,
                                                 done.err)
        if below.info == "text, error":
            self.assertEqual(done.status, 1, said)
            self.assertEqual(without_executor(done.err), without_executor(below.text), said)
            return
        self.assertEqual(done.status, 0, said)
        lines, wanted = done.out.splitlines(), below.text.splitlines()
        if below.info == "text, any order":
            lines, wanted = sorted(lines), sorted(wanted)
        self.assertEqual(lines, wanted, said)

    def check_shell(self, block):
        lib.needs_plain_build()  # as in README.md, once is enough
        path = os.path.dirname(lib.binary("gleam")) + ":" + os.environ["PATH"]
        done = self.run_it(["sh", "-euc", block.text], seconds=SECONDS, env={"PATH": path})
        self.assertEqual(done.status, 0, "line %d:\n%s%s" % (block.line, done.out, done.err))


def add_cases():
    for block, below in EXAMPLES:
        words = re.sub(r"\W+", "_", block.heading).strip("_")[:50]
        setattr(Guide, "test_line_%04d_%s" % (block.line, words),
                lambda self, block=block, below=below: self.check(block, below))
    for block in BLOCKS:
        if block.info == "sh":
            setattr(Guide, "test_line_%04d_shell" % block.line,
                    lambda self, block=block: self.check_shell(block))


with open(GUIDE, encoding="utf-8") as guide:
    TEXT = guide.read()
BLOCKS = blocks(TEXT)
EXAMPLES = examples(BLOCKS)
add_cases()

if __name__ == "__main__":
    lib.main()
