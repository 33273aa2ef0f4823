#!/usr/bin/env python3
"""test_examples.py - runs every example, in Lua and in C, on files that the machine has, and compares
what it prints with an answer that is computed here.

An example without a case here fails test_every_example_is_run.
"""
import csv
import glob
import math
import os
import random
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


def rows_of_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def log_lines(count):
    """Lines of a web server's log, some of which are none: (text, parsed requests or None)."""
    dice = random.Random(7)
    out = []
    for i in range(count):
        if i % 97 == 5:
            out.append((dice.choice(("", "garbage", '192.0.2.1 - - [x] "GET / HTTP/1.1" 200 1')), None))
            continue
        day, hour, status = dice.randrange(1, 4), dice.randrange(24), dice.choice((200, 200, 304, 404, 500))
        path, query = "/p%d" % int(dice.expovariate(0.3)), dice.choice(("", "?q=%d" % i))
        size = dice.choice(("-", str(dice.randrange(90000))))
        method = dice.choice(("GET", "GET", "POST"))
        out.append(('192.0.2.%d - %s [%02d/Mar/2026:%02d:05:59 +0100] "%s %s HTTP/1.1" %d %s "-" "a b"' % (
            i % 250, dice.choice(("-", "ann")), day, hour, method, path + query, status, size),
                    ("2026-03-%02d %02d:00" % (day, hour), "192.0.2.%d" % (i % 250), method, path,
                     str(status), "0" if size == "-" else size)))
    return out


def plain_ranks(links, rounds):
    """[(page, rank)], as page_rank.lua has them."""
    pages = sorted({page for link in links for page in link})
    ranks = {page: 1.0 for page in pages}
    degrees = Counter(start for start, _ in links)
    for _ in range(rounds):
        left = sum(rank for page, rank in ranks.items() if not degrees[page])
        moved = {page: 0.15 + 0.85 * left / len(pages) for page in pages}
        for start, end in links:
            moved[end] += 0.85 * ranks[start] / degrees[start]
        far = max(abs(moved[page] - ranks[page]) for page in pages)
        ranks = moved
        if far < 1e-6:
            break
    return ranks


def plain_centres(points, k):
    """Where the centres of k_means.lua stay: [(x, y, points)]"""
    centres = sorted(set(points))[:k]
    while True:
        groups = [[] for _ in centres]
        for point in points:
            groups[min(range(k), key=lambda i: math.dist(point, centres[i]) ** 2)].append(point)
        moved = [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) if g else centres[i]
                 for i, g in enumerate(groups)]
        still = all(math.dist(a, b) < 1e-9 for a, b in zip(moved, centres))
        centres = moved
        if still:
            return sorted((x, y, len(g)) for (x, y), g in zip(centres, groups))


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

    @runs("union.lua")
    def test_union(self):
        other = self.file("x the cat The\n" * 300, "other")
        counts = driver.count_words(content(PASSWD)) + driver.count_words(content(other))
        want = lines_of_counts(ordered(counts)[:5])
        for number, path in enumerate((PASSWD, other), 1):
            for word in sorted(driver.count_words(content(path)))[:5]:
                want += b"%d\t%s\n" % (number, word)
        for done in self.outputs("union.lua", PASSWD, other):
            self.assertEqual(done.out, want)

    @runs("csv_wildcards.lua")
    def test_csv_wildcards(self):
        data = os.path.join(FOLDER, "data")
        orders = [row for path in glob.glob(os.path.join(data, "orders-*.csv"))
                  for row in rows_of_csv(path)[1:]]
        want = []
        for number, name in rows_of_csv(os.path.join(data, "customers.csv"))[1:]:
            prices = [float(price) for customer, _, price in orders if customer == number]
            want.append("%s: %d orders, %.2f" % (name, len(prices), sum(prices)))
        for done in self.outputs("csv_wildcards.lua"):
            self.assertEqual(done.out.decode().splitlines(), sorted(want))
        # Columns in another order and others beside them, in more files.
        for i in range(5):
            self.file("price,note,customer\n" + "".join('%d.5,"x\n, y",n%d\n' % (j, j % (i + 2))
                                                        for j in range(50)), "o%d.csv" % i)
        names = self.file("name,customer\n" + "".join("name %d,n%d\n" % (i, i) for i in range(9)),
                          "names.csv")
        for done in self.outputs("csv_wildcards.lua", os.path.join(self.dir, "o?.csv"), names):
            sums = Counter()
            numbers = Counter()
            for i in range(5):
                for j in range(50):
                    sums[j % (i + 2)] += j + 0.5
                    numbers[j % (i + 2)] += 1
            self.assertEqual(done.out.decode().splitlines(), [
                "name %d: %d orders, %.2f" % (i, numbers[i], sums[i]) for i in range(9)])

    @runs("tf_idf.lua")
    def test_tf_idf(self):
        texts = [self.file("x the cat the\n" * 40 + "dog dog\n", "one"), self.file("the x y\n", "two"),
                 self.file("", "empty"), PASSWD]
        words = [driver.count_words(content(path).lower()) for path in texts]
        weights = []
        for path, counts in zip(texts, words):
            for word, n in counts.items():
                texts_with = sum(word in others for others in words)
                weights.append((-n * math.log(len(texts) / texts_with), word.decode(),
                                os.path.basename(path)))
        want = ["%s\t%s\t%.3f" % (word, text, -weight) for weight, word, text in sorted(weights)[:10]]
        for done in self.outputs("tf_idf.lua", *texts):
            self.assertEqual(done.out.decode().splitlines(), want)
        for done in self.outputs("tf_idf.lua"):
            self.assertEqual(len(done.out.splitlines()), 10)

    @runs("pi.lua")
    def test_pi(self):
        tasks, darts, inside = 30, 500, 0
        for task in range(1, tasks + 1):
            x = task * 7919 % 2147483647
            for _ in range(darts):
                x = x * 16807 % 2147483647
                across = x / 2147483647
                x = x * 16807 % 2147483647
                up = x / 2147483647
                inside += across * across + up * up < 1
        for done in self.outputs("pi.lua", str(tasks), str(darts)):
            self.assertEqual(done.out.decode(), "%.6f\n" % (4 * inside / (tasks * darts)))
        for done in self.outputs("pi.lua"):
            self.assertAlmostEqual(float(done.out), math.pi, 2)

    @runs("sort_benchmark.lua")
    def test_sort_benchmark(self):
        dice = random.Random(3)
        lines = [bytes(dice.randrange(33, 256) for _ in range(dice.randrange(60))) for _ in range(20000)]
        lines = [line.replace(b"\t", b" ") for line in lines]
        path, out = self.file(b"\n".join(lines) + b"\n"), os.path.join(self.dir, "out.txt")
        for way in ((), ("pipe",)):
            for done in self.outputs("sort_benchmark.lua", path, out, *way):
                self.assertRegex(done.out.decode(), r"^20000 lines in \d+\.\d\d s\n$")
                self.assertEqual(content(out), b"\n".join(sorted(lines)) + b"\n")

    @runs("join_words.lua")
    def test_join_words(self):
        other = self.file("x root the bin bin\n" * 30 + "end\n", "other")
        a, b = driver.count_words(content(PASSWD)), driver.count_words(content(other))
        want = b"".join(b"%s\t%d\t%d\n" % (word, a[word], b[word]) for word in sorted(set(a) & set(b)))
        self.assertTrue(want)
        for done in self.outputs("join_words.lua", PASSWD, other):
            self.assertEqual(done.out, want + b"differences: 0\n")

    @runs("log_analysis.lua")
    def test_log_analysis(self):
        lines = log_lines(20000)
        half = len(lines) // 2
        self.file("".join(text + "\n" for text, _ in lines[:half]), "access.log.1")
        self.file("".join(text + "\n" for text, _ in lines[half:]), "access.log")
        found = [request for _, request in lines if request]
        out = os.path.join(self.dir, "the out'put")

        def table(column):
            numbers, sizes = Counter(), Counter()
            for request in found:
                numbers[request[column]] += 1
                sizes[request[column]] += int(request[5])
            return [[key, str(numbers[key]), str(sizes[key])] for key in sorted(numbers)]

        for done in self.outputs("log_analysis.lua", os.path.join(self.dir, "access.log*"), out):
            self.assertIn("gleam: counted lines that are no request: %d\n" % (len(lines) - len(found)),
                          done.err.decode())
            parts = sorted(glob.glob(os.path.join(out, "requests", "part-*.csv")))
            self.assertTrue(parts)
            rows = [tuple(row) for part in parts for row in rows_of_csv(part)[1:]]
            self.assertEqual(sorted(rows), sorted(found))
            self.assertEqual(rows_of_csv(os.path.join(out, "status.csv")),
                             [["status", "requests", "bytes"]] + table(4))
            self.assertEqual(rows_of_csv(os.path.join(out, "hours.csv"))[1:], table(0))
            top = sorted(table(3), key=lambda row: (-int(row[1]), row[0]))[:10]
            self.assertEqual(rows_of_csv(os.path.join(out, "paths.csv"))[1:], top)

    @runs("page_rank.lua")
    def test_page_rank(self):
        dice = random.Random(5)
        made = [("p%d" % dice.randrange(60), "p%d" % int(dice.expovariate(0.1))) for _ in range(600)]
        path = self.file("".join("%s %s\n" % link for link in made), "links")
        with open(os.path.join(FOLDER, "data", "links.txt"), encoding="utf-8") as file:
            ours = [tuple(line.split()) for line in file]
        for links, arguments, rounds in ((ours, (), 50), (made, (path, "40"), 40), (made, (path, "1"), 1)):
            ranks = plain_ranks(links, rounds)
            for done in self.outputs("page_rank.lua", *arguments):
                rows = [line.split("\t") for line in done.out.decode().splitlines()]
                self.assertEqual(len(rows), min(10, len(ranks)))
                for page, rank in rows:
                    self.assertAlmostEqual(float(rank), ranks[page], 4)
                numbers = [float(rank) for _, rank in rows]
                self.assertEqual(numbers, sorted(numbers, reverse=True))
                self.assertAlmostEqual(numbers[0], max(ranks.values()), 4)

    @runs("k_means.lua")
    def test_k_means(self):
        dice = random.Random(9)
        points = [(round(dice.gauss(x, 1), 3), round(dice.gauss(y, 1), 3))
                  for x, y in ((0, 0), (10, 1), (4, 9), (-8, 5)) for _ in range(400)]
        path = self.file("".join("%.3f,%.3f\n" % point for point in points), "points.csv")
        for k in (1, 4):
            want = plain_centres(points, k)
            self.assertEqual(sum(n for _, _, n in want), len(points))
            for done in self.outputs("k_means.lua", path, str(k)):
                self.assertEqual(done.out.decode().splitlines(),
                                 ["%.4f %.4f: %d points" % centre for centre in want])


if __name__ == "__main__":
    lib.main()
