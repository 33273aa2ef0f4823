-- pi.lua - pi by throwing darts: all work is in the functions, none in the rows.
--
--     gleam run examples/pi.lua [TASKS [DARTS]]
--
-- Each of TASKS (200) rows is a task of DARTS (100000) throws with random numbers of its own, so the
-- answer is the same on any number of cores.
local gleam = require "gleam"

local tasks, darts = tonumber(arg[1] or 200), tonumber(arg[2] or 100000)

gleam.New("pi")
  :Ints(1, tasks + 1)
  :Map("throw", function(task)
    local x = task * 7919 % 2147483647 -- Park and Miller's generator
    local inside = 0
    for _ = 1, darts do
      x = x * 16807 % 2147483647
      local across = x / 2147483647
      x = x * 16807 % 2147483647
      local up = x / 2147483647
      if across * across + up * up < 1 then
        inside = inside + 1
      end
    end
    return inside
  end)
  :As("inside i64")
  :Reduce(gleam.SumInt64)
  :Map(function(inside) return 4 * inside / (tasks * darts) end):As("pi f64")
  :Printlnf("%.6f")
  :Run()
