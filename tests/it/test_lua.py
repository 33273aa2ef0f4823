#!/usr/bin/env python3
"""test_lua.py - flows in Lua: right answers, and what is said of everything that can go wrong."""
import json
import os
import signal
import time

import driver
import lib

WORDS = """local gleam = require "gleam"
gleam.New("words"):TextFile(arg[1])
  :FlatMap(function(line) return line:gmatch("%w+") end)
  :Map(function(word) return word, 1 end)
  :ReduceBy(function(x, y) return x + y end)
  :Printf("%s\\t%d\\n")
  :Run()
"""


class LuaCase(driver.DriverCase):
    def gleam(self, *arguments):
        return [lib.binary("gleam"), "run", "--memory", "512M"] + [str(a) for a in arguments]

    def script(self, text, *arguments, options=()):
        path = self.file(text, "flow.lua")
        return self.gleam(*options, "flow.lua" if os.path.dirname(path) == self.dir else path,
                          *arguments)

    def code(self, text, *options):
        """On one executor, whose rows come in order, unless the options name more."""
        return self.gleam("--quiet", "--executors", "1", *options, "-e", text)

    def says(self, text, *words, status=1, **more):
        """The script fails with one line that holds the words."""
        return self.refused(self.script(text, *more.pop("arguments", ())), status, *words, **more)


class RightAnswers(LuaCase):
    def test_words_of_a_file(self):
        text = b"the cat, the dog\n\nThe end 42\r\n" * 500 + b"no newline"
        path = self.file(text)
        for options in ((), ("--cores", "1"), ("--in-process",), ("--executors", "5")):
            done = self.run_ok(self.script(WORDS, path, options=options), text=False)
            self.assertEqual(driver.parse_counts(done.out), driver.count_words(text))

    def test_from_standard_input_and_the_command_line(self):
        path = self.file("a b a\n")
        done = self.run_ok(self.gleam("--quiet", "-", path), stdin=WORDS)
        self.assertEqual(sorted(done.out.split()), ["1", "2", "a", "b"])
        done = self.run_ok(self.code('print(arg[0], #arg) gleam.New():Ints(1, 4):Map(function(n) '
                                     'return n * n end):Printlnf("%v"):Run()'))
        self.assertEqual(done.out.split(), ["-e", "0", "1", "4", "9"])

    def test_arguments_and_a_first_line_for_the_shell(self):
        text = "#!/usr/bin/env -S gleam run\nprint(arg[0], arg[1], arg[2], ...)\n"
        done = self.run_ok(self.script(text, "x", "--", "-y"))
        self.assertEqual(done.out.split(), ["flow.lua", "x", "-y", "x", "-y"])

    def test_several_flows_in_one_script(self):
        done = self.run_ok(self.script("""local gleam = require "gleam"
for i = 1, 20 do gleam.New():Ints(0, i):Map(function(n) return i, n end)
  :ReduceBy(function(x, y) return x + y end):Printlnf("%d %d"):Run() end"""))
        want = ["%d %d" % (i, i * (i - 1) // 2) for i in range(1, 21)]
        self.assertEqual(done.out.splitlines(), want)

    def test_upvalues_travel(self):
        done = self.run_ok(self.code("""
local words = {one = 1, two = {2, "x"}} words.self = words
local function fact(n) if n < 2 then return 1 end return n * fact(n - 1) end
local floor, big, none = math.floor, 9007199254740993LL, nil
gleam.New():Ints(1, 2):Map(function(n)
  return words.self.two[1], words.two[2], fact(5), floor(2.5), big, none, true end)
  :Printlnf("%v %v %v %v %v %v %v"):Run()"""))
        self.assertEqual(done.out, "2 x 120 2 9007199254740993 null true\n")

    def test_numbers_at_the_edge_of_exactness(self):
        done = self.run_ok(self.code("""
gleam.New():Ints(0, 1):FlatMap(function() return {2^53 - 1, 2^53, -(2^53 - 1), 0.5, 1e300, -0.0,
  9223372036854775807LL, -9223372036854775807LL - 1} end)
  :Map(function(n) return type(n), n end):Printlnf("%s %v"):Run()"""))
        self.assertEqual(done.out.splitlines(), [
            "number 9007199254740991", "number 9007199254740992", "number -9007199254740991",
            "number 0.5", "number 1e+300", "number 0",
            "cdata 9223372036854775807", "cdata -9223372036854775808"])

    def test_strings_may_hold_anything(self):
        done = self.run_ok(self.code(r"""
gleam.New():Strings{"a\0b", "", "\255\n"}:Map(function(s) return s, #s, s .. s end)
  :OutputRow(function(a, n, b) io.write(("%q %d %d|"):format(a, n, #b)) end):Run()"""), text=False)
        self.assertEqual(done.out, b'"a\\0b" 3 6|"" 0 0|"\xff\\\n" 2 4|')

    def test_flat_map_of_every_form(self):
        done = self.run_ok(self.code("""
local f = gleam.New()
local function show(d) d:Printlnf("%v %v"):Run() end
show(gleam.New():Ints(1, 3):FlatMap(function(n) return {{n, "a"}, {n}} end))
show(gleam.New():Strings{"k=v w=x"}:FlatMap(function(s) return s:gmatch("(%w+)=(%w+)") end))
gleam.New():Ints(1, 3):FlatMap(function(n) return n, nil, n * 10 end):Printlnf("%v"):Run()
gleam.New():Ints(1, 4):FlatMap(function(n) if n ~= 2 then return n end end):Printlnf("%v"):Run()
gleam.New():Ints(1, 2):FlatMap(function(n) return coroutine.wrap(function()
  for i = 1, 3 do coroutine.yield(i) end end) end):Printlnf("%v"):Run()"""))
        self.assertEqual(done.out.splitlines(), [
            "1 a", "1 null", "2 a", "2 null", "k v", "w x", "1", "null", "10", "2", "null", "20",
            "1", "3", "1", "2", "3"])

    def test_one_row_becomes_a_million(self):
        done = self.run_ok(self.code("""
gleam.New():Ints(0, 2):FlatMap(function(n) local i = 0 return function()
  i = i + 1 if i <= %d then return i end end end)
  :Map(function(i) return 1, i end):ReduceBy(function(x, y) return x + y end)
  :Printlnf("%%d %%d"):Run()""" % driver.scaled(1000000)))
        count = driver.scaled(1000000)
        self.assertEqual(done.out, "1 %d\n" % (count * (count + 1)))

    def test_for_each_and_its_rows(self):
        done = self.run_ok(self.code("""
gleam.New():Ints(1, 4):ForEach(function(n) if n > 2 then writeRow(n, "x") writeRow(n, "y") end end)
  :Printlnf("%d%s"):Run()
gleam.New():Ints(7, 8):ForEach(function(n) print("saw", n) end):Run()"""))
        self.assertEqual(done.out.split(), ["3x", "3y"])
        self.assertIn("saw\t7", done.err)

    def test_for_each_is_called_once_for_a_row_of_a_run(self):
        for build in ("", "d:Run()", 'd:Printlnf("%v")', "d:Do(print)",
                      'f:Ints(1, 2):Join(d):Printlnf("%v")'):
            self.run_ok(self.code("""local f = gleam.New()
local d = f:Ints(1, 4):ForEach(function(n) gleam.Count("calls") writeRow(n) end)
%s d:Run()""" % build, "--stats", "stats.json"))
            with open(os.path.join(self.dir, "stats.json"), encoding="utf-8") as file:
                self.assertEqual(json.load(file)["counters"], {"calls": 3}, build)

    def test_reduce_of_several_columns(self):
        done = self.run_ok(self.code("""
gleam.New():Ints(0, 1000):Map(function(n) return n % 2, n, "s" .. n % 10, n / 2 end)
  :ReduceBy(function(a, s, f, b, t, g) return a + b, s < t and t or s, math.max(f, g) end)
  :Sort():Printlnf("%d %d %s %v"):Run()"""))
        self.assertEqual(done.out.splitlines(), ["0 249500 s8 499", "1 250000 s9 499.5"])

    def test_reduce_of_typed_columns(self):
        done = self.run_ok(self.code("""
gleam.New():Ints(0, 1000):Map(gleam.AppendOne):Map(function(n, one) return n % 3 == 0, one end)
  :As("third bool, n int64"):ReduceBy("function(x, y) return x + y end")
  :Sort():Printlnf("%v %d"):Run()"""))
        self.assertEqual(done.out.splitlines(), ["false 666", "true 334"])

    def test_init_and_broadcast(self):
        done = self.run_ok(self.code("""
local f = gleam.New()
local squares = {}
for i = 1, 20000 do squares[i] = i * i end
local shared = f:Init("function twice(x) return 2 * x end"):Broadcast(squares)
f:Ints(19999, 20001):Map(function(n) return twice(shared[n]) end):Printlnf("%v"):Run()
print(shared[3])"""))
        self.assertEqual(done.out.split(), [str(2 * 19999 ** 2), str(2 * 20000 ** 2), "9"])

    def test_counters_are_shown_and_in_stats(self):
        stats = os.path.join(self.dir, "stats.json")
        text = """gleam.New():Ints(0, 1000):Filter(function(n)
  if n % 10 == 0 then gleam.Count("bad rows") gleam.Count("weight", n) return false end
  return true end):Filter(function() return false end):Printlnf("%v"):Run()"""
        done = self.run_ok(self.gleam("--stats", stats, "-e", text))
        self.assertIn("gleam: counted bad rows: 100", done.err)
        with open(stats, encoding="utf-8") as file:
            self.assertEqual(json.load(file)["counters"], {"bad rows": 100, "weight": 49500})

    def test_slices_and_names_of_steps(self):
        done = self.run_ok(self.code("""
gleam.New("named"):Slices({{1, "a"}, {2}, {3, "c"}})
  :Filter("odd", function(n) return n % 2 == 1 end):Map("swap", function(n, s) return s, n end)
  :Sort("by letter", gleam.OrderBy(1, false)):Top("both", 5, gleam.OrderBy(1))
  :Printlnf("%v %v"):Run()"""))
        self.assertEqual(done.out.split(), ["a", "1", "c", "3"])

    def test_slices_have_the_columns_that_as_names(self):
        """Nulls at the end of all rows, and no row at all, do not show how many columns there are."""
        done = self.run_ok(self.code("""
gleam.New():Slices{}:As("a i64, b bytes"):Sort(2):Printlnf("%v %v"):Run()
gleam.New():Slices{}:Printlnf("%v %v"):Run()
gleam.New():Slices{{1}, {nil, nil}}:As("a i64?, b any", "c bytes?"):Sort(1):Printlnf("%v %v %v"):Run()
local f = gleam.New()
f:Slices{}:Union(f:Slices{{7}}):Printlnf("%v"):Run()"""))
        self.assertEqual(done.out.splitlines(), ["null null null", "1 null null", "7"])

    def test_lists_are_arrays(self):
        done = self.run_ok(self.code("""
gleam.New():Slices{{"a", 1}, {"b", 2}, {"a", 3}, {"a"}}:GroupBy()
  :Map(function(k, l) return k, l.n, l[1], l end):Sort():Printlnf("%v %v %v %v"):Run()
gleam.New():Ints(1, 2):Map(function(n) return {n, {true, "x", 0.5, {}}, 9007199254740993LL} end)
  :Map(function(l) return l, l[2][3] end):Printlnf("%v %v"):Run()
gleam.New():Ints(1, 11):Map(function(n) return n % 3, {n} end):ReduceBy(function(a, b)
  for i = 1, #b do a[#a + 1] = b[i] end a.n = nil return a end):Map(function(k, l)
  table.sort(l) l.n = nil return k, l end):Sort():OutputRow(function(k, l)
  print(k, table.concat(l, ",")) end):Run()"""))
        self.assertEqual(done.out.splitlines(), [
            "a 3 1 [1, 3, null]", "b 1 2 [2]",
            "[1, [true, x, 0.5, []], 9007199254740993] 0.5",
            "0\t3,6,9", "1\t1,4,7,10", "2\t2,5,8"])
        self.says(self.HEAD + "  :Map(function(n) local t = {} t[1] = t return t end)" + self.TAIL,
                  "more than 32 deep", "at the row (")

    HEAD = 'local gleam = require "gleam"\ngleam.New():Ints(1, 9)\n'
    TAIL = '\n  :Printlnf("%v"):Run()'

    def test_joins_and_moves(self):
        done = self.run_ok(self.code("""
local f = gleam.New()
local a, b = f:Slices{{1, "a"}, {2, "b"}, {2, "c"}}, f:Slices{{"x", 1}, {"y", 2}, {"z", 4}}
local one, two = gleam.Field(1), gleam.Field(2)
local function show(name, d) d:Map(function(...) return name, {n = select("#", ...), ...} end):Sort(gleam.OrderBy(1):By(2))
  :Printlnf("%s %v") end
show("1 inner", a:Join(b, one, two))
show("2 left", a:LeftOuterJoin(b, one, two))
show("3 right", a:RightOuterJoin(b, one, two))
show("4 full", a:FullOuterJoin(b, one, two))
show("5 semi", a:SemiJoin("half", b, one, two))
show("6 anti", a:AntiJoin(b, one, two))
show("7 cogroup", a:CoGroup(b, one, two))
show("8 union", a:Select(1):Union({b:Select(gleam.Field(2)), f:Ints(7, 8)}))
show("9 distinct", a:Select(1):Distinct())
f:Ints(1, 4):CrossJoin(f:Ints(8, 9)):Limit(2):Printlnf("%v %v")
f:Ints(0, 100):RoundRobin(7):Partition(3, one):MergeTo(2):Reduce("function(x, y) return x + y end")
  :Printlnf("%v")
f:Run()"""))
        self.assertEqual(sorted(done.out.splitlines()), sorted([
            "1 inner [1, a, x]", "1 inner [2, b, y]", "1 inner [2, c, y]",
            "2 left [1, a, x]", "2 left [2, b, y]", "2 left [2, c, y]",
            "3 right [1, a, x]", "3 right [2, b, y]", "3 right [2, c, y]", "3 right [4, null, z]",
            "4 full [1, a, x]", "4 full [2, b, y]", "4 full [2, c, y]", "4 full [4, null, z]",
            "5 semi [1, a]", "5 semi [2, b]", "5 semi [2, c]",
            "7 cogroup [1, [a], [x]]", "7 cogroup [2, [b, c], [y]]", "7 cogroup [4, [], [z]]",
            "8 union [1]", "8 union [1]", "8 union [2]", "8 union [2]", "8 union [2]",
            "8 union [4]", "8 union [7]", "9 distinct [1]", "9 distinct [2]",
            "1 8", "2 8", "4950"]))

    def test_plan_of_a_script(self):
        path = self.file(WORDS, "words.lua")
        text = self.file("a\n")
        done = self.run_ok([lib.binary("gleam"), "plan", path, text])
        for word in ("lua 'FlatMap' (flat map)", "words.lua:3", "with a Lua function"):
            self.assertIn(word, done.out)


class CLibraries(LuaCase):
    def test_functions_of_a_shared_object(self):
        done = self.run_ok(self.code("""
local so = "%s"
gleam.New():Ints(1, 7):Filter(gleam.C(so, "is_odd")):Map(gleam.C(so, "square", "10"))
  :As("n i64, square i64"):Printlnf("%%d %%d"):Run()
gleam.New():Ints(1, 7):Map(function(n) return n %% 2, n end):As("k i64, n i64")
  :ReduceBy(gleam.C(so, "add")):Sort():Printlnf("%%d %%d"):Run()""" % lib.binary("libudf.so")))
        self.assertEqual(done.out.splitlines(), ["1 11", "3 19", "5 35", "0 12", "1 9"])

    def test_what_goes_wrong(self):
        text = """local gleam = require "gleam"
gleam.New():Ints(1, 7)
  :Map(gleam.C("%s", "%s")):As("n i64")
  :Printlnf("%%d"):Run()"""
        good = lib.binary("libudf.so")
        self.says(text % ("./missing.so", "x"), "flow.lua:3: step 'Map'", "./missing.so",
                  "No such file")
        self.says(text % (good, "nobody"), "flow.lua:3: step 'Map'", "has no symbol 'nobody'", "nm -D")
        self.says(text % (self.file("no ELF", "text.so"), "x"), "text.so", "file too short")
        self.says(text % (good, "crash"), "signal 11", "step 'Map'", "flow.lua:3",
                  env=lib.crash_env())


class BadScripts(LuaCase):
    HEAD = 'local gleam = require "gleam"\ngleam.New():Ints(1, 2000001)\n'
    TAIL = '\n  :Printlnf("%v"):Run()'

    def test_syntax(self):
        self.says("local x = = 1", "flow.lua:1:", "unexpected symbol near '='")
        self.says(self.HEAD + '  :Map("function(n) retur n + 1 end")' + self.TAIL,
                  "flow.lua:3: step 'Map'", "'=' expected near 'n'")
        self.says(self.HEAD + '  :Map("42")' + self.TAIL, "is no function")
        self.says('local gleam = require "gleam" gleam.New():Init("x = = 1")', "Init:1:",
                  "unexpected symbol")

    def test_an_error_on_row_one_million(self):
        self.says(self.HEAD + "  :Map(function(n)\n  if n == 1500000 then error('oops') end\n"
                  "  return n end)" + self.TAIL,
                  "flow.lua:3: step 'Map'", "flow.lua:4: oops", "(1500000)")
        self.says(self.HEAD + "  :Map(function(n) return n end)\n  :Filter(function(n)\n"
                  "    return n ~= 1500000 or n.x end)" + self.TAIL,
                  "flow.lua:4: step 'Filter'", "flow.lua:5: attempt to index", "(1500000)")

    def test_an_error_that_is_caught(self):
        done = self.run_ok(self.code("""
local ok, why = pcall(function()
  gleam.New():Ints(1, 9):Map(function(n) error("a reason") return n end):Printlnf("%v"):Run() end)
print(ok, why:match("a reason") ~= nil)
gleam.New():Ints(1, 3):Printlnf("%v"):Run()"""))
        self.assertEqual(sorted(done.out.split()), ["1", "2", "false", "true"])

    def test_upvalues_that_cannot_travel(self):
        for value, word in (("io.stdout", "userdata"), ("coroutine.create(print)", "thread"),
                            ("setmetatable({}, {})", "metatable"), ("{x = {io.stdout}}", "userdata")):
            self.says("local f = %s\n%s  :Map(function(n) return f and n end)%s" % (
                value, self.HEAD, self.TAIL), "flow.lua:4: upvalue 'f" + (".x[1]'" if "{x" in value else "'"),
                      word, "cannot travel")

    def test_globals_of_the_script(self):
        self.says("function helper(n) return n end\n" + self.HEAD +
                  "  :Map(function(n) return helper(n) end)" + self.TAIL,
                  "the global 'helper' is not set", "make it local")

    def test_misspelt_globals(self):
        """Where they are read, in every kind of step; those that Init or the step has set are there."""
        for step in ("Map(function(n) return lenght end)", "Filter(function(n) return lenght end)",
                     "FlatMap(function(n) return {lenght} end)", "ForEach(function(n) writeRow(lenght) end)",
                     "Map(function(n) return 1, n end):ReduceBy(function(x, y) return x + lenght end):Select(2)"):
            self.says(self.HEAD + "  :Init('length = 3')\n  :" + step + self.TAIL,
                      "flow.lua:4: step '", "flow.lua:4: the global 'lenght' is not set", "at the row (")
        done = self.run_ok(self.script("""local gleam = require "gleam"
gleam.New():Init("length = 3 nothing = nil"):Ints(0, 3):Map(function(n)
  seen = (rawget(_G, "seen") or 0) + 1
  return n * length, seen > 0, rawget(_G, "nothing")
end):Sort():Printlnf("%v %v %v"):Run()"""))
        self.assertEqual(done.out, "".join("%d true null\n" % (n * 3) for n in range(3)))

    def test_values_that_are_none(self):
        for value, word in (("{x = 1}", "table with the key 'x'"), ("print", "function"), ("io.stdout", "userdata"),
                            ("coroutine.create(print)", "thread"), ("2^63 * 1ULL", "uint64_t")):
            self.says(self.HEAD + "  :Map(function(n) return %s end)" % value + self.TAIL,
                      "flow.lua:3: step 'Map'", "column 1 is a " + word, "at the row (")
        self.says(self.HEAD + "  :FlatMap(function(n) return coroutine.create(print) end)" + self.TAIL,
                  "coroutine.wrap")
        self.says(self.HEAD + "  :Map(function(n) return 'x' end):As('n i64')" + self.TAIL,
                  "column 1 is a string, but it is declared i64")
        self.says(self.HEAD + "  :Map(function(n) return nil end):As('n i64')" + self.TAIL,
                  "column 1 is nil", "'i64?'")
        self.says(self.HEAD + "  :Map(function(n) return 0.5 end):As('n i64')" + self.TAIL,
                  "column 1 is the number 0.5")

    def test_numbers_of_columns(self):
        self.says(self.HEAD + "  :Map(function(n) return n, n, n end)\n"
                  "  :ReduceBy(function(x, y) return x + y end)" + self.TAIL,
                  "flow.lua:4: step 'ReduceBy'", "2 value columns", "takes 4 parameters")
        self.says(self.HEAD + "  :Map(function(n) return n, n, n end)\n"
                  "  :ReduceBy(function(a, b, c, d) return a end)" + self.TAIL, "returns 1 value")
        self.says(self.HEAD + "  :Map(function(n) return n, n end)" + self.TAIL, "1 verbs",
                  "2 columns")
        self.says(self.HEAD + "  :Map(function(n) end)" + self.TAIL, "returns nothing")
        self.says(self.HEAD + "  :Map(function(n) return tostring(n), n end):As('s bytes')" + self.TAIL,
                  "more than 1 value", ":As(")
        self.says(self.HEAD + "  :Map(function(n) return tostring(n) end)\n"
                  "  :ReduceBy(function(x, y) return x end)" + self.TAIL, "flow.lua:3", ":As(")
        self.says(self.HEAD + "  :Sort(gleam.OrderBy(7))" + self.TAIL, "no column 7")

    def test_lines_that_are_only_counted(self):
        text = """local gleam = require "gleam"
gleam.New("lines"):TextFile(arg[1], tonumber(arg[2])):Count():Printlnf("%d"):Run()"""
        for content in ("", "\n", "a", "a\n\nb", "line\r\n" * 5000, ("x" * 300000 + "\n") * 3 + "y",
                        "".join("%d\n" % (n * n) for n in range(30000))):
            path = self.file(content.encode(), "counted.txt")
            lines = content.count("\n") + (content != "" and content[-1] != "\n")
            for partitions in ("1", "7"):
                done = self.run_ok(self.script(text, path, partitions))
                self.assertEqual(done.out, "%d\n" % lines)

    def test_methods_used_wrongly(self):
        self.says(self.HEAD + "  :Map(42)" + self.TAIL, "flow.lua:3", "Map takes a function", "number")
        self.says(self.HEAD + "  :Top('x', gleam.OrderBy(1))" + self.TAIL, "flow.lua:3",
                  "number of rows")
        self.says(self.HEAD + "  :Printlnf(42):Run()", "flow.lua:3", "the format is a number")
        self.says(self.HEAD + "  :Do(42):Run()", "flow.lua:3: what Do calls is a number")
        self.says(self.HEAD + "  :Limit(2^60)" + self.TAIL, "flow.lua:3", "largest is 9007199254740992")
        for step in ("Top(2^32)", "RoundRobin(2^40)"):
            self.says(self.HEAD + "  :" + step + self.TAIL, "flow.lua:3", "largest is 4294967295")
        for source in ("Ints('a', 3)", "Ints(1, 1.5)", "Ints(2^70, 0)", "TextFile('x', 'y')",
                       "TextFile('x', -1)", "Read(gleam.Csv('x', 0.5))", "Exec({})", "Read(gleam.Jsonl())",
                       "Read(gleam.Jsonl('x', 0.5))",
                       "Read(gleam.Jsonl('x', {on_error = 'maybe'}))"):
            self.says('local gleam = require "gleam"\ngleam.New():' + source + self.TAIL,
                      "flow.lua:2: the ")
        self.says('local gleam = require "gleam"\ngleam.New(5)', "flow.lua:2: the name of a flow")
        self.says('local gleam = require "gleam" gleam.New():Run()', "has no output")

    def test_a_heap_over_its_share(self):
        text = self.HEAD + "  :Map(function(n) t = rawget(_G, 't') or {} t[#t + 1] = ('x'):rep(1000) .. n " \
            "return n end)" + self.TAIL
        self.refused([lib.binary("gleam"), "run", "--memory", "64M", "--cores", "1",
                      self.file(text, "flow.lua")], 1, "flow.lua:3: step 'Map'", "not enough memory",
                     "--memory")

    def test_memory_that_ends_in_compiled_code_is_said(self):
        text = self.HEAD + "  :Map(function(n) t = rawget(_G, 't') or {} local s = (n .. 'x'):rep(3000) " \
            "t[#t + 1] = s:sub(CUT) return #(s .. s) end)" + self.TAIL
        for cut in range(1, 21):
            self.refused([lib.binary("gleam"), "run", "--memory", "48M", "--cores", "1",
                          self.file(text.replace("CUT", str(cut)), "flow.lua")], 1, "step 'Map'",
                         "not enough memory", "--memory")

    def test_garbage_is_no_reason_to_fail(self):
        count = driver.scaled(400000)
        done = self.run_ok([lib.binary("gleam"), "run", "--quiet", "--memory", "64M", "--cores", "1",
                            "-e", """gleam.New():Ints(0, %d):Map(function(n)
  return 1, #(("x"):rep(1000) .. n) end):ReduceBy(function(x, y) return x + y end)
  :Printlnf("%%d %%d"):Run()""" % count])
        self.assertTrue(done.out.startswith("1 "), done.out)

    def test_an_endless_loop_stops_on_ctrl_c(self):
        for options in ((), ("--in-process",)):
            process = self.start(self.gleam("--quiet", *options, "-e", """
gleam.New():Ints(1, 9):Map(function(n) print("running") if n then while true do end end return n end):Printlnf("%v"):Run()"""))
            self.assertIn(b"running", process.stderr.readline())
            begin = time.monotonic()
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(20), 130)
            self.assert_quick(begin, "an endless loop held the driver up")

    def test_an_endless_function_of_the_script_stops_on_ctrl_c(self):
        endless = ("while true do end",
                   "while true do pcall(function() while true do end end) end",
                   "coroutine.wrap(function() while true do end end)()",
                   "helper(1e15)") # compiled before the run begins
        for body in endless:
            for ends in ("d:OutputRow(row):Run()", "d:OutputRow(row) gleam.RunAll{f}",
                         "row = (function(f) return function() f() end end)(row) d:Map(function(n) return n end):"
                         "OutputRow(row):Run()"):
                with self.subTest(body=body, ends=ends):
                    process = self.start(self.gleam("--quiet", "-e", """
local function helper(n) local s = 0 for i = 1, n do s = s + i end return s end
helper(1e5)
local function row() print("running") io.flush() %s end
local f = gleam.New()
local d = f:Ints(1, 9)
%s
print("not stopped")""" % (body, ends)))
                    self.assertIn(b"running", process.stdout.readline())
                    begin = time.monotonic()
                    process.send_signal(signal.SIGINT)
                    out, err = process.communicate(timeout=20)
                    self.assertEqual((process.returncode, out), (130, b""), err)
                    self.assertIn(b"stopped by signal 2", err)
                    self.assert_quick(begin, "an endless function held the driver up")

    def test_a_timeout_ends_an_endless_function_of_the_script(self):
        done = self.run_bad(self.gleam("--quiet", "--timeout", "0.3", "-e",
            "gleam.New():Ints(1, 9):OutputRow(function() while true do end end):Run()"), "--timeout")
        self.assertEqual(done.status, 124)

    def test_the_compiler_is_on_again_behind_a_run(self):
        for before in ("on", "off"):
            done = self.run_ok(self.gleam("--quiet", "-e", """
jit.%s()
gleam.New():Ints(0, 1):OutputRow(function() print(jit.status() and "on" or "off") end):Run()
print(jit.status() and "on" or "off")""" % before))
            self.assertEqual(done.out.split(), ["off", before])

    def test_a_script_that_is_not_there(self):
        self.refused_run = self.run_bad(self.gleam("nowhere.lua"), "nowhere.lua", "No such file")
        self.run_bad(self.gleam("-e"), "-e needs the code")
        self.run_bad(self.gleam("--nonsense", "x.lua"), "no option --nonsense")


if __name__ == "__main__":
    lib.main()
