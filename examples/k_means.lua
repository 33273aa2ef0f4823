-- k_means.lua - groups points by their nearest centre, and moves the centres, until they stay.
--
--     gleam run examples/k_means.lua POINTS.csv K [ROUNDS]
--
-- POINTS.csv has two numbers on a line.  The first centres are the K first different points, in their order;
-- after at most ROUNDS (100) rounds, or when no centre moves any more, prints each centre and the number
-- of its points, the leftmost first.
local gleam = require "gleam"

local path, k, rounds = arg[1], tonumber(arg[2]), tonumber(arg[3] or 100)
if not k then
  error("usage: gleam run examples/k_means.lua POINTS.csv K [ROUNDS]", 0)
end

local f = gleam.New("k-means")
local points = f:Read(gleam.Csv(path)):As("x f64", "y f64"):Cache("points")
local first = {}
for i, point in ipairs(points:Distinct():Top(k):Collect()) do
  first[i] = {i, point[1], point[2], 0}
end

local function round(centres)
  local known = f:Broadcast(centres:Sort("centre"):Collect())
  local sums = points:Map("nearest", function(x, y)
    local best, least = 0, math.huge
    for i = 1, k do
      local centre = known[i]
      if centre then
        local distance = (x - centre[2]) ^ 2 + (y - centre[3]) ^ 2
        if distance < least then
          best, least = i, distance
        end
      end
    end
    return best, x, y, 1
  end):As("centre i64", "x f64", "y f64", "points i64"):ReduceByKey(gleam.Sum)
  return centres:LeftOuterJoin(sums):Map("move", function(i, x, y, _, sum_x, sum_y, n)
    if n == nil then
      return i, x, y, 0 -- nobody is nearest to it
    end
    return i, sum_x / n, sum_y / n, n
  end):As("centre i64", "x f64", "y f64", "points i64")
end

local function is_still(now, before)
  return #now:Join(before):Filter("moved", function(_, x, y, _, was_x, was_y)
    return math.abs(x - was_x) + math.abs(y - was_y) >= 1e-9
  end):Collect() == 0
end

f:Slices(first):As("centre i64", "x f64", "y f64", "points i64")
  :Iterate("centres", rounds, round, is_still)
  :Select("x", "y", "points"):Sort(gleam.OrderBy("x"):By("y")):Printlnf("%.4f %.4f: %d points"):Run()
