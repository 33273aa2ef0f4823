"""lib.py - for tests that start real processes: run, time out, and find what was left behind.

    import lib

    class WordCount(lib.Case):
        def test_counts_words(self):
            done = self.run_ok([lib.binary("gleam"), "bench", "wordcount", self.file("a b a\\n")])
            self.assertIn("a\\t2", done.out)

    if __name__ == "__main__":
        lib.main()

Each case has a folder of its own (self.dir), and another one that its processes get as TMPDIR.  When
it ends, no process that it started may live, and TMPDIR and /dev/shm must be as they were; a case
that leaves something behind fails.  Processes are known by a mark in their environment, which their
children inherit, so even those that left their group are found.
"""
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))

import tap  # noqa: E402

BIN_DIR = os.path.abspath(os.environ.get("GLEAM_BIN_DIR", os.path.join(ROOT, "build")))
SANITIZER = os.environ.get("GLEAM_SANITIZE", "none")
SLOWER = {"none": 1, "thread": 8}.get(SANITIZER, 4)
MARK = "GLEAM_TEST_MARK"
GRACE_SECONDS = 3  # for the kernel, and a parent-death signal, to do their work

Done = namedtuple("Done", "status out err seconds")

main = tap.main


def binary(name):
    """The path of a built program; it fails where there is none, since a skip would hide that.
    A driver of the tests comes before an example of that name, which is "examples/NAME"."""
    for folder in ("", "cli", "tests/it", "tests/it/drivers", "tests/sim", "examples"):
        path = os.path.join(BIN_DIR, folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise AssertionError("%s was not built in %s" % (name, BIN_DIR))


def needs(condition, reason):
    """Skips the case, with the reason, unless the condition holds."""
    if not condition:
        raise unittest.SkipTest(reason)


def needs_root():
    needs(os.geteuid() == 0, "needs root")


def needs_plain_build():
    needs(SANITIZER == "none", "not under a sanitizer: it changes memory, time and signals")


def huge_pages():
    """(all, free) huge pages of the machine.  Other programs take and return them at any time."""
    numbers = {}
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("HugePages_"):
                name, number = line.split()
                numbers[name] = int(number)
    return numbers.get("HugePages_Total:", 0), numbers.get("HugePages_Free:", 0)


def crash_env():
    """For a crash on purpose: the signal must reach the program's parent, not the sanitizer."""
    extra = "handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0"
    names = ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")
    return {name: (os.environ.get(name, "") + ":" + extra).lstrip(":") for name in names}


def processes_with(mark):
    """[(pid, command)] of living processes whose environment holds the mark."""
    wanted = ("%s=%s" % (MARK, mark)).encode()
    out = []
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(folder + "/environ", "rb") as file:
                if wanted not in file.read().split(b"\0"):
                    continue
            with open(folder + "/cmdline", "rb") as file:
                command = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # gone, or someone else's
            continue
        out.append((int(os.path.basename(folder)), command.strip()))
    return out


def wait_until(condition, seconds=10.0):
    """Polls until the condition gives something true, and returns that; else its last value."""
    deadline = time.monotonic() + seconds * SLOWER
    value = condition()
    while not value and time.monotonic() < deadline:
        time.sleep(0.01)
        value = condition()
    return value


def shared_memory():
    try:
        return {name for name in os.listdir("/dev/shm") if "gleam" in name or name.startswith("gm_")}
    except OSError:
        return set()


class Case(unittest.TestCase):
    """A case with a folder, marked processes, and a look for leftovers at the end."""

    def setUp(self):
        self.mark = uuid.uuid4().hex
        self.dir = tempfile.mkdtemp(prefix="gleam-it-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.tmp = tempfile.mkdtemp(prefix="gleam-it-tmp-")
        self.addCleanup(shutil.rmtree, self.tmp, True)
        self.shared_before = shared_memory()
        self.addCleanup(self.check_nothing_is_left)  # runs before the folders go

    def environment(self, extra=None):
        ours = {MARK: self.mark, "TMPDIR": self.tmp}
        if SANITIZER == "thread":
            # liburing unmaps its rings unseen by the sanitizer, which then takes the next ring at
            # the same address, another thread's, for shared.
            ours["GLEAM_IO_URING"] = "off"
        return {**os.environ, **ours, **(extra or {})}

    def file(self, content, name="input.txt"):
        """Writes a file (str or bytes) into the case's folder and returns its path."""
        path = os.path.join(self.dir, name)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        return path

    def start(self, args, env=None, **more):
        """A process in a session of its own; output to pipes unless told otherwise."""
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        more.setdefault("cwd", self.dir)
        process = subprocess.Popen([str(arg) for arg in args], env=self.environment(env),
                                   start_new_session=True, **more)
        self.addCleanup(self.close, process)
        return process

    def close(self, process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()

    def run_it(self, args, seconds=30, stdin=None, env=None, text=True, **more):
        """Runs to the end; returns Done.  Fails, with what was printed, when it takes too long."""
        begin = time.monotonic()
        if stdin is not None:
            more["stdin"] = subprocess.PIPE
        process = self.start(args, env, **more)
        data = stdin.encode() if isinstance(stdin, str) else stdin
        try:
            out, err = process.communicate(data, seconds * SLOWER)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            self.fail("not done after %d s: %s\n%s%s" % (seconds * SLOWER, args, out, err))
        out, err = out or b"", err or b""
        if text:
            out, err = out.decode(errors="replace"), err.decode(errors="replace")
        return Done(process.returncode, out, err, time.monotonic() - begin)

    def run_ok(self, args, **more):
        """Runs to the end and expects exit status 0."""
        done = self.run_it(args, **more)
        self.assertEqual(done.status, 0, "%s\n%s%s" % (args, done.out, done.err))
        return done

    def run_bad(self, args, *words, **more):
        """Runs to the end and expects a plain failure whose message holds all the words."""
        done = self.run_it(args, **more)
        said = "%s\nstatus %d\n%s%s" % (args, done.status, done.out, done.err)
        self.assertGreater(done.status, 0, said)
        for word in words:
            self.assertIn(str(word), done.err, said)
        return done

    def check_nothing_is_left(self):
        wait_until(lambda: not processes_with(self.mark), GRACE_SECONDS)
        alive = processes_with(self.mark)
        for pid, _ in alive:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: shared_memory() <= self.shared_before, 1)
        self.assertEqual(alive, [], "processes were left")
        self.assertEqual(os.listdir(self.tmp), [], "temporary files were left")
        self.assertEqual(shared_memory() - self.shared_before, set(), "shared memory was left")
