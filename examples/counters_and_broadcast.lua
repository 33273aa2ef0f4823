-- counters_and_broadcast.lua - which accounts of a machine can log in, by a table that every executor
-- has, with a count of what was left out on the way.
--
--     gleam run examples/counters_and_broadcast.lua [PATH]
--
-- Reads a file in the form of /etc/passwd.  Prints a line for each kind of account; the counters are
-- shown on standard error at the end, and stand in --stats.
local gleam = require "gleam"

local f = gleam.New("accounts")

-- A broadcast value goes to each executor once.  Here it is small; it may have 64 MiB.
local kinds = f:Broadcast {
  ["/usr/sbin/nologin"] = "cannot log in",
  ["/sbin/nologin"] = "cannot log in",
  ["/bin/false"] = "cannot log in",
  ["/usr/bin/false"] = "cannot log in",
  ["/bin/sync"] = "does one thing",
}

f:TextFile(arg[1] or "/etc/passwd")
  :FlatMap("shell of a line", function(line)
    local name, shell = line:match("^([^:#]+):[^:]*:%d+:%d+:[^:]*:[^:]*:([^:]*)$")
    if name == nil then
      gleam.Count("lines that are no account")
      return
    end
    gleam.Count("accounts")
    return shell
  end)
  :Map("kind", function(shell) return kinds[shell] or "can log in", 1 end)
  :ReduceBy("add", function(total, n) return total + n end)
  :Sort()
  :Printlnf("%s: %d")
  :Run()
