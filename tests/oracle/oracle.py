#!/usr/bin/env python3
"""oracle.py - random flows, and whether gleam gives what a plain computation and SQLite give.

    python3 tests/oracle/oracle.py [--flows N] [--seed N | --fresh] [--keep DIR]

A flow is 1 to 6 random operators over random rows (flows.py), the answer is that of a reference
interpreter (operators.py), which is held against SQLite wherever SQL can say the flow (sql.py).  Each
flow runs with 1, 2, 3, 8 and 21 partitions on 1 and on 2 executors, and with little memory; the rows
must be the same ones always, and in order where order is promised.  A failure is cut down to the
smallest flow that still fails (shrink.py) and printed, with its seed, as a script that can be run.

GLEAM_BIN_DIR says which build is tested, as for tests/it.
"""
import argparse
import os
import re
import secrets
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import shrink
import sql
from engine import Engine, Settings
from flows import PARTITIONS, difference, draw_flow

BATCH = 250
PLENTY = "512M"
LITTLE = ("40M", "48M", "56M", "64M", "80M", "96M", "128M", "192M", "320M")  # as little as the plan of a flow allows
FAILURES_MAX = 5  # shown and cut down; more are counted

# Faults that somebody could make, put into the flows' texts: (pattern, replacement).  The oracle must
# find each of them.
SABOTAGE = {
    "a row is lost": (r"return (d\d+)\nend", r"return \1:Filter(function(x) return x ~= 7 end)\nend"),
    "a reducer is another": (r"gleam\.(Sum|SumInt64|SumFloat64)\b", "gleam.Max"),
    "an order is turned around": (r"(:Sort\(gleam\.OrderBy\(\d), true", r"\1, false"),
    "a sort is of its partition alone": (r":Sort\(", ":LocalSort("),
    "an outer join is an inner one": (r":FullOuterJoin", ":Join"),
    "distinct looks at one partition": (r":Distinct\(", ":LocalDistinct("),
    "groups of one partition": (r":GroupBy\(", ":LocalGroupBy("),
    "a limit takes one row more": (r":Limit\((\d)", r":Limit(1\1"),
    "a union forgets a dataset": (r":Union\(\{?(d\d+).*?\)", r""),
    "equal is less or equal": (r'"==", (\d)', r'"<=", \1'),
}


class Failure:
    def __init__(self, flow, settings, partitions, what, answer):
        self.flow, self.settings, self.partitions = flow, settings, partitions
        self.what, self.answer = what, answer

    def __str__(self):
        return "seed %d, %d executors, %s of memory, %d partitions: %s %s" % (
            self.flow.seed, self.settings.executors, self.settings.memory, self.partitions,
            self.what, self.answer.text[:300])


def problem(flow, settings, answer):
    """What is wrong with an answer, or None."""
    if answer.kind == "rows":
        for data, got in zip(flow.results, answer.outputs):
            found = difference(data, got)
            if found:
                return found
        return None if len(answer.outputs) == len(flow.outputs) else "outputs"
    if (settings.little and answer.kind == "error" and "--memory" in answer.text
            and not flow.has_to_fit_little_memory()):
        return None
    return answer.kind


def wanted_memory(answer):
    """MiB that a plan needs, when that is why it was refused."""
    match = answer.kind == "error" and re.search(r"is too small for .*give --memory (\d+)M", answer.text)
    return int(match.group(1)) if match else None


class Oracle:
    def __init__(self, sabotage=None, partitions=PARTITIONS, say=lambda text: None):
        self.sabotage, self.partitions, self.say = sabotage, partitions, say
        self.counts = Counter()
        self.failures = []

    # -- running

    def work(self, flows):
        """[(settings, {number: (flow, partitions)}, cores)]: what runs by itself."""
        all_of_them = {number: (flow, self.partitions) for number, flow in flows.items()}
        pieces = [(Settings(2, PLENTY, False), all_of_them, None)]
        cpus = sorted(os.sched_getaffinity(0))[:4]
        for k, cpu in enumerate(cpus):
            pieces.append((Settings(1, PLENTY, False),
                           {n: work for n, work in all_of_them.items() if n % len(cpus) == k}, "%d-%d" % (cpu, cpu)))
        for executors, several in ((1, self.partitions[-2:-1]), (2, self.partitions[1:2])):
            pieces.append((Settings(executors, LITTLE[0], True),
                           {n: (flow, several) for n, flow in flows.items()
                            if flow.may_have_little_memory()}, None))
        return pieces

    def run_piece(self, engine, piece):
        """[(settings, flow, partitions, answer)]; in little memory, with the least that is enough."""
        settings, flows, cores = piece
        out = []
        while flows:
            answers = engine.run(flows, settings, cores)
            again = {}
            for (number, p), answer in answers.items():
                need = wanted_memory(answer) if settings.little else None
                if need is not None and settings.memory != LITTLE[-1]:
                    again[number] = flows[number]
                else:
                    out.append((settings, flows[number][0], p, answer))
            flows = again
            if flows:
                settings = settings._replace(memory=LITTLE[LITTLE.index(settings.memory) + 1])
        return out

    def batch(self, seeds):
        flows = {seed: draw_flow(seed) for seed in seeds}
        for seed, flow in flows.items():
            wrong = sql.check(flow)
            self.counts["said in SQL"] += wrong is not None
            if wrong:
                raise AssertionError("seed %d: the reference and SQLite differ\n%s\n%s" % (
                    seed, flow.lua(), wrong[0][1]))
        with tempfile.TemporaryDirectory(prefix="gleam-oracle-") as folder:
            engine = Engine(folder, self.sabotage)
            with ThreadPoolExecutor(2) as pool:
                pieces = [piece for piece in self.work(flows) if piece[1]]
                found = list(pool.map(lambda piece: self.run_piece(engine, piece), pieces))
        for settings, flow, p, answer in (one for piece in found for one in piece):
            self.counts["runs"] += 1
            self.counts["runs in little memory"] += settings.little
            self.counts["runs that spilled"] += answer.spilled_bytes > 0
            what = problem(flow, settings, answer)
            if what:
                self.failures.append(Failure(flow, settings, p, what, answer))
            elif answer.kind != "rows":
                self.counts["runs out of memory, as they may be"] += 1
        self.counts["flows"] += len(flows)

    def run(self, first, count):
        """Runs the flows of `count` seeds; false when one of them failed."""
        begin = time.monotonic()
        for start in range(first, first + count, BATCH):
            self.batch(range(start, min(start + BATCH, first + count)))
            self.say("%d of %d flows, %d failures, %.0f s" % (
                self.counts["flows"], count, len(self.failures), time.monotonic() - begin))
        return not self.failures

    # -- failures

    def shrunk(self, failure):
        """The failure of the smallest flow that still fails so."""
        kept = {}

        def fails(flow):
            with tempfile.TemporaryDirectory(prefix="gleam-oracle-") as folder:
                engine = Engine(folder, self.sabotage)
                answers = engine.run({1: (flow, (failure.partitions,))}, failure.settings)
            answer = answers[1, failure.partitions]
            what = problem(flow, failure.settings, answer)
            same = what is not None and (what in ("error", "crash", "hang")) == (
                failure.what in ("error", "crash", "hang")) and wanted_memory(answer) is None
            if same:
                kept["last"] = Failure(flow, failure.settings, failure.partitions, what, answer)
            return same

        if not fails(failure.flow):
            return failure  # by itself it does not fail: shown as it is
        shrink.shrink(failure.flow, fails)
        return kept["last"]

    def one_of_each(self):
        """Failures to show: one of each flow, a few at most."""
        seen = {}
        for failure in self.failures:
            seen.setdefault(failure.flow.seed, failure)
        return list(seen.values())[:FAILURES_MAX]


def options():
    parser = argparse.ArgumentParser(description="random flows beside a reference and SQLite")
    parser.add_argument("--flows", type=int, default=500, help="how many (500)")
    parser.add_argument("--seed", type=int, default=1, help="the first flow's seed (1)")
    parser.add_argument("--fresh", action="store_true", help="seeds that nobody has seen")
    parser.add_argument("--keep", metavar="DIR", help="write the failures' scripts there as well")
    parser.add_argument("--sabotage", choices=sorted(SABOTAGE), help="a fault to be found")
    return parser.parse_args()


def main():
    chosen = options()
    first = secrets.randbelow(1 << 40) if chosen.fresh else chosen.seed
    oracle = Oracle(SABOTAGE.get(chosen.sabotage), say=lambda text: print(text, flush=True))
    print("seeds %d to %d" % (first, first + chosen.flows - 1), flush=True)
    good = oracle.run(first, chosen.flows)
    for failure in oracle.one_of_each():
        print(failure, flush=True)
        small = oracle.shrunk(failure)
        text = shrink.standalone(small.flow, small.settings, small.partitions, small.what,
                                 small.answer)
        print(text, flush=True)
        if chosen.keep:
            path = os.path.join(chosen.keep, "seed-%d.lua" % failure.flow.seed)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    print(", ".join("%s: %d" % pair for pair in oracle.counts.items()))
    print("failures: %d" % len(oracle.failures))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
