-- join.lua FILE - how many pairs of equal lines a text has: it joined with itself.
local gleam = require "gleam"
local flow = gleam.New("lines, joined")
local left = flow:TextFile(arg[1]):Map(gleam.AppendOne)
local right = flow:TextFile(arg[1]):Map(gleam.AppendOne)
left:JoinByKey(right):Count():Printf("%d\n"):Run()
