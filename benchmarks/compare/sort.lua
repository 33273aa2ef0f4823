-- sort.lua FILE OUTPUT - the lines of a text by their bytes, as one file.
local gleam = require "gleam"
gleam.New("sorted lines"):TextFile(arg[1]):Sort():WriteText(arg[2]):Run()
