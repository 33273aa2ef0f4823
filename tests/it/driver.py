"""driver.py - what the end-to-end tests of gleam's programs share: run one, and look at it.

A case runs a real program (`gleam`, an example, or a driver of tests/it/drivers) and says, for
what goes wrong, which words the message must hold: what happened, where, why and what to do.
"""
import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import time
from collections import Counter

import lib

QUICK_SECONDS = 1.0  # what "within a second" means where the machine is quick
WORD = re.compile(rb"[A-Za-z0-9]+")
NOBODY = 65534


def scaled(full):
    """An amount of work for this build: sanitizers make everything several times as slow."""
    return full if lib.SANITIZER == "none" else max(1, full // lib.SLOWER)


def lines_of(data):
    """Lines as gleam defines them: ended by "\\n" or "\\r\\n", the last one perhaps by nothing."""
    parts = data.split(b"\n")
    if parts[-1] == b"":
        parts.pop()
    return [part[:-1] if part.endswith(b"\r") else part for part in parts]


def count_words(data):
    return Counter(WORD.findall(data))


def parse_counts(out):
    """{word: count} of lines "word<TAB>count"; a word that comes twice is an error."""
    counts = {}
    for line in out.splitlines():
        word, number = line.split(b"\t")
        assert word not in counts, "%r came twice" % word
        counts[word] = int(number)
    return counts


def children_of(pid):
    """{child's pid: its command's name}"""
    out = {}
    for folder in os.listdir("/proc"):
        if not folder.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % folder, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        name = text[text.index("(") + 1:text.rindex(")")]
        if int(text[text.rindex(")") + 2:].split()[1]) == pid:
            out[int(folder)] = name
    return out


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class DriverCase(lib.Case):
    """A lib.Case with gleam's programs at hand, and a promise of no memory left in a memfd."""

    def faults(self, fault, path, *more):
        return [lib.binary("faults"), "--cores", "2", "--memory", "512M", fault, path] + list(more)

    def flows(self, *arguments):
        return [lib.binary("flows")] + [str(argument) for argument in arguments]

    def word_count(self, *arguments):
        return [lib.binary("word_count")] + [str(argument) for argument in arguments]

    def refused(self, args, status, *words, **more):
        """Fails with this status and a message of one line that holds the words."""
        done = self.run_bad(args, *words, **more)
        said = "%s\nstatus %d\n%s" % (args, done.status, done.err)
        self.assertEqual(done.status, status, said)
        lines = [line for line in done.err.splitlines() if line.startswith("gleam: ")]
        self.assertEqual(len(lines), 1, said)
        self.assertNotIn("check failed", done.err, said)
        return done

    def start_executors(self, args, count, **more):
        """Starts a driver; returns it and its executors' pids when they all run."""
        process = self.start(args, **more)

        def ready():
            found = [pid for pid, name in children_of(process.pid).items()
                     if name.startswith("gleam-exec")]
            return found if len(found) == count else None
        pids = lib.wait_until(ready, 10)
        self.assertTrue(pids, "no executors: %s" % args)
        return process, pids

    def assert_quick(self, begin, what):
        if lib.SANITIZER == "none":
            self.assertLess(time.monotonic() - begin, QUICK_SECONDS, what)

    def assert_gone(self, pids, begin, what):
        lib.wait_until(lambda: not any(is_alive(pid) for pid in pids), 5)
        self.assertFalse([pid for pid in pids if is_alive(pid)], what)
        self.assert_quick(begin, what)

    def stats_of(self, args, **more):
        """Runs with --stats FILE in front of the arguments; returns (Done, the parsed stats)."""
        path = os.path.join(self.dir, "stats.json")
        done = self.run_ok([args[0], "--stats", path] + args[1:], text=False, **more)
        with open(path, encoding="utf-8") as file:
            return done, json.load(file)

    def open_to_all(self):
        """Lets another user into the case's folders."""
        for folder in (self.dir, self.tmp):
            os.chmod(folder, stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)

    def as_nobody(self, args):
        """The command for a user without rights, when this one has all."""
        if os.geteuid() != 0:
            return args
        self.open_to_all()
        command = ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups"]
        can = subprocess.run(command + ["test", "-x", args[0]], check=False,
                             stderr=subprocess.DEVNULL)
        lib.needs(can.returncode == 0, "another user cannot run %s" % args[0])
        return command + args


class Terminal:
    """A process on a terminal of its own; what it prints is collected by read_all."""

    def __init__(self, case, args):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update(case.environment())
            os.environ["TERM"] = "xterm"
            os.chdir(case.dir)
            try:
                os.execvp(args[0], [str(arg) for arg in args])
            finally:
                os._exit(127)
        self.status = None
        case.addCleanup(self.close)

    def read_until(self, wanted, seconds):
        """Reads until `wanted` (bytes) came, the terminal was closed, or it took too long."""
        out = b""
        deadline = time.monotonic() + seconds * lib.SLOWER
        while time.monotonic() < deadline and (not wanted or wanted not in out):
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:  # EIO: nobody has the terminal open any more
                break
            if not data:
                break
            out += data
        return out

    def type(self, data):
        os.write(self.master, data)

    def wait(self, seconds):
        """The exit status; a negative signal; None when it still runs."""
        def look():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            return pid
        if self.status is None:
            lib.wait_until(look, seconds)
        return self.status

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)
