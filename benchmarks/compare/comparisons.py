"""comparisons.py - what is compared: each entry is a row, or a few, of the table of speed.

A comparison runs its contenders on one text and answers with rows, a contender each, and figures,
each a number with what it should be.  A new one goes into all_comparisons().
"""

import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import time
from typing import Callable, Optional

import contenders
import net
import runner
from texts import (CSV, FEW, KEYED_LEFT, KEYED_RIGHT, LARGE_CSV, LARGE_NAMES, MILLION, NAMES_CSV,
                   RECORDS, SKEWED_RECORDS, THREE, WRITTEN, Text, Texts)

LABEL = {MILLION: "1 M distinct words", FEW: "50 k distinct words"}


@dataclasses.dataclass
class Figure:
    """How one contender should stand against another, or by itself."""

    what: str
    subject: str
    base: str  # '' for a figure of its own
    kind: str  # speed: base's seconds / subject's; milliseconds; megabytes; times the input
    least: float
    aim: float
    # In the place of a base that ran: seconds that somebody recorded, of so many bytes.  Other sizes
    # are taken in proportion.
    recorded_seconds: float = 0
    recorded_bytes: int = 0


@dataclasses.dataclass
class Comparison:
    name: str
    title: str
    contenders: list
    figures: list
    text: Text = Text("words", MILLION)
    second: Optional[Text] = None  # the other file of a join
    rounds: int = 5
    memory: bool = False  # sampled in each round, which slows it down
    run: Optional[Callable] = None  # does the whole, instead of contenders


@dataclasses.dataclass
class Setting:
    build: str
    rounds: int  # 0 for what the comparison says
    small: bool
    patience: int  # seconds to wait for a quiet machine, a comparison
    texts: Texts
    stats: str
    disk: str  # a folder on a disk


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def row_of(contender, runs, base_runs, file_bytes):
    row = {"name": contender.name, "cores": contender.cores,
           "seconds": spread([run.seconds for run in runs]),
           "cpu_seconds": statistics.median(run.cpu_seconds for run in runs),
           "mb_per_s": file_bytes / 1e6 / statistics.median(run.seconds for run in runs),
           "speed": spread([base.seconds / run.seconds for base, run in zip(base_runs, runs)]),
           "all_seconds": [run.seconds for run in runs],
           "all_cpu_seconds": [run.cpu_seconds for run in runs]}
    if contender.peer:
        row["peer"] = True
    if runs[0].peak_bytes:
        row["peak_bytes"] = spread([run.peak_bytes for run in runs])
    return row


def measure(figure, runs, file_bytes):
    """The figure over the rounds; None when a contender was left out."""
    if figure.subject not in runs or (figure.base and figure.base not in runs):
        return None
    subject = runs[figure.subject]
    if figure.recorded_seconds:
        seconds = figure.recorded_seconds * file_bytes / figure.recorded_bytes
        values = [seconds / run.seconds for run in subject]
    elif figure.kind == "times the input":
        values = [run.peak_bytes / file_bytes for run in subject]
    elif figure.kind == "speed":
        values = [base.seconds / run.seconds for base, run in zip(runs[figure.base], subject)]
    elif figure.kind == "milliseconds":
        values = [run.seconds * 1e3 for run in subject]
    else:
        values = [run.peak_bytes / 1e6 for run in subject]
    return {"what": figure.what, "kind": figure.kind, "least_wanted": figure.least,
            "aim": figure.aim, **spread(values)}


def run_comparison(comparison, setting):
    """Returns the result as it goes into the JSON; raises runner.Failed."""
    if comparison.run:
        return {"name": comparison.name, "title": comparison.title,
                **comparison.run(setting)}
    rounds = setting.rounds or comparison.rounds
    chosen, left_out = runner.available(comparison.contenders)
    if not chosen:
        raise runner.LeftOut("none of its programs is there")
    task = task_for(setting, comparison.text, comparison.second)
    file_bytes = os.path.getsize(task.file)
    input_bytes = file_bytes + (os.path.getsize(task.second) if task.second else 0)
    runs = runner.run_rounds(chosen, task, rounds, setting.patience, comparison.memory)
    answer = runner.check_answers(runs)
    base = runs[chosen[0].name]
    figures = [measure(figure, runs, input_bytes) for figure in comparison.figures]
    return {"name": comparison.name, "title": comparison.title, "rounds": rounds,
            "bytes": file_bytes, "base": chosen[0].name,
            "others": max(run.others for each in runs.values() for run in each),
            "answer": {key: answer[key] for key in ("words", "distinct", "lines") if key in answer},
            "programs": programs_of(chosen), "left_out": left_out,
            "rows": [row_of(each, runs[each.name], base, file_bytes) for each in chosen],
            "figures": [figure for figure in figures if figure]}


def task_for(setting, text, second=None):
    return contenders.Task(setting.texts(text), setting.stats,
                           setting.texts(second) if second else "", setting.texts.rows(text),
                           setting.disk, not setting.small)


def programs_of(chosen):
    """{"DuckDB": its version}, of those that are not ours."""
    versions = {each.name: runner.version_of(each) for each in chosen}
    return {name: version for name, version in versions.items() if version}


# ---- the rings have a program of their own, which takes its turns itself -------------------------

RING_FIGURES = {
    "frames of 64 KiB": ("64 KiB frames, processes against threads", 0.9, 0.97),
    "descriptors threads bulk 1": ("8-byte descriptors one by one against rte_ring", 1.0, 1.2),
    "descriptors threads bulk 32": ("8-byte descriptors by 32 against rte_ring", 1.0, 1.2),
    "descriptors processes bulk 1":
        ("8-byte descriptors one by one against rte_ring, processes", 1.0, 1.2),
    "descriptors processes bulk 32":
        ("8-byte descriptors by 32 against rte_ring, processes", 1.0, 1.2),
}


def of_ring_bench(found):
    """Its words for a spread are min and max; ours are least and most."""
    return {"median": found["median"], "least": found["min"], "most": found["max"]}


def run_ring(setting):
    command = [os.path.join(setting.build, "gleam"), "bench", "ring", "--json"]
    ended = subprocess.run(command + ["--small"] * setting.small, capture_output=True, text=True,
                           timeout=runner.TIMEOUT_SECONDS, check=False)
    if ended.returncode != 0:
        raise runner.Failed(f"gleam bench ring: {ended.stdout}{ended.stderr}")
    rows, figures, rounds = [], [], 0
    for found in map(json.loads, ended.stdout.splitlines()):
        rounds = found["rounds"]
        ours, theirs = (("processes", "threads") if "processes" in found else
                        ("gleam", "rte_ring"))
        row = {"name": found["case"], "unit": found["unit"], ours: of_ring_bench(found[ours])}
        if "ratio" in found:
            row[theirs] = of_ring_bench(found[theirs])
            row["ratio"] = of_ring_bench(found["ratio"])
            if found["case"] in RING_FIGURES:
                what, least, aim = RING_FIGURES[found["case"]]
                figures.append({"what": what, "kind": "speed", "least_wanted": least, "aim": aim,
                                **row["ratio"]})
        rows.append(row)
    return {"rounds": rounds, "ring_rows": rows, "figures": figures}


# ---- growth: the same on 1, 2, 4, 8 and 16 times the data -----------------------------------------

GROWTH_DIVISORS = (16, 8, 4, 2, 1)
# What these hold goes to disk: they are drawn with little memory as well.
BEYOND_MEMORY = ("sort", "group")
LITTLE_MEMORY = "128M"


def growth_cases(build):
    """[(name, title, kind of text, contenders)]"""
    return [
        ("word-count", "Word count", "words",
         [contenders.mawk_pipe(), contenders.gleam(build, "gleam", 2)]),
        ("csv-count", "Rows per value of a column of CSV", "csv",
         [contenders.duckdb(build, "count", 2), contenders.polars(build, "count", 2),
          contenders.script(build, "gleam", 2, "csv_count.lua", contenders.answer_of_counts)]),
        ("sort", "The lines of a text, sorted", "words",
         [contenders.gnu_sort_lines(2), *in_memory_and_beyond(build, "sort")]),
        ("group", "The different lines of a text, counted", "words",
         in_memory_and_beyond(build, "group")),
        ("join", "The lines of a text, joined with themselves", "words",
         in_memory_and_beyond(build, "join")),
    ]


def in_memory_and_beyond(build, what):
    """gleam with all the memory there is, and with as much as the smaller sizes need."""
    make = {"sort": contenders.gleam_sort_lines, "group": contenders.gleam_group_lines,
            "join": contenders.gleam_join_lines}[what]
    out = [make(build, "gleam", 2)]
    if what in BEYOND_MEMORY:
        out.append(make(build, f"gleam, {LITTLE_MEMORY}", 2, "--memory", LITTLE_MEMORY))
    return out


def run_growth_case(setting, rounds, case):
    """One curve per contender; rounds are by turns, a size after the other."""
    name, title, kind, wanted = case
    chosen, left_out = runner.available(wanted)
    lines = [{"name": each.name, "cores": each.cores, "peer": each.peer, "points": []}
             for each in chosen]
    others = 0.0
    for divisor in GROWTH_DIVISORS:
        task = task_for(setting, Text(kind, FEW, divisor))
        runs = runner.run_rounds(chosen, task, rounds, setting.patience)
        runner.check_answers(runs)
        for line in lines:
            seconds = [run.seconds for run in runs[line["name"]]]
            line["points"].append({"bytes": os.path.getsize(task.file), "seconds": spread(seconds),
                                   "all_seconds": seconds})
            others = max([others] + [run.others for run in runs[line["name"]]])
    return ({"name": name, "title": title, "lines": lines}, programs_of(chosen), left_out, others)


def run_growth(build, setting):
    rounds = setting.rounds or 3
    curves, programs, left_out, others = [], {}, [], 0.0
    for case in growth_cases(build):
        curve, versions, missing, disturbed = run_growth_case(setting, rounds, case)
        curves.append(curve)
        programs.update(versions)
        left_out += missing
        others = max(others, disturbed)
    return {"rounds": rounds, "others": others, "programs": programs, "left_out": left_out,
            "curves": curves, "figures": []}


# ---- the disk queue against fio, where that is installed -----------------------------------------

def fio_mb_per_s(what, mib, folder):
    """MB/s of fio with direct writes or reads of 1 MiB, eight at once."""
    command = ["fio", "--name=spill", f"--directory={folder}", f"--rw={what}", "--bs=1M",
               "--direct=1", "--ioengine=io_uring", "--iodepth=8", f"--size={mib}M", "--unlink=1",
               "--output-format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          timeout=runner.TIMEOUT_SECONDS)
    if done.returncode != 0:
        raise runner.Failed(f"fio: {done.stderr}")
    return json.loads(done.stdout)["jobs"][0][what]["bw_bytes"] / 1e6


def run_spill(setting):
    mib, rounds = (16, 1) if setting.small else (1024, setting.rounds or 5)
    program = os.path.join(setting.build, "benchmarks", "bench_spill")
    with_fio = shutil.which("fio") is not None
    ours, theirs = {"write": [], "read": []}, {"write": [], "read": []}
    cpu = []
    for _ in range(rounds):
        done = subprocess.run([program, "--json", "--size", str(mib), setting.disk], capture_output=True,
                              text=True, check=False, timeout=runner.TIMEOUT_SECONDS)
        if done.returncode != 0:
            raise runner.Failed(f"bench_spill: {done.stderr}")
        found = json.loads(done.stdout)
        cpu.append(found["cpu_seconds_per_gb"])
        for what in ours:
            ours[what].append(found[f"{what}_mb_per_s"])
            if with_fio:
                theirs[what].append(fio_mb_per_s(what, mib, setting.disk))
    rows, figures = [], []
    for what, values in ours.items():
        row = {"name": f"{what}, blocks of 1 MiB", "unit": "MB/s", "gleam": spread(values)}
        if with_fio:
            row["fio"] = spread(theirs[what])
            row["ratio"] = spread([mine / other for mine, other in zip(values, theirs[what])])
            figures.append({"what": f"disk queue against fio, {what}", "kind": "speed",
                            "least_wanted": 0.85, "aim": 0.95, **row["ratio"]})
        rows.append(row)
    rows.append({"name": "CPU time per GB that goes to the disk and back", "unit": "s",
                 "gleam": spread(cpu)})
    figures.append({"what": "CPU seconds per spilled GB", "kind": "seconds", "least_wanted": 0.5,
                    "aim": 0.25, **spread(cpu)})
    return {"rounds": rounds, "ring_rows": rows, "figures": figures}


# ---- sorting records: skew, and beyond memory ----------------------------------------------------

def run_sort_skew(build, setting):
    """The same sort of two files by turns."""
    rounds = setting.rounds or 5
    chosen, left_out = runner.available([contenders.gleam_sort(build, "gleam", 2)])
    if not chosen:
        raise runner.LeftOut("; ".join(left_out))
    tasks = {"different keys": task_for(setting, RECORDS),
             "half of the keys equal": task_for(setting, SKEWED_RECORDS)}
    seconds = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            run = runner.run_once(chosen[0], task)
            if not run.answer["validated"]:
                raise runner.Failed(f"not sorted: {run.answer['records']}")
            seconds[name].append(run.seconds)
    ratio = spread([skewed / uniform for uniform, skewed in zip(*seconds.values())])
    rows = [{"name": name, "unit": "s", "gleam": spread(values)}
            for name, values in seconds.items()]
    return {"rounds": rounds, "ring_rows": rows,
            "figures": [{"what": "sort of records, half of the keys equal, against uniform, in time",
                         "kind": "times", "least_wanted": 1.3, "aim": 1.1, **ratio}]}


def run_sort_external(build, setting):
    """Records on the disk, four times the memory, beside the time that fio takes for the bytes."""
    if shutil.which("fio") is None:
        raise runner.LeftOut("fio is not there")
    records, memory, mib = (2000000, "48M", 16) if setting.small else (80000000, "2G", 1024)
    rounds = setting.rounds or 3
    source, result = (os.path.join(setting.disk, name) for name in ("records", "sorted"))
    program = os.path.join(build, "gleam")
    subprocess.run([program, "bench", "generate", "--records", str(records), source], check=True)
    seconds, ratios, spilled = [], [], []
    try:
        for _ in range(rounds):
            rates = {what: fio_mb_per_s(what, mib, setting.disk) for what in ("write", "read")}
            start = time.monotonic()
            subprocess.run([program, "bench", "sort", "--quiet", "--cores", "2", "--memory", memory,
                            "--spill-dir", setting.disk, "--stats", setting.stats, source, result],
                           check=True, timeout=runner.TIMEOUT_SECONDS)
            seconds.append(time.monotonic() - start)
            subprocess.run([program, "bench", "validate", "--of", source, result], check=True,
                           stdout=subprocess.DEVNULL)
            os.unlink(result)
            with open(setting.stats, encoding="utf-8") as file:
                spilled.append(json.load(file)["spilled_bytes"] / 1e6)
            # What is spilled goes there and back, the input comes, the output goes.
            megabytes = spilled[-1] + records / 1e4
            ratios.append(seconds[-1] / (megabytes / rates["write"] + megabytes / rates["read"]))
    finally:
        os.unlink(source)
    rows = [{"name": f"{records / 1e7:g} GB with --memory {memory}", "unit": "s",
             "gleam": spread(seconds)},
            {"name": "bytes spilled", "unit": "MB", "gleam": spread(spilled)}]
    return {"rounds": rounds, "ring_rows": rows,
            "figures": [{"what": "external sort against the disk's own time for the bytes read and "
                                 "written (fio, direct)",
                         "kind": "times", "least_wanted": 1.35, "aim": 1.1, **spread(ratios)}]}


# ---- the list ------------------------------------------------------------------------------------

def wordcount(build, name, words):
    label = LABEL[words]
    return Comparison(
        name, f"Word count on one core, {label}",
        [contenders.peer(build, "c"), contenders.peer(build, "c --batch", "--batch"),
         contenders.gleam(build, "gleam", 1)],
        [Figure(f"native word count on one core against C by hand, {label}", "gleam", "c", "speed",
                0.8, 1.0),
         Figure(f"the same against C by hand with prefetching (--batch), {label}", "gleam",
                "c --batch", "speed", 0.8, 1.0)],
        Text("words", words))


def mawk(build):
    return Comparison(
        "mawk", f"Word count on two cores against tr and mawk, {LABEL[MILLION]}",
        [contenders.mawk_pipe(), contenders.gleam(build, "gleam", 2)],
        [Figure("native word count against `tr \\| mawk`, two cores each", "gleam", "tr, mawk",
                "speed", 5, 8)])


def functions(build, name, words):
    label = LABEL[words]
    return Comparison(
        name, f"Registered C functions against native kernels, one core, {label}",
        [contenders.gleam(build, "native", 1),
         contenders.gleam(build, "C functions", 1, "--functions")],
        [Figure(f"registered C mapper and reducer against native kernels, {label}", "C functions",
                "native", "speed", 0.7, 0.9)],
        Text("words", words))


def cores(build, name, words):
    label = LABEL[words]
    return Comparison(
        name, f"Two cores against one, {label}",
        [contenders.gleam(build, "one core", 1), contenders.gleam(build, "two cores", 2)],
        [Figure(f"two cores against one, {label}", "two cores", "one core", "speed", 1.8, 1.95)],
        Text("words", words))


def start(build):
    return Comparison(
        "start", "A flow on three lines, start to finish",
        [contenders.nothing(), contenders.mawk_alone(), contenders.example(build, "one core", 1),
         contenders.example(build, "two cores", 2)],
        [Figure("a flow on three lines, one core", "one core", "", "milliseconds", 30, 10),
         Figure("a flow on three lines, two cores", "two cores", "", "milliseconds", 30, 10)],
        text=THREE, rounds=50)


def csv_count(build):
    return Comparison(
        "csv-count", "Rows per value of a column of CSV, the five most frequent, two cores",
        [contenders.duckdb(build, "count", 2), contenders.polars(build, "count", 2),
         contenders.csv_count(build, "gleam, C", 2),
         contenders.script(build, "gleam, Lua", 2, "csv_count.lua", contenders.answer_of_counts)],
        [Figure("CSV, rows per value of column 2: a flow in C against DuckDB, two cores each",
                "gleam, C", "DuckDB", "speed", 1.0, 1.5),
         Figure("the same: a flow in Lua against DuckDB", "gleam, Lua", "DuckDB", "speed", 1.0, 1.5),
         Figure("the same: a flow in Lua against Polars", "gleam, Lua", "Polars", "speed", 1.0,
                1.5)],
        text=CSV)


def csv_join(build):
    def flow(method):
        return contenders.script(build, method, 2, "csv_join.lua", contenders.answer_of_counts,
                                 method, lambda task: task.file, lambda task: task.second)

    return Comparison(
        "csv-join", "CSV joined with one of 5000 rows by a text; sums of 50 groups",
        [contenders.duckdb(build, "join", 2), contenders.polars(build, "join", 2),
         flow("HashJoin"), flow("Join")],
        [Figure("CSV joined with a small CSV: HashJoin in Lua against DuckDB, two cores each",
                "HashJoin", "DuckDB", "speed", 1.3, 2.0)],
        text=CSV, second=NAMES_CSV)


def csv_join_top(build):
    """7 M rows of 600 MB, and 60 thousand of 5 MB."""
    flow = contenders.script(build, "gleam", 2, "csv_join_top.lua", contenders.answer_of_counts,
                             lambda task: task.file, lambda task: task.second)
    return Comparison(
        "csv-join-top", "7 M rows of CSV joined with 60 k rows; rows per value there, the top five",
        [contenders.duckdb(build, "join-top", 2), flow],
        [Figure("7 M rows of CSV joined with 60 k, counted, top five, against DuckDB, two cores each",
                "gleam", "DuckDB", "speed", 1.3, 2.0)],
        text=LARGE_CSV, second=LARGE_NAMES)


# ---- what the original took, as it was recorded: 200 MB, two cores --------------------------------

RECORDED_BYTES = 200_000_000


def recorded(what, seconds, least, memory, most, aim):
    """Figures of "gleam" against seconds that the original was seen to take."""
    return [Figure(f"{what} against the original's recorded {seconds} s for 200 MB", "gleam", "",
                   "speed", least, 2 * least, seconds, RECORDED_BYTES),
            Figure(f"memory of that {what}", "gleam", "", memory, most, aim)]


def original_wordcount(build):
    return Comparison(
        "original-wordcount", f"Word count of 200 MB, {LABEL[MILLION]}, two cores",
        [contenders.peer(build, "c"), contenders.gleam(build, "gleam", 2)],
        recorded("word count", 244, 200, "megabytes", 300, 200),
        text=Text("words", MILLION, 5), memory=True)


def original_sort(build):
    return Comparison(
        "original-sort", "Lines of 200 MB sorted, file to file, two cores",
        [contenders.gnu_sort_lines(2), contenders.gleam_sort_lines(build, "gleam", 2)],
        recorded("sort", 34, 30, "times the input", 2.2, 1.5),
        text=Text("words", MILLION, 5), memory=True)


def original_join(build):
    return Comparison(
        "original-join", "Two CSV files of 100 MB joined by a text, file to file, two cores",
        [contenders.gnu_join(2),
         contenders.script(build, "gleam", 2, "csv_join_write.lua", contenders.answer_of_lines,
                           lambda task: task.file, lambda task: task.second, contenders.output_of)],
        recorded("join of two CSV files", 98, 80, "times the input", 2.2, 1.5),
        text=KEYED_LEFT, second=KEYED_RIGHT, memory=True, rounds=3)


def join_rows(build):
    """Pairs of i64 made in memory, in both by arithmetic."""
    def rows(task):
        return str(100000000 if task.full else 100000)

    def keys(task):
        return str(10000000 if task.full else 10000)

    return Comparison(
        "join-rows", "100 M pairs of i64 joined with 10 M by their keys, within 8 GB",
        [contenders.duckdb(build, "join-rows", 2, rows, keys, "8GB"),
         contenders.script(build, "gleam", 2, "join_rows.lua", contenders.answer_of_counts, rows,
                           keys, options=("--memory", "8G"))],
        [Figure("join of 100 M with 10 M pairs of i64 against DuckDB, two cores each", "gleam",
                "DuckDB", "speed", 1.3, 2.0)],
        text=THREE)


def zstd_lines(build):
    return Comparison(
        "zstd-lines", "Lines of a text compressed by zstd",
        [contenders.zstd_wc(),
         contenders.script(build, "gleam", 2, "lines.lua", contenders.answer_of_lines_counted)],
        [Figure("lines of a .zst text against `zstd -dc \\| wc -l`, two cores each", "gleam",
                "zstd, wc", "speed", 1.0, 1.3)],
        text=Text("zst", FEW))


def csv_write(build):
    return Comparison(
        "csv-write", "Rows in memory written as CSV to a disk, beside `cat` of the same bytes",
        [contenders.cat_to_disk(), contenders.gleam_write(build, "one core", 1),
         contenders.gleam_write(build, "two cores", 2)],
        [Figure("rows in memory written as CSV on two cores against `cat` of the file", "two cores",
                "cat", "speed", 0.7, 0.9)],
        text=WRITTEN)


def memory(build):
    return Comparison(
        "memory", f"Memory of word count, {LABEL[MILLION]}",
        [contenders.peer(build, "c"), contenders.gleam(build, "one core", 1),
         contenders.gleam(build, "two cores", 2)],
        [Figure("memory of word count, one core", "one core", "", "megabytes", 400, 250),
         Figure("memory of word count, two cores", "two cores", "", "megabytes", 400, 250)],
        memory=True, rounds=3)


def lua(build):
    return Comparison(
        "lua", f"The plain Lua flow on two cores against tr and mawk, {LABEL[MILLION]}",
        [contenders.mawk_pipe(),
         contenders.script(build, "Lua", 2, "wordcount.lua", contenders.answer_of_gleam)],
        [Figure("the plain Lua flow against `tr \\| mawk`, two cores each", "Lua", "tr, mawk",
                "speed", 0.8, 1.5)])


def lua_map(build):
    library = os.path.join(build, "benchmarks", "compare", "gleam-compare-arithmetic.so")

    def rows(task):
        return str(50000000 if task.full else 50000)

    return Comparison(
        "lua-map", "Arithmetic on two i64 columns, 50 M rows, one core: Lua against C",
        [contenders.script(build, "C mapper", 1, "arithmetic.lua", contenders.answer_of_rows,
                           library, rows),
         contenders.script(build, "Lua", 1, "arithmetic.lua", contenders.answer_of_rows,
                           "lua", rows)],
        [Figure("a Lua map over two i64 columns against the same mapper in C", "Lua", "C mapper",
                "speed", 0.5, 0.8)],
        text=THREE)


def pipe_cat(build):
    return Comparison(
        "pipe-cat", "Lines of a file through `cat`",
        [contenders.shell_pipe("cat"), contenders.gleam_pipe(build, "one partition", "cat", 1),
         contenders.gleam_pipe(build, "two partitions", "cat", 2)],
        [Figure("a partition through `cat` against `cat < file > file2`", "one partition", "sh",
                "speed", 0.5, 0.9)], text=Text("words", FEW), rounds=3)


def pipe_sort(build):
    return Comparison(
        "pipe-sort", "`tr`, `sort` and `uniq -c` as steps, each of two partitions by itself",
        [contenders.shell_pipe("sort"), contenders.gleam_pipe(build, "two partitions", "sort", 2)],
        [Figure("`tr`, `sort`, `uniq -c` on two partitions against the shell's pipe",
                "two partitions", "sh", "speed", 1.3, 1.8)], text=Text("words", FEW), rounds=3)


def sort_records(build, name, records):
    label = "half of the keys equal" if records == SKEWED_RECORDS else "different keys"
    return Comparison(
        name, f"Sort of records of 100 bytes, file to file, two cores, {label}",
        [contenders.gnu_sort(build, 2), contenders.duckdb_sort(build, 2),
         contenders.gleam_sort(build, "gleam", 2)],
        [Figure(f"sort of records against GNU sort, {label}", "gleam", "sort", "speed", 5, 10),
         Figure(f"the same against DuckDB, {label}", "gleam", "DuckDB", "speed", 4, 7)],
        text=records, rounds=3)


def all_comparisons(build):
    return [
        wordcount(build, "wordcount", MILLION),
        wordcount(build, "wordcount-50k", FEW),
        mawk(build),
        functions(build, "functions", MILLION),
        functions(build, "functions-50k", FEW),
        cores(build, "cores", MILLION),
        cores(build, "cores-50k", FEW),
        lua(build),
        lua_map(build),
        start(build),
        csv_count(build),
        Comparison("ring", "Frames and descriptors from core to core", [], [], run=run_ring),
        csv_join(build),
        csv_join_top(build),
        join_rows(build),
        csv_write(build),
        zstd_lines(build),
        Comparison("growth", "Twice the data, and again, and again: two cores", [], [],
                   run=lambda setting: run_growth(build, setting)),
        memory(build),
        pipe_cat(build),
        pipe_sort(build),
        sort_records(build, "sort", RECORDS),
        sort_records(build, "sort-skewed", SKEWED_RECORDS),
        original_wordcount(build),
        original_sort(build),
        original_join(build),
        Comparison("sort-skew", "Records with half of the keys equal beside different ones", [], [],
                   run=lambda setting: run_sort_skew(build, setting)),
        Comparison("sort-external", "Records of four times the memory, file to file", [], [],
                   run=lambda setting: run_sort_external(build, setting)),
        Comparison("spill", "Blocks to the disk and back", [], [], run=run_spill),
        Comparison("net", "Frames and rows between two nodes", [], [], run=net.run_net),
    ]
