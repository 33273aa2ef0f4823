#!/usr/bin/env python3
"""test_sources.py - members of archives, against Python's zipfile."""
import io
import json
import os
import struct
import zipfile

import driver
import lib

TAIL = 22  # of the record at an archive's end


def archive(members, method=zipfile.ZIP_DEFLATED, comment=b""):
    """The bytes of a .zip file with these members: [(name, text)]."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, text in members:
            file.writestr(name, text)
        file.comment = comment
    return out.getvalue()


class Zip(driver.DriverCase):

    def lines(self, path, *options, partitions=0):
        return self.run_ok(self.flows(*options, "lines", partitions, path)).out.splitlines()

    def refuse(self, path, *words):
        self.refused(self.flows("lines", 0, path), 1, "cannot read", *words)

    def test_members_are_files(self):
        texts = {"b.txt": "b1\nb2\n", "a.txt": "a1", "in/c.csv": "c1\n" * 1000, "empty.txt": "",
                 ".hidden": "no\n", "__MACOSX/._a.txt": "no\n", "in/": ""}
        wanted = sorted(["a1", "b1", "b2"] + ["c1"] * 1000)
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            path = self.file(archive(texts.items(), method, b"a comment"), "all.zip")
            for options in ((), ("--in-process",), ("--cores", 1)):
                self.assertEqual(sorted(self.lines(path, *options)), wanted)
        self.assertEqual(self.lines(path + "/*.txt", "--cores", 1, partitions=1), ["a1", "b1", "b2"])
        self.assertEqual(self.lines(path + "/in/*"), ["c1"] * 1000)
        self.assertEqual(len(self.lines(path + "/**/*.csv")), 1000)
        self.file(archive([("a.txt", "other\n")]), "one.zip")
        self.assertEqual(sorted(self.lines(os.path.join(self.dir, "*.zip") + "/a.txt")),
                         ["a1", "other"])
        self.assertEqual(sorted(self.lines(self.dir)), sorted(wanted + ["other"]))

    def test_a_program_may_stand_in_front(self):
        path = self.file(b"#!/bin/sh\nexit\n" + archive([("a", "1\n2\n")]), "self.zip")
        self.assertEqual(self.lines(path), ["1", "2"])

    def test_rows_of_members(self):
        path = self.file(archive([("2020.csv", "id,name\n1,a\n2,\"b\nc\"\n"),
                                  ("2021.csv", "id,name\n3,d\n")]), "rows.zip")
        done = self.run_ok([lib.binary("csv"), "read", path, "header", "types=auto"])
        self.assertEqual(sorted(map(json.loads, done.out.splitlines())),
                         [[1, "a"], [2, "b\nc"], [3, "d"]])
        bad = self.file(archive([("x.csv", "id,name\n1,a\n2,b,c\n")]), "bad.zip")
        self.run_bad([lib.binary("csv"), "read", bad, "header"], "bad.zip/x.csv:3")

    def test_a_large_member_needs_little_memory(self):
        lib.needs_plain_build()
        text = "abcdefgh\n" * 30000000
        path = self.file(archive([("a", text)]), "large.zip")
        done = self.run_ok(self.flows("--memory", "96M", "words", 1, path))
        self.assertEqual(done.out, "abcdefgh\t30000000\n")
        # One line of zeros, which no memory is meant to hold.
        path = self.file(archive([("a", b"\0" * (200 << 20))]), "bomb.zip")
        self.refused(self.flows("--memory", "96M", "lines", 1, path), 1, "bomb.zip/a has a line",
                     "--memory")

    def test_what_cannot_be_read(self):
        good = archive([("a.txt", "hello\n" * 1000), ("b.txt", "x\n")], zipfile.ZIP_STORED)
        self.refuse(self.file(good[:-10], "cut.zip"), "cut.zip", "does not end as a zip")
        self.refuse(self.file(b"plain text\n", "text.zip"), "or no archive")
        self.refuse(self.file(b"", "empty.zip"), "or no archive")
        self.refuse(self.file(archive([]), "none.zip"), "no member of the archive matches")
        path = self.file(good, "good.zip")
        self.refuse(path + "/*.csv", "good.zip/*.csv", "no member")
        self.refuse(self.file(good[:100] + b"J" + good[101:], "changed.zip"), "changed.zip/a.txt")
        at = len(good) - TAIL
        begin = struct.unpack("<I", good[at + 16:at + 20])[0]
        flags = bytearray(good)
        flags[begin + 8] |= 1
        self.refuse(self.file(flags, "locked.zip"), "locked.zip/a.txt", "encrypted")
        self.assertEqual(self.lines(os.path.join(self.dir, "locked.zip/b.txt")), ["x"])
        self.refuse(self.file(archive([("a", "x")], zipfile.ZIP_BZIP2), "other.zip"), "other.zip/a",
                    "only store and deflate")
        self.refuse(self.file(archive([("a.gz", "x")]), "double.zip"), "inside an archive")
        broken = bytearray(good)
        broken[begin] = 0
        self.refuse(self.file(broken, "broken.zip"), "directory is damaged")


if __name__ == "__main__":
    lib.main()
