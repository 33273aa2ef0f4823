-- runner.lua - runs many flows in one driver, so that its executors stay warm (engine.py).
--
--     gleam run tests/oracle/runner.lua JOBS [STATS]
--
-- JOBS is a Lua file with a list of {id, chunk, files, partitions, ordered}; a chunk (flows.py) defines
-- build(f, p, files).  For each run it prints "@run ID P", then for each output "@rows N" and N lines, or
-- "@same" when they are those of the flow's first run, and in the end "@ok SPILLED BYTES" or "@error
-- TEXT".  STATS is the file that --stats writes.
local gleam = require "gleam"
-- (values.py's SHOW stands here)
local low = -9223372036854775807LL - 1

local plain = {n = "\n", t = "\t", r = "\r", ["\\"] = "\\"}

-- A line of flows.py's encode_line: the values.
local function decode(line)
  local out, n = {}, 0
  for tag, text in (line .. "\t"):gmatch("(.)([^\t]*)\t") do
    n = n + 1
    if tag == "i" then
      local high, rest = text:match("^(-?%d+),(%d+)$")
      local value = tonumber(high) * 4294967296LL + tonumber(rest)
      out[n] = (value > -9007199254740992LL and value < 9007199254740992LL) and tonumber(value) or value
    elseif tag == "d" then
      out[n] = text == "nan" and 0/0 or text == "inf" and 1/0 or text == "-inf" and -1/0
        or tonumber(text)
    elseif tag == "s" then
      out[n] = text:find("\\", 1, true) and text:gsub("\\(.)", plain) or text
    elseif tag ~= "n" then
      out[n] = tag == "t"
    end
  end
  return unpack(out, 1, n)
end

-- A list in an order of its own, where gleam promises none.
local function in_order(list)
  local keys, found = {}, {}
  for i = 1, list.n do
    keys[i] = {show(list[i]), list[i]}
  end
  table.sort(keys, function(a, b) return a[1] < b[1] end)
  for i = 1, list.n do
    found[i] = keys[i][2]
  end
  found.n = list.n
  return found
end

local HEAD = "local gleam, decode, in_order, floor, low = ...\n"

local function load_flow(chunk)
  local made = assert(loadstring(HEAD .. chunk .. "return build", "=flow"))
  return made(gleam, decode, in_order, math.floor, low)
end

local function run(build, p, files)
  local f = gleam.New("oracle")
  local outputs = {}
  for i, dataset in ipairs {build(f, p, files)} do
    local lines = {}
    outputs[i] = lines
    dataset:OutputRow(function(...)
      local words = {}
      for c = 1, select("#", ...) do words[c] = show((select(c, ...))) end
      lines[#lines + 1] = table.concat(words, "\t")
    end)
  end
  f:Run()
  return outputs
end

-- (a failure's script ends here, with a run of its own)

local function spilled(path)
  local file = path and io.open(path)
  if not file then return 0 end
  local text = file:read("*a")
  file:close()
  return tonumber(text:match('"spilled_bytes": *(%d+)') or 0)
end

local function all(jobs, stats)
  for _, job in ipairs(jobs) do
    local build, first = load_flow(job.chunk), {}
    for _, p in ipairs(job.partitions) do
      io.write("@run ", job.id, " ", p, "\n")
      io.flush()
      local ok, outputs = pcall(run, build, p, job.files)
      if not ok then
        io.write("@error ", (tostring(outputs):gsub("\n", " ")), "\n")
      else
        for i, lines in ipairs(outputs) do
          if not job.ordered[i] then table.sort(lines) end
          local text = table.concat(lines, "\n")
          if first[i] == text then
            io.write("@same\n")
          else
            first[i] = first[i] or text
            io.write("@rows ", #lines, "\n", text, #lines > 0 and "\n" or "")
          end
        end
        io.write("@ok ", spilled(stats), "\n")
      end
    end
  end
end
all(dofile(arg[1]), arg[2])
