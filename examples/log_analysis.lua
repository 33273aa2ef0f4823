-- log_analysis.lua - from a web server's log to tables: parse, check, count, and write CSV.
--
--     gleam run examples/log_analysis.lua LOG... OUT
--
-- LOG is files or patterns, plain or compressed, in the combined format of Apache and nginx:
--
--     192.0.2.7 - ann [02/Mar/2026:13:05:59 +0000] "GET /a?b=c HTTP/1.1" 200 5120 "-" "curl/8.5"
--
-- OUT is a folder, which is made.  In it requests/ has a part for each partition, with the requests
-- that could be read, as columns; status.csv the number and the bytes of each status; hours.csv those
-- of each hour; and paths.csv the ten paths with the most requests.  Lines that are no request are
-- counted, and the number is told at the end.
local gleam = require "gleam"

local out = table.remove(arg)
if #arg == 0 then
  error("usage: gleam run examples/log_analysis.lua LOG... OUT", 0)
end
os.execute("mkdir -p '" .. out:gsub("'", "'\\''") .. "'")

local months = {Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9,
                Oct = 10, Nov = 11, Dec = 12}

local header = {header = true}
local f = gleam.New("requests")
f:TextFile({unpack(arg)})
  :FlatMap("parse", function(line)
    local host, day, month, year, hour, request, status, bytes = line:match(
      '^(%S+) %S+ %S+ %[(%d%d)/(%a%a%a)/(%d%d%d%d):(%d%d):%d%d:%d%d [^%]]*%] "([^"]*)" (%d%d%d) (%S+)')
    local method, path = (request or ""):match("^(%u+) (%S+) HTTP/%S+$")
    if not method or not months[month] then
      gleam.Count("lines that are no request")
      return {}
    end
    return {{("%s-%02d-%s %s:00"):format(year, months[month], day, hour), host, method,
             path:match("^[^?]*"), tonumber(status), tonumber(bytes) or 0}}
  end)
  :As("hour bytes", "host bytes", "method bytes", "path bytes", "status i64", "bytes i64")
  :WriteCsv(out .. "/requests", header)
f:Run()

-- The lines are taken apart once; the tables are made of what was written.
f = gleam.New("tables")
local requests = f:Read(gleam.Csv(out .. "/requests/part-*.csv", header))
  :As("hour bytes", "host bytes", "method bytes", "path bytes", "status i64", "bytes i64")
local function numbers(column, name, kind)
  return requests:Select(column, 6)
    :Map(function(key, bytes) return key, 1, bytes end)
    :As(name .. " " .. kind, "requests i64", "bytes i64")
    :ReduceByKey(gleam.SumInt64)
end

numbers(5, "status", "i64"):Sort():WriteCsv(out .. "/status.csv", header)
numbers(1, "hour", "bytes"):Sort():WriteCsv(out .. "/hours.csv", header)
numbers(4, "path", "bytes"):Top(10, gleam.OrderBy(2, false)):WriteCsv(out .. "/paths.csv", header)
f:Run()
