#!/usr/bin/env python3
"""test_pipes.py - commands as steps: the shell's own answers, every type there and back, commands
that go wrong, and nobody left whatever dies.

lib.Case finds processes by a mark in their environment, which commands inherit, so each case also
checks that no command outlives its job.
"""
import os
import random
import signal
import subprocess
import time
from collections import Counter

import driver
import lib

PLACE = ("pipes.c:", "step 'through'")


class PipeCase(driver.DriverCase):

    def pipes(self, *arguments, cores=2, memory="512M"):
        return ([lib.binary("pipes"), "--cores", cores, "--memory", memory]
                + [str(argument) for argument in arguments])

    def text(self, lines, seed=1):
        picked = random.Random(seed)
        words = ["word%d" % i for i in range(500)] + ["Über", "a\tb", "\\n", "'", '"', "$HOME", ""]
        return "".join(" ".join(picked.choices(words, k=picked.randrange(6))) + "\n"
                       for _ in range(lines))

    def shell(self, command, text):
        return subprocess.run(["sh", "-c", command], input=text.encode(), check=True,
                              env={**os.environ, "LC_ALL": "C"}, capture_output=True).stdout


class Answers(PipeCase):

    def test_pipes_give_what_the_shell_gives(self):
        text = self.text(driver.scaled(30000))
        path = self.file(text)
        for chain in (["cat"], ["tr a-z A-Z", "sort", "uniq -c"], ["sort -r | head -100"],
                      ["grep -v word1", "wc -l"], ["sed 's/word/w/g'"], ["awk '{print NF}'"]):
            steps = [part for command in chain for part in ("pipe", command)]
            done = self.run_ok(self.pipes("text", 1, path, *steps, "print", "%s\n"), text=False,
                               env={"LC_ALL": "C"})
            self.assertEqual(done.out, self.shell(" | ".join(chain), text), chain)

    def test_partitions_are_piped_each(self):
        text = self.text(driver.scaled(30000))
        done = self.run_ok(self.pipes("text", 7, self.file(text), "pipe", "sort | uniq -c", "part",
                                      3, "pipe", "sed 's/^ *[0-9]* //'", "print", "%s\n"),
                           text=False, env={"LC_ALL": "C"})
        self.assertEqual(set(done.out.split(b"\n")), set(text.encode().split(b"\n")))

    def test_order_of_rows_is_kept(self):
        path = self.file("".join("%d\n" % i for i in range(200000)))
        done = self.run_ok(self.pipes("text", 1, path, "pipe", "cat", "lines", "cat", "print",
                                      "%s\n"))
        self.assertEqual(done.out, "".join("%d\n" % i for i in range(200000)))

    def test_a_command_runs_once_per_partition_with_rows_or_without(self):
        for path in (self.file("", "empty"), self.file("x\n", "one"), self.file("x\n" * 9, "nine")):
            done = self.run_ok(self.pipes("text", 5, path, "pipe", "cat >/dev/null; echo ran",
                                          "print", "%s\n"))
            self.assertEqual(done.out, "ran\n" * 5)
            done = self.run_ok(self.pipes("text", 3, path, "part", 11, "pipe", "seq 2", "print",
                                          "%s\n"))
            self.assertEqual(Counter(done.out.split()), {"1": 11, "2": 11})
        done = self.run_ok(self.pipes("text", 4, self.file(""), "pipe", "wc -l", "as", "n i64",
                                      "print", "%d\n"))
        self.assertEqual(done.out, "0\n" * 4)

    def test_line_ends(self):
        path = self.file(b"a\r\nb\nc\rd\r\n\r\nlast")
        for steps in (("pipe", "od -c"), ("words", "pipe", "cat -v")):
            done = self.run_ok(self.pipes("text", 1, path, *steps, "print", "%s\n"))
            self.assertNotIn("\\r  \\n", done.out)
        done = self.run_ok(self.pipes("text", 1, path, "pipe", "cat", "print", "%s\n"), text=False)
        self.assertEqual(done.out, b"a\nb\nc\rd\n\nlast\n")
        done = self.run_ok(self.pipes("ints", 1, "pipe", "printf 'x\\r\\ny'", "print", "%s.\n"),
                           text=False)
        self.assertIn(b"x\r.\ny.\n", done.out)

    def test_threads_run_commands_too(self):
        path = self.file("b\na\n" * 1000)
        done = self.run_ok(self.pipes("--in-process", "text", 2, path, "pipe", "sort", "pipe",
                                      "uniq -c", "print", "%s\n"))
        self.assertEqual(Counter(done.out.split()), {"a": 2, "b": 2, "500": 4})

    def test_20_megabytes_through_tiny_reads(self):
        line = "x" * 99 + "\n"
        path = self.file(line * (driver.scaled(20000000) // 100))
        for command in ("cat", "dd bs=4093 2>/dev/null", "awk '{print; fflush()}' | dd obs=777 "
                        "2>/dev/null"):
            done = self.run_ok(self.pipes("text", 2, path, "pipe", command, "print", "%s\n"),
                               seconds=60, text=False)
            self.assertEqual(done.out, line.encode() * (driver.scaled(20000000) // 100))

    def test_a_command_that_writes_before_it_reads(self):
        path = self.file("x\n" * 500000)
        done = self.run_ok(self.pipes("text", 1, path, "pipe", "seq 1000000; wc -l", "print",
                                      "%s\n"))
        self.assertEqual(done.out, "".join("%d\n" % i for i in range(1, 1000001)) + "500000\n")

    def test_output_comes_while_the_input_waits(self):
        fifo = os.path.join(self.dir, "fifo")
        os.mkfifo(fifo)
        process = self.start(self.pipes("text", 1, fifo, "pipe", "sed -u 's/^/got /'", "write",
                                        "/dev/stdout", "%s\n"))
        with open(fifo, "w", encoding="utf-8") as file:
            file.write("one\n")
        self.assertEqual(process.communicate(timeout=20 * lib.SLOWER)[0], b"got one\n")

    def test_commands_may_use_every_core(self):
        wanted = len(os.sched_getaffinity(0))
        for more in ((), ("--in-process",)):
            done = self.run_ok(self.pipes(*more, "text", 1, self.file("x\n"), "pipe",
                                          "cat >/dev/null; nproc", "print", "%s\n"))
            self.assertEqual(done.out, "%d\n" % wanted)

    def test_a_second_flow_of_steps_behind(self):
        path = self.file("a b\nb c\nb\n")
        done = self.run_ok(self.pipes("text", 2, path, "pipe", "tr ' ' '\\n'", "count", "sort", 1,
                                      "pipe", "sed 's/\\t/=/'", "print", "%s\n"))
        self.assertEqual(done.out, "a=1\nb=3\nc=1\n")

    def test_hundreds_of_partitions_at_a_time(self):
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lib.needs(hard >= 4096, "needs a limit of 4096 descriptors")
        path = self.file("".join("%d\n" % i for i in range(20000)))
        count = 400 if lib.SANITIZER == "none" else 60
        done = self.run_ok(self.pipes("text", 2, path, "part", count, "pipe",
                                      "cat >/dev/null; ulimit -n", "print", "%s\n", memory="256M"),
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE,
                                                                 (500, hard)), seconds=60)
        self.assertEqual(done.out, "500\n" * count) # commands have the limit of the driver

    def test_stats_count_commands(self):
        text = "line\n" * 1000
        _, stats = self.stats_of(self.pipes("text", 2, self.file(text), "pipe", "cat", "pipe",
                                            "cat", "print", "%s\n"))
        self.assertEqual(stats["commands_count"], 4)
        self.assertEqual(stats["commands_written_bytes"], len(text))
        self.assertEqual(stats["commands_read_bytes"], len(text))
        steps = {step["step_kind"]: step for step in stats["steps"]}
        self.assertEqual(steps["pipe"]["in_rows"], 1000)
        self.assertEqual(steps["pipe"]["out_rows"], 1000)

    def test_a_driver_that_ignores_its_children(self):
        done = self.run_ok(self.pipes("text", 2, self.file("x\n"), "pipe", "cat", "print", "%s\n"),
                           preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(done.out, "x\n")

    def test_the_plan_shows_the_commands(self):
        done = self.run_ok(self.pipes("text", 2, self.file("a\n"), "pipe", "tr a b", "pipe", "sort",
                                      "plan", "%s\n"))
        self.assertIn("pipe 'through' through tr a b | sort, printed", done.out)


class Values(PipeCase):
    """Rows of every type, through a command that leaves them as they are."""

    def rows(self, *steps, form="%v|%v|%v|%v|%v\n"):
        out = self.run_ok(self.pipes(*steps, "print", form)).out
        return sorted(out.replace("line\nbreak", "line_break").splitlines())

    TYPES = "n any, x any, even any, text any, maybe any"

    def test_every_form_keeps_them(self):
        self.maxDiff = None
        wanted = self.rows("values")
        self.assertEqual(len(wanted), 21)
        typed = "n i64, x f64, even bool, text bytes, maybe i64"
        for form in ("escape", "jsonl"):
            self.assertEqual(self.rows("values", form, "cat", "as", typed), wanted, form)
        # Empty bytes and null are one in an empty field of bytes.
        self.assertEqual([row.replace("null|", "|") for row in
                          self.rows("values", "csv", "cat", "as", typed)],
                         [row.replace("null|", "|") for row in wanted])
        self.assertEqual(self.rows("values", "jsonl", "cat", "as", self.TYPES),
                         [row.replace("1.0", "1") for row in wanted])

    def test_without_escape_they_are_refused(self):
        for more in ((), ("as", "a bytes, b bytes, c bytes, d bytes, e bytes")):
            self.refused(self.pipes("values", "pipe", "cat", *more, "print", "%v%v%v%v%v\n"), 1,
                         "step 'through'", "row ", "column 4 ('text')", "escape", "gleam_pipe_raw")

    def test_plain_types_pass(self):
        form = "%v|%v|%v|%v\n"
        wanted = self.rows("plain", form=form)
        types = "text bytes, n i64, x f64, even bool"
        self.assertEqual(self.rows("plain", "pipe", "cat", "as", types, form=form), wanted)
        self.assertEqual(self.rows("plain", "pipe", "cat", form=form), wanted)
        self.assertEqual(self.rows("plain", "escape", "cat", "escape", "cat", form=form), wanted)

    def test_columns_are_as_many_as_are_printed(self):
        path = self.file("a b c\n")
        for count in (1, 2, 3):
            done = self.run_ok(self.pipes("text", 1, path, "pipe", "cut -d' ' -f1-%d | tr ' ' '\\t'"
                                          % count, "sort", 1, "print", "%s;" * count + "\n"))
            self.assertEqual(done.out, "".join("%s;" % word for word in "abc"[:count]) + "\n")
        done = self.run_ok(self.pipes("text", 1, path, "pipe", "printf 'a\\tb\\n'", "print", "%s\n"))
        self.assertEqual(done.out, "a\tb\n")

    def test_jsonl_and_csv_speak_to_programs(self):
        done = self.run_ok(self.pipes("plain", "jsonl", "sed 's/\"row/\"line/'", "as",
                                      "n i64, text bytes, even bool, x any", "sort", 1, "print",
                                      "%d %s %v %v\n"))
        self.assertEqual(done.out.splitlines()[:2], ["-5 line 0 true 0", "-4 line 1 false 0.125"])
        done = self.run_ok(self.pipes("text", 1, self.file('say "hi", you\n'), "csv", "tee /dev/stderr",
                                      "print", "%s\n"))
        self.assertEqual(done.out, 'say "hi", you\n')
        self.assertEqual(done.err.splitlines()[0], '"say ""hi"", you"')


class Arguments(PipeCase):

    def test_columns_are_arguments_and_never_code(self):
        nasty = ["$(touch %s/owned)" % self.dir, "`id`", "a'b\"c", "*", "-n", "", "a  b", "\\", "ü"]
        path = self.file("\n".join(nasty) + "\n")
        done = self.run_ok(self.pipes("text", 3, path, "args", "printf '%s\\n' \"<$1>\"", "print",
                                      "%s\n"))
        self.assertEqual(Counter(done.out.splitlines()), Counter("<%s>" % line for line in nasty))
        self.assertFalse(os.path.exists(os.path.join(self.dir, "owned")))

    def test_lines_come_in_order_and_several_at_a_time(self):
        code = "sleep 0.0$(( ($1 * 7) % 5 )); seq $1 $(( $1 + 1 ))"
        done = self.run_ok(self.pipes("ints", 24, "args-by", 6, code, "print", "%s\n", cores=1))
        self.assertEqual(done.out, "".join("%d\n%d\n" % (i, i + 1) for i in range(24)))
        begin = time.monotonic()
        self.run_ok(self.pipes("ints", 16, "args", "sleep 0.5", "print", "%s\n", cores=1))
        self.assertLess(time.monotonic() - begin, 4 * lib.SLOWER)

    def test_numbers_and_null(self):
        done = self.run_ok(self.pipes("values", "args", "printf '%s,' \"$#\" \"$1\" \"$2\" \"$3\" \"$5\"",
                                      "sort", 1, "print", "%s\n"))
        self.assertIn("5,2,-2.5e+300,true,,", done.out.splitlines())
        self.assertEqual(len(done.out.splitlines()), 21)

    def test_stdin_is_empty(self):
        done = self.run_ok(self.pipes("ints", 3, "args", "wc -c", "print", "%s\n"))
        self.assertEqual(done.out, "0\n0\n0\n")

    def test_a_row_that_fails_is_told(self):
        self.refused(self.pipes("ints", 30, "args", "test $1 -ne 17 || exit 9", "print", "%s\n"), 1,
                     "step 'per row'", "pipes.c:", "exit status 9")
        self.refused(self.pipes("text", 1, self.file("x" * 200000 + "\n"), "args", "true", "print",
                                "%s\n"), 1, "could not be started", "Argument list too long")
        self.refused(self.pipes("text", 1, self.file(b"a\0b\n"), "args", "true", "print", "%s\n"),
                     1, "NUL byte", "column 1 ('line')")


class Failures(PipeCase):

    def fails(self, command, *words, **more):
        path = self.file("some line\n" * 1000)
        return self.refused(self.pipes("text", 2, path, "pipe", command, "print", "%s\n"), 1,
                            *PLACE, "partition ", *words, **more)

    def test_a_command_that_is_not_there(self):
        self.fails("no-such-command -x", "'no-such-command -x'", "exit status 127",
                   "no such command", "not found")

    def test_a_command_that_cannot_be_executed(self):
        path = self.file("#!/bin/sh\n", "script")
        self.fails(path, "exit status 126", "cannot be executed")

    def test_exit_statuses_and_signals(self):
        for command in ("exit 3", "cat; exit 3", "head -1; exit 3", "cat >/dev/null; exit 3"):
            self.fails(command, "exit status 3")
        self.fails("grep nothing", "exit status 1", "|| true")
        self.fails("kill -9 $$", "signal 9 (Killed)")
        self.fails("cat >/dev/null; kill -SEGV $$", "signal 11 (Segmentation fault)")

    def test_the_last_words_are_told_and_older_ones_are_passed_on(self):
        done = self.run_it(self.pipes("text", 1, self.file("x\n"), "pipe",
                                      "for i in $(seq 1000); do echo line $i of trouble >&2; done; "
                                      "exit 4", "print", "%s\n"))
        self.assertEqual(done.status, 1)
        *passed, message = done.err.splitlines()
        self.assertIn("line 1000 of trouble", message)
        self.assertIn("exit status 4", message)
        self.assertEqual(passed[:2], ["line 1 of trouble", "line 2 of trouble"])
        told = message.split("last words: ")[1].split(" (executor")[0].split(" | ")
        self.assertEqual(passed + told, ["line %d of trouble" % i for i in range(1, 1001)])

    def test_words_of_a_command_that_is_well_are_passed_on(self):
        done = self.run_ok(self.pipes("text", 1, self.file("x\n"), "pipe", "echo well >&2; cat",
                                      "print", "%s\n"))
        self.assertEqual((done.out, done.err.splitlines()[0]), ("x\n", "well"))

    def test_the_command_of_a_chain_that_failed_is_named(self):
        self.refused(self.pipes("text", 1, self.file("x\n"), "pipe", "cat", "pipe", "exit 5", "pipe",
                                "cat", "print", "%s\n"), 1, *PLACE, "'exit 5'", "exit status 5")

    def test_garbage_for_declared_columns(self):
        path = self.file("1\n2\nx y\n")
        self.refused(self.pipes("text", 1, path, "pipe", "cat", "as", "n i64", "print", "%d\n"), 1,
                     *PLACE, "line 3", "'cat'", "partition 0", "'x y'", "no i64")
        self.refused(self.pipes("text", 1, path, "pipe", "head -c 1000 /dev/urandom", "as",
                                "n i64, m i64", "print", "%d%d\n"), 1, *PLACE, "line 1")
        self.refused(self.pipes("plain", "pipe", "cut -f1-3", "print", "%s%s%s%s\n"), 1, *PLACE,
                     "3 fields", "4 columns", "gleam_as")
        self.refused(self.pipes("plain", "jsonl", "echo nonsense", "print", "%v%v%v%v\n"), 1,
                     "step 'raw'", "no JSON object")

    def test_a_line_that_never_ends(self):
        begin = time.monotonic()
        self.refused(self.pipes("text", 1, self.file("x\n"), "pipe",
                                "head -c 1000000000 /dev/zero", "print", "%s\n", memory="64M"), 1,
                     *PLACE, "line 1", "longer than", "--memory", seconds=60)
        self.assertLess(time.monotonic() - begin, 30 * lib.SLOWER)

    def test_head_is_enough(self):
        path = self.file("first\n" + "more\n" * driver.scaled(2000000))
        done = self.run_ok(self.pipes("text", 1, path, "pipe", "head -1", "print", "%s\n"))
        self.assertEqual(done.out, "first\n")
        done = self.run_ok(self.pipes("text", 3, path, "lines", "cat", "lines", "head -n 2",
                                      "print", "%s\n"))
        self.assertEqual(len(done.out.splitlines()), 6)

    def test_an_endless_command_before_head(self):
        done = self.run_ok(self.pipes("text", 2, self.file("x\n"), "pipe", "yes", "pipe", "head -5",
                                      "print", "%s\n"))
        self.assertEqual(done.out, "y\n" * 10)
        done = self.run_ok(self.pipes("text", 2, self.file("x\n"), "lines", "yes", "lines", "cat",
                                      "words", "lines", "head -n 5", "print", "%s\n"))
        self.assertEqual(done.out, "y\n" * 10)

    def test_an_endless_command_whose_reader_went_away(self):
        process = self.start(self.pipes("text", 2, self.file("x\n"), "pipe", "yes", "print", "%s\n"))
        self.assertEqual(process.stdout.read(2), b"y\n")
        process.stdout.close()
        self.assertEqual(process.wait(timeout=20 * lib.SLOWER), 0)

    def test_options_that_make_no_sense(self):
        self.refused(self.pipes("text", 1, self.file("x\n"), "pipe", " ", "print", "%s\n"), 1,
                     "pipes.c:", "empty")


class Nobody(PipeCase):
    """Whoever dies: the commands are gone within a second."""

    STAYERS = ("sleep 1000", "trap '' INT TERM HUP; sleep 1000 & wait",
               "setsid sleep 1000 & cat >/dev/null; wait")

    def running(self, command, *options):
        process = self.start(self.pipes(*options, "text", 2, self.file("x\n" * 1000), "pipe",
                                        command, "print", "%s\n"))

        def sleepers():
            found = [pid for pid, line in lib.processes_with(self.mark)
                     if line.startswith("sleep 1000")]
            return found if len(found) == 2 else None
        found = lib.wait_until(sleepers)
        self.assertTrue(found, "the commands do not run")
        return process, found

    def gone(self, process, pids, begin):
        self.assert_gone(pids, begin, "commands outlived their job")
        process.communicate(timeout=10 * lib.SLOWER)

    def test_an_interrupt(self):
        for command in self.STAYERS:
            for more in ((), ("--in-process",)):
                process, pids = self.running(command, *more)
                begin = time.monotonic()
                process.send_signal(signal.SIGINT)
                self.gone(process, pids, begin)
                self.assertEqual(process.returncode, 130)

    def test_a_killed_driver(self):
        for command in self.STAYERS:
            for more in ((), ("--in-process",)):
                process, pids = self.running(command, *more)
                begin = time.monotonic()
                process.kill()
                self.gone(process, pids, begin)

    def test_a_killed_executor(self):
        for command in self.STAYERS:
            process, pids = self.running(command)
            executors = [pid for pid in driver.children_of(process.pid)]
            begin = time.monotonic()
            os.kill(executors[0], signal.SIGKILL)
            self.gone(process, pids, begin)
            self.assertEqual(process.returncode, 1)

    def test_a_killed_guard(self):
        process, pids = self.running("exec sleep 1000")
        guards = [pid for pid, line in lib.processes_with(self.mark) if line == "gleam-guard"]
        self.assertEqual(len(guards), 2)
        os.kill(guards[0], signal.SIGKILL)
        _, err = process.communicate(timeout=10 * lib.SLOWER)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"guard of the commands was killed", err)
        self.assertTrue(lib.wait_until(lambda: not any(map(driver.is_alive, pids)), 5))

    def test_a_failure_beside_them(self):
        path = self.file("x\n" * 1000)
        begin = time.monotonic()
        self.refused(self.pipes("text", 2, path, "pipe", "if mkdir %s/first; then sleep 1000; else "
                                "exit 6; fi 2>/dev/null" % self.dir, "print", "%s\n"), 1,
                     "exit status 6")
        self.assertLess(time.monotonic() - begin, 5 * lib.SLOWER)

    def test_what_a_command_leaves_behind_ends_with_its_partition(self):
        done = self.run_ok(self.pipes("text", 1, self.file("x\n"), "pipe",
                                      "sleep 1000 >/dev/null 2>&1 & cat", "print", "%s\n"))
        self.assertEqual(done.out, "x\n")


if __name__ == "__main__":
    lib.main()
