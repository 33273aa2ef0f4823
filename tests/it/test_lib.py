#!/usr/bin/env python3
"""test_lib.py - the helper for these tests finds what is left behind, and only that."""
import os
import subprocess
import sys
import unittest

import lib


lib.GRACE_SECONDS = 0.1  # what is left here stays: no use in waiting for it


def failures_of(body):
    """Runs a case with this body; returns the texts of its failures."""
    class Inner(lib.Case):
        def test(self):
            body(self)
    result = unittest.TestResult()
    Inner("test").run(result)
    return [text for _, text in result.failures + result.errors]


class Helper(lib.Case):

    def test_a_clean_case_passes(self):
        self.assertEqual(failures_of(lambda case: case.run_ok(["true"])), [])

    def test_a_process_that_left_its_group_is_found(self):
        def body(case):
            case.run_ok(["setsid", "-f", "sleep", "60"], stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL)
        self.assertIn("processes were left", "".join(failures_of(body)))

    def test_a_temporary_file_is_found(self):
        body = lambda case: case.run_ok(["sh", "-c", "touch \"$TMPDIR/x\""])  # noqa: E731
        self.assertIn("temporary files were left", "".join(failures_of(body)))

    def test_shared_memory_is_found(self):
        lib.needs(os.access("/dev/shm", os.W_OK), "/dev/shm is not writable")
        path = "/dev/shm/gleam-test-%d" % os.getpid()
        self.addCleanup(os.unlink, path)
        body = lambda case: case.run_ok(["touch", path])  # noqa: E731
        self.assertIn("shared memory was left", "".join(failures_of(body)))

    def test_a_process_that_hangs_is_ended(self):
        body = lambda case: case.run_it(["sleep", "600"], seconds=0.2)  # noqa: E731
        self.assertIn("not done after", "".join(failures_of(body)))

    def test_a_signal_is_no_plain_failure(self):
        body = lambda case: case.run_bad(["sh", "-c", "kill -9 $$"])  # noqa: E731
        self.assertTrue(failures_of(body))

    def test_input_and_output_pass(self):
        self.assertEqual(self.run_ok(["cat"], stdin="a b\n").out, "a b\n")
        self.run_bad([sys.executable, "-c", "import sys; sys.exit('what and why')"], "why")

    def test_a_program_that_was_not_built_fails(self):
        with self.assertRaises(AssertionError):
            lib.binary("no-such-program")


if __name__ == "__main__":
    lib.main()
