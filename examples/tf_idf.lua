-- tf_idf.lua - the words that tell texts apart: often in one, and in few others.
--
--     gleam run examples/tf_idf.lua [PATH PATH...]
--
-- A word's weight in a text is its number there, times the logarithm of the number of texts divided by
-- the number of those that have it.  Prints the ten largest: word, text and weight.  Without arguments
-- the texts are README.md, ARCHITECTURE.md and CONTRIBUTING.md.
local gleam = require "gleam"

local root = (arg[0]:match("^.*/") or "") .. "../"
local paths = #arg > 0 and {unpack(arg)}
  or {root .. "README.md", root .. "ARCHITECTURE.md", root .. "CONTRIBUTING.md"}

local f = gleam.New("tf-idf")
local texts = {}
for i, path in ipairs(paths) do
  local name = path:match("[^/]*$")
  texts[i] = f:TextFile(path):FlatMap(gleam.Tokenize)
    :Map(function(word) return word:lower(), name, 1 end):As("word bytes", "text bytes", "n i64")
end
local first = table.remove(texts, 1)
local words = #texts > 0 and first:Union(texts) or first

-- Several columns are the key: a word in a text.
local counts = words:ReduceBy(gleam.SumInt64, gleam.Field(1, 2))
local texts_with = counts:Select(1, 3):ReduceByKey(gleam.CountRows)

counts:Join(texts_with)
  :Map("weight", function(word, text, n, with) return word, text, n * math.log(#paths / with) end)
  :As("word bytes", "text bytes", "weight f64")
  :Top(10, gleam.OrderBy(3, false):By(1):By(2))
  :Printlnf("%s\t%s\t%.3f")
  :Run()
