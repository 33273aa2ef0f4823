"""engine.py - runs flows by gleam, many in one process, and takes its answers apart.

A process that ends in the middle, or hangs, costs the flow that it was at: that is its failure, and the
others go on in a new process.
"""
import os
import re
import signal
import subprocess
import sys
import threading
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "it"))

import lib  # noqa: E402
from values import SHOW  # noqa: E402

RUN_SECONDS = 60  # of one run before it is called hanging

# little: memory may be too little for the flow.
Settings = namedtuple("Settings", "executors memory little")
# What a run gave: kind is "rows", "error", "crash" or "hang"; outputs are lists of lines.
Answer = namedtuple("Answer", "kind outputs text spilled_bytes")


def script():
    with open(os.path.join(HERE, "runner.lua"), encoding="utf-8") as file:
        return file.read().replace("-- (values.py's SHOW stands here)\n", SHOW)


def lua_string(data):
    """A long literal of Lua, whatever is in the text."""
    equals = "="
    while "]%s]" % equals in data or data.endswith("]" + equals):
        equals += "="
    return "[%s[\n%s]%s]" % (equals, data, equals)


def sabotaged(text, sabotage):
    return re.sub(*sabotage, text) if sabotage else text


class Engine:
    """Runs flows in a folder, where their files and the jobs lie."""

    cluster = None  # options that name a master: flows run on its agents
    prefix = ()     # what a command begins with, to run elsewhere

    def __init__(self, folder, sabotage=None):
        self.folder = folder
        self.sabotage = sabotage  # (pattern, replacement) for the flows' texts: the oracle has to see
        self.count = 0
        self.lock = threading.Lock()
        with open(os.path.join(folder, "runner.lua"), "w", encoding="utf-8") as file:
            file.write(script())

    def path(self, name):
        return os.path.join(self.folder, name)

    def job(self, number, flow, partitions):
        """One entry of the jobs' file; writes the flow's files."""
        files = []
        for i, data in enumerate(flow.files()):
            path = self.path("%s-%d" % (number, i))
            if data is not None and not os.path.exists(path):
                with open(path, "wb") as file:
                    file.write(data)
            files.append('"%s"' % path)
        return "{id = %d, chunk = %s, files = {%s}, partitions = {%s}, ordered = {%s}},\n" % (
            number, lua_string(sabotaged(flow.lua(), self.sabotage)), ", ".join(files),
            ", ".join(map(str, partitions)),
            ", ".join(str(data.sort is not None).lower() for data in flow.results))

    def run(self, flows, settings, cores=None):
        """flows: {number: (flow, partitions)}.  Returns {(number, partitions): Answer}."""
        answers = {}
        left = [(number, flow, p) for number, (flow, several) in flows.items() for p in several]
        while left:
            found = self.run_once(left, settings, cores)
            answers.update(found)
            left = [one for one in left if (one[0], one[2]) not in answers]
        return answers

    def run_once(self, left, settings, cores):
        jobs = {}
        for number, flow, p in left:
            jobs.setdefault(number, (flow, []))[1].append(p)
        with self.lock:  # the flows' files are written once
            self.count += 1
            name = self.path("jobs%d" % self.count)
            text = "".join(self.job(number, flow, several)
                           for number, (flow, several) in jobs.items())
        with open(name, "w", encoding="utf-8") as file:
            file.write("return {\n%s}\n" % text)
        args = [*self.prefix, lib.binary("gleam"), "run", "--quiet", "--memory", settings.memory,
                "--executors", str(settings.executors)]
        # Where rows spill, and on which cores they are, is the agents' affair.
        args += self.cluster or ["--spill-dir", self.folder]
        args += ["--cores", cores] if cores and not self.cluster else []
        args += ["--stats", name + ".stats"] if settings.little else []
        args += [self.path("runner.lua"), name] + ([name + ".stats"] if settings.little else [])
        with open(name + ".out", "wb") as out, open(name + ".err", "wb") as err:
            process = subprocess.Popen(args, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                       start_new_session=True)
            status = self.wait(process, name + ".out")
        with open(name + ".out", "rb") as file:
            text = file.read().decode()
        with open(name + ".err", "rb") as file:
            said = file.read().decode(errors="replace")[-2000:]
        for suffix in ("", ".out", ".err", ".stats"):
            if os.path.exists(name + suffix):
                os.remove(name + suffix)
        answers = parse(text)
        for key in [key for key, answer in answers.items() if answer is None]:
            answers[key] = Answer("hang" if status is None else "crash", [],
                                  "status %s: %s" % (status, said), 0)
        if not answers or status not in (0, None) and all(a.kind != "crash" for a in answers.values()):
            raise RuntimeError("gleam ended with status %s: %s" % (status, said))
        return answers

    @staticmethod
    def wait(process, path):
        """The exit status, or None of a process that printed nothing for too long."""
        size = -1
        while True:
            try:
                return process.wait(RUN_SECONDS * lib.SLOWER)
            except subprocess.TimeoutExpired:
                if os.path.getsize(path) == size:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    return None
                size = os.path.getsize(path)


def parse(text):
    """{(number, partitions): Answer, or None for a run that did not end}"""
    answers, first = {}, {}
    lines = text.split("\n")
    i, key, outputs = 0, None, []
    while i < len(lines) - 1:
        word, _, rest = lines[i].partition(" ")
        i += 1
        if word == "@run":
            number, p = rest.split()
            key, outputs = (int(number), int(p)), []
            answers[key] = None
        elif word == "@rows":
            rows = lines[i:i + int(rest)]
            i += int(rest)
            first.setdefault((key[0], len(outputs)), rows)
            outputs.append(rows)
        elif word == "@same":
            outputs.append(first[key[0], len(outputs)])
        elif word == "@ok":
            answers[key] = Answer("rows", outputs, "", int(rest))
        elif word == "@error":
            answers[key] = Answer("error", [], rest, 0)
    return answers
