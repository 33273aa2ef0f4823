#!/usr/bin/env python3
"""test_examples.py - runs every example, in Lua and in C, on files that the machine has, and compares
what it prints with an answer that is computed here.

An example without a case here fails test_every_example_is_run.
"""
import csv
import os
import re
from collections import Counter

import driver
import lib

FOLDER = os.path.join(lib.ROOT, "examples")
PASSWD = "/etc/passwd"
LICENSES = "/usr/share/common-licenses"
CANNOT = {"/usr/sbin/nologin": "cannot log in", "/sbin/nologin": "cannot log in",
          "/bin/false": "cannot log in", "/usr/bin/false": "cannot log in",
          "/bin/sync": "does one thing"}

CASES = {}  # {file's name: the cases' names}


def runs(*names):
    """Marks a case with the examples that it runs."""
    def mark(case):
        for name in names:
            CASES.setdefault(name, []).append(case.__name__)
        return case
    return mark


def content(path):
    with open(path, "rb") as file:
        return file.read()


def ordered(counts):
    """[(key, number)], the largest number first, then by key."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def lines_of_counts(pairs):
    return b"".join(b"%s\t%d\n" % pair for pair in pairs)


def joined(books, loans):
    """The lines of join_csv, sorted."""
    def rows(path):
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.reader(file))
    titles = {}
    for book in rows(books):
        titles.setdefault(book[0], []).append(book[3])
    return sorted("%s: %s, lent by %s" % (loan[1], title, loan[2])
                  for loan in rows(loans) for title in titles.get(loan[1], []))


class Examples(driver.DriverCase):

    def outputs(self, name, *arguments, **more):
        """What an example prints, with one executor and with two; checks that a script and its
        twin in C are asked the same way."""
        for executors in ("1", "2"):
            options = ["--executors", executors, "--memory", "512M"]
            if name.endswith(".lua"):
                command = [lib.binary("gleam"), "run"] + options + [os.path.join(FOLDER, name)]
            else:
                command = [lib.binary("examples/" + name[:-len(".c")])] + options
            done = self.run_ok(command + list(arguments), text=False, **more)
            with self.subTest(name=name, executors=executors, arguments=arguments):
                yield done

    def texts(self):
        """Paths of texts: the machine's, and one that makes each rule of words matter."""
        paths = [PASSWD, self.file("x the x.cat The\nx42 a-b _ x\n" * 700 + "\r\nend", "text")]
        license_path = os.path.join(LICENSES, "GPL-3")
        return paths + ([license_path] if os.path.exists(license_path) else [])

    def test_every_example_is_run(self):
        found = [name for name in os.listdir(FOLDER) if name.endswith((".c", ".lua"))]
        self.assertEqual(sorted(CASES), sorted(found))

    def test_every_example_says_what_it_does_and_how_to_run_it(self):
        for name in CASES:
            text = content(os.path.join(FOLDER, name)).decode()
            start = "/* %s - " if name.endswith(".c") else "-- %s - "
            self.assertTrue(text.startswith(start % name), name)
            usage = r" \* +%s \[run options\]" if name.endswith(".c") \
                else r"--     gleam run examples/%s\.lua( |\n)"
            self.assertRegex(text, usage % name.split(".")[0])

    @runs("word_count.c", "word_count.lua")
    def test_word_count(self):
        for path in self.texts():
            counts = driver.count_words(content(path))
            for done in self.outputs("word_count.c", path):
                self.assertEqual(done.out, lines_of_counts(ordered(counts)))
            for done in self.outputs("word_count.lua", path):
                self.assertEqual(driver.parse_counts(done.out), counts)
        for done in self.outputs("word_count.lua"):
            self.assertEqual(driver.parse_counts(done.out), driver.count_words(content(PASSWD)))

    @runs("top_words.c", "top_words.lua")
    def test_top_words(self):
        for path in self.texts():
            counts = driver.count_words(content(path))
            kept = Counter({word: n for word, n in counts.items() if word != b"x"})
            without = lines_of_counts(ordered(kept)[:5])
            for done in self.outputs("top_words.c", path):
                self.assertEqual(done.out, without)
            for done in self.outputs("top_words.lua", path):
                self.assertEqual(done.out, b"by kernels:\n" + lines_of_counts(ordered(counts)[:5])
                                 + b"by functions, without x:\n" + without)

    @runs("pipes.c", "pipes.lua")
    def test_pipes(self):
        for path in self.texts() + [self.file("", "nothing")]:
            want = lines_of_counts(ordered(driver.count_words(content(path).lower())))
            for name in ("pipes.c", "pipes.lua"):
                for done in self.outputs(name, path, seconds=60):
                    self.assertEqual(done.out, want)

    @runs("csv_count.c")
    def test_csv_count(self):
        places = ["Oslo", "Rome", "Paris, France", 'a "b"', "", "Lima", "Baku"]
        path = self.file("id,place\n" + "".join(
            '%d,"%s"\n' % (i, places[i * i % 7].replace('"', '""')) for i in range(5000)), "p.csv")
        with open(path, encoding="utf-8", newline="") as file:
            counts = Counter(row["place"].encode() for row in csv.DictReader(file))
        for done in self.outputs("csv_count.c", "place", path):
            self.assertEqual(done.out, lines_of_counts(ordered(counts)[:5]))
        for done in self.outputs("csv_count.c", "2", path):
            self.assertEqual(done.out, lines_of_counts(ordered(counts + Counter([b"place"]))[:5]))

    @runs("join_csv.c", "join_csv.lua")
    def test_join_csv(self):
        ours = [os.path.join(FOLDER, "data", name) for name in ("a.csv", "b.csv")]
        books = self.file("".join('%d,"A, B",en,"Title ""%d"""\n' % (i, i)
                                  for i in range(0, 900, 3)), "books.csv")
        loans = self.file("".join("2026-01-%02d,%d,reader %d\n" % (i % 28 + 1, i % 500, i)
                                  for i in range(4000)), "loans.csv")
        for pair in (ours, [books, loans]):
            want = joined(*pair)
            self.assertTrue(want)
            for name in ("join_csv.c", "join_csv.lua"):
                for done in self.outputs(name, *pair):
                    self.assertEqual(sorted(done.out.decode().splitlines()), want)
        for done in self.outputs("join_csv.lua"):
            self.assertEqual(sorted(done.out.decode().splitlines()), joined(*ours))

    @runs("commands_per_row.c", "commands_per_row.lua")
    def test_commands_per_row(self):
        names = ["plain", "two words", "$(echo no)", "it's", 'a "quote"', "back\\slash", "-n", "ü"]
        folder = os.path.join(self.dir, "some files")
        os.makedirs(os.path.join(folder, "below"))
        for i, name in enumerate(names):
            self.file("x" * (i * 7 % 5), os.path.join("some files", name))
        self.file("not this", os.path.join("some files", "below", "deeper"))
        for place in [folder] + ([LICENSES] if os.path.isdir(LICENSES) else []):
            paths = [os.path.join(place, name) for name in os.listdir(place)]
            sizes = {path.encode(): os.path.getsize(path) for path in paths if os.path.isfile(path)}
            want = lines_of_counts(ordered(sizes))
            for name in ("commands_per_row.c", "commands_per_row.lua"):
                for done in self.outputs(name, place, seconds=60):
                    self.assertEqual(done.out, want)
        for done in self.outputs("commands_per_row.lua"):
            self.assertIn(b"examples/commands_per_row.lua\t", done.out)

    @runs("multi_flow.lua")
    def test_multi_flow(self):
        for path in self.texts():
            counts = driver.count_words(content(path))
            total = sum(counts.values())
            want = "%d words, and the five most frequent are\n" % total + "".join(
                "%s\t%d\t%.1f%%\n" % (word.decode(), n, 100 * n / total)
                for word, n in ordered(counts)[:5])
            for done in self.outputs("multi_flow.lua", path):
                self.assertEqual(done.out.decode(), want)

    @runs("counters_and_broadcast.lua")
    def test_counters_and_broadcast(self):
        made = self.file("root:x:0:0:root:/root:/bin/bash\n# a comment\n\nno:x:1:1::/:/sbin/nologin\n"
                         "old:x:a:1::/:/bin/sh\nsync:x:4:4:sync:/:/bin/sync\nempty:x:5:5::/:\n", "made")
        account = re.compile(r"[^:#]+:[^:]*:\d+:\d+:[^:]*:[^:]*:([^:]*)")
        for path in (PASSWD, made):
            lines = driver.lines_of(content(path))
            matches = [account.fullmatch(line.decode()) for line in lines]
            shells = [match.group(1) for match in matches if match]
            kinds = Counter(CANNOT.get(shell, "can log in") for shell in shells)
            want = "".join("%s: %d\n" % pair for pair in sorted(kinds.items()))
            for done in self.outputs("counters_and_broadcast.lua", path):
                self.assertEqual(done.out.decode(), want)
                said = done.err.decode()
                self.assertIn("gleam: counted accounts: %d\n" % len(shells), said)
                bad = len(lines) - len(shells)
                if bad > 0:
                    self.assertIn("gleam: counted lines that are no account: %d\n" % bad, said)


if __name__ == "__main__":
    lib.main()
