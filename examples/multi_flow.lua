-- multi_flow.lua - two flows in one script; the second uses what the first one found.
--
--     gleam run examples/multi_flow.lua [PATH]
--
-- The first flow counts all words of a file (/etc/passwd, unless told otherwise).  OutputRow hands
-- its rows to the script, where the sum becomes a plain number.  The second flow's function has that
-- number as an upvalue, which travels along, and prints what share of all words the five most
-- frequent have.
local gleam = require "gleam"

local path = arg[1] or "/etc/passwd"

local all = 0
gleam.New("all words")
  :TextFile(path)
  :FlatMap(gleam.Tokenize)
  :Map(function() return 1 end)
  :Reduce(function(total, n) return total + n end)
  :OutputRow(function(total) all = total end)
  :Run()
print(("%d words, and the five most frequent are"):format(all))

gleam.New("shares")
  :TextFile(path)
  :FlatMap(gleam.Tokenize)
  :Map(gleam.AppendOne)
  :ReduceByKey(gleam.SumInt64)
  :Top(5, gleam.OrderBy(2, false))
  :Map("share", function(word, n) return word, n, 100 * n / all end)
  :As("word bytes", "n i64", "percent f64")
  :Printlnf("%s\t%d\t%.1f%%")
  :Run()
