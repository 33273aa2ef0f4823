#!/usr/bin/env python3
"""test_cli.py - the `gleam` command itself: what its subcommands print, refuse and exit with."""
import json
import os

import driver
import lib


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
                     "frequency governor", "memory nodes", "threads per core"):
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
