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

local function points(f)
  return f:Read(gleam.Csv(path)):As("x f64", "y f64")
end

local centres = {}
points(gleam.New("first centres")):Distinct():Top(k)
  :OutputRow(function(x, y) centres[#centres + 1] = {x, y, 0} end):Run()

for _ = 1, rounds do
  local f = gleam.New("round")
  local known = f:Broadcast(centres)
  local moved = {}
  points(f)
    :Map("nearest", function(x, y)
      local best, least = 0, math.huge
      for i = 1, k do
        local centre = known[i]
        if centre then
          local distance = (x - centre[1]) ^ 2 + (y - centre[2]) ^ 2
          if distance < least then
            best, least = i, distance
          end
        end
      end
      return best, x, y, 1
    end):As("centre i64", "x f64", "y f64", "points i64")
    :ReduceByKey(gleam.Sum)
    :OutputRow(function(i, x, y, n) moved[i] = {x / n, y / n, n} end)
    :Run()
  local still = true
  for i, centre in ipairs(centres) do
    moved[i] = moved[i] or {centre[1], centre[2], 0} -- nobody is nearest to it
    still = still and math.abs(moved[i][1] - centre[1]) + math.abs(moved[i][2] - centre[2]) < 1e-9
  end
  centres = moved
  if still then
    break
  end
end

gleam.New("centres"):Slices(centres):As("x f64", "y f64", "points i64"):Sort(gleam.OrderBy(1):By(2))
  :Printlnf("%.4f %.4f: %d points"):Run()
