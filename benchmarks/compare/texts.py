"""texts.py - the files that contenders work on: made when first asked for, and kept in memory.

All are made by `gleam bench generate` and the like, from fixed seeds, so that they are the same on
every machine.  Sizes are shares of --text.
"""

import dataclasses
import math
import os
import pathlib
import shutil
import subprocess

import runner

MILLION, FEW = 1000000, 50000
CSV_ROW_BYTES = 80  # about; of generated rows and of those that gleam-compare-write writes
LARGE_NAMES_ROWS, GROUPS = 60000, 1000
KEYED_ROW_BYTES = 80
NAMES, REGIONS = 5000, 50  # as many names as column 2 of the generated CSV may have
THREE_LINES = "the quick brown fox\njumps over the lazy dog\nand the dog sleeps on\n"
SMALL_WORDS_DIVISOR = 50


@dataclasses.dataclass(frozen=True)
class Text:
    """What file is wanted."""

    kind: str  # words, three-lines, csv, names, records, records-skewed, zst, written, ...
    words: int = 0  # distinct words of a text, of a compressed one
    divisor: float = 1  # --text divided by this is its size


THREE = Text("three-lines")
CSV = Text("csv")  # two text columns, the second with one of NAMES names
NAMES_CSV = Text("names")  # (name, region, weight), a row for each name
LARGE_CSV = Text("csv", divisor=25 / 14)  # 7 million rows of a --text of 1 GB
LARGE_NAMES = Text("large-names")  # (name, group, a text), a row for each of 60000 names: 5 MB
KEYED_LEFT = Text("keyed", 3, 10)  # (key, text), as many keys as rows, in an order by `words`
KEYED_RIGHT = Text("keyed", 7, 10)
RECORDS = Text("records")  # of 100 bytes, lines, with different keys
SKEWED_RECORDS = Text("records-skewed")  # half of the keys are equal
WRITTEN = Text("written")  # what gleam-compare-write writes, as one file


class Texts:
    """Makes files when they are first asked for, and brings them into the page cache."""

    def __init__(self, build, folder, size, small=False, file=None):
        self.build, self.folder, self.size = build, folder, size
        self.small, self.file = small, file
        self.warm = set()

    def __call__(self, text):
        """The path of the file; raises runner.LeftOut when what makes it is not installed."""
        path = self.find(text)
        if path not in self.warm:
            with open(path, "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass
            self.warm.add(path)
        return path

    def rows(self, text):
        """So many rows has a file of CSV."""
        return self.size_of(text) // CSV_ROW_BYTES

    def size_of(self, text):
        return int(self.size / text.divisor)

    def find(self, text):
        if text.kind == "words" and self.file:
            return self.file
        size = self.size_of(text)
        words = text.words // SMALL_WORDS_DIVISOR if self.small else text.words
        name, make = {
            "three-lines": ("three-lines.txt", self.make_three_lines),
            "words": (f"text-{size}-{words}.txt", self.make_words),
            "csv": (f"rows-{self.rows(text)}.csv", self.make_csv),
            "names": ("names.csv", self.make_names),
            "large-names": ("large-names.csv", self.make_large_names),
            "keyed": (f"keyed-{size}-{text.words}.csv", self.make_keyed),
            "records": (f"records-{size}.txt", self.make_records),
            "records-skewed": (f"records-{size}-skewed.txt", self.make_records),
            "zst": (f"text-{size}-{words}.txt.zst", self.make_zst),
            "written": (f"written-{self.rows(text)}.csv", self.make_written),
        }[text.kind]
        path = os.path.join(self.folder, "gleam-" + name)
        if not os.path.exists(path):
            make(path + ".part", text, size, words)
            os.rename(path + ".part", path)
        return path

    def program(self, *names):
        return os.path.join(self.build, *names)

    def make_three_lines(self, path, _text, _size, _words):
        pathlib.Path(path).write_text(THREE_LINES)

    def make_words(self, path, _text, size, words):
        subprocess.run([self.program("gleam"), "bench", "generate", "--text", str(size), "--words",
                        str(words), path], check=True)

    def make_csv(self, path, text, _size, _words):
        subprocess.run([self.program("gleam"), "bench", "generate", "--csv", str(self.rows(text)),
                        path], check=True)

    def make_names(self, path, _text, _size, _words):
        with open(path, "w", encoding="ascii") as file:
            for i in range(NAMES):
                file.write(f"name-{i},{i % REGIONS},{i * 7919 % 1000}\n")

    def make_large_names(self, path, _text, _size, _words):
        with open(path, "w", encoding="ascii") as file:
            for i in range(LARGE_NAMES_ROWS):
                file.write(f"name-{i},group {i * i % GROUPS},{'text of some length ' * 3}{i}\n")

    def make_keyed(self, path, text, size, _words):
        rows = size // KEYED_ROW_BYTES
        step = rows // text.words | 1
        while math.gcd(step, rows) > 1:  # so that each number comes once
            step += 2
        with open(path, "w", encoding="ascii") as file:
            for i in range(rows):
                number = i * step % rows
                file.write(f"key-{number:09d},{number * 7919 % 1000003:07d} "
                           f"{'what else there is in this row that makes it wide':57.57}\n")

    def make_records(self, path, text, size, _words):
        skew = ["--skew"] * (text.kind == "records-skewed")
        subprocess.run([self.program("gleam"), "bench", "generate", "--records", str(size // 100),
                        "--ascii", *skew, path], check=True)

    def make_zst(self, path, text, _size, _words):
        if not shutil.which("zstd"):
            raise runner.LeftOut("zstd is not there")
        plain = self.find(dataclasses.replace(text, kind="words"))
        subprocess.run(["zstd", "-q", "-f", "-3", "-o", path, plain], check=True)

    def make_written(self, path, text, _size, _words):
        parts = os.path.join(self.folder, "gleam-written-parts")
        subprocess.run([self.program("benchmarks", "compare", "gleam-compare-write"), "--quiet",
                        str(self.rows(text)), parts], check=True)
        with open(path, "wb") as whole:
            for part in sorted(pathlib.Path(parts).glob("part-*")):
                with open(part, "rb") as file:
                    shutil.copyfileobj(file, whole, 1 << 20)
        shutil.rmtree(parts)
