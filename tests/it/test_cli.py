#!/usr/bin/env python3
"""test_cli.py - the `gleam` command itself: what its subcommands print, refuse and exit with."""
import json
import os
import re
import signal
import subprocess
import time
import xml.etree.ElementTree

import driver
import lib


SVG = "{http://www.w3.org/2000/svg}"


class Plan(driver.DriverCase):

    def setUp(self):
        super().setUp()
        self.path = self.file("a b a\n" * 1000, "<in & out>.txt")

    def plan(self, *arguments):
        return [lib.binary("gleam"), "plan"] + list(arguments)

    def texts_of(self, svg):
        """What a picture says; fails when it is not well-formed."""
        tree = xml.etree.ElementTree.fromstring(svg)
        self.assertEqual(tree.tag, SVG + "svg")
        width, height = float(tree.get("width")), float(tree.get("height"))
        for box in tree.iter(SVG + "rect"):
            x, y = float(box.get("x", 0)), float(box.get("y", 0))
            self.assertTrue(0 <= x and x + float(box.get("width")) <= width, box.attrib)
            self.assertTrue(0 <= y and y + float(box.get("height")) <= height, box.attrib)
        return [text.text for text in tree.iter(SVG + "text")]

    def test_every_form_of_every_program(self):
        program = lib.binary("word_count")
        for args in ((program, self.path), ("wordcount", self.path)):
            text = self.run_ok(self.plan(*args)).out
            self.assertIn("chain 0\n", text)
            self.assertNotIn("rows out", text)
            dot = self.run_ok(self.plan("--dot", *args)).out
            self.assertTrue(dot.startswith("digraph plan {") and dot.endswith("}\n"), dot)
            self.assertIn("chain0 -> chain1", dot)
            texts = self.texts_of(self.run_ok(self.plan(*args, "--svg")).out)
            for wanted in ("chain 0", "chain 2", "output 0"):
                self.assertIn(wanted, texts)
            self.assertTrue([t for t in texts if "<in & out>" in t], texts)

    def test_nothing_lies_over_anything(self):
        code = """
            local function pairs_of(f)
                return f:TextFile("%s"):Map(function(line) return line, 1 end)
            end
            local f = gleam.New("a join")
            pairs_of(f):Join(pairs_of(f)):Printlnf("%%v %%v %%v"):Run()""" % self.path
        done = self.run_ok(self.plan("--svg", "--analyze", "-e", code))
        boxes = [tuple(float(box.get(key)) for key in ("x", "y", "width", "height"))
                 for box in xml.etree.ElementTree.fromstring(done.err).iter(SVG + "rect")
                 if box.get("class") in ("chain", "output", "label")]
        self.assertEqual(len(boxes), 3 + 1 + 3)
        for i, (x, y, width, height) in enumerate(boxes):
            for other_x, other_y, other_width, other_height in boxes[:i]:
                self.assertTrue(x >= other_x + other_width or other_x >= x + width or
                                y >= other_y + other_height or other_y >= y + height, boxes)

    def test_a_picture_says_that_it_is_of_the_last_phase(self):
        for cache, has_note in (("", False), (":Cache()", True)):
            for form in ("dot", "svg"):
                done = self.run_ok([lib.binary("gleam"), "run", "--plan=" + form, "-e",
                                    "gleam.New():Ints(0, 9)%s:Printlnf('%%v'):Run()" % cache])
                self.assertEqual("fill what is cached" in done.out, has_note, done.out)

    def test_the_option_of_a_driver(self):
        for form, begin in (("text", "flow "), ("dot", "digraph "), ("svg", "<?xml ")):
            done = self.run_ok(self.word_count("--plan=" + form, self.path))
            self.assertTrue(done.out.startswith(begin), done.out)
        self.refused(self.word_count("--plan=png", self.path), 2, "--plan png", "svg")

    def test_analyze_runs_and_tells_what_each_step_did(self):
        done = self.run_ok(self.word_count("--analyze", "--cores", 2, self.path))
        self.assertEqual(done.out, "a\t2000\nb\t1000\n")
        rows = re.findall(r"^ *(\d+) +[\d.]+ \w+ +([\d.]+) %  +([\d.]+|-)  (\S+)", done.err, re.M)
        self.assertEqual([row[0] for row in rows if row[3] == "append"], ["3000"])
        self.assertEqual([row[0] for row in rows if row[3] == "reduce"], ["2"])
        self.assertAlmostEqual(sum(float(row[1]) for row in rows), 100, delta=1)
        for row in rows:
            if row[2] != "-":
                self.assertTrue(1 <= float(row[2]) <= 2, row)

    def test_analyze_in_other_forms_and_through_plan(self):
        done = self.run_ok(self.plan("--analyze", "--svg", lib.binary("word_count"), self.path))
        self.assertEqual(done.out, "a\t2000\nb\t1000\n")
        self.assertTrue([t for t in self.texts_of(done.err) if "3000 rows" in t], done.err)
        done = self.run_ok(self.plan("wordcount", "--analyze", "--dot", self.path))
        self.assertTrue(done.err.startswith("digraph plan") and done.err.endswith("}\n"), done.err)
        self.assertIn("a\t2000\n", done.out)

    def test_in_one_process(self):
        done = self.run_ok(self.word_count("--analyze", "--in-process", self.path))
        self.assertIn("skew", done.err)

    def test_mistakes(self):
        self.assertEqual(self.run_bad(self.plan("--dot", "--svg", "x"), "not both").status, 2)
        self.assertEqual(self.run_bad(self.plan("--frob", "x"), "--frob", "usage").status, 2)
        self.assertEqual(self.run_bad(self.plan("--svg"), "usage").status, 2)
        self.assertEqual(self.run_bad(self.plan("./none"), "cannot start ./none").status, 1)


class Waiting(driver.DriverCase):
    """What a person sees who waits for a job, and when it has ended."""

    SUMMARY = (r"done in [\d.]+ \w+ on \d+ executors?: [\d.]+( [kMG])? rows?, [\d.]+ \w+ in; "
               r"[\d.]+( [kMG])? rows?, [\d.]+ \w+ out\n"
               r"moved [\d.]+ \w+ in \d+ frames?, spilled \S+ \w+; peak memory "
               r"[\d.]+ \w+ of [\d.]+ \w+\n")

    def test_a_summary_at_the_end(self):
        path = self.file("a b a\n" * 1000)
        done = self.run_ok(self.word_count("--cores", 2, path))
        self.assertRegex(done.err, r"\A" + self.SUMMARY + r"\Z")
        self.assertIn(" on 2 executors: 1000 rows, 5.9 KiB in; 2 rows, 14 B out\n", done.err)
        self.assertEqual(self.run_ok(self.word_count("--quiet", path)).err, "")
        self.assertEqual(self.run_ok(self.word_count("--plan", path)).err, "")

    def test_no_summary_of_a_failure(self):
        self.assertNotIn("peak memory", self.refused(self.word_count("/no/where"), 1).err)

    def test_lines_on_a_terminal_leave_results_whole(self):
        lines = ["line %d" % i for i in range(600)]
        path = self.file("".join(line + "\n" for line in lines))
        terminal = driver.Terminal(self, self.flows("--cores", 1, "slowly", path))
        out = terminal.read_until(b"", 20).decode()
        self.assertEqual(terminal.wait(5), 0)
        self.assertRegex(out, r"\r\x1b\[K *\d+ %  .* of .*/s  .*\r\n\r\x1b\[K  0: .*after a rest \(")
        shown = self.screen(out)
        self.assertEqual([line for line in shown if line.startswith("line ")], lines)
        self.assertFalse([line for line in shown if "%" in line], shown[-20:])
        self.assertRegex("\n".join(shown) + "\n", self.SUMMARY)

    def test_lines_leave_what_a_step_prints(self):
        path = self.file("".join("line %d\n" % i for i in range(1500)))
        terminal = driver.Terminal(self, ["sh", "-c", '"$@" > /dev/null', "sh"] +
                                   self.flows("--cores", 1, "loudly", path))
        out = terminal.read_until(b"", 30).decode()
        self.assertEqual(terminal.wait(5), 0)
        self.assertIn("%  ", out)
        heard = [line for line in self.screen(out) if line.startswith("heard")]
        self.assertEqual(len(heard), 1500)
        # Behind a line that was printed over a progress line, the rest of that may stand.
        self.assertFalse([(i, line) for i, line in enumerate(heard)
                          if not line.startswith("heard line %d" % i)])

    def screen(self, out):
        """The lines that stand on a terminal without end after all that was printed."""
        lines, at, column = [""], 0, 0
        for part in re.findall(r"\x1b\[\d*[A-Z]|\r|\n|[^\x1b\r\n]+", out):
            if part == "\n":
                at += 1
                lines += [""] * (at + 1 - len(lines))
            elif part == "\r":
                column = 0
            elif part == "\x1b[K":
                lines[at] = lines[at][:column]
            elif part == "\x1b[J":
                lines[at:] = [lines[at][:column]]
            elif part.startswith("\x1b["):
                self.assertEqual(part[-1], "A", part)
                at -= int(part[2:-1])
            else:
                lines[at] = lines[at][:column] + part + lines[at][column + len(part):]
                column += len(part)
        return lines


class Timeouts(driver.DriverCase):

    def test_a_job_that_takes_too_long(self):
        path = self.file("line\n" * 20000)  # 20 s on one core
        for more in ((), ("--in-process",)):
            begin = time.monotonic()
            args = self.flows("--timeout", "0.3", "--cores", 1, *more, "slowly", path)
            self.refused(args, 124, "--timeout", "0.300 s", stdout=subprocess.DEVNULL)
            self.assertGreaterEqual(time.monotonic() - begin, 0.3)
            if lib.SANITIZER == "none":
                self.assertLess(time.monotonic() - begin, 1.5)

    def test_a_reader_that_never_comes(self):
        target = os.path.join(self.dir, "fifo")
        os.mkfifo(target)
        self.refused(self.flows("--timeout", "0.3", "write", target, self.file("a\n")), 124,
                     "--timeout")

    def test_a_reader_that_stops_reading(self):
        process = self.start(self.flows("--timeout", "0.4", "ints", 10**13))
        self.assertTrue(process.stdout.read(10))
        self.assertEqual(process.wait(10 * lib.SLOWER), 124)
        self.assertIn(b"--timeout", process.stderr.read())

    def test_a_job_in_time_is_as_ever(self):
        done = self.run_ok(self.word_count("--timeout", 60, "--quiet", self.file("a b a\n")))
        self.assertEqual((done.out, done.err), ("a\t2\nb\t1\n", ""))

    def test_ctrl_c_before_the_timeout_keeps_its_status(self):
        args = self.flows("--timeout", 20, "--cores", 1, "slowly", self.file("line\n" * 20000))
        process, _ = self.start_executors(args, 1, stdout=subprocess.DEVNULL)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(10 * lib.SLOWER), 130)


def key_paths(value, path=""):
    """Paths of all keys of a JSON value: a, a[].b."""
    if isinstance(value, list):
        return {found for item in value for found in key_paths(item, path + "[]")}
    if not isinstance(value, dict):
        return set()
    out = set()
    for key, inner in value.items():
        here = path + ("." if path else "") + key
        out |= {here} | key_paths(inner, here)
    return out


class StatsDocument(driver.DriverCase):
    """docs/stats.md and what --stats writes name the same keys."""

    UNITS = ("_ns", "_bytes", "_rows", "_count", "_index", "_name", "_kind", "_pages", "_backend")

    def documented(self):
        with open(os.path.join(lib.ROOT, "docs", "stats.md"), encoding="utf-8") as file:
            rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", file.read(), re.M)
        keys = [key for key, _ in rows]
        self.assertEqual(len(keys), len(set(keys)), "documented twice")
        self.assertGreater(len(keys), 20)
        return set(keys)

    def written(self):
        path = self.file("a b a\n" * 100)
        out = set()
        for args in (self.word_count(path), self.word_count("--analyze", path),
                     self.flows("ints", 3), self.flows("lines", 2, path)):
            _, stats = self.stats_of(args)
            out |= key_paths(stats)
        return out

    def test_the_same_keys(self):
        documented, written = self.documented(), self.written()
        self.assertEqual(sorted(written - documented), [], "written, but not in docs/stats.md")
        self.assertEqual(sorted(documented - written), [], "in docs/stats.md, but not written")

    def test_every_number_says_its_unit(self):
        for path in self.written():
            last = path.split(".")[-1]
            self.assertTrue(last in ("steps", "exchanges", "executors", "counters") or
                            last.endswith(self.UNITS), path)

    def test_numbers_of_analyze_are_there_when_asked_for(self):
        path = self.file("a b a\n" * 100)
        _, plain = self.stats_of(self.word_count("--cores", 1, path))
        _, analyzed = self.stats_of(self.word_count("--cores", 1, "--analyze", path))
        for key in ("out_bytes", "busy_ns"):
            self.assertEqual(sum(step[key] for step in plain["steps"]), 0)
            self.assertGreater(sum(step[key] for step in analyzed["steps"]), 0)
        words = [step for step in analyzed["steps"] if step["step_kind"] == "tokenize"][0]
        self.assertEqual((words["max_executor_rows"], words["out_bytes"]), (300, 300))

    def test_self_paths_of_keys(self):
        self.assertEqual(key_paths({"a": 1, "b": [{"c": {"d": 2}}, {"e": []}]}),
                         {"a", "b", "b[].c", "b[].c.d", "b[].e"})


class Doctor(driver.DriverCase):

    def doctor(self, *arguments):
        return [lib.binary("gleam"), "doctor"] + list(arguments)

    def test_a_line_for_each_check(self):
        done = self.run_it(self.doctor("--dir", self.dir))
        lines = [line for line in done.out.splitlines() if not line.startswith(" ")]
        for line in lines:
            self.assertRegex(line, r"^(ok     |hint   |problem)  [^:]+: .")
        whats = [line[9:].split(":")[0] for line in lines]
        for what in ("kernel", "io_uring", "cores", "huge pages", "transparent huge pages",
                     "locked memory", "congestion control", "port 45326", "port 45327", "DPDK",
                     "frequency governor", "NUMA nodes", "threads per core"):
            self.assertIn(what, whats)
        self.assertTrue([what for what in whats if what.startswith("disk ")], whats)
        self.assertEqual(done.err, "")

    def test_status_1_exactly_when_something_is_a_problem(self):
        good = self.run_it(self.doctor("--dir", self.dir))
        self.assertEqual(good.status, 1 if "\nproblem " in "\n" + good.out else 0, good.out)
        bad = self.run_it(self.doctor("--dir", os.path.join(self.dir, "none")))
        self.assertEqual(bad.status, 1)
        self.assertIn("problem  disk", bad.out)
        self.assertIn("$ mkdir -p '%s/none'" % self.dir, bad.out)

    def test_it_does_not_send_to_the_folder_that_is_in_memory(self):
        lib.needs_root()
        for folder, command in (("/var/tmp", "TMPDIR=FOLDER "), (self.dir, "TMPDIR=/var/tmp ")):
            script = 'mount -t tmpfs none "$0" && exec "$@"'
            done = self.run_it(["unshare", "--mount", "--propagation", "private", "sh", "-c", script,
                                folder] + self.doctor("--dir", folder))
            lib.needs("mount: " not in done.err and "unshare: " not in done.err, "may not mount")
            self.assertIn("$ export " + command, done.out)

    def test_json_has_the_same_verdicts(self):
        folders = ["--dir", self.dir, "--dir=" + os.path.join(self.dir, "none")]
        done = self.run_it(self.doctor("--json", *folders))
        found = json.loads(done.out)
        self.assertEqual(done.status, 1)
        self.assertEqual(found["problems_count"],
                         len([c for c in found["checks"] if c["verdict"] == "problem"]))
        disks = [c for c in found["checks"] if c["what"].startswith("disk ")]
        self.assertEqual(len(disks), 2)
        self.assertEqual(disks[1]["verdict"], "problem")
        for check in found["checks"]:
            self.assertEqual(set(check), {"what", "verdict", "value", "why", "command"})
            if check["verdict"] == "problem":
                self.assertTrue(check["why"] and check["command"], check)

    def test_mistakes(self):
        self.refused_with_2(self.doctor("--dir"), "--dir needs a value")
        self.refused_with_2(self.doctor("--dir", ""), "--dir")
        self.refused_with_2(self.doctor("--frobnicate"), "--frobnicate")
        self.refused_with_2(self.doctor("somewhere"), "somewhere")
        many = ["--dir=%s" % self.dir] * 17
        self.refused_with_2(self.doctor(*many), "16")

    def refused_with_2(self, args, *words):
        self.assertEqual(self.run_bad(args, *words).status, 2)


if __name__ == "__main__":
    lib.main()
