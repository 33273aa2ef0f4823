"""contenders.py - the programs that are compared, and how their answers are read.

A contender is a name, the programs without which it is left out, a command, and a function that
reads its answer from what it wrote.  All contenders of one comparison must give equal answers; None
is the answer of a program that has none (`true`, for the scale of a start).
"""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import zlib
from typing import Callable, Optional

HERE = pathlib.Path(__file__).resolve().parent
TOP = 5


@dataclasses.dataclass
class Task:
    """What a contender is asked to do."""

    file: str
    stats: str  # a file that the contender may write for read_answer
    second: str = ""  # the other file of a join
    rows: int = 0  # that the file has, when it is CSV
    disk: str = ""  # a folder on a disk, for what is written
    full: bool = True  # not to be done in seconds


@dataclasses.dataclass
class Contender:
    name: str
    needs: list  # programs and files without which it is left out
    command: Callable[[Task], list]
    read_answer: Callable[[str, Task], Optional[dict]]  # from its stdout
    cores: int  # it may run on so many
    peer: bool = False  # it is none of ours
    hint: str = ""  # what is said when something is missing, and how to get it
    version: tuple = ()  # the command that says it


def answer_of_json(stdout, _task):
    """The last line of stdout is a JSON object with words, distinct and top."""
    found = json.loads(stdout.strip().splitlines()[-1])
    return {"words": found["words"], "distinct": found["distinct"],
            "top": [list(pair) for pair in found["top"]]}


def step_rows(stats, kind, of):
    return sum(step[of] for step in stats["steps"] if step["step_kind"] == kind)


def answer_of_gleam(stdout, task):
    """Totals come from the counters of --stats, the top words from lines "word<TAB>count"."""
    stats = json.loads(pathlib.Path(task.stats).read_text())
    top = [line.split("\t") for line in stdout.splitlines()]
    words = step_rows(stats, "tokenize", "out_rows") or step_rows(stats, "combine", "in_rows")
    return {"words": words, "distinct": step_rows(stats, "reduce", "out_rows"),
            "top": [[word, int(count)] for word, count in top]}


def answer_of_counts(stdout, _task):
    """Every line is "word<TAB>count", in any order."""
    return {word: int(count) for word, count in
            (line.split("\t") for line in stdout.splitlines())}


def no_answer(_stdout, _task):
    return None


def gleam(build, name, cores, *options):
    """`gleam bench wordcount` with `options`, on so many cores."""
    program = os.path.join(build, "gleam")
    return Contender(
        name, [program],
        lambda task: [program, "bench", "wordcount", "--quiet", "--cores", str(cores),
                      "--top", str(TOP), "--stats", task.stats, *options, task.file],
        answer_of_gleam, cores)


def arguments_of(task, arguments):
    return [each(task) if callable(each) else each for each in arguments]


def script(build, name, cores, file, read_answer, *arguments, options=()):
    """A Lua flow of this folder: the text is its argument unless others are given; they may be
    functions of the task.  options are those of `gleam run`."""
    program = os.path.join(build, "gleam")

    return Contender(
        name, [program],
        lambda task: [program, "run", "--quiet", "--cores", str(cores), "--stats", task.stats,
                      *options, str(HERE / file), *(arguments_of(task, arguments) or [task.file])],
        read_answer, cores)


def answer_of_rows(stdout, _task):
    """What was printed, as it is."""
    return {"rows": stdout.splitlines()}


def peer(build, name, *options):
    """One thread by hand, of wordcount_c.c."""
    program = os.path.join(build, "benchmarks", "compare", "gleam-compare-wordcount")
    return Contender(name, [program], lambda task: [program, *options, task.file], answer_of_json, 1,
                     peer=True)


def mawk_pipe():
    script = str(HERE / "wordcount_mawk.sh")
    return Contender("tr, mawk", ["mawk"], lambda task: ["sh", script, task.file], answer_of_json, 2,
                     peer=True, version=("mawk", "-W", "version"))


def example(build, name, cores):
    """The example program in C: every word, sorted."""
    program = os.path.join(build, "examples", "word_count")
    return Contender(name, [program],
                     lambda task: [program, "--cores", str(cores), task.file],
                     answer_of_counts, cores)


def csv_count(build, name, cores):
    """The example program: the top values of a column."""
    program = os.path.join(build, "examples", "csv_count")
    return Contender(name, [program],
                     lambda task: [program, "--quiet", "--cores", str(cores), "2", task.file],
                     answer_of_counts, cores)


def python_peer(build, name, module, cores, settings, words, *arguments):
    """peer_MODULE.py on the Python that ./dev peers makes; settings are of its environment.  The
    task's files are its arguments unless others are given; they may be functions of the task."""
    venv = os.path.join(build, "peers-venv")
    python = os.path.join(venv, "bin", "python")

    def command(task):
        files = arguments_of(task, arguments) or [task.file, *[task.second] * bool(task.second)]
        return ["env", *settings, python, str(HERE / f"peer_{module}.py"), *words, *files]

    # The list is written when everything is installed.
    return Contender(name, [python, os.path.join(venv, "peers.txt")], command, answer_of_counts,
                     cores, peer=True, hint="not installed; ./dev peers does it",
                     version=(python, "-c", f"import {module}; print({module}.__version__)"))


def duckdb(build, what, cores, *arguments):
    return python_peer(build, "DuckDB", "duckdb", cores, [], [str(cores), what], *arguments)


def polars(build, what, cores):
    return python_peer(build, "Polars", "polars", cores, [f"POLARS_MAX_THREADS={cores}"], [what])


def mawk_alone():
    program = """{ gsub(/[^A-Za-z0-9]+/, " "); for (i = 1; i <= NF; i++) c[$i]++ }
                 END { for (w in c) print w "\\t" c[w] }"""
    return Contender("mawk", ["mawk"], lambda task: ["mawk", program, task.file], answer_of_counts,
                     1, peer=True, version=("mawk", "-W", "version"))


def sorted_file(task):
    return task.stats + ".sorted"


def answer_of_sort(build):
    """What the validator says of the sorted file: that it is in order, and of which records."""
    program = os.path.join(build, "gleam")

    def read(_stdout, task):
        command = [program, "bench", "validate", "--of", task.file, sorted_file(task)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        os.unlink(sorted_file(task))
        return {"validated": done.returncode == 0, "records": done.stdout.splitlines()[0]}

    return read


def duckdb_sort(build, cores):
    """The same lines, by their first ten bytes."""
    peer_of_counts = duckdb(build, "sort", cores)
    return dataclasses.replace(
        peer_of_counts, command=lambda task: [*peer_of_counts.command(task), sorted_file(task)],
        read_answer=answer_of_sort(build))


def gleam_sort(build, name, cores, *options):
    """`gleam bench sort`, file to file."""
    program = os.path.join(build, "gleam")
    return Contender(
        name, [program],
        lambda task: [program, "bench", "sort", "--quiet", "--cores", str(cores), *options,
                      task.file, sorted_file(task)],
        answer_of_sort(build), cores)


def gnu_sort(build, cores):
    """GNU sort by whole lines: records that end in a line end, whose keys come first."""
    return Contender(
        "sort", ["sort"],
        lambda task: ["env", "LC_ALL=C", "sort", f"--parallel={cores}", "-S", "8G", task.file,
                      "-o", sorted_file(task)],
        answer_of_sort(build), cores, peer=True, version=("sort", "--version"))


def nothing():
    return Contender("true", ["true"], lambda task: ["true"], no_answer, 1, peer=True)


# ---- commands as steps: what they write goes to a file beside the counters ------------------------

def output_of(task):
    return task.stats + ".out"


def answer_of_lines(_stdout, task):
    """The lines that were written, in any order."""
    total, mixed = 0, 0
    with open(output_of(task), "rb") as file:
        for line in file:
            total += 1
            mixed += zlib.crc32(line)
    os.unlink(output_of(task))
    return {"lines": total, "mixed": mixed}


def answer_of_counted_lines(_stdout, task):
    """Lines of `uniq -c`, which may have been counted in parts."""
    total, mixed = 0, 0
    with open(output_of(task), "rb") as file:
        for line in file:
            count, _, text = line.lstrip().partition(b" ")
            total += int(count)
            mixed += int(count) * zlib.crc32(text)
    os.unlink(output_of(task))
    return {"lines": total, "mixed": mixed}


SHELL_PIPES = {"cat": ("cat < \"$1\" > \"$2\"", answer_of_lines),
               "sort": ("tr A-Z a-z < \"$1\" | sort | uniq -c > \"$2\"", answer_of_counted_lines)}


def shell_pipe(what):
    code, answer = SHELL_PIPES[what]
    return Contender("sh", ["sh"], lambda task: ["env", "LC_ALL=C", "sh", "-c", code, "sh",
                                                 task.file, output_of(task)], answer, 2, peer=True)


def gleam_pipe(build, name, what, partitions):
    """As many executors as partitions, but as in the shell every process may use both cores."""
    program = os.path.join(build, "benchmarks", "compare", "gleam-compare-pipes")
    return Contender(
        name, [program],
        lambda task: ["env", "LC_ALL=C", program, "--cores", str(partitions), what,
                      str(partitions), task.file, output_of(task)],
        SHELL_PIPES[what][1], 2)


def gnu_join(cores):
    """Sorts both files by their first column, then joins them."""
    code = f"""export LC_ALL=C
               sort --parallel={cores} -t, -k1,1 -o "$3.left" "$1"
               sort --parallel={cores} -t, -k1,1 -o "$3.right" "$2"
               join -t, "$3.left" "$3.right" > "$3"
               rm "$3.left" "$3.right\""""
    return Contender("sort, join", ["sort", "join"],
                     lambda task: ["sh", "-ec", code, "sh", task.file, task.second,
                                   output_of(task)],
                     answer_of_lines, cores, peer=True, version=("join", "--version"))


# ---- whole files: counted, sorted, written --------------------------------------------------------

def answer_of_lines_counted(stdout, _task):
    return {"lines": int(stdout)}


def zstd_wc():
    return Contender("zstd, wc", ["zstd", "wc"],
                     lambda task: ["sh", "-c", "zstd -dc -- \"$1\" | wc -l", "sh", task.file],
                     answer_of_lines_counted, 2, peer=True, version=("zstd", "--version"))


def answer_of_files(paths):
    """The bytes of files, one after the other; they are removed."""
    size, mixed = 0, 0
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                size += len(block)
                mixed = zlib.crc32(block, mixed)
        os.unlink(path)
    return {"bytes": size, "crc": mixed}


def answer_of_output(_stdout, task):
    return answer_of_files([output_of(task)])


def gnu_sort_lines(cores):
    return Contender("GNU sort", ["sort"],
                     lambda task: ["env", "LC_ALL=C", "sort", f"--parallel={cores}", "-o",
                                   output_of(task), task.file],
                     answer_of_output, cores, peer=True, version=("sort", "--version"))


def gleam_sort_lines(build, name, cores, *options):
    return script(build, name, cores, "sort.lua", answer_of_output, lambda task: task.file,
                  output_of, options=options)


def gleam_group_lines(build, name, cores, *options):
    """How many different lines there are, and how many in all."""
    return script(build, name, cores, "group.lua", answer_of_rows, options=options)


def gleam_join_lines(build, name, cores, *options):
    """The lines of a text joined with themselves by their bytes."""
    return script(build, name, cores, "join.lua", answer_of_rows, options=options)


def written(task):
    """Where the contenders of writing write."""
    return os.path.join(task.disk, "written")


def cat_to_disk():
    return Contender("cat", ["cat"],
                     lambda task: ["sh", "-c", "cat \"$1\" > \"$2\"", "sh", task.file,
                                   written(task)],
                     lambda _stdout, task: answer_of_files([written(task)]), 2, peer=True,
                     version=("cat", "--version"))


def answer_of_parts(_stdout, task):
    folder = pathlib.Path(written(task))
    answer = answer_of_files(sorted(folder.glob("part-*")))
    shutil.rmtree(folder)
    return answer


def gleam_write(build, name, cores):
    """Removes what it wrote, so that the kernel need not write it to the disk meanwhile."""
    program = os.path.join(build, "benchmarks", "compare", "gleam-compare-write")
    return Contender(name, [program],
                     lambda task: [program, "--quiet", "--cores", str(cores), str(task.rows),
                                   written(task)],
                     answer_of_parts, cores)
