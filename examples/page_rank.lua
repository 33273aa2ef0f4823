-- page_rank.lua - which pages are linked to most, by pages that are: a flow for every round.
--
--     gleam run examples/page_rank.lua [LINKS [ROUNDS]]
--
-- LINKS has a line "FROM TO" for each link (data/links.txt beside this script, unless told otherwise).
-- In each of at most ROUNDS (50) rounds a page gives its rank to the pages that it links to, in equal
-- shares; those without links give it to all.  Each page keeps a base of 0.15.  Ends early when no
-- rank moves by more than a millionth; prints the ten first pages.
local gleam = require "gleam"

local links = arg[1] or (arg[0]:match("^.*/") or "") .. "data/links.txt"
local rounds = tonumber(arg[2] or 50)

local function edges(f)
  return f:TextFile(links)
    :Map(function(line) return line:match("^(%S+)%s+(%S+)") end):As("from bytes?", "to bytes?")
    :Filter(function(from) return from ~= nil end)
end

-- Every page, with the number of its links.
local degrees, pages = {}, 0
local f = gleam.New("pages")
edges(f):Map(function(from) return from, 1 end):As("page bytes?", "n i64")
  :Union(edges(f):Map(function(_, to) return to, 0 end):As("page bytes?", "n i64"))
  :ReduceByKey(gleam.SumInt64)
  :OutputRow(function(page, n)
    degrees[page] = n
    pages = pages + 1
  end)
  :Run()

local ranks = {}
for page in pairs(degrees) do
  ranks[page] = 1
end
for _ = 1, rounds do
  local shares, left = {}, 0
  for page, rank in pairs(ranks) do
    shares[page] = rank / degrees[page]
    left = left + (degrees[page] == 0 and rank or 0)
  end
  local next_ranks = {}
  for page in pairs(ranks) do
    next_ranks[page] = 0.15 + 0.85 * left / pages
  end
  f = gleam.New("round")
  local share = f:Broadcast(shares)
  edges(f):Map("give", function(from, to) return to, share[from] end):As("page bytes", "rank f64")
    :ReduceByKey(gleam.SumFloat64)
    :OutputRow(function(page, rank) next_ranks[page] = next_ranks[page] + 0.85 * rank end)
    :Run()
  local moved = 0
  for page, rank in pairs(next_ranks) do
    moved = math.max(moved, math.abs(rank - ranks[page]))
  end
  ranks = next_ranks
  if moved < 1e-6 then
    break
  end
end

local rows = {}
for page, rank in pairs(ranks) do
  rows[#rows + 1] = {page, rank}
end
gleam.New("first"):Slices(rows):As("page bytes", "rank f64"):Top(10, gleam.OrderBy(2, false))
  :Printlnf("%s\t%.4f"):Run()
