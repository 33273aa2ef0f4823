-- wordcount.lua FILE - the plain Lua flow: the five most frequent words.
local gleam = require "gleam"
gleam.New("words in Lua")
    :TextFile(arg[1])
    :FlatMap(function(line) return line:gmatch("%w+") end)
    :Map(function(word) return word, 1 end)
    :ReduceBy(function(x, y) return x + y end)
    :Top(5, gleam.OrderBy(2, false))
    :Printf("%s\t%d\n")
    :Run()
