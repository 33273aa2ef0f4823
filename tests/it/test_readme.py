#!/usr/bin/env python3
"""test_readme.py - runs the commands of README.md, so that they stay true.

Each block runs in bash, in one folder that looks like a checkout that was built (blocks may use what
earlier ones wrote), and must end with status 0.
"""
import os
import re
import shutil
import tempfile
import unittest

import lib
import readme

SECONDS_PER_BLOCK = 120


class Extractor(unittest.TestCase):
    """The finder of blocks, over texts that would fool a careless one."""

    def test_self_finds_blocks_in_order(self):
        found = readme.blocks("# a\n```sh\none\n```\ntext\n\n~~~sh\ntwo\n\nthree\n~~~\n")
        self.assertEqual([(b.line, b.text, b.reason) for b in found],
                         [(2, "one\n", None), (7, "two\n\nthree\n", None)])

    def test_self_leaves_other_languages(self):
        self.assertEqual(readme.blocks("```c\nint x;\n```\n```\nplain\n```\n    ```sh\n"), [])

    def test_self_does_not_look_inside_other_blocks(self):
        self.assertEqual(readme.blocks("````text\n```sh\nrm -rf x\n```\n````\n"), [])

    def test_self_takes_the_reason_right_above(self):
        text = "<!-- not run: needs root -->\n```sh\na\n```\n```sh\nb\n```\n"
        self.assertEqual([b.reason for b in readme.blocks(text)], ["needs root", None])
        text = "<!-- not run: x -->\nwords\n<!-- not run: y -->\n```sh\na\n```\n"
        self.assertEqual([b.reason for b in readme.blocks(text)], ["y"])
        text = "<!-- not run: it\ninstalls -->\n\n```sh\na\n```\n"
        self.assertEqual([b.reason for b in readme.blocks(text)], ["it\ninstalls"])

    def test_self_a_comment_further_up_does_not_count(self):
        for text in ("<!-- not run: x -->\nsome words\n```sh\na\n```\n",
                     "<!-- not run: x -->\nmore\n<!-- another -->\n```sh\na\n```\n"):
            self.assertEqual([b.reason for b in readme.blocks(text)], [None])

    def test_self_undoes_indent_and_carriage_returns(self):
        found = readme.blocks("1. do:\r\n\r\n   ```sh\r\n   a\r\n     b\r\n   ```\r\n")
        self.assertEqual([b.text for b in found], ["a\n  b\n"])

    def test_self_refuses_mistakes(self):
        for text in ("```sh\nnever closed\n", "```bash\nx\n```\n", "```console\n$ x\n```\n",
                     "<!-- not run -->\n```sh\nx\n```\n", "<!-- not run: -->\n```sh\nx\n```\n"):
            with self.assertRaises(readme.Mistake, msg=text):
                readme.blocks(text)


class Readme(lib.Case):
    """One case for each block, added below."""

    @classmethod
    def setUpClass(cls):
        cls.checkout = tempfile.mkdtemp(prefix="gleam-readme-")
        for name in os.listdir(lib.ROOT):
            if not name.startswith(("build", ".git")):
                os.symlink(os.path.join(lib.ROOT, name), os.path.join(cls.checkout, name))
        os.symlink(lib.BIN_DIR, os.path.join(cls.checkout, "build"))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.checkout, True)

    def run_block(self, text):
        return self.run_it(["bash", "-euo", "pipefail", "-c", text], seconds=SECONDS_PER_BLOCK,
                           cwd=self.checkout)

    def test_self_a_failing_command_in_the_middle_is_seen(self):
        self.assertNotEqual(self.run_block("true\nfalse\ntrue\n").status, 0)
        self.assertNotEqual(self.run_block("false | cat\n").status, 0)
        self.assertEqual(self.run_block("test -d build && test -f meson.build\n").status, 0)

    def test_there_are_blocks_that_run(self):
        self.assertTrue([b for b in BLOCKS if b.reason is None], "README.md has none")


def case_for(block):
    def case(self):
        if block.reason is not None:
            self.skipTest(block.reason)
        done = self.run_block(block.text)
        self.assertEqual(done.status, 0, "\n%s\n%s%s" % (block.text, done.out, done.err))
    return case


def read_blocks():
    with open(os.path.join(lib.ROOT, "README.md"), encoding="utf-8") as file:
        return readme.blocks(file.read())


def add_cases():
    for block in BLOCKS:
        words = re.sub(r"\W+", "_", block.text.strip().split("\n")[0]).strip("_")
        setattr(Readme, "test_line_%03d_%s" % (block.line, words[:50]), case_for(block))


BLOCKS = read_blocks() if os.path.exists(os.path.join(lib.ROOT, "README.md")) else []
add_cases()

if __name__ == "__main__":
    lib.main()
