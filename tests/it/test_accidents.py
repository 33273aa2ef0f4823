#!/usr/bin/env python3
"""test_accidents.py - steps that go wrong, signals, and deaths: nothing stays, everything is said.

After each case no process, temporary file or shared memory may be left (lib.Case looks).  Where a
second is promised, it is measured in builds without sanitizers.
"""
import os
import signal
import subprocess
import time

import driver
import lib

IN_STEP = ("in step 'trip over'", "faults.c:")


class BadSteps(driver.DriverCase):
    """Each fault ends its job with status 1; the driver lives, and runs another flow after it."""

    def fault(self, name, *words, text=None, options=(), **more):
        path = self.file(text or "1\n" * 300 + "poison\n" + "2\n" * 300)
        args = self.faults(name, path, "again")
        args[1:1] = options
        more.setdefault("env", lib.crash_env())
        done = self.refused(args, 1, *words, **more)
        with open(path, "rb") as file:
            lines = file.read().count(b"\n")
        self.assertIn("second flow: %d lines" % lines, done.out)
        return done

    def test_a_mapper_that_segfaults(self):
        for name in ("segfault", "wild_pointer"):
            self.fault(name, "executor ", "(core ", "signal 11 (Segmentation fault)", "--in-process",
                       *IN_STEP)

    def test_a_mapper_that_dies_beside_a_child_of_its_own(self):
        begin = time.monotonic()
        self.fault("orphan", "signal 11", *IN_STEP)
        self.assert_quick(begin, "the death was noticed only with the child's end")

    def test_a_mapper_that_aborts(self):
        self.fault("abort", "executor ", "signal 6 (Aborted)", *IN_STEP)

    def test_executors_that_never_begin(self):
        self.refused(self.faults("none", self.file("1\n")), 1, "exit status 9",
                     "before its first step", env={"FAULTS_UNBORN": "1"})

    def test_a_mapper_that_exits(self):
        self.fault("exit", "executor ", "exit status 7", *IN_STEP)

    def test_a_mapper_that_is_killed(self):
        self.fault("kill", "executor ", "signal 9 (Killed)", *IN_STEP)

    def test_a_mapper_that_closes_every_descriptor_and_stays(self):
        begin = time.monotonic()
        self.fault("hang_up", "executor ", "closed its connection", *IN_STEP, seconds=10)
        self.assert_quick(begin, "an executor that does not end held its driver up")

    def test_a_mapper_that_returns_an_error(self):
        for options in ((), ("--in-process",)):
            self.fault("error", "faults.c:", "step 'trip over'", "returned 42", "poison",
                       options=options)

    def test_a_mapper_that_says_why(self):
        for options in ((), ("--in-process",)):
            self.fault("fail", "faults.c:", "step 'trip over'",
                       "this line cannot be used: 'poison'", options=options)

    def test_a_mapper_that_emits_the_wrong_rows(self):
        step = ("faults.c:", "step 'trip over'")
        self.fault("wrong_count", "2 values", "declares 1", *step)
        self.fault("wrong_kind", "value 1", "i64", "bytes", *step)
        self.fault("unknown_kind", "value 1", "declared bytes", *step)
        self.fault("too_long", "value 1", "longer than 1 GiB", *step)

    def test_a_mapper_that_emits_more_than_the_memory(self):
        self.fault("hungry", "faults.c:", "step 'trip over'", "does not fit", "--memory",
                   seconds=60)

    def test_a_mapper_that_allocates_is_fine(self):
        path = self.file("1\npoison\n2\n")
        self.assertEqual(sorted(self.run_ok(self.faults("allocate", path)).out.split()),
                         ["1", "2", "poison"])

    def test_a_mapper_that_prints_does_not_mix_with_the_output(self):
        path = self.file("1\npoison\n2\n")
        done = self.run_ok(self.faults("noisy", path))
        self.assertEqual(sorted(done.out.split()), ["1", "2", "poison"])
        self.assertEqual(done.err.count("noise from a step\n"), 1000)

    def test_a_reducer_that_goes_wrong(self):
        step = ("'fold up'", "faults.c:")
        self.fault("reducer_segfault", "signal 11", "executor ", *step)
        self.fault("reducer_error", "returned 43", *step)
        self.fault("reducer_fail", "cannot be reduced", *step)

    def test_a_sum_that_overflows(self):
        self.fault("sum_overflow", "faults.c:", "step 'sum up'", "range of i64", "sum_float64")

    def test_a_function_of_the_program_that_refuses_rows(self):
        self.fault("output", "function", "returned 5")

    def test_a_step_that_writes_over_frames_and_rings(self):
        # Some rows before: frames are out, so that what is written over is really in use.
        text = "1234567\n" * 100000 + "poison\n" + "1234567\n" * 100000
        for name in ("scribble_frames", "scribble_rings", "scribble_all"):
            for _ in range(3 if lib.SANITIZER == "none" else 1):
                done = self.fault(name, "executor ", text=text, seconds=60)
                self.assertRegex(done.err, "refused|was killed by signal|wrote over the shared memory", done.err)


class Signals(driver.DriverCase):

    def waiting(self, fault="forever", *options):
        """A job that would never end, with both executors at work."""
        path = self.file("poison\n" * 1000)
        args = self.faults(fault, path)
        args[1:1] = options
        return self.start_executors(args, 2)

    def stops(self, process, pids, number, to_group=False):
        begin = time.monotonic()
        if to_group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, err = process.communicate(timeout=10 * lib.SLOWER)
        self.assert_quick(begin, "the driver took too long to stop")
        self.assert_gone(pids, begin, "executors outlived their driver")
        self.assertEqual(process.returncode, 128 + number, err)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertIn(b"stopped by signal %d" % number, err)

    def test_an_interrupt_ends_everything(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for to_group in (False, True):
                with self.subTest(number=number, to_group=to_group):
                    process, pids = self.waiting("spin")
                    self.stops(process, pids, number, to_group)

    def test_an_interrupt_ends_a_job_that_is_busy(self):
        process, pids = self.start_executors(
            self.flows("--cores", 2, "ints", 10**15), 2, stdout=subprocess.DEVNULL)
        self.stops(process, pids, signal.SIGINT)

    def test_an_interrupt_ends_a_write_that_blocks(self):
        process, pids = self.start_executors(self.flows("--cores", 2, "ints", 10**15), 2)
        # Nobody reads the pipe: when its 64 KiB are full, the driver stands still.
        lib.wait_until(lambda: self.state_of(process.pid) == "S", 5)
        time.sleep(0.05)
        self.stops_unread(process, pids)

    def test_an_interrupt_reaches_a_function_that_takes_rows(self):
        for options in ((), ("--timeout", "0.3")):
            args = self.faults("output_waits", self.file("a\n"))
            args[1:1] = options
            process, pids = self.start_executors(args, 2)
            self.assertEqual(process.stdout.readline(), b"in the row\n")
            if not options:
                self.stops(process, pids, signal.SIGINT)
                continue
            _, err = process.communicate(timeout=10 * lib.SLOWER)
            self.assertEqual(process.returncode, 124, err)
            self.assertIn(b"--timeout", err)

    def state_of(self, pid):
        with open("/proc/%d/stat" % pid, encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0]

    def stops_unread(self, process, pids):
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        self.assertTrue(lib.wait_until(lambda: process.poll() is not None, 10))
        self.assert_gone(pids, begin, "executors outlived their driver")
        self.assertEqual(process.returncode, 130)

    def test_an_interrupt_ends_threads_too(self):
        path = self.file("poison\n" * 1000)
        for args in ([lib.binary("flows"), "--in-process", "--cores", "2", "ints", 10**15],
                     [lib.binary("faults"), "--in-process", "--cores", "2", "spin", path]):
            process = self.start(args, stdout=subprocess.DEVNULL)
            lib.wait_until(lambda: len(os.listdir("/proc/%d/task" % process.pid)) >= 3, 5)
            begin = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=10 * lib.SLOWER)
            self.assert_quick(begin, "threads took too long to stop")
            self.assertEqual(process.returncode, 130, err)
            self.assertIn(b"stopped by signal 2", err)

    def test_control_c_on_a_terminal(self):
        path = self.file("poison\n" * 1000)
        terminal = driver.Terminal(self, self.faults("spin", path))
        pids = lib.wait_until(lambda: list(driver.children_of(terminal.pid))
                              if len(driver.children_of(terminal.pid)) == 2 else None)
        self.assertTrue(pids)
        terminal.read_until(b"%", 5)  # the progress line: the job runs
        begin = time.monotonic()
        terminal.type(b"\x03")
        out = terminal.read_until(b"stopped by signal 2", 5)
        self.assertEqual(terminal.wait(5), 130, out)
        self.assert_gone(pids, begin, "executors outlived their driver")

    def test_a_killed_driver_takes_its_executors_along(self):
        for fault in ("forever", "spin"):
            process, pids = self.waiting(fault)
            begin = time.monotonic()
            process.kill()
            process.wait()
            self.assert_gone(pids, begin, "executors outlived their driver")

    def test_a_killed_driver_leaves_no_file(self):
        path = self.file("x\n" * 2000)
        target = os.path.join(self.tmp, "out.txt")
        process, _ = self.start_executors(
            self.flows("--cores", 2, "write", target, path,
                       self.endless()), 2)
        process.kill()
        process.wait()
        self.assertEqual(os.listdir(self.tmp), [])

    def endless(self):
        """A FIFO that nobody writes to: its reader waits for ever."""
        path = os.path.join(self.dir, "endless")
        os.mkfifo(path)
        return path

    def test_a_killed_executor_fails_the_job(self):
        process, pids = self.waiting()
        begin = time.monotonic()
        os.kill(pids[1], signal.SIGKILL)
        _, err = process.communicate(timeout=10 * lib.SLOWER)
        self.assert_quick(begin, "the death of an executor was noticed too late")
        self.assertEqual(process.returncode, 1, err)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertIn(b"was killed by signal 9 (Killed)", err)
        self.assert_gone(pids, begin, "an executor outlived its job")

    def test_a_stopped_executor_can_be_ended(self):
        process, pids = self.waiting()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        self.stops(process, pids, signal.SIGINT)

    def test_an_interrupt_at_the_end_still_counts(self):
        target = os.path.join(self.dir, "out.txt")
        done = self.run_it(self.flows("--cores", 2, "late", target, self.file("a\nb\n")))
        self.assertEqual(done.status, 130, done.err)
        self.assertIn("stopped by signal 2", done.err)
        self.assertFalse(os.path.exists(target))

    def test_ignored_signals_stay_ignored(self):
        path = self.file("".join("%d\n" % i for i in range(300)))
        args = ["nohup"] + self.flows("--cores", 2, "slowly", path)
        process = self.start(args)
        lib.wait_until(lambda: len(driver.children_of(process.pid)) == 2)
        process.send_signal(signal.SIGHUP)
        out, err = process.communicate(timeout=30 * lib.SLOWER)
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(len(out.splitlines()), 300)


class Warm(driver.DriverCase):

    def test_executors_stay_warm_and_nothing_piles_up(self):
        path = self.file("line\n" * 20000)
        done = self.run_ok(self.flows("--cores", 2, "warm", 20, path))
        lines = done.out.splitlines()
        self.assertEqual(len(lines), 20)
        self.assertEqual({line.split(",")[0] for line in lines}, {lines[0].split(",")[0]})
        pids = {pid for line in lines for pid in line.split("executors")[1].split()}
        self.assertIn(len(pids), (1, 2), done.out)

    def test_idle_executors_that_were_killed_are_started_again(self):
        path = self.file("line\n" * 20000)
        done = self.run_ok(self.flows("--cores", 2, "killed", 5, path))
        self.assertEqual(len(done.out.splitlines()), 5)


if __name__ == "__main__":
    lib.main()
