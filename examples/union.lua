-- union.lua - several datasets as one: as rows come, and one behind the other.
--
--     gleam run examples/union.lua [PATH PATH]
--
-- A union is all rows of all its datasets, from as many partitions as they have together; nothing is
-- left out and nothing waits, so the rows come in no order.  The first flow counts the words of both
-- files (/etc/passwd and /etc/group, unless told otherwise) through one.  Where one dataset is to stand
-- behind the other, a column says which one a row is from, and a sort by it keeps each as it was
-- sorted before: the second flow prints the five first words of each file.
local gleam = require "gleam"

local paths = {arg[1] or "/etc/passwd", arg[2] or "/etc/group"}

local f = gleam.New("in parallel")
local function words(number)
  return f:TextFile(paths[number]):FlatMap(gleam.Tokenize)
end
words(1):Union(words(2)):Map(gleam.AppendOne):ReduceByKey(gleam.SumInt64)
  :Top(5, gleam.OrderBy(2, false)):Printlnf("%s\t%d"):Run()

f = gleam.New("one after the other")
local function first(number)
  return words(number):Distinct():Top(5):Map(function(word) return number, word end)
end
first(1):Union(first(2)):Sort(gleam.OrderBy(1):By(2)):Printlnf("%d\t%s"):Run()
