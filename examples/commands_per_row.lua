-- commands_per_row.lua - the sizes of a folder's files, by a command for each of them.
--
--     gleam run examples/commands_per_row.lua [FOLDER]
--
-- The folder is this script's, unless told otherwise.  Prints "path<TAB>bytes", largest first.
--
-- A command gets its row's columns as $1, $2, ..., as real arguments: a name with blanks, quotes or
-- $(...) in it is a name.  Each executor keeps four commands running.  Output is read line by line,
-- so names with a newline or a TAB in them have no place here.
local gleam = require "gleam"

gleam.New("sizes of files")
  :Strings({arg[1] or arg[0]:match("^(.*)/") or "."})
  :PipeAsArgs("list", 'find -L "$1" -maxdepth 1 -type f')
  :RoundRobin(2)
  :PipeAsArgs("measure", [[printf '%s\t%d\n' "$1" "$(wc -c < "$1")"]], {parallel = 4})
  :As("path bytes", "bytes i64")
  :Sort(gleam.OrderBy(2, false):By(1))
  :Printlnf("%s\t%d")
  :Run()
