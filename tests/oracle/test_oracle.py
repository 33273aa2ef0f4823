#!/usr/bin/env python3
"""test_oracle.py - random flows beside a reference and SQLite, and whether faults would be seen.

The seeds are fixed; `python3 tests/oracle/oracle.py --fresh --flows 20000` looks at others.
"""
import os
import re

import shrink
from engine import Engine, Settings, lib
from flows import draw_flow
from oracle import PARTITIONS, SABOTAGE, Oracle

FLOWS = {"none": 500, "thread": 20}.get(lib.SANITIZER, 60)
# Methods of datasets that are no operator with an answer to compute, or have a test of their own.
NOT_HERE = {
    "As": "stands in most flows", "Run": "runs them", "Init": "tests/it/test_lua.py", "Do": "calls a function", "OutputRow": "is every flow's output",
    "CoGroupPartitionedSorted": "is CoGroup", "LocalHashAndJoinWith": "is HashJoin",
    "LocalReduce": "is another name", "LocalReducerBy": "is another name", "Mapper": "is Map",
    "ReducerBy": "is ReduceBy", "SortBy": "is Sort", "Take": "is Limit",
    "DoJoin": "is one of the joins", "JoinPartitionedSorted": "is one of the joins",
    "GroupByKey": "is GroupBy", "SaveFirstRowTo": "is an output", "PipeOut": "is an output",
    "ForEach": "tests/it/test_lua.py", "PipeAsArgs": "tests/it/test_pipes.py",
    "PipeRaw": "tests/it/test_pipes.py", "Printf": "tests/it/test_output.py",
    "Printlnf": "tests/it/test_output.py", "Fprintf": "tests/it/test_output.py",
    "Fprintlnf": "tests/it/test_output.py", "WriteCsv": "tests/it/test_output.py",
    "WriteTsv": "tests/it/test_output.py", "WriteText": "tests/it/test_output.py",
    "WriteJsonl": "tests/it/test_output.py", "WriteTo": "tests/it/test_output.py",
    "WriteFormatted": "tests/it/test_output.py", "Cache": "tests/it/test_kept.py",
    "OnDisk": "tests/it/test_kept.py", "Uncache": "tests/it/test_kept.py",
    "Collect": "tests/it/test_kept.py", "Iterate": "tests/it/test_kept.py",
}


def told(oracle):
    """The failures as a message: each with its seed, the first cut down to a script."""
    lines = ["%d of %d runs failed" % (len(oracle.failures), oracle.counts["runs"])]
    failures = oracle.one_of_each()
    lines += list(map(str, failures))
    small = oracle.shrunk(failures[0])
    lines.append(shrink.standalone(small.flow, small.settings, small.partitions, small.what,
                                   small.answer))
    return "\n".join(lines)


class Flows(lib.Case):

    def test_answers_are_those_of_the_reference_and_of_sqlite(self):
        oracle = Oracle()
        if not oracle.run(1, FLOWS):
            self.fail(told(oracle))
        counts = oracle.counts
        self.assertEqual(counts["flows"], FLOWS)
        little = counts["runs in little memory"]
        # Each with every number of partitions on one executor and on two.
        self.assertEqual(counts["runs"] - little, FLOWS * 2 * len(PARTITIONS))
        self.assertGreater(little, FLOWS)
        self.assertGreater(counts["said in SQL"], FLOWS / 4)
        if FLOWS >= 500:
            self.assertGreater(counts["runs that spilled"], 0)
        self.assertLess(counts["runs out of memory, as they may be"], counts["runs"] / 50)

    def test_every_operator_is_in_some_flow(self):
        with open(os.path.join(lib.ROOT, "docs", "lua-guide.md"), encoding="utf-8") as file:
            heads = [line for line in file if line.startswith("### dataset:")]
        methods = {name for head in heads for name in re.findall(r"dataset:(\w+)\(", head)}
        with open(os.path.join(lib.ROOT, "script", "gleam.lua"), encoding="utf-8") as file:
            methods.update(re.findall(r"^function dataset_methods:(\w+)\(", file.read(), re.M))
        self.assertGreater(len(methods), 50)
        seen = set()
        for seed in range(1, 501):
            seen.update(re.findall(r":(\w+)\(", draw_flow(seed).lua()))
        self.assertEqual(sorted(methods - seen - set(NOT_HERE)), [])


class Faults(lib.Case):
    """What the oracle is worth: a fault in some flows is found, and cut down to little."""

    def flows_with(self, pattern, count, first=1):
        """The first seeds whose flows a fault is in."""
        found, seed = [], first
        while len(found) < count:
            if re.search(pattern, draw_flow(seed).lua()):
                found.append(seed)
            seed += 1
        return found

    def test_every_fault_is_seen(self):
        for name, (pattern, replacement) in SABOTAGE.items():
            with self.subTest(fault=name):
                oracle = Oracle((pattern, replacement), partitions=(3, 8))
                first = 1
                while not oracle.failures and first < 2000:
                    seeds = self.flows_with(pattern, 8, first)
                    oracle.batch(seeds)
                    first = seeds[-1] + 1
                self.assertGreater(len(oracle.failures), 0)

    def test_a_failure_is_cut_down_and_runs_by_itself(self):
        sabotage = SABOTAGE["a reducer is another"]
        oracle = Oracle(sabotage, partitions=(3,))
        oracle.batch(self.flows_with(sabotage[0], 10))
        failure = oracle.one_of_each()[0]
        small = oracle.shrunk(failure)
        self.assertLessEqual(len(small.flow.steps()), 1, small.flow.lua())
        rows = [len(node.source.rows) for node in small.flow.nodes if node.source]
        self.assertLessEqual(sum(rows), 3, small.flow.lua())
        text = shrink.standalone(small.flow, small.settings, small.partitions, small.what,
                                 small.answer)
        self.assertIn("seed %d" % failure.flow.seed, text)
        path = self.file(text, "failure.lua")
        done = self.run_ok([lib.binary("gleam"), "run", "--quiet", path])
        self.assertIn("output 1, rows: ", done.out)

    def test_a_flow_that_kills_its_executor_costs_only_itself(self):
        flows = {seed: (draw_flow(seed), (2,)) for seed in self.flows_with(r":Map\(function", 3)}
        victim = list(flows)[1]
        engine = Engine(self.dir)
        engine.job = lambda number, *more: Engine.job(engine, number, *more).replace(
            "  return d", "  os.exit(9)\n  return d" if number == victim else "  return d")
        answers = engine.run(flows, Settings(2, "512M", False))
        self.assertEqual({key[0]: answer.kind for key, answer in answers.items()},
                         {seed: "crash" if seed == victim else "rows" for seed in flows})


if __name__ == "__main__":
    lib.main()
