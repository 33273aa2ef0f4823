-- csv_count.lua FILE - rows per value of column 2, the five most frequent ones.
local gleam = require "gleam"
gleam.New("rows per value")
    :Read(gleam.Csv(arg[1]))
    :CountBy(gleam.Field(2))
    :Top(5, gleam.OrderBy(2, false))
    :Printf("%s\t%d\n")
    :Run()
