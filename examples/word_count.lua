-- word_count.lua - counts the words of a file: /etc/passwd, unless told otherwise.
--
--     gleam run examples/word_count.lua [PATH]
--
-- Prints "word<TAB>count", in no order.
local gleam = require "gleam"

gleam.New("word count")
  :TextFile(arg[1] or "/etc/passwd")
  :FlatMap(function(line) return line:gmatch("%w+") end)
  :Map(function(word) return word, 1 end)
  :ReduceBy(function(total, n) return total + n end)
  :Fprintf(io.stdout, "%s\t%d\n")
  :Run()
