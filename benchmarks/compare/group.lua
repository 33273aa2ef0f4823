-- group.lua FILE - how many different lines a text has, and how many in all, by counting each.
local gleam = require "gleam"
gleam.New("lines, counted")
  :TextFile(arg[1]):Map(gleam.AppendOne):ReduceByKey(gleam.SumInt64)
  :Map(function(line, n) return 1, n end):As("lines i64, n i64")
  :Reduce(function(a, b, c, d) return a + c, b + d end)
  :Printf("%d %d\n"):Run()
