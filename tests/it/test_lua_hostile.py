#!/usr/bin/env python3
"""test_lua_hostile.py - functions of steps and scripts that do what nobody should."""
import os

import driver
import lib


class HostileCase(driver.DriverCase):
    def code(self, text, *options):
        """On one executor, whose rows come in order, unless the options name more."""
        return [lib.binary("gleam"), "run", "--quiet", "--memory", "512M", "--executors", "1",
                *options, "-e", text]

    def gives(self, text, lines, *options):
        self.assertEqual(self.run_ok(self.code(text, *options)).out.splitlines(), lines)

    def says(self, text, *words, options=(), **more):
        return self.refused(self.code(text, *options), 1, *words, **more)


class Scripts(HostileCase):
    def test_output_row_of_many_flows(self):
        # LuaJIT compiles the loop; a compiled call that comes back to Lua would crash
        for begin, end in (("", ""), ("coroutine.wrap(function() ", " end)()")):
            self.gives("local n = 0 " + begin + """for i = 1, %d do
  gleam.New():Ints(0, 3):OutputRow(function(a) n = n + a end):Run() end""" % driver.scaled(400)
                       + end + " print(n)", [str(3 * driver.scaled(400))])

    def test_a_flow_inside_output_row(self):
        self.gives("""
local f = gleam.New():Ints(0, 3):OutputRow(function() gleam.New():Ints(0, 2):Printlnf("%d"):Run() end)
local ok, why = pcall(f.Run, f)
print(ok, why:match("cannot run inside the function of another's OutputRow") ~= nil)
gleam.New():Ints(7, 9):Printlnf("%d"):Run()""", ["false\ttrue", "7", "8"])

    def test_output_that_cannot_be_written(self):
        for text in ("print('x')", "for i = 1, 1e5 do print(i) end",
                     "gleam.New():Ints(0, 5):OutputRow(print):Run()",
                     "gleam.New():Ints(0, 5):Printlnf('%d'):Run()"):
            with open("/dev/full", "w", encoding="ascii") as full:
                process = self.start(self.code(text), stdout=full)
                err = process.communicate(timeout=20)[1].decode()
            self.assertEqual(process.returncode, 1, text)
            self.assertEqual(err.count("cannot write to standard output"), 1, err)
            self.assertIn("No space left on device", err)

    def test_printing_to_nobody_is_no_error(self):
        process = self.start(self.code("for i = 1, 1e5 do print(i) end"))
        self.assertEqual(process.stdout.readline(), b"1\n")
        process.stdout.close()
        self.assertEqual(process.wait(20), 0)

    def test_standard_input_is_read_once(self):
        for source in ("TextFile('-')", "Read(gleam.Csv('-', {header = true}))"):
            self.run_bad([lib.binary("gleam"), "run", "-"], "stdin:1: standard input is the script",
                         stdin="local gleam = require 'gleam' gleam.New():%s:Printlnf('%%v'):Run()"
                         % source)

    def test_modules_beside_the_script(self):
        os.mkdir(os.path.join(self.dir, "folder"))
        self.file("local m, factor = {}, 10\nfunction m.times(n) return n * factor end\nreturn m",
                  "folder/mine.lua")
        path = self.file("""local gleam, mine = require "gleam", require "mine"
gleam.New():Ints(1, 3):Map(function(n) return (mine.times(n)) end):Printlnf("%d"):Run()""",
                         "folder/flow.lua")
        for cwd in (self.dir, os.path.join(self.dir, "folder")):
            done = self.run_ok([lib.binary("gleam"), "run", "--quiet", path], cwd=cwd)
            self.assertEqual(sorted(done.out.split()), ["10", "20"])

    def test_numbers_that_are_none(self):
        for call, what in (("Ints(0, 1e19)", "1e+19"), ("Ints(0.5, 3)", "0.5"), ("Ints('a', 3)", "is a"),
                           ("Ints(1)", "is nil"), ("Ints(0, 3):Top(1e300)", "largest is 4294967295"),
                           ("Ints(0, 3):RoundRobin(1e10)", "largest is 4294967295"),
                           ("Ints(0, 3):Top(1/0)", "largest is"), ("Ints(0, 3):Limit(0/0)", "nan"),
                           ("TextFile('x', 'y')", "is y")):
            self.says("gleam.New():%s:Printlnf('%%v'):Run()" % call, "-e:1: the", what)

    def test_error_objects(self):
        for value, word in (("setmetatable({}, {__tostring = function() return 'custom' end})", "custom"),
                            ("{}", "no text"), ("nil", "without a")):
            self.says("error(%s)" % value, "without a text" if word != "custom" else word)
            self.says("gleam.New():Ints(0, 9):Map(function(n) error(%s) return n end)"
                      ":Printlnf('%%v'):Run()" % value, word, "at the row (")


class Values(HostileCase):
    def test_lists_of_a_length_that_is_none(self):
        for n, what in (("-1", "-1"), ("2.5", "2.5"), ("0/0", "nan"), ("2^32", "4294967296"),
                        ("'x'", "a string"), ("{}", "a table")):
            self.says("gleam.New():Ints(0, 1):Map(function() return {n = %s} end)"
                      ":Printlnf('%%v'):Run()" % n, "field n is " + what, "at the row (0)")

    def test_unsigned_integers_where_they_fit(self):
        self.gives("""gleam.New():Ints(0, 1):Map(function() return 5ULL, 6ULL, 7ULL, {8ULL} end)
  :As("a i64, b f64, c any, d any"):Printlnf("%v %v %v %v"):Run()""", ["5 6 7 [8]"])
        for kind in ("i64", "f64", "any"):
            self.says("gleam.New():Ints(0, 1):Map(function() return 2^63 * 1ULL end):As('a %s')"
                      ":Printlnf('%%v'):Run()" % kind, "column 1 is a uint64_t")

    def test_infinity_is_no_inexact_integer(self):
        done = self.run_bad(self.code("gleam.New():Ints(0, 1):Map(function() return 1/0 end)"
                                      ":As('n i64'):Printlnf('%v'):Run()"), "the number inf")
        self.assertNotIn("2^53", done.err)

    def test_rows_of_nulls_first(self):
        self.gives("gleam.New():Ints(0, 1):FlatMap(function() return nil, nil, nil, 4, nil end)"
                   ":Printlnf('%v'):Run()", ["null", "null", "null", "4"])


    def test_broadcast_values_of_another_flow(self):
        # both flows have a first one: by its number alone the other's would be read
        self.says("""local one, two = gleam.New(), gleam.New()
local a, b = one:Broadcast({"one"}), two:Broadcast({"two"})
two:Ints(0, 1):Map(function() return a[1], b[1] end):Printlnf("%v %v"):Run()""", "upvalue 'a'",
                  "a broadcast value of another flow")

    def test_places_of_our_own_are_not_shown(self):
        for body, word in (("return assert(false, 'asserted')", ": asserted; at the row"),
                           ("gleam.Count('x', 'y') return n", "-e:1: gleam.Count takes"),
                           ("gleam.Count('x', 0/0) return n", "-e:1: gleam.Count takes")):
            done = self.says("gleam.New():Ints(0, 9):Map(function(n) %s end):As('n any')"
                             ":Printlnf('%%v'):Run()" % body, word)
            self.assertNotIn("gleam/", done.err)


class Iterators(HostileCase):
    def test_an_error_names_the_row_it_comes_from(self):
        # rows of one value of the input fill several batches
        for body in ("local i = 0 return function() i = i + 1 if n == 1 and i == 1500 then "
                     "error('oops') end if i <= 2000 then return i end end",
                     "local t = {} for i = 1, 2000 do t[i] = i end if n == 1 then t[1500] = print end "
                     "return t"):
            self.says("gleam.New():Ints(0, 3):FlatMap(function(n) %s end):Printlnf('%%v'):Run()"
                      % body, "at the row (1)")

    def test_endless_ones_end_with_a_limit(self):
        path = self.file("".join("%d\n" % n for n in range(20000)))
        for count in (0, 1, 1023, 1024, 1025, 5000):
            for limit in ("LocalLimit(%d)" % count, "Limit(%d)" % count):
                done = self.run_ok(self.code("""
gleam.New():TextFile("%s", 3):FlatMap(function(line) return function() return line end end)
  :Filter(function(line) return line end)
  :FlatMap(function(line) return function() return line, 1 end end):As("line bytes, one i64"):%s
  :ReduceBy(gleam.SumInt64):Printlnf("%%v %%v"):Run()""" % (path, limit)))
                counts = [int(line.split()[1]) for line in done.out.splitlines()]
                want = 3 if limit.startswith("Local") else 1
                self.assertEqual(counts, [count] * want if count else [], limit)

    def test_rows_behind_what_was_left(self):
        # what a limit leaves of one partition must not come out of the next
        path = self.file("".join("%d\n" % n for n in range(20000)))
        done = self.run_ok(self.code("""
gleam.New():TextFile("%s", 7):FlatMap(function(line) local i = 0 return function() i = i + 1
  if i <= 3000 then return line, i end end end):As("line bytes, i i64"):LocalLimit(2, 1500)
  :Printlnf("%%s %%d"):Run()""" % path, "--executors", "1"))
        rows = [line.split() for line in done.out.splitlines()]
        self.assertEqual(len({line for line, _ in rows}), 7)
        self.assertEqual([int(i) for _, i in rows], [1501, 1502] * 7)

    def test_endless_ones_end_when_nobody_reads(self):
        process = self.start(self.code(
            "gleam.New():Ints(0, 5):FlatMap(function(n) return function() return n end end)"
            ":Printlnf('%v'):Run()"))
        self.assertTrue(process.stdout.readline().strip().isdigit())
        process.stdout.close()
        self.assertEqual(process.wait(20), 0)


class Process(HostileCase):
    def test_exit_in_a_step(self):
        for options in ((), ("--in-process",)):
            for start in ("", "local exit = os.exit "):
                call = "exit" if start else "os.exit"
                self.says(start + "gleam.New():Ints(0, 9):Map(function(n) %s(0) return n end)"
                          ":Printlnf('%%v'):Run()" % call, "os.exit would end the executor",
                          "at the row (", options=options)


if __name__ == "__main__":
    lib.main()
