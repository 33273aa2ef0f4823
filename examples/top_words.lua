-- top_words.lua - the five most frequent words of a file, counted twice: by kernels of the engine,
-- and by functions in Lua, which leave out the word x.
--
--     gleam run examples/top_words.lua [PATH]
--
-- The file is /etc/passwd, unless told otherwise.
local gleam = require "gleam"

local path = arg[1] or "/etc/passwd"
local most_frequent = gleam.OrderBy(2, false)

print("by kernels:")
gleam.New("top words by kernels")
  :TextFile(path)
  :FlatMap(gleam.Tokenize)
  :Map(gleam.AppendOne)
  :ReduceByKey(gleam.SumInt64)
  :Sort(most_frequent)
  :Top(5, most_frequent)
  :Printlnf("%s\t%d")
  :Run()

local left_out = "x" -- travels to the executors with the function below

print("by functions, without " .. left_out .. ":")
gleam.New("top words by functions")
  :TextFile(path)
  :FlatMap("split", function(line) return line:gmatch("%w+") end)
  :Filter("leave out", function(word) return word ~= left_out end)
  :Map("one", function(word) return word, 1 end)
  :ReduceByKey("add", function(total, n) return total + n end)
  :Top("top 5", 5, most_frequent)
  :Printlnf("%s\t%d")
  :Run()
