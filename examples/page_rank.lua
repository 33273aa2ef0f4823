-- page_rank.lua - which pages are linked to most, by pages that are: rounds over a cached dataset.
--
--     gleam run examples/page_rank.lua [LINKS [ROUNDS]]
--
-- LINKS has a line "FROM TO" for each link (data/links.txt beside this script, unless told otherwise).
-- In each of at most ROUNDS (50) rounds a page gives its rank to the pages that it links to, in equal
-- shares; those without links give it to all.  Each page keeps a base of 0.15.  Ends early when no
-- rank moves by more than a millionth; prints the ten first pages.
local gleam = require "gleam"

local path = arg[1] or (arg[0]:match("^.*/") or "") .. "data/links.txt"
local rounds = tonumber(arg[2] or 50)

local f = gleam.New("page rank")
local links = f:TextFile(path)
  :Map(function(line) return line:match("^(%S+)%s+(%S+)") end):As("from bytes?", "to bytes?")
  :Where("from", "~=", nil):Cache("links")

-- Every page, with the list of those that it links to, or nil.
local pages = links:Select("from"):As("page bytes?"):Union(links:Select("to"):As("page bytes?"))
  :Distinct()
  :LeftOuterJoin(links:GroupBy("from")):As("page bytes?", "to any"):Cache("pages")

local function round(ranks)
  local giving = pages:Join(ranks):As("page bytes?", "to any", "rank f64")
  -- One row, which each page gets: the rank of those without links, and the number of all.
  local total = giving:Map("left", function(_, to, rank) return to and 0 or rank, 1 end)
    :As("left f64", "pages i64"):Sum()
  return giving:CrossJoin(total):FlatMap("give", function(page, to, rank, left, count)
    return coroutine.wrap(function()
      coroutine.yield(page, 0.15 + 0.85 * left / count)
      for i = 1, to and to.n or 0 do
        coroutine.yield(to[i], 0.85 * rank / to.n)
      end
    end)
  end):As("page bytes?", "rank f64"):ReduceByKey(gleam.Sum)
end

local function is_still(now, before)
  return #now:Join(before):Filter("moved", function(_, rank, was)
    return math.abs(rank - was) >= 1e-6
  end):Limit(1):Collect() == 0
end

pages:Map("first rank", function(page) return page, 1 end):As("page bytes?", "rank f64")
  :Iterate("ranks", rounds, round, is_still)
  :Top(10, gleam.OrderBy("rank", false)):Printlnf("%s\t%.4f"):Run()
