#!/usr/bin/env python3
"""test_mistakes.py - mistakes in a flow: each is told with its step, the script's line and, where only
a row shows it, the row; status 1; and nothing is printed when the plan shows it.

What C and Lua share is planned in one place: tests/unit/flow has the same mistakes of flows in C.
"""
import lib

ROWS = """local gleam = require "gleam"
local f = gleam.New()
local rows = f:Slices({{"a", 1}, {"b", 2}}):As("word bytes", "n i64")
"""


class Mistakes(lib.Case):

    def says(self, text, *words):
        """Lines behind ROWS begin with the 4th."""
        path = self.file(ROWS + text, "flow.lua")
        done = self.run_it([lib.binary("gleam"), "run", "--quiet", "--executors", "1", "--memory", "512M",
                            path],
                           seconds=60)
        said = "%s\nstatus %d\n%s%s" % (text, done.status, done.out, done.err)
        self.assertEqual(done.status, 1, said)
        for word in words:
            self.assertIn(word, done.err, said)
        return done

    def planned(self, text, *words):
        self.assertEqual(self.says(text, *words).out, "")

    def test_a_mapper_fails(self):
        self.says("""rows:Map("twice", function(word, n)
  if n == 2 then error("no twos") end
  return word, n
end):Printlnf("%s %d"):Run()""", "flow.lua:4: step 'twice': ", "flow.lua:5: no twos", 'at the row (b, 2)')

    def test_a_reducer_fails(self):
        self.says("""rows:Map(function(word, n) return 1, n end):ReduceBy("fold", function(x, y)
  if y == 2 then error("cannot add " .. y) end
  return x
end):Printlnf("%v %v"):Run()""", "step 'fold': ", "flow.lua:5: cannot add 2")

    def test_a_sum_of_bytes(self):
        self.planned('rows:Sum("total", "word"):Printlnf("%v"):Run()', "flow.lua:4: step 'total': ",
                     "it sums i64 and f64, but column 'word' is bytes")

    def test_an_average_of_bytes(self):
        self.planned('rows:AvgBy("n", "word"):Printlnf("%v %v"):Run()', "flow.lua:4: step 'AvgBy': ",
                     "it averages i64 and f64, but column 'word' is bytes")

    def test_an_unknown_column(self):
        for step in ('Sort("wrod")', 'Where("wrod", "==", "a")', 'Select("n", "wrod")',
                     'GroupBy("wrod")', 'Top(3, "wrod")', 'Partition(4, "wrod")', 'Distinct("wrod")',
                     'SumBy("wrod")', 'SumBy("wrod", "n")', 'Count("wrod")', 'Join(rows, "wrod")',
                     'Join(rows, "word", "wrod")', 'CoGroup(rows, "wrod")', 'MergeSortedTo(1, "wrod")',
                     'ReduceBy(gleam.Sum, "wrod")', 'SelectKV("word", "wrod")'):
            self.planned("rows:%s:PipeOut(io.stdout):Run()" % step, "flow.lua:4: step '",
                         "there is no column 'wrod' in (word bytes, n i64); did you mean 'word'?")

    def test_an_unknown_number_of_a_column(self):
        self.planned("rows:Sort(3):PipeOut(io.stdout):Run()", "flow.lua:4: step 'Sort'",
                     "there is no column 3 in (word bytes, n i64)")

    def test_a_name_of_two_columns(self):
        self.planned('rows:Join(rows, "word"):Sort("n"):PipeOut(io.stdout):Run()',
                     "flow.lua:4: step 'Sort'", "the columns 2 and 3 are both called 'n'")

    def test_a_format_that_does_not_fit(self):
        self.planned('rows:Printlnf("%d %d"):Run()', "flow.lua:4: step 'print'", "column 1 of", "with %d, but it is bytes")
        self.planned('rows:Printlnf("%s"):Run()', "flow.lua:4", "has 1 verb", "2 columns")

    def test_a_type_that_a_row_has_not(self):
        self.says('rows:Map("say", function(word) return word end):As("n i64"):Printlnf("%d"):Run()',
                  "flow.lua:4: step 'say'", "column 1 is a string, but it is declared i64", "at the row (a, 1)")

    def test_keys_that_are_never_equal(self):
        self.planned('rows:Join(rows, "word", "n"):PipeOut(io.stdout):Run()', "flow.lua:4: step 'Join'",
                     "the left key 'word' is bytes and the right key 'n' is i64: they are never equal")

    def test_a_value_that_never_compares(self):
        self.planned('rows:Where("word", ">", 3):PipeOut(io.stdout):Run()', "flow.lua:4: step 'Where'",
                     "column 'word' is bytes and never compares with a value of i64")

    def test_a_dataset_of_another_flow(self):
        self.planned('gleam.New():Ints(1, 3):Join(rows):PipeOut(io.stdout):Run()', "flow.lua:4: ",
                     "its datasets belong to different flows")

    def test_a_cycle_cannot_be_written(self):
        """A dataset is made from others that are there; what looks like a cycle is another dataset."""
        done = self.run_ok([lib.binary("gleam"), "run", "--quiet", self.file(ROWS + """
for i = 1, 3 do rows = rows:Union(rows) end
rows:Count():Printlnf("%d"):Run()""", "flow.lua")])
        self.assertEqual(done.out, "16\n")

    def test_hints_and_samples_used_wrongly(self):
        self.planned("rows:Hint(3):PipeOut(io.stdout):Run()", "flow.lua:4: Hint takes gleam.TotalSize")
        self.planned("rows:Hint(gleam.TotalSize(-1)):PipeOut(io.stdout):Run()", "flow.lua:4: ",
                     "a size is given in megabytes")
        self.planned("rows:Sample(-0.5):PipeOut(io.stdout):Run()", "flow.lua:4: ", "number of rows")
        self.planned("rows:PipeOut('file'):Run()", "flow.lua:4: PipeOut takes an open file")


if __name__ == "__main__":
    lib.main()
