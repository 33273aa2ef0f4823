"""test_spill.py - memory is a promise, and disk is touched only when it is spent.

What a job writes to disk is looked at from outside: the kernel's own count of each executor.
"""
import glob
import json
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter

import driver
import lib

SPILL = lib.binary("spill")
GLEAM = lib.binary("gleam")
MEMORY = "48M"  # for two executors and the driver
LINES = driver.scaled(1200000)
MORE_THAN_MEMORY = 400000  # lines: the least that does not fit, so no less under sanitizers
MORE_LINES_TO_COUNT = 1200000  # of which the counts do not


def random_lines(path, count, distinct=None):
    """Lines of 10 digits and some text; `distinct` of them, or all different."""
    rng = random.Random(5)
    with open(path, "w") as file:
        for number in range(count):
            key = rng.randrange(distinct) if distinct else rng.randrange(10 ** 10)
            file.write("%010d %s\n" % (key, "x" * (key % 97)))


def children_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return [int(word) for word in file.read().split()]


def written_bytes(pid):
    """Bytes that a process made the kernel write to disk."""
    with open("/proc/%d/io" % pid) as file:
        return int(re.search(r"^write_bytes: (\d+)", file.read(), re.M).group(1))


class Spill(lib.Case):
    def setUp(self):
        super().setUp()
        self.input = os.path.join(self.dir, "in.txt")
        self.output = os.path.join(self.dir, "out.txt")
        self.stats = os.path.join(self.dir, "stats.json")
        self.extra = {}

    def run_flow(self, flow, *options):
        self.run_ok([SPILL, flow, self.input, self.output, "--cores", "1", "--executors", "2",
                     "--hugepages", "off", "--stats", self.stats] + list(options),
                    seconds=120, env=self.extra)
        with open(self.stats) as file:
            return json.load(file)

    def lines(self):
        with open(self.input, "rb") as file:
            return file.read().splitlines()

    def result(self):
        with open(self.output, "rb") as file:
            return file.read().splitlines()

    def test_sort_of_many_times_the_memory(self):
        random_lines(self.input, LINES)
        stats = self.run_flow("sort", "--memory", MEMORY)
        self.assertEqual(self.result(), sorted(self.lines()))
        self.assertGreater(stats["spilled_bytes"], 0)
        sort = [step for step in stats["steps"] if step["step_kind"] == "sort"]
        self.assertGreater(sum(step["spilled_bytes"] for step in sort), 0)
        self.assertLessEqual(stats["peak_memory_bytes"], 48 << 20)

    def test_sort_backwards_and_in_partitions(self):
        random_lines(self.input, LINES // 4)
        self.run_flow("reverse", "--memory", MEMORY)
        self.assertEqual(self.result(), sorted(self.lines(), reverse=True))
        self.run_flow("local", "--memory", MEMORY)
        self.assertEqual(Counter(self.result()), Counter(self.lines()))

    def test_rows_of_megabytes(self):
        """Larger than any block of the disk queue, among short ones."""
        rng = random.Random(7)
        with open(self.input, "w") as file:
            for _ in range(driver.scaled(120)):
                file.write("%06d%s\n" % (rng.randrange(10 ** 6), "y" * rng.randrange(1500000)))
                for _ in range(1000):
                    file.write("%010d\n" % rng.randrange(10 ** 10))
        stats = self.run_flow("sort", "--memory", "64M")
        self.assertEqual(self.result(), sorted(self.lines()))
        self.assertGreater(stats["spilled_bytes"], 0)

    def test_groups_of_many_times_the_memory(self):
        random_lines(self.input, LINES, LINES // 2)
        stats = self.run_flow("both", "--memory", MEMORY)
        counts = Counter(self.lines())
        expected = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        self.assertEqual(self.result(), [b"%s\t%d" % item for item in expected])
        reduce = [step for step in stats["steps"] if step["step_kind"] == "reduce"]
        self.assertGreater(sum(step["spilled_bytes"] for step in reduce), 0)

    def spilled(self, stats, kind):
        return sum(step["spilled_bytes"] for step in stats["steps"] if step["step_kind"] == kind)

    def test_lines_once_of_many_times_the_memory(self):
        random_lines(self.input, LINES, LINES // 2)
        stats = self.run_flow("distinct", "--memory", MEMORY)
        self.assertEqual(sorted(self.result()), sorted(set(self.lines())))
        self.assertGreater(self.spilled(stats, "distinct"), 0)

    def test_lists_of_many_times_the_memory(self):
        """Each key with the lines that begin with it; a list's length stands for it."""
        random_lines(self.input, LINES, LINES // 3)
        stats = self.run_flow("group", "--memory", MEMORY)
        counts = Counter(line[:10] for line in self.lines())
        self.assertEqual(sorted(self.result()),
                         sorted(b"%s\t%d" % (key, counts[key]) for key in counts))
        self.assertGreater(self.spilled(stats, "group"), 0)

    def test_counts_of_keys_of_kilobytes_in_the_least_memory(self):
        with open(self.input, "w") as file:
            for i in range(12000):
                text = "%06d" % i + "abcdefghij" * 450
                file.write("%d,%s\n" % (i, text[:6 + i * 7919 % 4400]))
        path = self.file("""
            local gleam = require "gleam"
            local f = gleam.New()
            local keys, rows = 0, 0
            f:Read(gleam.Csv(arg[1], 2)):As("c1 i64, c2 bytes"):CountBy(gleam.Field(2))
              :OutputRow(function(_, count) keys, rows = keys + 1, rows + count end)
            f:Run()
            print(keys, rows)""", "counts.lua")
        for memory in ("53M", "56M"):
            for _ in range(3):
                done = self.run_ok([GLEAM, "run", "--executors", "2", "--memory", memory,
                                    "--hugepages", "off", "--spill-dir", self.dir, path,
                                    self.input], seconds=120)
                self.assertEqual(done.out.split(), ["12000", "12000"])

    def test_counts_of_a_column_that_does_not_lead(self):
        random_lines(self.input, MORE_LINES_TO_COUNT, MORE_LINES_TO_COUNT // 2)
        stats = self.run_flow("local_count", "--memory", MEMORY, "--executors", "1")
        counts = Counter(line[:10] for line in self.lines())
        self.assertEqual(sorted(self.result()),
                         sorted(b"%s\t%d" % (key, counts[key]) for key in counts))
        self.assertGreater(self.spilled(stats, "reduce"), 0)

    def test_join_of_many_times_the_memory(self):
        """Both sides do not fit; then one key has lines enough to fill the memory on one side."""
        random_lines(self.input, LINES, LINES // 2)
        stats = self.run_flow("join", "--memory", MEMORY)
        counts = Counter(line[:10] for line in self.lines())
        self.assertEqual(Counter(line[:10] for line in self.result()),
                         Counter({key: counts[key] ** 2 for key in counts}))
        self.assertGreater(self.spilled(stats, "join"), 0)

    def test_without_io_uring(self):
        random_lines(self.input, MORE_THAN_MEMORY)
        self.extra = {"GLEAM_IO_URING": "off"}
        stats = self.run_flow("sort", "--memory", MEMORY)
        self.assertEqual(self.result(), sorted(self.lines()))
        self.assertGreater(stats["spilled_bytes"], 0)

    def test_several_directories(self):
        random_lines(self.input, MORE_THAN_MEMORY)
        folders = [os.path.join(self.dir, name) for name in ("a", "b")]
        for folder in folders:
            os.mkdir(folder)
        stats = self.run_flow("sort", "--memory", MEMORY, "--spill-dir", ",".join(folders))
        self.assertEqual(self.result(), sorted(self.lines()))
        self.assertGreater(stats["spilled_bytes"], 0)
        self.assertEqual([os.listdir(folder) for folder in folders], [[], []])

    def test_a_directory_that_went_away(self):
        random_lines(self.input, MORE_THAN_MEMORY)
        folder = os.path.join(self.dir, "gone")
        self.run_bad([SPILL, "sort", self.input, self.output, "--memory", MEMORY, "--cores", "1",
                      "--executors", "2"], folder, "--spill-dir", env={"TMPDIR": folder},
                     seconds=60)
        self.assertFalse(os.path.exists(self.output))

    def test_nothing_is_written_while_memory_suffices(self):
        """From outside: the kernel's count of what the executors wrote, while they sort.  The result
        goes to a device, since they would write a file themselves."""
        random_lines(self.input, LINES)
        for memory, spills in (("1G", False), (MEMORY, True)):
            writes = {}
            job = self.start([SPILL, "both", self.input, os.devnull, "--memory", memory,
                              "--cores", "1", "--executors", "2"])
            while job.poll() is None:
                try:
                    for child in children_of(job.pid):
                        writes[child] = written_bytes(child)
                except (OSError, AttributeError):
                    pass
                time.sleep(0.002)
            self.assertEqual(job.returncode, 0)
            lib.needs(len(writes) == 2, "the job was over before it could be looked at")
            if spills:
                self.assertGreater(sum(writes.values()), 0)
            else:
                self.assertEqual(sum(writes.values()), 0)

    def test_a_kill_leaves_no_file(self):
        random_lines(self.input, LINES)
        folder = os.path.join(self.dir, "spill")
        os.mkdir(folder)
        job = self.start([SPILL, "sort", self.input, self.output, "--memory", MEMORY, "--cores",
                          "1", "--executors", "2", "--spill-dir", folder])
        seen = False
        while job.poll() is None and not seen:
            for child in children_of(job.pid):
                for link in glob.glob("/proc/%d/fd/*" % child):
                    try:
                        seen = seen or os.readlink(link).startswith(folder)
                    except OSError:
                        pass
            if seen:
                for child in children_of(job.pid):
                    os.kill(child, signal.SIGKILL)
        job.wait()
        self.assertEqual(os.listdir(folder), [])
        lib.needs(seen, "the job was over before a spill file was seen")
        self.assertEqual(job.returncode, 1)

    def test_a_full_disk_is_said(self):
        lib.needs(os.geteuid() == 0, "mounting a small file system needs root")
        folder = os.path.join(self.dir, "small")
        os.mkdir(folder)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M", "none", folder],
                                 stderr=subprocess.DEVNULL).returncode == 0
        lib.needs(mounted, "a tmpfs cannot be mounted here")
        try:
            random_lines(self.input, LINES)
            self.run_bad([SPILL, "sort", self.input, self.output, "--memory", MEMORY, "--cores",
                          "1", "--executors", "2", "--spill-dir", folder],
                         "no space is left", folder, "--memory", seconds=60)
            # Another directory behind it takes over.
            stats = self.run_flow("sort", "--memory", MEMORY, "--spill-dir",
                                  folder + "," + self.dir)
            self.assertEqual(self.result(), sorted(self.lines()))
            self.assertGreater(stats["spilled_bytes"], 0)
        finally:
            subprocess.run(["umount", folder])

    def test_memory_is_a_promise_in_a_cgroup(self):
        """Five times the memory; the group may have the promise and 48 MB."""
        lib.needs_plain_build()
        group = make_group((48 + 48) << 20)
        lib.needs(group is not None, "a memory cgroup cannot be made here")
        try:
            random_lines(self.input, 3500000)
            for flow in ("sort", "count", "distinct", "group", "join"):
                command = [SPILL, flow, self.input, self.output, "--memory", MEMORY, "--cores",
                           "1", "--executors", "2", "--hugepages", "off", "--stats", self.stats]
                self.run_ok(["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', group] + command,
                            seconds=300)
                with open(self.stats) as file:
                    self.assertGreater(json.load(file)["spilled_bytes"], 0)
                self.assertEqual(oom_kills(group), 0)
                print("# %s: peak of %d KiB in the group" % (flow, peak_bytes(group) >> 10))
        finally:
            remove_group(group)

    def test_records_are_sorted(self):
        for options in ([], ["--skew"], ["--ascii"]):
            records, result = (os.path.join(self.dir, name) for name in ("records", "sorted"))
            self.run_ok([GLEAM, "bench", "generate", "--records", str(LINES // 4)] + options +
                        [records])
            for memory in ("1G", MEMORY):
                self.run_ok([GLEAM, "bench", "sort", records, result, "--memory", memory,
                             "--cores", "1", "--executors", "3" if memory == "1G" else "2"],
                            seconds=60)
                done = self.run_ok([GLEAM, "bench", "validate", "--of", records, result])
                self.assertIn("%d records" % (LINES // 4), done.out)
        # What is not sorted, or has other records, is refused.
        done = self.run_bad([GLEAM, "bench", "validate", records])
        self.assertIn("not in order", done.out)
        with open(result, "r+b") as file:
            file.seek(50)
            file.write(b"?")
        done = self.run_bad([GLEAM, "bench", "validate", "--of", records, result])
        self.assertIn("other records", done.out)


def make_group(limit_bytes):
    """A memory cgroup with a limit, below this process's own or at the top; None: not allowed."""
    name = "gleam-test-%d" % os.getpid()
    for root, limit in (("/sys/fs/cgroup", "memory.max"),
                        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        # Elsewhere a directory is no group: nothing would limit anything there.
        if not os.path.exists(os.path.join(root, "cgroup.procs")):
            continue
        path = os.path.join(root, name)
        try:
            os.mkdir(path)
        except OSError:
            continue
        try:
            with open(os.path.join(path, limit), "r+") as file:
                file.write(str(limit_bytes))
            return path
        except OSError:
            os.rmdir(path)
    return None


def oom_kills(group):
    for name in ("memory.events", "memory.oom_control"):
        try:
            with open(os.path.join(group, name)) as file:
                return int(re.search(r"^oom_kill (\d+)", file.read(), re.M).group(1))
        except (OSError, AttributeError):
            continue
    return 0


def peak_bytes(group):
    for name in ("memory.peak", "memory.max_usage_in_bytes"):
        try:
            with open(os.path.join(group, name)) as file:
                return int(file.read())
        except OSError:
            continue
    return 0


def remove_group(group):
    for _ in range(100):
        try:
            os.rmdir(group)
            return
        except OSError:
            time.sleep(0.05)


if __name__ == "__main__":
    lib.main()
