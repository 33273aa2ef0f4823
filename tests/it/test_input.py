#!/usr/bin/env python3
"""test_input.py - what flows read: the examples beside a plain computation, and odd files.

Every line must come exactly once whatever the file looks like and however it is cut, and a file
that cannot be read must be named together with the reason.
"""
import collections
import glob
import os
import random

import driver
import lib
from driver import count_words, lines_of, parse_counts, scaled

MIB = 1 << 20


def some_text(megabytes=2):
    """Text of this machine, that everybody may read."""
    data = b""
    for path in sorted(glob.glob("/usr/share/common-licenses/*") +
                       glob.glob("/usr/include/*.h")):
        if os.path.isfile(path):
            with open(path, "rb") as file:
                data += file.read()
        if len(data) > megabytes * MIB:
            break
    return data


class OwnDescriptors(driver.DriverCase):

    def test_standard_input_that_is_a_file(self):
        path = self.file("a\nb\n")
        command = '"$0" --cores 1 lines 1 /dev/stdin < "$1"'
        done = self.run_ok(["sh", "-c", command, lib.binary("flows"), path])
        self.assertEqual(done.out, "a\nb\n")

    def test_standard_input_that_is_a_pipe(self):
        text = "".join("%d\n" % i for i in range(driver.scaled(200000)))
        for name in ("/dev/stdin", "-", "/dev/fd/0"):
            for cores in (1, 2):
                done = self.run_ok(self.flows("--cores", cores, "lines", 0, name), stdin=text)
                self.assertEqual(done.out, text)
        self.assertEqual(self.run_ok(self.flows("--in-process", "lines", 0, "-"),
                                     stdin=text).out, text)
        self.assertEqual(self.run_ok(self.flows("lines", 0, "-"), stdin="").out, "")

    def test_a_pipe_whose_writer_is_slow_or_gone(self):
        script = "(printf 'a\\n'; sleep 0.3; printf 'b\\n') | \"$0\" lines 0 -; " \
                 "printf 'c\\n' | (sleep 0.3; \"$0\" lines 0 -)"
        self.assertEqual(self.run_ok(["sh", "-c", script, lib.binary("flows")]).out, "a\nb\nc\n")

    def test_other_descriptors_that_are_no_files(self):
        script = "exec 5<&0; \"$0\" --cores 1 lines 1 /dev/fd/5"
        self.run_bad(["sh", "-c", script, lib.binary("flows")], "/dev/fd/5",
                     "executors are programs of their own", stdin="a\n")


class Commands(driver.DriverCase):

    def lines(self, command, *options):
        return self.run_ok(self.flows(*options, "exec", command)).out.splitlines()

    def test_lines_of_a_command(self):
        count = driver.scaled(300000)
        wanted = [str(i) for i in range(1, count + 1)]
        self.assertEqual(self.lines("seq %d" % count), wanted)
        self.assertEqual(self.lines("seq %d" % count, "--in-process"), wanted)
        self.assertEqual(self.lines("echo a; sleep 0.3; cat; echo b"), ["a", "b"])
        self.assertEqual(self.lines("true"), [])
        self.assertEqual(self.lines("exec >&-; sleep 0.2"), [])
        self.assertIn("read command seq 3", self.run_ok(self.flows("--plan", "exec", "seq 3")).out)

    def test_a_command_may_use_all_cores(self):
        self.assertEqual(self.lines("nproc", "--cores", "1"), [str(len(os.sched_getaffinity(0)))])

    def test_a_command_that_fails(self):
        for command in ("seq 10; exit 3", "kill -9 $$", "/no/such/command"):
            self.refused(self.flows("exec", command), 1, "cannot read " + command,
                         "the command failed")
        self.refused(self.flows("exec", ""), 1, "the command is empty", "flows.c:")
        self.refused(self.flows("exec", "x" * 5000), 1, "longer than 4095")

    def test_a_command_that_nobody_reads_to_its_end(self):
        done = self.run_ok(["bash", "-c", "set -o pipefail; %s exec 'yes; sleep 100' | head -1" %
                            lib.binary("flows")])
        self.assertEqual(done.out, "y\n")
        begun = os.path.join(self.dir, "begun")
        process, _ = self.start_executors(
            self.flows("--cores", 1, "exec", "touch %s; sleep 100" % begun), 1)
        self.assertTrue(lib.wait_until(lambda: os.path.exists(begun), 10 * lib.SLOWER))
        process.terminate()
        self.assertEqual(process.wait(10 * lib.SLOWER), 128 + 15)


class Examples(driver.DriverCase):

    def test_word_count_of_real_files_is_the_plain_count(self):
        data = some_text()
        lib.needs(data, "no text under /usr/share and /usr/include")
        path = self.file(data)
        done = self.run_ok(self.word_count(path), text=False)
        self.assertEqual(parse_counts(done.out), dict(count_words(data)))
        rows = [line.split(b"\t") for line in done.out.splitlines()]
        self.assertEqual(rows, sorted(rows, key=lambda row: (-int(row[1]), row[0])))

    def test_top_words_of_passwd_is_the_plain_top(self):
        done = self.run_ok([lib.binary("top_words")], text=False)
        with open("/etc/passwd", "rb") as file:
            counts = count_words(file.read())
        counts.pop(b"x", None)
        rows = [(line.split(b"\t")[0], int(line.split(b"\t")[1]))
                for line in done.out.splitlines()]
        self.assertEqual([row[1] for row in rows], [n for _, n in counts.most_common(5)])
        for word, number in rows:
            self.assertEqual(counts[word], number)

    def test_bench_wordcount_prints_the_top_and_its_speed(self):
        data = some_text()
        lib.needs(data, "no text under /usr/share and /usr/include")
        path = self.file(data)
        numbers = [n for _, n in count_words(data).most_common(10)]
        for extra in ([], ["--functions"]):
            done = self.run_ok([lib.binary("gleam"), "bench", "wordcount", path] + extra)
            found = [int(line.split("\t")[1]) for line in done.out.splitlines()]
            self.assertEqual(found, numbers)
            self.assertIn("MB/s", done.err)
            self.assertIn("%d distinct" % len(count_words(data)), done.err)

    def test_bench_group_prints_the_largest_sums_and_its_speed(self):
        sums = collections.Counter()
        for i in range(1, 20 * 1024 + 1):
            mixed = i * 0x9e3779b97f4a7c15 % 2**64
            mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93 % 2**64
            sums[(mixed >> 32) * 500 >> 32] += mixed & 0xffff
        done = self.run_ok([lib.binary("gleam"), "bench", "group", "--keys", "500", "--rows",
                            str(19 * 1024 + 1)])
        self.assertEqual([tuple(map(int, line.split("\t"))) for line in done.out.splitlines()],
                         sums.most_common(3))
        self.assertIn("%d rows" % (20 * 1024), done.err)
        self.assertIn("500 keys", done.err)

    def test_every_way_to_run_gives_the_same_answer(self):
        data = some_text(1)
        path = self.file(data)
        want = dict(count_words(data))
        ways = [(["--cores", "1"], {}), (["--executors", "5"], {}), (["--in-process"], {}),
                ([], {"GLEAM_IO_URING": "off"}), ([], {"GLEAM_SIMD": "scalar"}),
                (["--hugepages", "off"], {}), (["--memory", "96M"], {}),
                (["--in-process"], {"GLEAM_IO_URING": "off", "GLEAM_SIMD": "scalar"})]
        for options, env in ways:
            with self.subTest(options=options, env=env):
                done = self.run_ok(self.word_count(*options, path), env=env, text=False)
                self.assertEqual(parse_counts(done.out), want)

    def test_many_partitions_and_executors_on_one_core(self):
        data = some_text(1)
        path = self.file(data)
        for executors in (1, 8):
            with self.subTest(executors=executors):
                done = self.run_ok(self.flows("--cores", 1, "--executors", executors, "words", 64,
                                              path), text=False)
                self.assertEqual(parse_counts(done.out), dict(count_words(data)))

    def test_more_executors_than_descriptors_of_a_small_sleep(self):
        path = self.file("".join("%d\n" % i for i in range(scaled(400))))
        done = self.run_ok(self.flows("--executors", 70, "--memory", "4G", "slowly", path))
        self.assertEqual(sorted(map(int, done.out.split())), list(range(scaled(400))))


class Refused(driver.DriverCase):

    def test_a_missing_file(self):
        path = os.path.join(self.dir, "not-there.txt")
        self.refused(self.word_count(path), 1, "cannot read", path, "No such file")

    def test_an_unreadable_file(self):
        path = self.file("secret\n")
        os.chmod(path, 0)
        self.refused(self.as_nobody(self.word_count(path)), 1, "cannot read", path, "Permission denied")

    def test_a_directory_with_an_unreadable_file(self):
        self.file("a\n", "a.txt")
        path = self.file("b\n", "b.txt")
        os.chmod(path, 0)
        self.refused(self.as_nobody(self.word_count(self.dir)), 1, "cannot read", path, "Permission denied")

    def test_a_directory_that_cannot_be_listed(self):
        folder = os.path.join(self.dir, "closed")
        os.mkdir(folder, 0)
        self.refused(self.as_nobody(self.word_count(folder)), 1, "cannot read", folder, "Permission denied")

    def test_an_empty_directory(self):
        folder = os.path.join(self.dir, "empty")
        os.makedirs(folder + "/deeper")
        self.refused(self.word_count(folder), 1, "cannot read", folder, "has no files")

    def test_a_glob_without_a_match(self):
        pattern = self.dir + "/*.nothing"
        self.refused(self.word_count(pattern), 1, "cannot read", pattern, "no file matches")

    def test_a_name_that_dangles(self):
        path = os.path.join(self.dir, "dangling")
        os.symlink("/nowhere/at/all", path)
        self.refused(self.word_count(path), 1, "cannot read", path, "No such file")
        self.refused(self.word_count(self.dir), 1, "cannot read", path, "No such file")

    def test_one_bad_path_among_good_ones(self):
        good = self.file("a\n")
        done = self.refused(self.word_count(good, good + ".no"), 1, "cannot read", good + ".no")
        self.assertEqual(done.out, "")

    def test_a_file_that_shrinks_while_it_is_read(self):
        path = self.file(("x" * 4095 + "\n") * (16 * MIB // 4096))
        full = os.path.getsize(path)
        process, _ = self.start_executors(self.flows("--cores", 1, "slowly", path), 1)
        os.truncate(path, 1000)
        _, err = process.communicate(timeout=60 * lib.SLOWER)
        self.assertEqual(process.returncode, 1, err)
        for word in (path, "became shorter", "had %d bytes" % full):
            self.assertIn(word.encode(), err)


class OddFiles(driver.DriverCase):

    def check_lines(self, data, *options, partitions=0):
        path = self.file(data, "odd.txt")
        done = self.run_ok(self.flows(*options, "lines", partitions, path), text=False)
        self.assertEqual(sorted(done.out.split(b"\n")[:-1]), sorted(lines_of(data)))

    def test_an_empty_input(self):
        path = self.file("")
        self.assertEqual(self.run_ok(self.word_count(path)).out, "")
        self.assertEqual(self.run_ok(self.flows("lines", 8, path)).out, "")
        done = self.run_ok(self.word_count(path, self.file("a b a\n", "b"), path))
        self.assertEqual(done.out, "a\t2\nb\t1\n")

    def test_nul_bytes_and_invalid_utf8_are_kept(self):
        self.check_lines(b"a\0b\n\0\n\xff\xfe\xc3\x28\n\xed\xa0\x80\nplain\n" * 100)
        self.check_lines(bytes(range(256)) * 40)
        path = self.file(b"caf\xe9 a\0b \xff\n")
        done = self.run_ok(self.word_count(path), text=False)
        self.assertEqual(parse_counts(done.out), {b"caf": 1, b"a": 1, b"b": 1})

    def test_crlf_and_a_missing_last_newline(self):
        self.check_lines(b"a\r\nb\r\n\r\nc")
        self.check_lines(b"a\r\r\n\rb\n\r\n\r")
        self.check_lines(b"\n\n\n")
        self.check_lines(b"no newline at all")

    def test_files_of_proc_that_say_they_are_empty(self):
        done = self.run_ok(self.flows("lines", 4, "/proc/version"))
        with open("/proc/version", encoding="utf-8") as file:
            self.assertEqual(done.out, file.read())

    def test_a_fifo(self):
        path = os.path.join(self.dir, "fifo")
        os.mkfifo(path)
        process = self.start(self.flows("--quiet", "lines", 4, path))
        with open(path, "wb") as file:
            file.write(b"".join(b"line %d\n" % i for i in range(50000)) + b"end")
        out, err = process.communicate(timeout=30 * lib.SLOWER)
        self.assertEqual((process.returncode, err), (0, b""))
        self.assertEqual(out, b"".join(b"line %d\n" % i for i in range(50000)) + b"end\n")

    def test_names_that_are_not_utf8(self):
        name = os.path.join(os.fsencode(self.dir), b"caf\xe9 \xff.txt")
        with open(name, "wb") as file:
            file.write(b"one\ntwo\n")
        for path in (name, name[:-6] + b"*", os.fsencode(self.dir)):
            done = self.run_ok(self.flows("lines", 0, os.fsdecode(path)))
            self.assertEqual(sorted(done.out.split()), ["one", "two"])

    def test_a_directory_and_globs(self):
        for i in range(40):
            self.file("word%d\n" % i * (i % 3), "part-%02d.txt" % i)
        self.file("not read\n", ".hidden")
        want = sorted("word%d" % i for i in range(40) for _ in range(i % 3))
        for path in (self.dir, self.dir + "/", self.dir + "/part-*.txt"):
            done = self.run_ok(self.flows("lines", 0, path))
            self.assertEqual(sorted(done.out.split()), want)
        done = self.run_ok(self.flows("lines", 3, self.dir + "/part-0[1-3].txt"))
        self.assertEqual(sorted(done.out.split()), ["word1", "word2", "word2"])

    def test_a_file_cut_anywhere_gives_each_line_once(self):
        rng = random.Random(7)
        lines = [b"%d:" % i + b"x" * rng.choice((0, 1, 3, 40, 700)) for i in range(600)]
        data = b"\n".join(lines)
        for partitions in list(range(1, 65, 1 if lib.SANITIZER == "none" else 9)):
            with self.subTest(partitions=partitions):
                self.check_lines(data[:len(data) - partitions], "--cores", 2,
                                 partitions=partitions)

    def test_long_lines_are_whole_and_lie_across_partitions(self):
        rng = random.Random(11)
        lines = [bytes([97 + i % 26]) * rng.choice((1, 5000, 70000, 262143, 262145, 400000))
                 for i in range(scaled(60))]
        for partitions in (1, 7, 64):
            self.check_lines(b"\n".join(lines), partitions=partitions)

    def test_lines_are_never_torn(self):
        count, length = scaled(64), 300000
        done = self.run_ok(self.flows("--executors", 6, "long", count, length), text=False)
        lines = done.out.split(b"\n")
        self.assertEqual(lines.pop(), b"")
        self.assertEqual(len(lines), count)
        for line in lines:
            self.assertEqual(line, line[:1] * length)

    def test_a_line_of_100_mb(self):
        size = scaled(100) * 1000 * 1000
        data = b"first\n" + b"word " * (size // 5) + b"\nlast\n"
        path = self.file(data)
        done, stats = self.stats_of(self.flows("--memory", "2G", "lines", 16, path), seconds=60)
        self.assertEqual(len(done.out), len(data))
        self.assertEqual(sorted(done.out.split(b"\n")), sorted(data.split(b"\n")))
        self.assertLess(stats["peak_memory_bytes"], 2 << 30)
        done, stats = self.stats_of(self.word_count("--memory", "1G", path), seconds=60)
        self.assertEqual(parse_counts(done.out),
                         {b"word": size // 5, b"first": 1, b"last": 1})
        self.assertLess(stats["peak_memory_bytes"], 1 << 30)

    def test_a_line_that_does_not_fit_the_memory(self):
        path = self.file(b"x" * (100 * MIB))
        self.refused(self.flows("--cores", 2, "--memory", "128M", "lines", 2, path), 1,
                     path, "does not fit", "--memory")


if __name__ == "__main__":
    lib.main()
