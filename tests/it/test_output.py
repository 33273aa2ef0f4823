#!/usr/bin/env python3
"""test_output.py - where results go, the run options, and what the machine refuses.

An output file appears whole or not at all, a reader that has enough is no failure, and an option
that cannot be had is refused with what to give instead.
"""
import contextlib
import json
import os
import re
import subprocess
import time

import driver
import lib

MIB = 1 << 20


class Streams(driver.DriverCase):

    def test_a_reader_that_has_enough_is_no_failure(self):
        begin = time.monotonic()
        for args in (self.flows("ints", 10**13), self.flows("--in-process", "ints", 10**13)):
            process = self.start(args)
            first = process.stdout.readline()
            process.stdout.close()
            err = process.stderr.read()
            self.assertEqual((process.wait(30 * lib.SLOWER), err), (0, b""))
            self.assertTrue(first.strip().isdigit())
        if lib.SANITIZER == "none":
            self.assertLess(time.monotonic() - begin, 4)

    def test_head_in_a_shell(self):
        path = self.file("a b c\n" * 100)
        script = "set -o pipefail; %s --quiet %s | head -1" % (lib.binary("word_count"), path)
        done = self.run_ok(["bash", "-c", script])
        self.assertEqual((done.out, done.err), ("a\t100\n", ""))

    def test_a_full_device(self):
        with open("/dev/full", "wb") as full:
            self.refused(self.flows("ints", 1000000), 1, "cannot write to standard output",
                         "No space left on device", stdout=full)
            self.refused(self.flows("ints", 3), 1, "No space left on device", stdout=full)
            self.refused(self.flows("--stats", "-", "ints", 3), 1, "No space left on device",
                         stdout=full)

    def test_a_closed_standard_output(self):
        path = self.file("a\n" * 1000)
        self.refused(self.flows("closed", path), 1, "cannot write to standard output",
                     "Bad file descriptor")
        done = self.run_it(["sh", "-c", '"$@" >&-', "sh"] + self.flows("lines", 2, path))
        self.assertEqual(done.status, 1, done.err)
        self.assertIn("cannot write to standard output", done.err)

    def test_standard_error_may_be_closed(self):
        path = self.file("a\nb\n")
        done = self.run_ok(["sh", "-c", '"$@" 2>&- <&-', "sh"] + self.flows("lines", 2, path))
        self.assertEqual(sorted(done.out.split()), ["a", "b"])

    def test_a_slow_reader_gets_everything(self):
        process = self.start(self.flows("ints", 300000))
        os.set_blocking(process.stdout.fileno(), True)
        out = b""
        while True:
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                break
            out += data
            if len(out) < 4 * 65536:
                time.sleep(0.02)
        self.assertEqual(process.wait(), 0)
        self.assertEqual(sorted(map(int, out.split())), list(range(300000)))

    def test_a_pipe_that_does_not_block_gets_everything(self):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        process = self.start(self.flows("ints", 200000), stdout=writer)
        os.close(writer)
        with open(reader, "rb") as file:
            out = file.read()
        self.assertEqual(process.wait(), 0)
        self.assertEqual(sorted(map(int, out.split())), list(range(200000)))


class Files(driver.DriverCase):

    def test_a_file_replaces_another_only_on_success(self):
        source = self.file("".join("%d\n" % i for i in range(1000)))
        target = self.file("old\n", "target.txt")
        bad = self.file("x\n", "bad.txt")
        os.mkfifo(os.path.join(self.dir, "endless"))
        process, _ = self.start_executors(
            self.flows("--cores", 1, "write", target, bad, os.path.join(self.dir, "endless")), 1)
        process.terminate()
        self.assertEqual(process.wait(10 * lib.SLOWER), 128 + 15)
        with open(target, encoding="utf-8") as file:
            self.assertEqual(file.read(), "old\n")
        self.run_ok(self.flows("write", target, source))
        with open(target, encoding="utf-8") as file:
            self.assertEqual(sorted(map(int, file.read().split())), list(range(1000)))
        self.assertEqual(sorted(os.listdir(self.dir)),
                         ["bad.txt", "endless", "input.txt", "target.txt"])

    def test_a_new_file_gets_the_usual_rights(self):
        target = os.path.join(self.dir, "new.txt")
        self.run_ok(["sh", "-c", 'umask 027; exec "$@"', "sh"] +
                    self.flows("write", target, self.file("a\n")))
        self.assertEqual(os.stat(target).st_mode & 0o777, 0o640)

    def test_a_target_that_cannot_be(self):
        source = self.file("a\n")
        for target, why in ((self.dir + "/no/where.txt", "No such file"),
                            (self.dir, "directory"), ("/proc/no-such-place", "")):
            self.refused(self.flows("write", target, source), 1, "cannot write", target, why)

    def test_a_target_in_a_folder_without_rights(self):
        source = self.file("a\n")
        args = self.as_nobody(self.flows("write", self.dir + "/closed/x", source))
        os.mkdir(self.dir + "/closed", 0o555)
        self.refused(args, 1, "cannot write", self.dir + "/closed/x", "Permission denied")

    def test_a_disk_that_fills_up(self):
        lib.needs_root()
        disk = os.path.join(self.dir, "disk")
        os.mkdir(disk)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk],
                                 check=False, stderr=subprocess.DEVNULL)
        lib.needs(mounted.returncode == 0, "mounting a tmpfs is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        source = self.file("0123456789abcde\n" * (2 * MIB // 16))
        target = os.path.join(disk, "out.txt")
        self.refused(self.flows("write", target, source), 1, "cannot write", target,
                     "No space left on device", "bytes were written before")
        self.assertEqual(os.listdir(disk), [])


class Terminals(driver.DriverCase):

    def job(self, *options):
        path = self.file("x" * 4000 + "\n" + "line\n" * 600)
        return self.flows(*options, "--cores", 1, "slowly", path)

    def test_a_progress_line_on_a_terminal_only(self):
        terminal = driver.Terminal(self, self.job())
        out = terminal.read_until(b"", 20)
        self.assertEqual(terminal.wait(5), 0)
        self.assertRegex(out, rb"\r\x1b\[K *\d+ %  [^\r]* of [^\r]*/s")
        self.assertNotIn("%", self.run_ok(self.job()).err)

    def test_quiet_is_quiet(self):
        terminal = driver.Terminal(self, self.job("--quiet"))
        out = terminal.read_until(b"", 20)
        self.assertEqual(terminal.wait(5), 0)
        self.assertNotIn(b"%", out)


class Stats(driver.DriverCase):

    def check(self, stats, lines, words, size):
        for key in ("elapsed_ns", "ring_bytes", "output_bytes", "memory_limit_bytes",
                    "peak_memory_bytes", "region_bytes", "frame_bytes"):
            self.assertGreater(stats[key], 0, key)
        self.assertEqual(stats["spilled_bytes"], 0)
        self.assertEqual(stats["input_bytes"], size)
        self.assertIn(stats["region_pages"], ("plain", "transparent huge", "huge"))
        self.assertLessEqual(stats["peak_memory_bytes"], stats["memory_limit_bytes"])
        steps = {step["step_name"]: step for step in stats["steps"]}
        self.assertEqual(steps["tokenize"]["in_rows"], lines)
        self.assertEqual(steps["tokenize"]["out_rows"], words)
        for step in stats["steps"]:
            self.assertEqual(step["spilled_bytes"], 0)
        for exchange in stats["exchanges"]:
            for key in ("exchange_kind", "moved_rows", "moved_bytes", "frames_count"):
                self.assertIn(key, exchange)
        self.assertEqual(len(stats["executors"]), 2)
        for executor in stats["executors"]:
            self.assertGreater(executor["heap_peak_bytes"], 0)

    def test_stats_in_a_file_and_on_standard_output(self):
        path = self.file("a b\nc\n" * 1000)
        args = self.word_count("--cores", 2, path)
        done, stats = self.stats_of(args)
        self.check(stats, 2000, 3000, 6000)
        self.assertEqual(len(done.out.splitlines()), 3)
        done = self.run_ok(args[:1] + ["--stats", "-"] + args[1:])
        results, _, text = done.out.partition("{")
        self.assertEqual(len(results.splitlines()), 3)
        self.check(json.loads("{" + text), 2000, 3000, 6000)

    def test_stats_that_cannot_be_written(self):
        target = self.dir + "/no/where.json"
        self.refused(self.word_count("--stats", target, self.file("a\n")), 1, "--stats", target,
                     "No such file")


class Options(driver.DriverCase):

    def test_too_little_memory_says_how_much_would_do(self):
        path = self.file("a b a\n")
        done = self.refused(self.word_count("--cores", 2, "--memory", "1M", path), 1, "--memory",
                            "1.0 MiB", "too small", "2 executors")
        enough = re.search(r"give --memory (\d+M)", done.err).group(1)
        done = self.run_ok(self.word_count("--cores", 2, "--memory", enough, path))
        self.assertEqual(done.out, "a\t2\nb\t1\n")

    def test_the_memory_that_would_do_is_enough_for_many_sources(self):
        path = self.file("a\nb\n" * 1000)
        for count in (8, 40):
            args = self.flows("--cores", 2, "--memory", "1M", "texts", count, path)
            done = self.refused(args, 1, "too small")
            args[4] = re.search(r"give --memory (\d+M)", done.err).group(1)
            self.assertEqual(len(self.run_ok(args).out.splitlines()), 2000 * count)

    def test_cores_that_do_not_exist(self):
        path = self.file("a\n")
        # A list is looked at with the machine; a number at once, with the other usage errors.
        self.refused(self.word_count("--cores", "0-9999", path), 2, "--cores")
        self.refused(self.word_count("--cores", "250-251", path), 1, "--cores", "core 250",
                     "may use cores")
        self.refused(self.word_count("--cores", "256", path), 2, "--cores 256", "may use only")

    def test_usage_errors_exit_with_2(self):
        path = self.file("a\n")
        for options in (["--cores", "none"], ["--cores", "0"], ["--cores", "1-"], ["--cores"],
                        ["--cores", "-1"], ["--memory", "much"], ["--memory", "0"],
                        ["--memory=-5M"], ["--memory", "99999999999999T"],
                        ["--hugepages", "maybe"], ["--executors", "257"], ["--executors", "0"],
                        ["--stats", ""]):
            with self.subTest(options=options):
                args = [lib.binary("word_count"), path] + options
                done = self.refused(args, 2, options[0].split("=")[0])
                self.assertEqual(done.out, "")
        self.assertEqual(self.run_it([lib.binary("word_count")]).status, 2)
        for arguments in ([], ["no-such-command"], ["bench"], ["bench", "no-such"], ["plan"],
                          ["bench", "wordcount"]):
            with self.subTest(arguments=arguments):
                done = self.run_it([lib.binary("gleam")] + arguments)
                self.assertEqual(done.status, 2, done.err)
                self.assertIn("usage", done.err)

    def test_a_flow_without_an_output_is_refused(self):
        self.refused(self.flows("nothing"), 1, "output")

    def test_help_and_plan(self):
        help_text = self.run_ok([lib.binary("gleam"), "--help"]).out
        for word in ("--cores", "--memory", "--hugepages", "--stats", "--quiet", "bench", "plan"):
            self.assertIn(word, help_text)
        path = self.file("a b\n")
        for args in ([lib.binary("gleam"), "plan", lib.binary("word_count"), path],
                     [lib.binary("gleam"), "plan", "wordcount", path],
                     self.word_count("--plan", path)):
            done = self.run_ok(args)
            self.assertIn("tokenize", done.out)

    def test_a_variable_that_is_for_executors_only(self):
        path = self.file("a\n")
        for value in ("", "garbage", "1:2:3", "0:2:3:4:5:", "0:9999:3:4:5:1,2", "0:2:3:1:0:4,5",
                      "4294967295:2:0:0:0:0,0"):
            with self.subTest(value=value):
                done = self.run_it(self.word_count(path), env={"GLEAM_EXECUTOR": value})
                self.assertIn(done.status, (1, 2), done.err)
                self.assertEqual(done.out, "")

    def test_huge_pages_that_are_not_there(self):
        path = self.file("a b a\n")
        args = self.word_count("--cores", 2, "--memory", "128M", "--hugepages", "64M", path)
        with self.nobody_else_changes_huge_pages(0):
            done = self.refused(args, 1, "huge pages", "make them with:", "nr_hugepages")
        command = re.search(r"make them with: (echo (\d+) \|.*?nr_hugepages)", done.err)
        lib.needs_root()
        self.addCleanup(self.write_number, "0")
        made = subprocess.run(["sh", "-c", command.group(1) if self.has_sudo() else
                               command.group(1).replace("sudo ", "")],
                              check=False, capture_output=True)
        lib.needs(made.returncode == 0, "the kernel gives no huge pages here")
        with self.nobody_else_changes_huge_pages(int(command.group(2))):
            done, stats = self.stats_of(args)
            self.assertEqual(done.out, b"a\t2\nb\t1\n")
            self.assertEqual(stats["region_pages"], "huge")

    @contextlib.contextmanager
    def nobody_else_changes_huge_pages(self, count):
        """They are the machine's: what fails while other programs have some of them says nothing."""
        def need():
            lib.needs(lib.huge_pages() == (count, count),
                      "of (all, free) huge pages there are %s, not %d" % (lib.huge_pages(), count))
        need()
        try:
            yield
        except AssertionError:
            need()
            raise

    def has_sudo(self):
        return any(os.access(os.path.join(folder, "sudo"), os.X_OK)
                   for folder in os.environ.get("PATH", "").split(":"))

    def write_number(self, number):
        with open("/proc/sys/vm/nr_hugepages", "w", encoding="ascii") as file:
            file.write(number)


if __name__ == "__main__":
    lib.main()
