-- sort_benchmark.lua - sorts the lines of a file, by gleam's sort or by Unix's in pipes.
--
--     gleam run examples/sort_benchmark.lua IN OUT [pipe]
--
-- Lines are ordered by their bytes, as `LC_ALL=C sort` does it.  With `pipe` each partition goes
-- through that command, and the sorted partitions are merged.  `gleam bench generate --records 1G IN`
-- makes records for `gleam bench sort`; any text will do here.  Prints the lines, and how long it took.
local gleam = require "gleam"
local ffi = require "ffi"

ffi.cdef [[
typedef struct { long seconds, nanoseconds; } moment;
int clock_gettime(int clock, moment *now);
]]

local function now()
  local at = ffi.new("moment")
  ffi.C.clock_gettime(1, at)
  return tonumber(at.seconds) + tonumber(at.nanoseconds) / 1e9
end

local input, output = arg[1], arg[2]
if not output then
  error("usage: gleam run examples/sort_benchmark.lua IN OUT [pipe]", 0)
end

local begin = now()
local f = gleam.New("sort")
local sorted
if arg[3] == "pipe" then
  sorted = f:TextFile(input):Pipe("LC_ALL=C sort"):MergeSortedTo(1)
else
  sorted = f:TextFile(input):Sort()
end
sorted:WriteText(output):Run()
local took = now() - begin

local lines = 0
gleam.New("count"):TextFile(output):Count():OutputRow(function(n) lines = n end):Run()
print(("%d lines in %.2f s"):format(lines, took))
