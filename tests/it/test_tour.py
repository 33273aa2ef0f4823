#!/usr/bin/env python3
"""test_tour.py - the README as a new user meets it: a minimal system, a fresh clone, every command.

A machine on which somebody has worked hides what `./dev` forgets to install, so this makes a Debian
or Ubuntu in which nothing is installed (fresh_root.py), and runs there `./dev demo`, then the other
commands in the order of the README.  It says how long each part took.
"""
import os
import re
import signal
import sys
import time
import unittest

import fresh_root
import lib
import readme

CHECKOUT = "/srv/gleam"
DEMO = "./dev demo\n"
SECONDS_FOR_DEMO = 600
SECONDS_PER_BLOCK = 120
# Makes a root, says which process holds it, and waits for the end that the test has for it.
OWNER = """
import sys, time
sys.path.insert(0, sys.argv[1])
import fresh_root
root = fresh_root.FreshRoot()
print(root.holder.pid, root.path, flush=True)
time.sleep(600)
"""


def say(text):
    print("# " + text, flush=True)


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return file.read()


class Sources(unittest.TestCase):
    """The reader of apt's files."""

    def test_self_reads_lines(self):
        found = fresh_root.sources_of(
            "# deb http://a x main\ndeb-src http://a x main\n"
            "deb [arch=amd64 signed-by=/k.gpg] http://a/d x main contrib # why\n"
            "deb\thttp://b  x-updates\tuniverse\n", True)
        self.assertEqual(found, [
            (["http://a/d"], ["x"], ["main", "contrib"], {"Signed-By": "/k.gpg"}),
            (["http://b"], ["x-updates"], ["universe"], {})])

    def test_self_reads_stanzas(self):
        found = fresh_root.sources_of(
            "Types: deb deb-src\n# a note\nURIs: http://a http://b\nSuites: x x-updates\n"
            "components: main\nSigned-By:\n -----BEGIN\n .\n key\n\n\n"
            "Types: deb\nEnabled: no\nURIs: http://c\nSuites: x\nComponents: main\n\n"
            "Types: deb-src\nURIs: http://d\nSuites: x\nComponents: main\n", False)
        self.assertEqual(found, [(["http://a", "http://b"], ["x", "x-updates"], ["main"],
                                  {"Signed-By": "\n -----BEGIN\n .\n key"})])
        again = fresh_root.sources_of(fresh_root.stanza_of(found[0]), False)
        self.assertEqual(again, found)

    def test_self_keeps_what_a_new_system_has(self):
        line = "deb http://a %s main non-free\n"
        text = "".join(line % suite for suite in ("x", "x-security", "x-backports", "y"))
        text += "deb http://tool x stable\n"
        kept = fresh_root.of_release(fresh_root.sources_of(text, True), "x")
        self.assertEqual([(source.suites, source.components) for source in kept],
                         [(["x"], ["main"]), (["x-security"], ["main"])])

    def test_self_takes_how_to_fetch(self):
        kept = fresh_root.fetch_settings(
            'APT "";\nAcquire::http::Proxy "http://p:1/";\nDPkg::Post-Invoke:: "rm";\n'
            'Acquire::IndexTargets::deb::DEP-11::MetaKey "x";\n')
        self.assertEqual(kept, ['Acquire::http::Proxy "http://p:1/";'])


class Ends(lib.Case):
    """However the owner of a root ends, nothing of it stays."""

    def end_by(self, number):
        lib.needs(os.geteuid() == 0, "needs root")
        owner = self.start([sys.executable, "-c", OWNER, lib.HERE])
        first = owner.stdout.readline().decode().split()
        if not first:
            self.skipTest(owner.communicate()[1].decode().strip().split("\n")[-1])
        holder, path = int(first[0]), first[1]
        self.assertTrue(os.path.isdir(path))
        self.assertNotIn("gleam-root", mounts())
        os.kill(owner.pid, number)
        owner.wait(10)
        gone = lib.wait_until(lambda: not os.path.exists("/proc/%d" % holder), 10)
        self.assertTrue(gone, "the holder of the namespaces lives")
        return path

    def test_killed(self):
        os.rmdir(self.end_by(signal.SIGKILL))  # empty, and no mount point

    def test_interrupted(self):
        self.assertFalse(os.path.exists(self.end_by(signal.SIGINT)))


class Tour(lib.Case):
    """One case for each block, added below; they run in the order of their lines."""

    @classmethod
    def setUpClass(cls):
        cls.begin = time.monotonic()
        cls.demo_is_done = False
        try:
            cls.root = fresh_root.FreshRoot()
            cls.addClassCleanup(cls.root.close)
            cls.root.install_system()
        except fresh_root.NotHere as reason:
            raise unittest.SkipTest(str(reason)) from None
        cls.root.copy_checkout(lib.ROOT, CHECKOUT)
        say("%5.1f s  a minimal %s" % (time.monotonic() - cls.begin, cls.root.codename))

    def setUp(self):
        super().setUp()
        self.addCleanup(self.check_root_is_clean)

    def check_root_is_clean(self):
        ok, said = self.root.inside("ls -A dev/shm tmp")
        self.assertEqual((ok, said.split()), (True, ["dev/shm:", "tmp:"]))

    def check_nothing_is_left(self):
        self.shared_before = lib.shared_memory()  # the root has a /dev/shm of its own
        super().check_nothing_is_left()

    @classmethod
    def tearDownClass(cls):
        ok, used = cls.root.inside("df -k --output=used . | tail -1")
        say("%5.1f s  in all; %s MB of files in the end" % (
            time.monotonic() - cls.begin, int(used) >> 10 if ok else "?"))

    def run_block(self, text, seconds=SECONDS_PER_BLOCK):
        command = self.root.command(["bash", "-euo", "pipefail", "-c", text], CHECKOUT,
                                    {lib.MARK: self.mark})
        done = self.run_it(command, seconds=seconds)
        say("%5.1f s  %s" % (done.seconds, text.strip().split("\n")[0]))
        self.assertEqual(done.status, 0, "\n%s\n%s%s" % (text, done.out, done.err))
        return done

    def test_line_000_nothing_is_there_yet(self):
        for program in ("cc", "meson", "python3", "git", "sudo"):
            done = self.run_it(self.root.command(["sh", "-c", "command -v " + program]))
            self.assertNotEqual(done.status, 0, "%s is there: this is no fresh system" % program)

    def test_self_there_is_one_demo(self):
        self.assertEqual([block.text for block in BLOCKS].count(DEMO), 1)


def case_for(block):
    def run_demo(self):
        done = self.run_block(block.text, SECONDS_FOR_DEMO)
        self.assertRegex(done.out, r"\A([A-Za-z0-9]+\t[0-9]+\n){10}\Z")
        self.assertRegex(done.err, r"MB/s on \d+ executors?")
        type(self).demo_is_done = True

    def run_other(self):
        lib.needs(self.demo_is_done, "needs the demo before it")
        self.run_block(block.text)
    return run_demo if block.text == DEMO else run_other


def read_blocks():
    """The demo, whatever the README says of running it, and what it does not exempt."""
    with open(os.path.join(lib.ROOT, "README.md"), encoding="utf-8") as file:
        return [b for b in readme.blocks(file.read()) if b.text == DEMO or b.reason is None]


def add_cases():
    for block in BLOCKS:
        words = re.sub(r"\W+", "_", block.text.strip().split("\n")[0]).strip("_")
        setattr(Tour, "test_line_%03d_%s" % (block.line, words[:50]), case_for(block))


BLOCKS = read_blocks()
add_cases()

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what is at exit is done
    lib.main()
