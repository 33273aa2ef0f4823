-- csv_join.lua HashJoin|Join ROWS NAMES - rows of CSV meet a small CSV (name, region, weight) by
-- their column 2; the sum of weights of each region.
local gleam = require "gleam"
local flow = gleam.New("weights of regions")
local names = flow:Read(gleam.Csv(arg[3])):As("name bytes, region i64, weight i64")
local rows = flow:Read(gleam.Csv(arg[2])):As("text bytes, name bytes"):Select(2)
rows[arg[1]](rows, names)
    :Select(2, 3)
    :SumBy(gleam.Field(1))
    :Sort(gleam.Field(1))
    :Printf("%d\t%d\n")
    :Run()
