-- csv_join_top.lua ROWS NAMES - rows of CSV meet a smaller CSV (name, group, text) by their column 2;
-- how many rows each group has, the five most frequent.
local gleam = require "gleam"
local flow = gleam.New("rows of groups")
local names = flow:Read(gleam.Csv(arg[2])):As("name bytes, team bytes, text bytes"):Select(1, 2)
flow:Read(gleam.Csv(arg[1])):As("text bytes, name bytes"):Select(2)
    :HashJoin(names)
    :Select(2)
    :Map(gleam.AppendOne)
    :ReduceByKey(gleam.SumInt64)
    :Top(5, gleam.OrderBy(2, false))
    :Printf("%s\t%d\n")
    :Run()
