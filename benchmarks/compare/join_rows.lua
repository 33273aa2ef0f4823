-- join_rows.lua ROWS KEYS - pairs of i64 made in memory meet as many keys as there are; the sums of
-- both sides' values over all matches.
local gleam = require "gleam"
local rows, keys = tonumber(arg[1]), tonumber(arg[2])
local flow = gleam.New("join of rows")
local left = flow:Ints(0, rows):Map(function(i) return i * 7919 % keys, i end)
local right = flow:Ints(0, keys):Map(function(i) return i, i * 3 end)
left, right = left:As("key i64, value i64"), right:As("key i64, value i64")
left:JoinByKey(right):Select(2, 3):Reduce(gleam.SumInt64):Printf("%d\t%d\n"):Run()
