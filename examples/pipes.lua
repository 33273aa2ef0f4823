-- pipes.lua - counts the words of a file with the commands of Unix, several of each at a time.
--
--     gleam run examples/pipes.lua [PATH]
--
-- The file is /etc/passwd, unless told otherwise.  Prints "word<TAB>count", most frequent first.
--
-- Every command runs once for each partition and sees its rows alone.  That is right for tr, but
-- `uniq -c` counts right only where all rows of a word are: so PartitionByKey brings equal words
-- together before they are sorted and counted.
local gleam = require "gleam"

gleam.New("word count by pipes")
  :TextFile(arg[1] or "/etc/passwd", 4)
  :Pipe("lower case", "tr A-Z a-z")
  :Pipe("a word per line", "tr -cs a-z0-9 '\\n' | sed '/^$/d'")
  :PartitionByKey(4)
  :Pipe("sort", "LC_ALL=C sort")
  :Pipe("count", "LC_ALL=C uniq -c")
  :Pipe("columns", [[awk '{ print $2 "\t" $1 }']])
  :As("word bytes", "n i64")
  :Sort(gleam.OrderBy(2, false):By(1))
  :Printlnf("%s\t%d")
  :Run()
