-- lines.lua FILE - how many lines there are; the file may be compressed.
local gleam = require "gleam"
gleam.New("lines"):TextFile(arg[1]):Count():Printf("%d\n"):Run()
