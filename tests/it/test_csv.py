#!/usr/bin/env python3
"""test_csv.py - rows of real CSV files, against Python's csv module.

Python's reader with strict quotes is the reference: the same rows must come out however the file is
split over executors, and a bad file must be refused with its line.
"""
import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import threading

import driver
import lib

MIB = 1 << 20
csv.field_size_limit(1 << 30)


def rows_of(done):
    """Rows as the driver printed them, each one a tuple."""
    return [tuple(json.loads(line)) for line in done.out.splitlines()]


def python_rows(text, **dialect):
    return [tuple(row) for row in csv.reader(io.StringIO(text, newline=""), **dialect) if row]


def random_rows(seed, count, columns, nasty):
    """Rows of texts; nasty: with line ends, quotes and delimiters in them."""
    maker = random.Random(seed)
    letters = "abcdefghij " + (",\"\n" * 2 if nasty else "")
    return [tuple("".join(maker.choices(letters, k=maker.randrange(0, 30)))
                  for _ in range(columns)) for _ in range(count)]


def as_csv(rows, **dialect):
    dialect.setdefault("lineterminator", "\n")
    out = io.StringIO(newline="")
    csv.writer(out, **dialect).writerows(rows)
    return out.getvalue()


class CsvCase(driver.DriverCase):

    def csv(self, *arguments, executors=2):
        return [lib.binary("csv"), "--executors", str(executors)] + [str(word) for word in arguments]

    def read(self, path, *words, executors=2):
        return rows_of(self.run_ok(self.csv("read", path, *words, executors=executors)))

    def check(self, text, *words, executors=2, **dialect):
        """The file's rows are Python's."""
        path = self.file(text.encode("latin-1"), "check.csv")
        wanted = python_rows(text, **dialect)
        self.assertEqual(sorted(self.read(path, *words, executors=executors)), sorted(wanted))
        return wanted


class Rows(CsvCase):

    def test_rows_as_python_reads_them(self):
        self.check("a,b\nc,d\n")
        self.check("a,b\r\n\"c\r\n\",d")
        self.check("\"a\"\"b\",\n,\"\"\n")
        self.check("a;'b;c'\nd;e", "delimiter=;", "quote='", delimiter=";", quotechar="'")
        self.check("a|b\\|c\n\\\"d|e\\\nf\n", "delimiter=|", "escape=\\", delimiter="|",
                   escapechar="\\", doublequote=False)
        self.check("a\t\"b\nc\td\n", "tsv", delimiter="\t", quoting=csv.QUOTE_NONE)
        self.check("x" * 100000 + ",y\n" + "z," + "w" * 300000 + "\n")

    def test_a_byte_order_mark_is_no_text(self):
        path = self.file(b"\xef\xbb\xbfname,n\na,1\n")
        self.assertEqual(self.read(path, "header"), [("a", "1")])
        self.assertEqual(self.read(path, "header", "as=n i64"), [(1,)])
        self.assertEqual(sorted(self.read(path)), [("a", "1"), ("name", "n")])

    def test_comments(self):
        path = self.file("# it's a \"comment\na,b\n#\nc,#d\n\"#e\",f\n")
        self.assertEqual(sorted(self.read(path, "comment=#")),
                         [("#e", "f"), ("a", "b"), ("c", "#d")])

    def test_no_rows(self):
        for text in ("", "\n\n", "a,b\n"):
            path = self.file(text)
            self.assertEqual(self.read(path, "header", "as=a bytes, b bytes"), [])
        self.assertEqual(self.read(self.file(""), "as=x i64"), [])

    def test_many_small_files(self):
        wanted = []
        os.mkdir(self.dir + "/many")
        for i in range(200):
            rows = [("%d" % i, "line\n%d" % j) for j in range(i % 5)]
            wanted += rows
            self.file("id,text\n" + as_csv(rows), "many/%03d.csv" % i)
        self.assertEqual(sorted(self.read(self.dir + "/many", "header")), sorted(wanted))
        self.assertEqual(sorted(self.read(self.dir + "/many/*.csv", "header", "partitions=7")),
                         sorted(wanted))

    def test_wide_rows(self):
        names = ["n%d" % i for i in range(2000)]
        rows = [[str(i * j) for i in range(2000)] for j in range(50)]
        path = self.file(as_csv([names] + rows))
        got = self.read(path, "header", "as=n1999 i64, n0 i64, n1000 bytes")
        self.assertEqual(sorted(got), sorted((1999 * j, 0, str(1000 * j)) for j in range(50)))
        self.refused(self.csv("read", path, "header"), 1, "has 2000 columns", "gleam_as")

    def test_a_pipe(self):
        path = os.path.join(self.dir, "pipe")
        os.mkfifo(path)
        rows = random_rows(3, lib_scaled(30000), 2, True)

        def write():
            with open(path, "w", encoding="latin-1", newline="") as file:
                file.write("a,b\n" + as_csv(rows))
        writer = threading.Thread(target=write)
        writer.start()
        got = self.read(path, "header", "as=a bytes, b bytes")
        writer.join()
        self.assertEqual(sorted(got), sorted(rows))


def lib_scaled(count):
    return driver.scaled(count)


class Splits(CsvCase):

    def test_random_files_in_any_partitions(self):
        for seed in range(lib_scaled(12)):
            nasty = seed % 3 > 0
            text = as_csv(random_rows(seed, 400, 1 + seed % 4, nasty), quoting=csv.QUOTE_ALL
                          if seed % 2 else csv.QUOTE_MINIMAL,
                          lineterminator="\r\n" if seed % 5 == 0 else "\n")
            for words in ((), ("partitions=1",), ("partitions=3",), ("partitions=97",),
                          ("partitions=1000",)):
                self.check(text, *words, executors=1 + seed % 3)

    def test_large_files(self):
        """Splits of 1 MiB, with quoted line ends everywhere."""
        rows = random_rows(1, lib_scaled(250000), 2, True)
        text = as_csv(rows)
        self.assertTrue(len(text) > 5 * MIB or lib.SANITIZER != "none")
        wanted = sorted(rows)
        path = self.file(text.encode())
        for words in ((), ("partitions=2",), ("partitions=5",)):
            for executors in (1, 2, 4):
                self.assertEqual(sorted(self.read(path, *words, executors=executors)), wanted)

    def test_the_plan_says_how_quotes_are_counted(self):
        path = self.file("a,b\n" * MIB)
        plan = self.run_ok(self.csv("--plan", "read", path)).out
        self.assertIn("4 partitions, quotes counted in order", plan)
        plan = self.run_ok(self.csv("--plan", "read", path, "partitions=2")).out
        self.assertIn("2 partitions, quotes counted ahead", plan)
        plan = self.run_ok(self.csv("--plan", "read", path, "unquoted")).out
        self.assertIn("4 partitions claimed", plan)
        plan = self.run_ok(self.csv("--plan", "read", path, "comment=#")).out
        self.assertIn("1 partition claimed", plan)

    def test_a_record_longer_than_a_split(self):
        rows = [("a", "b")] + [("x\n\"" * (n * 200000), "y,%d" % n) for n in (1, 7, 3)] + [("c", "d")]
        path = self.file(as_csv(rows))
        for words in ((), ("partitions=3",), ("partitions=50",)):
            self.assertEqual(sorted(self.read(path, *words)), sorted(rows))

    def test_partitions_are_the_same_rows_every_time(self):
        rows = [(str(i), "q\n") for i in range(1000)]
        path = self.file(as_csv(rows))
        first = self.read(path, "partitions=4")
        done = self.run_ok(self.csv("local", 1, path, "partitions=4", "as=n i64, t bytes", executors=1))
        runs = [row[0] for row in rows_of(done)]
        # Sorted within each of four partitions: three places at most where it goes down.
        self.assertLessEqual(sum(a > b for a, b in zip(runs, runs[1:])), 3)
        self.assertEqual(sorted(runs), list(range(1000)))
        self.assertEqual(len(first), 1000)


class Packed(CsvCase):

    def packed(self, data, command, name):
        lib.needs(shutil.which(command[0]), "no %s" % command[0])
        return self.file(subprocess.run(command, input=data, check=True,
                                        stdout=subprocess.PIPE).stdout, name)

    METHODS = ((["gzip"], ".gz"), (["bzip2"], ".bz2"), (["zstd", "-q"], ".zst"))

    def test_compressed_files(self):
        rows = random_rows(9, lib_scaled(30000), 2, True)
        text = ("a,b\n" + as_csv(rows)).encode()
        for command, ending in self.METHODS:
            with self.subTest(ending):
                path = self.packed(text, command, "rows.csv" + ending)
                self.assertEqual(sorted(self.read(path, "header")), sorted(rows))
                lines = self.run_ok([lib.binary("flows"), "lines", "2", path], text=False).out
                self.assertEqual(sorted(lines.split(b"\n")), sorted(text.split(b"\n")))
                plan = self.run_ok(self.csv("--plan", "read", path, "header", "types=auto")).out
                self.assertIn("1 partition claimed", plan)

    def test_several_members_and_files(self):
        one = self.packed(b"1,a\n2,", ["gzip"], "one.gz")
        two = self.packed(b"b\n3,c\n", ["gzip"], "two.gz")
        with open(one, "ab") as out, open(two, "rb") as more:
            out.write(more.read())
        os.unlink(two)
        self.file("4,d\n", "plain.csv")
        self.assertEqual(sorted(self.read(self.dir + "/*.*")),
                         [("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")])

    def test_a_cut_or_damaged_file(self):
        text = as_csv(random_rows(9, 100000, 2, False)).encode()
        for command, ending in self.METHODS:
            with self.subTest(ending):
                path = self.packed(text, command, "rows" + ending)
                with open(path, "rb") as file:
                    data = file.read()
                for bad, why in ((data[:-5], "ends in the middle"), (data[:len(data) // 2], "middle"),
                                 (data[:len(data) // 2] + b"?????" + data[len(data) // 2 + 5:],
                                  "damaged"), (b"a,b\n" * 100, "damaged")):
                    path = self.file(bad, "bad" + ending)
                    self.refused(self.csv("read", path), 1, path, why)
                    self.refused([lib.binary("flows"), "lines", "2", path], 1, path, why)

    def test_a_large_file_in_little_memory(self):
        lib.needs_plain_build()
        path = self.packed(b"abcdefgh,1\n" * 4000000, ["gzip", "-1"], "rows.csv.gz")
        done = self.run_ok([lib.binary("csv"), "--memory", "128M", "count", "1", path])
        self.assertEqual(rows_of(done), [("abcdefgh", 4000000)])


class JsonLines(CsvCase):

    def test_rows_as_python_reads_them(self):
        maker = random.Random(4)
        rows = [{"name": "".join(maker.choices("ab\"\\\n\tä€😀", k=maker.randrange(9))),
                 "n": maker.choice([None, maker.randrange(-9**15, 9**15)]),
                 "x": maker.random() * 10**maker.randrange(-9, 9),
                 "ok": maker.random() < 0.5} for _ in range(lib_scaled(40000))]
        wanted = sorted(((row["name"].encode().decode("latin-1"), row["n"], row["x"], row["ok"])
                         for row in rows), key=str)
        for ascii in (True, False):
            text = "".join(json.dumps(row, ensure_ascii=ascii) + "\n" for row in rows)
            path = self.file(text)
            for words in ((), ("partitions=7",), ("as=name bytes, n i64, x f64, ok bool",)):
                self.assertEqual(sorted(self.read(path, "json", *words), key=str), wanted)
        self.assertEqual(sorted(self.read(path, "json", "as=ok bool")),
                         sorted((row["ok"],) for row in rows))

    def test_what_is_written_reads_back(self):
        rows = random_rows(6, lib_scaled(5000), 2, True)
        path = self.file(as_csv(rows))
        target = os.path.join(self.dir, "out.jsonl.zst")
        lib.needs(shutil.which("zstd"), "no zstd")
        self.run_ok(self.csv("write", "jsonl", target, path, "as=a bytes, b bytes"))
        self.assertEqual(sorted(self.read(target + "/*.zst", "json")), sorted(rows))

    def test_bad_lines(self):
        path = self.file("{\"a\": 1}\n" * 3 + "{\"a\": 1]\n{\"a\": 2.5}\n")
        self.refused(self.csv("read", path, "json", "as=a f64"), 1, path + ":4:", "comma is missing",
                     "step 'jsonl'")
        self.assertEqual(self.read(path, "json", "as=a i64", "on_error=skip"), [(1,)] * 3)
        self.assertEqual(self.read(path, "json", "as=a i64", "on_error=null"),
                         [(1,)] * 4 + [(None,)])  # what was read of a bad line stands
        self.refused(self.csv("read", self.file("", "empty.jsonl"), "json"), 1, "no first row")
        self.refused(self.csv("read", path, "json", "as=a any"), 1, "not any")


class Types(CsvCase):

    def test_declared_types(self):
        path = self.file("i,f,b,t\n1,2.5,true,x\n-7,1e3,0,\"\"\n,,,\n")
        rows = self.read(path, "header", "as=t bytes, b bool, f f64, i i64")
        self.assertEqual(rows, [("x", True, 2.5, 1), ("", False, 1000, -7),
                                ("", None, None, None)])

    def test_null_texts(self):
        path = self.file("NA,NA\n1,\"NA\"\n")
        self.assertEqual(self.read(path, "null=NA", "as=n i64, t bytes"),
                         [(None, None), (1, "NA")])
        self.refused(self.csv("read", path, "nonulls", "as=n i64, t bytes"), 1,
                     path + ":1:", "'NA'", "i64")

    def test_guessed_types(self):
        path = self.file("zip,n,x,ok\n01234,1,1.5,true\n00501,2,3,false\n")
        self.assertEqual(self.read(path, "header", "types=auto"),
                         [("01234", 1, 1.5, True), ("00501", 2, 3, False)])
        plan = self.run_ok(self.csv("--plan", "read", path, "header", "types=auto")).out
        self.assertIn("(zip bytes, n i64, x f64, ok bool) (guessed)", plan)
        path = self.file("n\n" + "1\n" * 200000 + "one\n")
        self.refused(self.csv("read", path, "header", "types=auto"), 1, path + ":200002:",
                     "'one'", "guess", "gleam_as")

    def test_sums_of_a_column(self):
        rows = [("k%d" % (i % 7), str(i)) for i in range(lib_scaled(50000))]
        path = self.file(as_csv(rows))
        counts = dict(self.read_counts(path))
        for key, count in counts.items():
            self.assertEqual(count, sum(row[0] == key for row in rows))
        self.assertEqual(len(counts), 7)

    def read_counts(self, path):
        return rows_of(self.run_ok(self.csv("count", 1, path)))


class Errors(CsvCase):

    def fails(self, text, *words, at, says, with_words=()):
        path = self.file(text, "bad.csv")
        self.refused(self.csv("read", path, *with_words), 1, "%s:%d:" % (path, at), "csv.c:",
                     "step 'csv'", *says)

    def test_bad_rows_are_told_with_their_line(self):
        good = "a,\"b\nc\"\n" * 50000
        self.fails("a,b\nc\n", at=2, says=("1 field,", "have 2", "c"))
        self.fails(good + "a,b,c\n", at=100001, says=("3 fields", "a,b,c"))
        self.fails(good + "a,\"b\"c\n", at=100001, says=("field 2", "behind its closing quote"))
        self.fails(good + "a,b\"c\n\"", at=100001, says=("field 2", "unquoted"))
        self.fails(good + "a,\"bc\nd\n", at=100001, says=("not closed",))
        self.fails("n,t\n1,x\ny,z\n", at=3, says=("column 'n' is i64", "'y'"),
                   with_words=("header", "as=n i64, t bytes"))

    def test_bad_rows_in_a_pipe(self):
        path = os.path.join(self.dir, "pipe")
        os.mkfifo(path)

        def write():
            with open(path, "w", encoding="latin-1") as file:
                file.write("a,\"b\n\"\"\n\"\n" * 1000 + "c\n")
        writer = threading.Thread(target=write)
        writer.start()
        self.refused(self.csv("read", path, "as=a bytes, b bytes"), 1, path + ":3001:", "1 field")
        writer.join()

    def test_bad_rows_left_out(self):
        text = "a,1\nb\nc,x\nd,4,5\ne,6\n"
        path = self.file(text)
        done = self.run_ok(self.csv("read", path, "on_error=skip", "as=t bytes, n i64"))
        self.assertEqual(rows_of(done), [("a", 1), ("e", 6)])
        self.assertIn("3 bad rows", done.err)
        done = self.run_ok(self.csv("read", path, "on_error=null", "as=t bytes, n i64"))
        self.assertEqual(rows_of(done), [("a", 1), ("b", None), ("c", None), ("d", 4), ("e", 6)])
        _, stats = self.stats_of([lib.binary("csv")] +
                                 ["read", path, "on_error=skip", "as=t bytes, n i64"])
        self.assertEqual(stats["bad_input_rows"], 3)
        self.assertEqual(stats["input_bytes"], len(text))

    def test_what_cannot_be_planned(self):
        path = self.file("a,b,a\n1,2,3\n")
        for words, says in (
                (("header", "as=x i64"), ("no column 'x'", "a, b, a")),
                (("header", "as=a i64"), ("more than one column 'a'",)),
                (("as=a i64, b i64"), ("3 fields", "2 columns are declared")),
                (("as=a any, b any, c any"), ("not any",)),
                (("delimiter=\"",), ("four different",)),
                (("delimiter=\n",), ("line end",)),
                (("types=all",), ("auto",)),
                (("on_error=maybe",), ("GLEAM_CSV_SKIP",)),
                (("null=" + "x" * 40,), ("31 bytes",))):
            words = words if isinstance(words, tuple) else (words,)
            self.refused(self.csv("read", path, *words), 1, "csv.c:", *says)
        self.refused(self.csv("read", self.file("", "empty.csv"), "header"), 1, "no row")
        self.refused(self.csv("read", self.file("\"a", "open.csv")), 1, "quotes are wrong")

    def test_a_file_with_another_header(self):
        self.file("a,b\n1,2\n", "one.csv")
        other = self.file("b,a\n1,2\n", "two.csv")
        self.refused(self.csv("read", self.dir + "/*.csv", "header"), 1, other + ":1:", "one.csv",
                     "b,a")

    def test_a_quote_that_is_never_closed_in_a_large_file(self):
        path = self.file("a,b\n" + "c,\"d\n" + "e,f\n" * (20 * MIB))
        self.refused([lib.binary("csv"), "--memory", "64M", "--cores", "2", "read", path,
                      "partitions=1"], 1, path + ":2:", "does not fit", "quote not closed")


class Written(CsvCase):

    def parts_of(self, folder):
        """The parts' texts in order; .manifest agrees with them."""
        names = sorted(os.listdir(folder))
        self.assertEqual(names[0], ".manifest")
        out = []
        with open(os.path.join(folder, ".manifest"), encoding="utf-8") as file:
            entries = [json.loads(line) for line in file]
        self.assertEqual([entry["file"] for entry in entries], names[1:])
        for number, entry in enumerate(entries):
            self.assertTrue(entry["file"].startswith("part-%05d." % number))
            with open(os.path.join(folder, entry["file"]), "rb") as file:
                out.append(file.read())
            self.assertEqual(entry["bytes"], len(out[-1]))
        return out, [entry["rows"] for entry in entries]

    def nothing_hidden(self):
        self.assertEqual([name for name in os.listdir(self.dir) if "gleam" in name], [])

    def write(self, *words, executors=2, **more):
        done = self.run_ok(self.csv("write", *words, executors=executors), **more)
        self.nothing_hidden()
        return done

    def test_round_trips(self):
        rows = random_rows(5, lib_scaled(20000), 3, True)
        path = self.file("a,b,c\n" + as_csv(rows))
        for target, words in (("out", ()), ("deep.csv", ("wall",)), ("zip.csv.gz", ()),
                              ("std.zst", ()), ("bz.csv.bz2", ()), ("semi", ("wdelimiter=;",))):
            target = os.path.join(self.dir, target)
            self.write("csv", target, path, "header", "wheader", *words)
            parts, counts = self.parts_of(target)
            self.assertEqual((len(parts), sum(counts)), (2, len(rows)))
            texts = [self.unpacked(part, target) for part in parts]
            got = []
            for text in texts:
                read = python_rows(text, delimiter=";" if "semi" in target else ",")
                self.assertEqual(read[0], ("a", "b", "c"))
                got += read[1:]
            self.assertEqual(got, rows)

    def unpacked(self, data, name):
        for ending, command in ((".gz", "gzip"), (".zst", "zstd"), (".bz2", "bzip2")):
            if name.endswith(ending):
                lib.needs(shutil.which(command), "no %s" % command)
                data = subprocess.run([command, "-dc"], input=data, check=True,
                                      stdout=subprocess.PIPE).stdout
        return data.decode("latin-1")

    def test_one_file(self):
        path = self.file("2,b\n1,\"x\ny\"\n3,\n")
        target = os.path.join(self.dir, "out.csv")
        self.write("csv", target, path, "as=n i64, t bytes", "sort", "wheader")
        self.assertEqual(open(target, encoding="utf-8").read(), "n,t\n1,\"x\ny\"\n2,b\n3,\n")
        self.write("jsonl", target, path, "as=n i64, t bytes", "sort")
        self.assertEqual([json.loads(line) for line in open(target, encoding="utf-8")],
                         [{"n": 1, "t": "x\ny"}, {"n": 2, "t": "b"}, {"n": 3, "t": ""}])
        self.write("text", target, path, "as=n i64, t bytes", executors=1)
        self.assertEqual(open(target, encoding="utf-8").read(), "2\tb\n1\tx\ny\n3\t\n")
        self.write("tsv", target, self.file("a,b\n"), executors=1)
        self.assertEqual(open(target, encoding="utf-8").read(), "a\tb\n")

    def test_no_rows(self):
        path = self.file("a,b\n")
        target = os.path.join(self.dir, "out.csv")
        self.write("csv", target, path, "header", "wheader", executors=1)
        self.assertEqual(open(target, encoding="utf-8").read(), "a,b\n")
        self.write("csv", target + ".gz", path, "header", "wheader", executors=1)
        with open(target + ".gz", "rb") as file:
            self.assertEqual(self.unpacked(file.read(), ".gz"), "a,b\n")
        self.write("csv", os.path.join(self.dir, "parts"), path, "header", "wheader", "parts=3")
        self.assertEqual(self.parts_of(os.path.join(self.dir, "parts")), ([b"a,b\n"] * 3, [0] * 3))
        self.write("text", os.path.join(self.dir, "texts"), path, "header")
        self.assertEqual(self.parts_of(os.path.join(self.dir, "texts")), ([b"", b""], [0, 0]))

    def test_many_parts(self):
        target = os.path.join(self.dir, "many")
        count = lib_scaled(20000)
        self.run_ok(self.csv("make", "csv", target, count, "parts=500"))
        parts, counts = self.parts_of(target)
        self.assertEqual((len(parts), sum(counts)), (500, count))
        self.assertEqual([part.count(b"\n") for part in parts], counts)
        keys = [{row[0] for row in python_rows(part.decode())} for part in parts]
        self.assertEqual(sum(map(len, keys)), len(set().union(*keys)))

    def test_an_earlier_output_is_replaced_and_nothing_else(self):
        target = os.path.join(self.dir, "out")
        path = self.file("a,b\n")
        self.write("csv", target, path, "parts=5")
        self.write("csv", target, path, "parts=2")
        self.assertEqual(len(self.parts_of(target)[0]), 2)
        with open(target + "/mine", "wb"):
            pass
        self.refused(self.csv("write", "csv", target, path), 1, "holds 'mine'", target)
        self.assertEqual(len(os.listdir(target)), 4)
        os.unlink(target + "/mine")
        os.unlink(target + "/.manifest")
        self.refused(self.csv("write", "csv", target, path), 1, "not of an earlier output")
        for name in os.listdir(target):
            os.unlink(os.path.join(target, name))
        self.write("csv", target + "/", path)
        self.refused(self.csv("write", "csv", path, path), 1, "is no directory", path)
        self.refused(self.csv("write", "csv", self.dir + "/no/where", path), 1, "No such file")
        self.nothing_hidden()

    def test_a_failure_leaves_the_old_output(self):
        target = os.path.join(self.dir, "out")
        path = self.file("1,b\n")
        self.write("csv", target, path)
        before = self.parts_of(target)
        bad = self.file("1,b\n" * 100000 + "x,y\n", "bad.csv")
        self.refused(self.csv("write", "csv", target, bad, "as=n i64, t bytes"), 1, bad + ":100001:")
        self.assertEqual(self.parts_of(target), before)
        self.nothing_hidden()

    def test_executors_and_drivers_that_are_killed(self):
        target = os.path.join(self.dir, "out")
        os.mkfifo(os.path.join(self.dir, "endless"))
        args = self.csv("write", "csv", target, os.path.join(self.dir, "endless"),
                        "as=a bytes, b bytes")
        for victim in ("executor", "term", "kill"):
            process, pids = self.start_executors(args, 2)
            with open(os.path.join(self.dir, "endless"), "wb") as pipe:
                pipe.write(b"a,b\n" * 100000)
                pipe.flush()
                self.assertTrue(lib.wait_until(
                    lambda: [name for name in os.listdir(self.dir) if name.startswith(".out.gleam")],
                    10))
                if victim == "executor":
                    for pid in pids:
                        os.kill(pid, signal.SIGKILL)
                elif victim == "term":
                    process.terminate()
                else:
                    process.kill()
                process.wait(20 * lib.SLOWER)
            self.assertFalse(os.path.exists(target))
            if victim != "kill":
                self.nothing_hidden()
        # What a killed driver left goes away with the next job that writes there.
        self.write("csv", target, self.file("a,b\n"))
        self.assertEqual(sum(self.parts_of(target)[1]), 1)

    def test_a_folder_that_may_no_longer_be_written(self):
        """The output appears by a rename, which is refused after all the work was done."""
        folder, endless = os.path.join(self.dir, "closed"), os.path.join(self.dir, "endless")
        os.mkdir(folder)
        os.chmod(folder, 0o777)
        os.mkfifo(endless)
        os.chmod(endless, 0o666)
        process = self.start(self.as_nobody(self.csv("write", "csv", folder + "/out", endless,
                                                     "as=a bytes, b bytes")))
        with open(endless, "wb") as pipe:
            pipe.write(b"a,b\n" * 100000)
            pipe.flush()
            self.assertTrue(lib.wait_until(lambda: os.listdir(folder), 10))
            os.chmod(folder, 0o555)
        _, err = process.communicate(timeout=30 * lib.SLOWER)
        self.assertEqual(process.returncode, 1, err)
        for word in (folder.encode(), b"Permission denied"):
            self.assertIn(word, err)
        self.assertFalse(os.path.exists(folder + "/out"))

    def test_two_jobs_at_the_same_time(self):
        target = os.path.join(self.dir, "out")
        count = lib_scaled(200000)
        both = [self.start(self.csv("make", "csv", target, count + i)) for i in range(2)]
        for process in both:
            _, err = process.communicate(timeout=60 * lib.SLOWER)
            self.assertEqual(process.returncode, 0, err)
        self.assertIn(sum(self.parts_of(target)[1]), (count, count + 1))
        self.nothing_hidden()

    def test_a_full_disk(self):
        lib.needs_root()
        place = os.path.join(self.dir, "small")
        os.mkdir(place)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "gleam-test", place],
                                 check=False, stderr=subprocess.DEVNULL)
        lib.needs(mounted.returncode == 0, "cannot mount a tmpfs")
        try:
            for target in ("out", "one.csv"):
                words = ("sort",) if target == "one.csv" else ()
                self.refused(self.csv("make", "csv", os.path.join(place, target), 100000, *words), 1,
                             "cannot write", target, "No space left on device")
                self.assertEqual(os.listdir(place), [])
        finally:
            subprocess.run(["umount", place], check=True)


if __name__ == "__main__":
    lib.main()
