-- join_words.lua - the words of two texts side by side, by a join and by a hash join.
--
--     gleam run examples/join_words.lua [PATH PATH]
--
-- Counts the words of both files (/etc/passwd and /etc/group, unless told otherwise) and prints those
-- that both have, with their numbers.  A join spreads both sides by their keys; where one side is
-- small, a hash join gives it whole to every partition of the other, whose rows stay where they are.
-- Both give the same rows, and the second flow counts the words in which they differ: none.
local gleam = require "gleam"

local paths = {arg[1] or "/etc/passwd", arg[2] or "/etc/group"}

local function counts(f, number)
  return f:TextFile(paths[number]):FlatMap(gleam.Tokenize):Map(gleam.AppendOne)
    :ReduceByKey(gleam.SumInt64)
end

local f = gleam.New("words of both")
counts(f, 1):JoinByKey(counts(f, 2)):Sort():Printlnf("%s\t%d\t%d"):Run()

f = gleam.New("differences")
local differences = 0
local joined = counts(f, 1):JoinByKey(counts(f, 2))
local hashed = counts(f, 1):HashJoin(counts(f, 2))
joined:AntiJoin(hashed, gleam.Field(1, 2, 3))
  :OutputRow(function() differences = differences + 1 end):Run()
print("differences: " .. differences)
