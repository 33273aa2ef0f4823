#!/usr/bin/env python3
"""test_ranges.py - a sort of all rows on several executors, behind and in front of everything else.

A sort makes one partition, whatever it is cut into: each case runs on one, two and three executors
and must give the same, byte by byte.
"""
import gzip
import json
import os

import driver
import lib

RANGES = lib.binary("ranges")
ROWS = driver.scaled(60000)
EXECUTORS = (1, 2, 3)


def make_rows(count):
    return [(n * 7919 % 1009, n) for n in range(count)]


def lines(rows):
    return "".join("%d %d\n" % row for row in rows)


def firsts(rows):
    """The first row of each key."""
    out = {}
    for key, number in rows:
        out.setdefault(key, number)
    return list(out.items())


class RangesCase(driver.DriverCase):
    def run_on(self, executors, *arguments):
        return self.run_ok([RANGES, "--quiet", "--memory", "512M", "--executors", str(executors)] +
                           [str(argument) for argument in arguments], seconds=60).out

    def same(self, want, *arguments):
        for executors in EXECUTORS:
            self.assertEqual(self.run_on(executors, *arguments), want,
                             "%s on %d executors" % (arguments, executors))


class BehindEverything(RangesCase):
    def test_sources_and_joins(self):
        want = lines(sorted(make_rows(ROWS)))
        for kind in ("ints", "lua", "join", "union", "pipe"):
            self.same(want, kind, ROWS, "sort", "print", "%d %d\n")

    def test_csv(self):
        path = self.file("k,n\n" + "".join("%d,%d\n" % row for row in make_rows(ROWS)), "in.csv")
        want = lines(sorted(make_rows(ROWS), reverse=True))
        self.same(want, "csv", path, "sort-back", "print", "%d %d\n")

    def test_groups(self):
        want = {key: number for key, number in sorted(make_rows(ROWS))}
        self.same(lines(sorted(want.items())), "max", ROWS, "sort", "print", "%d %d\n")

    def test_sorts_of_sorts_and_few_rows(self):
        rows = make_rows(ROWS)
        self.same(lines(sorted(rows)), "ints", ROWS, "sort-back", "sort", "print", "%d %d\n")
        for count in range(4):
            self.same(lines(sorted(make_rows(count))), "ints", count, "sort", "print", "%d %d\n")


class InFrontOfEverything(RangesCase):
    def setUp(self):
        super().setUp()
        self.rows = sorted(make_rows(ROWS))

    def after(self, want, *steps):
        self.same(want, "ints", ROWS, "sort", *steps, "print", "%v %v\n")

    def test_some_rows(self):
        self.after(lines(self.rows[:7]), "limit", 7)
        self.after(lines(self.rows[:7]), "top", 7)
        self.after(lines(self.rows[:7]), "local-top", 7)
        self.after(lines(self.rows[5:5 + ROWS // 2]), "local-limit", ROWS // 2, 5)
        self.after("", "limit", 0)

    def test_local_is_of_all_rows(self):
        self.after(lines(firsts(self.rows)), "local-distinct", "sort")
        self.after(lines(sorted(self.rows, key=lambda row: (row[0], -row[1]))), "local-sort")
        largest = {key: number for key, number in self.rows}
        self.after(lines(sorted(largest.items())), "local-max", "sort")
        self.after(str(len(largest)) + " lines\n", "local-group", "through",
                   "wc -l | sed 's/$/ lines/; s/ /\\t/'")

    def test_distinct_takes_the_first(self):
        self.after(lines(firsts(self.rows)), "distinct", "sort")

    def test_a_command_sees_one_partition(self):
        counted = [(1 + place,) + row for place, row in enumerate(self.rows)]
        self.same("".join("%d\t%d\t%d\n" % row for row in counted), "ints", ROWS, "sort", "through",
                  "awk '{print NR \"\\t\" $0}'", "print", "%s\t%s\t%s\n")
        self.after(lines(self.rows[:3]), "through", "head -3")

    def test_merges_keep_the_order(self):
        self.after(lines(self.rows), "merge", 1)
        self.after(lines(self.rows), "merge-sorted", 1)

    def test_a_fold_goes_in_order(self):
        self.same(",".join(str(row[1]) for row in self.rows) + "\n", "ints", ROWS, "sort",
                  "one-text", "print", "%s\n")


class Written(RangesCase):
    def setUp(self):
        super().setUp()
        self.rows = sorted(make_rows(ROWS))
        self.want = "".join("%d,%d\n" % row for row in self.rows)

    def test_one_file_has_one_header(self):
        for executors in EXECUTORS:
            path = os.path.join(self.dir, "out%d.csv" % executors)
            self.run_on(executors, "ints", ROWS, "sort", "csv", path)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), "k,n\n" + self.want)

    def test_a_header_without_rows(self):
        for executors in EXECUTORS:
            path = os.path.join(self.dir, "none.csv")
            self.run_on(executors, "ints", 0, "sort", "csv", path)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), "k,n\n")

    def test_few_rows_leave_ranges_empty(self):
        path = os.path.join(self.dir, "few.csv")
        self.run_on(3, "ints", 1, "sort", "csv", path)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "k,n\n0,0\n")

    def test_compressed(self):
        for executors in EXECUTORS:
            path = os.path.join(self.dir, "out.csv.gz")
            self.run_on(executors, "ints", ROWS, "sort", "csv", path)
            with gzip.open(path, "rt") as file:
                self.assertEqual(file.read(), "k,n\n" + self.want)

    def test_json_lines(self):
        path = os.path.join(self.dir, "out.jsonl")
        self.run_on(2, "ints", ROWS, "sort", "jsonl", path)
        with open(path, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        self.assertEqual([(row["k"], row["n"]) for row in rows], self.rows)

    def test_parts_in_order(self):
        for executors in EXECUTORS:
            path = os.path.join(self.dir, "parts%d" % executors)
            self.run_on(executors, "ints", ROWS, "sort", "csv", path)
            parts = sorted(name for name in os.listdir(path) if name.startswith("part-"))
            self.assertEqual(len(parts), executors)
            got = ""
            for name in parts:
                with open(os.path.join(path, name), encoding="utf-8") as file:
                    header, text = file.read().split("\n", 1)
                self.assertEqual(header, "k,n")
                self.assertGreater(len(text), 0)
                got += text
            self.assertEqual(got, self.want)


LUA = """local gleam = require "gleam"
gleam.New("spills"):TextFile(arg[1])
  :Map(function(line) return line:sub(1, 10), line:sub(12) end):As("key bytes, text bytes")
  :ReduceBy(function(a, b) return #a + #b < 60 and a .. b or (#a < #b and a or b) end)
  :Map(function(key, text) return key, #text end):As("key bytes, n i64")
  :Sort(gleam.OrderBy(1, true))
  :WriteFormatted(arg[2], "%s %d\\n")
  :Run()
"""

LISTS = """local gleam = require "gleam"
gleam.New("spills"):TextFile(arg[1])
  :Map(function(line) return line:sub(1, 10), {#line, line:sub(12)} end):As("key bytes, list any")
  :ReduceBy(function(a, b) return {a[1] + b[1], a[2] < b[2] and a[2] or b[2]} end)
  :Map(function(key, list) return key, list[1], list[2] end):As("key bytes, n i64, text bytes")
  :Sort(gleam.OrderBy(1, false))
  :WriteFormatted(arg[2], "%s %d %s\\n")
  :Run()
"""


class LuaSpills(RangesCase):
    """Totals of Lua functions, texts and lists, that memory cannot hold."""

    def setUp(self):
        super().setUp()
        count = driver.scaled(900000)
        self.path = os.path.join(self.dir, "in.txt")
        self.output = os.path.join(self.dir, "out.txt")
        self.lines = ["%010d %s" % (number * 7919 % (count // 2 + 1), "x" * (number % 41))
                      for number in range(count)]
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("\n".join(self.lines) + "\n")

    def run_lua(self, text, executors, memory):
        script = self.file(text, "flow.lua")
        stats = os.path.join(self.dir, "stats.json")
        self.run_ok([lib.binary("gleam"), "run", "--quiet", "--executors", str(executors),
                     "--memory", memory, "--hugepages", "off", "--stats", stats, script, self.path,
                     self.output], seconds=170)
        with open(stats, encoding="utf-8") as file:
            report = json.load(file)
        with open(self.output, encoding="utf-8") as file:
            return report, file.read().splitlines()

    def spilled(self, report, kind):
        return sum(step["spilled_bytes"] for step in report["steps"] if step["step_kind"] == kind)

    def test_texts(self):
        roomy, want = self.run_lua(LUA, 2, "2G")
        self.assertEqual(roomy["spilled_bytes"], 0)
        self.assertEqual([line.split()[0] for line in want],
                         sorted({line.split(" ")[0] for line in self.lines}))
        report, got = self.run_lua(LUA, 2, "64M")
        self.assertEqual(got, want)
        self.assertGreater(self.spilled(report, "reduce"), 0)
        self.assertLessEqual(report["peak_memory_bytes"], 64 << 20)

    def test_lists(self):
        want = {}
        for line in self.lines:
            key, text = line.split(" ")
            total = want.get(key)
            want[key] = ((total[0] + len(line), min(total[1], text)) if total
                         else (len(line), text))
        report, got = self.run_lua(LISTS, 2, "64M")
        self.assertEqual(got, ["%s %d %s" % ((key,) + want[key])
                               for key in sorted(want, reverse=True)])
        self.assertGreater(self.spilled(report, "reduce"), 0)


if __name__ == "__main__":
    lib.main()
