#!/usr/bin/env python3
"""test_lint.py - holds the tree to tests/lint/rules.py, and the rules to bad and good snippets.

A rule that cannot fail is worthless: for each one there is a case that must be refused, beside one
that must pass.
"""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)

import rules  # noqa: E402
import tap  # noqa: E402


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def walk():
    """The paths of the project's own text, from the root; build folders are not ours."""
    out = []
    for folder, folders, files in os.walk(ROOT):
        here = os.path.relpath(folder, ROOT).replace(".", "", 1).lstrip("/")
        if not here:
            folders[:] = [f for f in folders if f in rules.FOLDERS + ("docs", ".ci")]
        folders[:] = sorted(f for f in folders if f not in ("__pycache__", "corpus"))
        out += [os.path.join(here, name) for name in sorted(files)]
    return out


PATHS = walk()
SOURCES = [path for path in PATHS if rules.is_c(path) and path.startswith(rules.FOLDERS)]
TEXTS = [path for path in PATHS if rules.is_c(path) or path.endswith(rules.OTHER_TEXT)
         or path in ("dev", ".ci/run")]
OWN_PLACES = [ROOT + "/"] if ROOT.count("/") > 1 else []


def exists(path):
    return os.path.exists(os.path.join(ROOT, path))


class Tree(unittest.TestCase):
    """The rules over every file."""

    def each(self, paths, rule, *more):
        self.assertTrue(paths, "no files found: the walk is broken")
        complaints = [line for path in paths for line in rule(path, read(path), *more)]
        self.none(complaints)

    def none(self, complaints):
        if complaints:
            self.fail("\n" + "\n".join(complaints))

    def test_layers_include_only_what_is_below(self):
        self.each(SOURCES, rules.check_direction)

    def test_libraries_are_known_in_their_one_room(self):
        self.each(SOURCES, rules.check_libraries)

    def test_includes_have_one_form_and_order(self):
        self.each(SOURCES, rules.check_include_form, exists)

    def test_layout_of_lines(self):
        self.each(TEXTS, rules.check_layout)

    def test_no_banned_words(self):
        self.each(SOURCES, rules.check_words)

    def test_functions_and_files_are_short(self):
        self.each(SOURCES, rules.check_lengths)

    def test_no_path_of_one_machine(self):
        self.each(TEXTS, rules.check_places, OWN_PLACES)

    def test_every_source_has_a_unit_test(self):
        self.none(rules.check_unit_tests(SOURCES, read("tests/unit/meson.build")))

    def test_every_source_is_built(self):
        builds = {os.path.dirname(path): read(path) for path in PATHS if path.endswith("meson.build")}
        self.none(rules.check_built(SOURCES, builds))


class Rules(unittest.TestCase):
    """The rules over snippets: which are refused, and which are not."""

    def refused(self, rule, path, text, *more):
        self.assertTrue(rule(path, text, *more), "%s passed: %r" % (path, text))

    def passes(self, rule, path, text, *more):
        self.assertEqual(rule(path, text, *more), [])

    def test_self_direction(self):
        for path, header in (("engine/base/a.h", "engine/row/codec.h"),
                             ("engine/row/a.c", "engine/op/op.h"),
                             ("engine/op/a.c", "shuffle/ring.h"),
                             ("engine/op/a.c", "engine/flow/planner.h"),
                             ("shuffle/a.c", "engine/row/codec.h"),
                             ("shuffle/port/a.c", "shuffle/ring.h"),
                             ("iouring/a.c", "dpdk/eal.h"),
                             ("iouring/a.c", "shuffle/region.h"),
                             ("dpdk/a.c", "iouring/loop.h"),
                             ("engine/chain/a.c", "agent/executor.h"),
                             ("benchmarks/micro/a.c", "cli/cli.h"),
                             ("master/a.c", "agent/executor.h"),
                             ("agent/a.c", "master/jobs.h"),
                             ("examples/a.c", "engine/flow/flow.h"),
                             ("engine/gleam.h", "engine/base/error.h"),
                             ("engine/base/a.c", "engine/basement/a.h")):
            self.refused(rules.check_direction, path, '#include "%s"\n' % header)
        for path, header in (("engine/row/a.c", "engine/base/heap.h"),
                             ("shuffle/a.c", "engine/row/frame.h"),
                             ("iouring/a.c", "shuffle/port/disk.h"),
                             ("agent/a.c", "shuffle/ring.h"),
                             ("cli/a.c", "agent/executor.h"),
                             ("tests/unit/op/a.c", "agent/executor.h"),
                             ("examples/a.c", "engine/gleam.h")):
            self.passes(rules.check_direction, path, '#include "%s"\n' % header)

    def test_self_libraries(self):
        for path, header in (("shuffle/a.c", "rte_ring.h"), ("agent/a.c", "liburing.h"),
                             ("agent/a.c", "curl/curl.h"), ("engine/op/a.c", "pthread.h"),
                             ("engine/sink/a.c", "unistd.h"), ("engine/source/a.h", "sys/socket.h"),
                             ("shuffle/a.c", "jemalloc/jemalloc.h"), ("cli/a.c", "lua.h")):
            self.refused(rules.check_libraries, path, "#  include <%s>\n" % header)
        for path, header in (("dpdk/a.c", "rte_ring.h"), ("iouring/a.c", "liburing.h"),
                             ("benchmarks/micro/a.c", "rte_ring.h"), ("engine/op/a.c", "string.h"),
                             ("engine/base/heap.c", "jemalloc/jemalloc.h"),
                             ("shuffle/a.c", "pthread.h")):
            self.passes(rules.check_libraries, path, "#include <%s>\n" % header)

    def test_self_include_form(self):
        there = {"shuffle/ring.c", "shuffle/ring.h", "shuffle/pool.h", "a/b.lua"}.__contains__
        own = '#include "shuffle/ring.h"\n'
        for text in ("#include <stdio.h>\n" + own, "int x;\n", own + '#include "pool.h"\n',
                     own + '#include "shuffle/pool.h"\n#include <stdio.h>\n',
                     own + '#include "a/c.lua.h"\n'):
            self.refused(rules.check_include_form, "shuffle/ring.c", text, there)
        self.passes(rules.check_include_form, "shuffle/ring.c",
                    own + '#include <stdio.h>\n#include "shuffle/pool.h"\n', there)
        self.passes(rules.check_include_form, "shuffle/ring.c", own + '#include "a/b.lua.h"\n', there)
        self.passes(rules.check_include_form, "shuffle/half.c", own + "#include <stdio.h>\n", there)

    def test_self_layout(self):
        for text in ("x" * 101 + "\n", "\tint x;\n", "int x; \n", "int x;"):
            self.refused(rules.check_layout, "shuffle/a.c", text)
        self.passes(rules.check_layout, "shuffle/a.c", "x" * 100 + "\n")
        self.passes(rules.check_layout, "shuffle/a.c", "/* tidy: a table */\n" + "x" * 120 + "\n")

    def test_self_words(self):
        head = "static void f(int n)\n{\n"
        for line in ("char *p = alloca(4);", "volatile int x;", "if (fork() == 0)", "vfork();",
                     'printf("x");', 'fprintf(stderr, "x");', 'fputs("x", stdout);',
                     "sprintf(p, q);", "char name[n];",
                     "uint64_t *p[2 * n + GM_MAX];"):
            self.refused(rules.check_words, "shuffle/a.c", head + "    " + line + "\n}\n")
        for line in ('p = "volatile fork() printf(";', "/* volatile */", "char name[GM_MAX];",
                     "snprintf(p, 4, q);", "return names[kind];", "to_stream(stdout);",
                     '__asm__ __volatile__("pause");', "x = n; p[n] = 4;",
                     "char name[sizeof(struct x) + 4u];", "/* tidy: why */ volatile int x;"):
            self.passes(rules.check_words, "shuffle/a.c", head + "    " + line + "\n}\n")
        self.passes(rules.check_words, "tests/unit/a.c", head + "    volatile int x;\n}\n")
        self.passes(rules.check_words, "agent/a.c", head + '    printf("x");\n}\n')

    def test_self_lengths(self):
        def function(count, comment=""):
            return comment + "static int f(int a,\n    int b)\n{\n" + "    x;\n" * (count - 4) + "}\n"
        self.refused(rules.check_lengths, "shuffle/a.c", function(71))
        self.passes(rules.check_lengths, "shuffle/a.c", function(70))
        self.passes(rules.check_lengths, "shuffle/a.c", function(99, "/* tidy: one table */\n"))
        self.refused(rules.check_lengths, "shuffle/a.c", "int f(void) {\n}\n")
        self.passes(rules.check_lengths, "shuffle/a.c", "struct x {\n    int y;\n};\n")
        self.refused(rules.check_lengths, "shuffle/a.c", "int x;\n" * 801)
        self.refused(rules.check_lengths, "shuffle/a.h", "int x;\n" * 401)
        self.passes(rules.check_lengths, "shuffle/a.h", "int x;\n" * 400)
        self.passes(rules.check_lengths, "engine/gleam.h", "/* tidy: all API */\n" + "x;\n" * 500)

    def test_self_places(self):
        for folder in ("home", "root", "Users"):
            self.refused(rules.check_places, "a.md", "cd /%s/someone\n" % folder, [])
        self.refused(rules.check_places, "a.md", "see /srv/%s/x\n" % "place", ["/srv/place/"])
        self.passes(rules.check_places, "a.md", "/usr/share and tests/root/x and $HOME/x\n", [])

    def test_self_unit_tests(self):
        excused = list(rules.NO_UNIT_TEST)
        registered = "'row/a': dep,"
        for covered, by in rules.COVERED_BY.items():
            excused += [covered, by]
            registered += "'%s'" % by[len("tests/unit/"):-len(".c")].replace("test_", "")
        source, test = "engine/row/a.c", "tests/unit/row/test_a.c"
        self.passes(rules.check_unit_tests, excused + [source, test], registered)
        self.refused(rules.check_unit_tests, excused + [source], registered)
        self.refused(rules.check_unit_tests, excused + [source, test], "")
        for covered, by in rules.COVERED_BY.items():
            without = [path for path in excused if path != by]
            self.refused(rules.check_unit_tests, without, registered)
        self.refused(rules.check_unit_tests, [], "")

    def test_self_built(self):
        self.passes(rules.check_built, ["engine/row/a.c"], {"engine": "'row/a.c',"})
        self.refused(rules.check_built, ["engine/row/a.c"], {"engine": "'row/ab.c',"})

    def test_self_literals_keep_their_lines(self):
        text = 'a /* b\nc */ d "e /* f" g // h\ni \'"\' j\n'
        self.assertEqual(rules.code_only(text).count("\n"), 3)
        self.assertNotIn("h", rules.code_only(text))
        self.assertIn("g", rules.code_only(text))
        self.assertIn("j", rules.code_only(text))


if __name__ == "__main__":
    tap.main()
