-- arithmetic.lua lua|LIBRARY ROWS - two i64 columns through a mapper, then the largest row.
local gleam = require "gleam"
local mapper = arg[1] == "lua" and function(a, b) return a * 3 + b, b - a end
    or gleam.C(arg[1], "arithmetic")
gleam.New("arithmetic")
    :Ints(0, tonumber(arg[2]))
    :Map(gleam.AppendOne):As("a i64, b i64")
    :Map(mapper):As("x i64, y i64")
    :Top(1, gleam.OrderBy(1, false))
    :Printf("%d\t%d\n")
    :Run()
