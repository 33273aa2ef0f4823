#!/usr/bin/env python3
"""test_kept.py - cached datasets are computed once, rounds end when they should, flows run at once.

How often something is computed is counted by the step that does it; what is on disk is looked at in
--stats, and memory as the kernel counts it.
"""
import json
import os
import re

import driver
import lib

KEPT = lib.binary("kept")
WAYS = (["--cores", "1"], ["--cores", "1", "--executors", "3"],
        ["--cores", "1", "--executors", "2", "--in-process"])
COMPUTED = re.compile(r"computed: (\d+)")


class Kept(lib.Case):
    def flow(self, *args, ok=True, options=("--cores", "1", "--executors", "2"), **more):
        run = self.run_ok if ok else self.run_it
        return run([KEPT, *options, *args], seconds=120, **more)

    def stats(self, *args, options=("--cores", "1", "--executors", "2")):
        path = os.path.join(self.dir, "stats.json")
        result = self.flow(*args, options=[*options, "--stats", path])
        with open(path) as file:
            return result, json.load(file)

    def expect_readers(self, result, rows):
        lines = ["rows %d" % rows, "sum %d" % (rows * (rows - 1) // 2),
                 "groups %d" % min(rows, 1000)]
        self.assertEqual(sorted(result.out.split("\n")[:-1]), sorted(2 * lines))
        self.assertEqual(COMPUTED.findall(result.err), [str(rows)])

    def test_readers_of_what_is_in_memory_compute_it_once(self):
        for way in WAYS:
            for rows in (0, 1, driver.scaled(30000)):
                with self.subTest(way=way, rows=rows):
                    result, stats = self.stats("readers", "memory", str(rows), "40", options=way)
                    if rows > 0:
                        self.expect_readers(result, rows)
                    self.assertEqual(stats["spilled_bytes"], 0)
                    self.assertEqual(stats["cached_disk_bytes"], 0)
                    self.assertGreaterEqual(stats["cached_memory_bytes"], rows * 40)
                    self.assertEqual(stats["cache_jobs_count"], 0)  # of the second run

    def test_readers_of_what_is_on_disk_compute_it_once(self):
        rows = driver.scaled(30000)
        for way in WAYS:
            with self.subTest(way=way):
                result, stats = self.stats("readers", "disk", str(rows), "400", options=way)
                self.expect_readers(result, rows)
                self.assertGreaterEqual(stats["cached_disk_bytes"], rows * 400)
                self.assertLess(stats["cached_memory_bytes"], 8 << 20)

    def test_what_memory_has_no_room_for_goes_to_disk(self):
        rows = 12000
        result, stats = self.stats(
            "readers", "memory", str(rows), "20000",
            options=["--cores", "1", "--executors", "2", "--memory", "128M"])
        self.expect_readers(result, rows)
        self.assertGreaterEqual(stats["cached_disk_bytes"] + stats["cached_memory_bytes"],
                                rows * 20000)
        self.assertLessEqual(stats["cached_memory_bytes"], 64 << 20)
        self.assertLessEqual(stats["peak_memory_bytes"], 128 << 20)

    def test_no_room_on_disk_is_told_of(self):
        missing = os.path.join(self.dir, "no", "such")
        self.run_bad([KEPT, "--cores", "1", "--spill-dir", missing, "readers", "disk", "100", "10"],
                     missing, "--spill-dir")

    def test_executors_that_died_compute_it_again(self):
        for flow in ("lost", "changed"):
            with self.subTest(flow=flow):
                result = self.flow(flow, options=["--cores", "1", "--executors", "2"])
                self.assertEqual(result.out.count("rows 1000\n"), 2)
                self.assertIn("computed: 1000", result.err)

    def test_what_is_given_back_makes_room(self):
        # Ten times 10 MB in 40 MB: each is freed with its flow, or uncached, before the next.
        result, stats = self.stats("freed", "10", options=["--cores", "1", "--memory", "64M"])
        self.assertEqual(result.out, "rows 40000\n" * 10)
        self.assertEqual(stats["spilled_bytes"], 0)
        self.assertLess(stats["cached_memory_bytes"], 24 << 20)

    def test_partitions_by_key_are_found_again(self):
        for partitions in ("1", "2", "5", "21"):
            result = self.flow("joined", "1000", partitions)
            self.assertEqual(sorted(result.out.split()),
                             sorted("met 500 groups 1000 keys 1000".split()))

    def test_order_of_a_sort_is_kept(self):
        count = driver.scaled(20000)
        result = self.flow("sorted", str(count))
        numbers = [int(line) for line in result.out.split()]
        self.assertEqual(numbers, list(range(count - 1, -1, -1)) * 2)
        self.assertEqual(re.findall(r"first (\d+)", result.err),
                         [str(count - i) for i in (1, 2, 3)] * 2)


class Rounds(lib.Case):
    def flow(self, *args, ok=True):
        return (self.run_ok if ok else self.run_it)(
            [KEPT, "--cores", "1", "--executors", "2", *args], seconds=60)

    def test_until_ends_them(self):
        result = self.flow("double", "30", "5000")
        rounds = ["round %d: %d after %d" % (i, 55 << i, 55 << i - 1) for i in range(1, 8)]
        self.assertEqual(result.out.split("\n")[:-1],
                         rounds + [str(n << 7) for n in range(1, 11)])

    def test_n_ends_them(self):
        self.assertTrue(self.flow("double", "0", "9").out.startswith("1\n2\n"))
        self.assertEqual(self.flow("double", "3", "1000000").out.count("round"), 3)
        # Steps of rounds that are over do not count: a flow has 256 at a time.
        self.assertEqual(self.flow("double", "40", str(55 << 45)).out.count("round"), 40)

    def test_failures_are_told_once(self):
        result = self.flow("failing", "3", ok=False)
        self.assertEqual(result.status, 1)
        self.assertEqual(result.out.count("round"), 2)
        self.assertEqual(result.err.count("it was to fail"), 1)
        self.assertIn("step 'double'", result.err)
        result = self.flow("stale", ok=False)
        self.assertEqual(result.status, 1)
        self.assertIn("a round that is over", result.err)

    def test_rounds_cannot_be_computed_again(self):
        result = self.flow("lostround", ok=False)
        self.assertEqual(result.status, 1)
        self.assertIn("build and run the flow again", result.err)
        self.assertEqual(result.out, "")

    def test_plan_shows_one_round_and_runs_nothing(self):
        result = self.flow("--plan", "double", "30", "5000")
        self.assertEqual(result.out.count("to cache 'rounds', before what follows:"), 2)
        self.assertIn("cached 'rounds'", result.out)
        self.assertNotIn("round 1", result.out)


class Lending(lib.Case):
    def test_one_executor_uses_the_memory_of_all(self):
        # One partition gets all rows and sorts them: 30 MB, which is more than the half of what
        # there is, and less than all of it.
        rows = self.file("".join("%010d %s\n" % (i * 7919 % 10 ** 10, "x" * 40)
                                 for i in range(400000)))
        script = self.file('''
local gleam = require "gleam"
gleam.New("skew"):Read(gleam.Txt(arg[1], 4)):Partition(1):LocalSort():Top(1):Printlnf("%s"):Run()
''', "skew.lua")
        stats = os.path.join(self.dir, "stats.json")
        spilled = {}
        for memory in ("64M", "96M"):
            self.run_ok([lib.binary("gleam"), "run", "--cores", "1", "--executors", "2",
                         "--hugepages", "off", "--memory", memory, "--stats", stats, script, rows],
                        seconds=60)
            with open(stats) as file:
                counts = json.load(file)
            spilled[memory] = counts["spilled_bytes"]
            self.assertLessEqual(counts["peak_memory_bytes"], int(memory[:-1]) << 20)
        self.assertGreater(spilled["64M"], 0)
        self.assertEqual(spilled["96M"], 0)


class Beside(lib.Case):
    def test_flows_run_at_the_same_time(self):
        # Each opens one end of a FIFO, which waits for the other: one after the other never ends.
        path = os.path.join(self.dir, "fifo")
        for way in (["--cores", "1", "--executors", "2"],
                    ["--cores", "1", "--executors", "2", "--in-process"]):
            with self.subTest(way=way):
                result = self.run_ok([KEPT, *way, "beside", path], seconds=30)
                self.assertEqual(sorted(result.out.split("\n")[:-1]), ["reader 1", "writer 2"])

    def test_a_failure_is_its_flows(self):
        for which, words in (("run", "it was to fail"), ("plan", "the format"),
                             ("output", "cannot write /nowhere")):
            with self.subTest(which=which):
                result = self.run_it([KEPT, "--cores", "1", "--executors", "2", "beside-fails",
                                      which])
                self.assertEqual(result.status, 1)
                lines = dict(line.split(": ", 1) for line in result.err.split("\n")[:-1]
                             if line.startswith(("good: ", "bad: ")))
                self.assertIn(words, lines["bad"])
                self.assertNotIn("not done", lines["bad"])
                self.assertTrue(lines["good"].startswith("not done, because flow 'bad'"))
                self.assertEqual(result.out, "")


if __name__ == "__main__":
    lib.main()
