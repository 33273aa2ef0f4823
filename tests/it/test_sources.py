#!/usr/bin/env python3
"""test_sources.py - members of archives, against Python's zipfile; connections; rows to a command."""
import io
import json
import os
import re
import signal
import socket
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


class ScriptCase(driver.DriverCase):

    def script(self, *lines, options=()):
        path = self.file("local gleam = require \"gleam\"\n" + "\n".join(lines) + "\n", "flow.lua")
        return [lib.binary("gleam"), "run", *options, path]


class Listen(ScriptCase):

    def serve(self, rest, options=(), address="127.0.0.1:0"):
        """A flow that listens, and the port that it tells."""
        process = self.start(self.script("gleam.New():Listen(\"tcp\", \"%s\")%s:Run()"
                                         % (address, rest), options=options))
        line = process.stderr.readline().decode()
        match = re.search(r"listens at 127\.0\.0\.1:(\d+)$", line)
        self.assertTrue(match, line + process.stderr.read().decode() if not match else "")
        return process, int(match.group(1))

    def finish(self, process, status=0):
        out, err = process.communicate(timeout=30 * lib.SLOWER)
        self.assertEqual(process.returncode, status, err)
        return out.decode(), err.decode()

    def test_lines_until_the_other_side_closes(self):
        for options in ((), ("--in-process",), ("--cores", "1")):
            process, port = self.serve(":Printlnf(\"%s\")", options)
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"one\ntw")
                with self.assertRaises(OSError): # nobody else is let in
                    lib.wait_until(lambda: socket.create_connection(("127.0.0.1", port)).close(),
                                   2)
                client.sendall(b"o\r\n" + b"x\n" * 200000 + b"end")
            out, _ = self.finish(process)
            self.assertEqual(out, "one\ntwo\n" + "x\n" * 200000 + "end\n")

    def test_rows_of_declared_columns(self):
        process, port = self.serve(":As(\"word bytes\", \"n i64\"):ReduceByKey(gleam.SumInt64)"
                                   ":Sort():Printlnf(\"%s %d\")")
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"a\t1\nb\t2\na\t40\n")
        self.assertEqual(self.finish(process)[0], "a 41\nb 2\n")
        process, port = self.serve(":As(\"word bytes\", \"n i64\"):Printlnf(\"%s %d\")")
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"a\tx\n")
        self.assertIn("column 'n' is i64", self.finish(process, 1)[1])

    def test_a_connection_that_breaks_off_is_no_end(self):
        process, port = self.serve(":Printlnf(\"%s\")")
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"one\n")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        self.assertIn("Connection reset", self.finish(process, 1)[1])

    def test_waiting_ends(self):
        process, _ = self.serve(":Printlnf(\"%s\")")
        process.send_signal(signal.SIGINT)
        self.assertIn("signal 2", self.finish(process, 130)[1])
        process, _ = self.serve(":Printlnf(\"%s\")", ("--timeout", "1"))
        self.assertIn("--timeout", self.finish(process, 124)[1])

    def test_addresses_that_cannot_be(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            address = "127.0.0.1:%d" % other.getsockname()[1]
            self.refused(self.script("gleam.New():Listen(\"tcp\", \"%s\"):Printlnf(\"%%s\"):Run()"
                                     % address), 1, "cannot open " + address, "in use")
        for network, address, word in (("tcp", "9000", "HOST:PORT"), ("tcp", "a:70000", "HOST:PORT"),
                                       ("udp", "127.0.0.1:0", "must be \"tcp\""),
                                       ("tcp", "no.such.name:0", "number or localhost"),
                                       ("tcp", "192.0.2.1:0", "assign requested address")):
            self.refused(self.script("gleam.New():Listen(\"%s\", \"%s\"):Printlnf(\"%%s\"):Run()"
                                     % (network, address)), 1, word)
        self.refused(self.script("local d = gleam.New():Listen(\"tcp\", \"127.0.0.1:0\")",
                                 "d:Printlnf(\"%s\")", "d:Printlnf(\"%s\"):Run()"), 1, "flow.lua:2",
                     "it comes once")


class WriteTo(ScriptCase):

    def write(self, rest, command, more="", options=()):
        return self.script("gleam.New()%s:WriteTo([[%s]]%s):Run()" % (rest, command, more),
                           options=options)

    def test_rows_go_to_one_command(self):
        out = os.path.join(self.dir, "out")
        for options in ((), ("--in-process",)):
            self.run_ok(self.write(":Ints(0, 300000)", "cat > %s; echo >> %s" % (out, out),
                                   options=options))
            with open(out, encoding="ascii") as file:
                self.assertEqual(sorted(map(int, file.read().split())), list(range(300000)))
        for executors in (1, 2, 3):
            self.run_ok(self.write(":Ints(0, 300000):Sort(gleam.OrderBy(1, false))", "cat > %s" % out,
                                   options=("--executors", executors)))
            with open(out, encoding="ascii") as file:
                self.assertEqual(list(map(int, file.read().split())), list(range(299999, -1, -1)))
        done = self.run_ok(self.write(":Strings({\"b\", \"a\"}):Sort():Map(function(w) return w, 1 end)"
                                      ":As(\"w bytes\", \"n i64\")", "cat; echo end"))
        self.assertEqual(done.out, "a\t1\nb\t1\nend\n")
        two = ":Strings({\"a,b\"}):Map(function(w) return w, 1 end):As(\"w bytes\", \"n i64\")"
        self.assertEqual(self.run_ok(self.write(two, "cat", ", {format = \"csv\"}")).out, "\"a,b\",1\n")
        self.assertEqual(self.run_ok(self.write(two, "cat", ", {format = \"jsonl\"}")).out,
                         "{\"w\":\"a,b\",\"n\":1}\n")
        self.assertEqual(self.run_ok(self.write(":Ints(0, 0)", "wc -l")).out.strip(), "0")

    def test_a_command_that_prints_while_it_reads(self):
        done = self.run_ok(self.write(":Ints(0, 500000)", "tr 0-9 a-j; echo >&2 done"))
        self.assertEqual(done.out.count("\n"), 500000)
        self.assertIn("done", done.err)

    def test_a_command_that_stops_reading(self):
        self.assertEqual(self.run_ok(self.write(":Ints(0, 5000000):Sort()", "head -2")).out, "0\n1\n")
        self.refused(self.write(":Ints(0, 5000000)", "head -2 > /dev/null; echo why >&2; exit 3"), 1,
                     "exit status 3", "why")

    def test_a_command_that_fails(self):
        for command, words in (("cat > /dev/null; echo oh no >&2; exit 4", ("exit status 4", "oh no")),
                               ("kill -9 $$", ("signal 9",)),
                               ("/no/such/command", ("127", "no such command")),
                               ("", ("command to write to is empty",))):
            self.refused(self.write(":Ints(0, 10)", command), 1, "flow.lua:2", *words)
        self.refused(self.write(":Ints(0, 1)", "cat", ", {format = \"xml\"}"), 1, "format")

    def test_a_job_that_fails_kills_it_without_an_end(self):
        out = os.path.join(self.dir, "ended")
        done = self.run_it(self.write(":Ints(0, 10):Map(function(n) return n + nil end):As(\"n i64\")",
                                      "cat > /dev/null; echo x > " + out))
        self.assertEqual(done.status, 1, done.err)
        self.assertFalse(os.path.exists(out))
        begun = os.path.join(self.dir, "begun")
        process = self.start(self.write(":Ints(0, 10)", "cat; touch %s; sleep 100; touch %s"
                                        % (begun, out)))
        self.assertTrue(lib.wait_until(lambda: os.path.exists(begun)))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(10 * lib.SLOWER), 130)
        self.assertFalse(os.path.exists(out))


class Prune(ScriptCase):

    def rows(self, path, read, rest, *options):
        return self.run_ok(self.script("gleam.New():Read(gleam.%s)%s:Run()" % (read % path, rest),
                                       options=options)).out

    def test_columns_that_nobody_reads(self):
        csv = self.file("id,name,n,x\n1,a,10,1.5\n2,b,bad,2.5\n3,\"c\nd\",30,3.5\n", "rows.csv")
        jsonl = self.file("{\"id\":1,\"name\":\"a\",\"n\":1}\n{\"n\":\"x\",\"id\":2,\"name\":\"b\"}\n",
                          "rows.jsonl")
        declared = ":As(\"id i64, name bytes, n i64, x f64\")"
        two = ":Where(1, \">\", 1):Select(4, 2):Sort():Printlnf(\"%v %v\")"
        header = "Csv(\"%s\", {header = true})"
        self.assertEqual(self.rows(csv, header, declared + two), "2.5 b\n3.5 c\nd\n")
        self.assertIn("3 of 4 columns",
                      self.rows(csv, header, declared + two, "--plan"))
        self.assertEqual(self.rows(csv, "Csv(\"%s\", {header = true, types = \"auto\"})", two),
                         "2.5 b\n3.5 c\nd\n")
        self.assertEqual(self.rows(jsonl, "Jsonl(\"%s\")", ":As(\"id i64, name bytes, n i64\")"
                                   ":Select(2, 1):Sort():Printlnf(\"%s %d\")"), "a 1\nb 2\n")
        # The bad number still decides about its row.
        self.assertEqual(self.rows(csv, "Csv(\"%s\", {header = true, on_error = \"skip\"})",
                                   declared + two), "3.5 c\nd\n")


if __name__ == "__main__":
    lib.main()
