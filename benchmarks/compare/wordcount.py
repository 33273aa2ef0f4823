#!/usr/bin/env python3
"""Word count side by side: the same text through several programs, interleaved.

    wordcount.py --build build                        # every contender, 1 GB, a million words
    wordcount.py --build build --run c,mawk --text 100M --words 50000 --pin 0 --rounds 3
    wordcount.py --build build --file some.txt --json result.json

Each round runs every contender once, in an order that rotates, so that a machine that grows slower
is slow for all of them.  What is timed is the whole process, from its start to its exit.  All must
give the same number of words, of distinct words and the same five most frequent words;
otherwise the exit status is 1.  Memory is sampled in a round of its own that is not timed: the
proportional share (Pss) of all processes of the tree plus their huge pages, at its highest.

A contender is an entry of contenders(): a name, a command and a function that reads its answer.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Callable

HERE = pathlib.Path(__file__).resolve().parent
SAMPLE_SECONDS = 0.05
TIMEOUT_SECONDS = 1800


@dataclasses.dataclass
class Answer:
    words: int
    distinct: int
    top: list  # of (word, count), the most frequent first


@dataclasses.dataclass
class Task:
    """What a contender is asked to do."""

    file: str
    cores: str  # as taskset takes it, '' for all
    stats: str  # a file that the contender may write for read_answer


@dataclasses.dataclass
class Contender:
    name: str
    needs: str  # a program without which it is left out
    command: Callable[[Task], list]
    read_answer: Callable[[str, Task], Answer]  # from its stdout


def answer_of_json(stdout, _task):
    """The last line of stdout is a JSON object with words, distinct and top."""
    found = json.loads(stdout.strip().splitlines()[-1])
    return Answer(found["words"], found["distinct"], [tuple(pair) for pair in found["top"]])


def answer_of_gleam(stdout, task):
    """Totals come from the --stats file, the top words from lines "word<TAB>count" of stdout."""
    stats = json.loads(pathlib.Path(task.stats).read_text())
    top = [line.split("\t") for line in stdout.splitlines() if line.count("\t") == 1]
    return Answer(stats["words"], stats["distinct"], [(word, int(n)) for word, n in top[:5]])


def contenders(build):
    gleam = os.path.join(build, "gleam")
    peer = os.path.join(build, "benchmarks", "gleam-compare-wordcount")
    script = str(HERE / "wordcount_mawk.sh")
    return [
        Contender("gleam", gleam,
                  lambda task: [gleam, "bench", "wordcount", task.file, "--stats", task.stats,
                                *(["--cores", task.cores] if task.cores else [])],
                  answer_of_gleam),
        Contender("c", peer, lambda task: [peer, task.file], answer_of_json),
        Contender("mawk", "mawk", lambda task: ["sh", script, task.file], answer_of_json),
    ]


def process_tree(root):
    """The process `root` and all its descendants that are alive."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            stat = pathlib.Path("/proc", entry, "stat").read_text()
            # The command's name is in brackets and may hold anything.
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry))
    tree, queue = [], [root]
    while queue:
        process = queue.pop()
        tree.append(process)
        queue += children.get(process, [])
    return tree


def memory_bytes(root):
    """Pss of the tree plus huge pages, which Pss leaves out; shared ones are one region."""
    total = shared_huge = 0
    for process in process_tree(root):
        with contextlib.suppress(OSError):
            rollup = pathlib.Path("/proc", str(process), "smaps_rollup").read_text()
            fields = {line.split(":")[0]: int(line.split()[1])
                      for line in rollup.splitlines()[1:]}
            total += fields.get("Pss", 0) + fields.get("Private_Hugetlb", 0)
            shared_huge = max(shared_huge, fields.get("Shared_Hugetlb", 0))
    return (total + shared_huge) * 1024


@dataclasses.dataclass
class Run:
    seconds: float
    peak_bytes: int  # 0 when not sampled
    answer: Answer


def run_once(contender, task, sample):
    command = contender.command(task)
    if task.cores:
        command = ["taskset", "-c", task.cores, *command]
    with tempfile.TemporaryFile() as out:
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        peak = 0
        try:
            if sample:
                while process.poll() is None:
                    peak = max(peak, memory_bytes(process.pid))
                    # Densely at first, so that a short run is seen at all.
                    elapsed = time.monotonic() - start
                    time.sleep(min(SAMPLE_SECONDS, 0.001 + elapsed / 20))
            _, err = process.communicate(timeout=TIMEOUT_SECONDS)
            seconds = time.monotonic() - start
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        out.seek(0)
        stdout = out.read().decode()
    if process.returncode != 0:
        message = err.decode(errors="replace").strip()
        raise RuntimeError(f"{contender.name} ended with status {process.returncode}: {message}")
    return Run(seconds, peak, contender.read_answer(stdout, task))


def parse_size(text):
    units = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
    number = text.rstrip("kKMGiB")
    if not number.isdigit() or text[len(number):] not in units:
        raise argparse.ArgumentTypeError(f"{text}: not a size such as 100M or 1GiB")
    return int(number) * units[text[len(number):]]


def make_text(build, path, size, words):
    generate = os.path.join(build, "benchmarks", "gleam-generate")
    subprocess.run([generate, "--text", str(size), "--words", str(words), path], check=True,
                   stderr=subprocess.DEVNULL)


def warm(path):
    """Brings the file into the page cache."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def compare(chosen, task, rounds, with_memory):
    """Returns {name: [Run]} of the timed rounds and {name: peak bytes}."""
    runs = {contender.name: [] for contender in chosen}
    peaks = {contender.name: 0 for contender in chosen}
    for number in range(rounds):
        turn = number % len(chosen)
        for contender in chosen[turn:] + chosen[:turn]:
            run = run_once(contender, task, sample=False)
            runs[contender.name].append(run)
            print(f"round {number + 1} {contender.name}: {run.seconds:.3f} s", file=sys.stderr)
    if with_memory:
        for contender in chosen:
            peaks[contender.name] = run_once(contender, task, sample=True).peak_bytes
    return runs, peaks


def disagreement(runs):
    """A sentence about the first answer that differs, or None."""
    first_name, first = None, None
    for name, list_of_runs in runs.items():
        for run in list_of_runs:
            if first is None:
                first_name, first = name, run.answer
            elif run.answer != first:
                return f"{name} found {run.answer}, but {first_name} found {first}"
    return None


def summary(runs, peaks, file_bytes, base):
    rows = []
    base_seconds = statistics.median(run.seconds for run in runs[base])
    for name, list_of_runs in runs.items():
        seconds = sorted(run.seconds for run in list_of_runs)
        median = statistics.median(seconds)
        rows.append({
            "name": name,
            "median_seconds": median,
            "min_seconds": seconds[0],
            "max_seconds": seconds[-1],
            "mb_per_s": file_bytes / 1e6 / median,
            "ratio": base_seconds / median,
            "peak_bytes": peaks[name],
        })
    return rows


def print_table(rows, base):
    print(f"| | median s | range s | MB/s | speed against {base} | peak MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        peak = f"{row['peak_bytes'] / 1e6:.0f}" if row["peak_bytes"] else ""
        print(f"| {row['name']} | {row['median_seconds']:.3f} "
              f"| {row['min_seconds']:.3f} to {row['max_seconds']:.3f} "
              f"| {row['mb_per_s']:.0f} | {row['ratio']:.2f} | {peak} |")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="build folder (default: build)")
    parser.add_argument("--run", default="", help="names, with commas (default: all that are there)")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds (default: 5)")
    parser.add_argument("--file", help="a text to count instead of a generated one")
    parser.add_argument("--text", type=parse_size, default=10**9, help="its size (default: 1G)")
    parser.add_argument("--words", type=int, default=10**6, help="distinct words (default: 1000000)")
    parser.add_argument("--dir", default="/dev/shm", help="where it is made (default: /dev/shm)")
    parser.add_argument("--pin", default="", metavar="CORES", help="run all on these cores: 0, 0-1")
    parser.add_argument("--no-memory", action="store_true", help="leave out the memory round")
    parser.add_argument("--json", metavar="FILE", help="write every run there, - is stdout")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def choose(arguments):
    known = contenders(arguments.build)
    wanted = [name for name in arguments.run.split(",") if name]
    unknown = set(wanted) - {contender.name for contender in known}
    if unknown:
        sys.exit(f"wordcount.py: no such contender: {', '.join(sorted(unknown))}")
    chosen = []
    for contender in known:
        if wanted and contender.name not in wanted:
            continue
        if shutil.which(contender.needs):
            chosen.append(contender)
        elif wanted:
            sys.exit(f"wordcount.py: {contender.name} needs {contender.needs}, which is not there")
        else:
            print(f"{contender.name}: left out, {contender.needs} is not there", file=sys.stderr)
    if not chosen:
        sys.exit("wordcount.py: nothing to run")
    return chosen


def main():
    arguments = parse_arguments()
    chosen = choose(arguments)
    with tempfile.TemporaryDirectory(dir=arguments.dir, prefix="gleam-wordcount-") as folder:
        path = arguments.file
        if not path:
            path = os.path.join(folder, "text.txt")
            make_text(arguments.build, path, arguments.text, arguments.words)
        warm(path)
        file_bytes = os.path.getsize(path)
        task = Task(path, arguments.pin, os.path.join(folder, "stats.json"))
        try:
            runs, peaks = compare(chosen, task, arguments.rounds, not arguments.no_memory)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            sys.exit(f"wordcount.py: {error}")
    base = "c" if "c" in runs else chosen[0].name
    rows = summary(runs, peaks, file_bytes, base)
    answer = runs[base][0].answer
    if arguments.json != "-":
        print(f"{file_bytes} bytes, {answer.words} words, {answer.distinct} distinct, "
              f"{arguments.rounds} rounds, cores: {arguments.pin or 'all'}\n")
        print_table(rows, base)
    if arguments.json:
        result = {
            "benchmark": "wordcount", "bytes": file_bytes, "cores": arguments.pin,
            "rounds": arguments.rounds, "answer": dataclasses.asdict(answer), "rows": rows,
            "seconds": {name: [run.seconds for run in some] for name, some in runs.items()},
        }
        with open("/dev/stdout" if arguments.json == "-" else arguments.json, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
    wrong = disagreement(runs)
    if wrong:
        sys.exit(f"wordcount.py: the answers differ: {wrong}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
