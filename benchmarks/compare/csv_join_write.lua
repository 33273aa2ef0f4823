-- csv_join_write.lua LEFT RIGHT OUTPUT - two CSV files (key, text) joined by their keys, as one file.
local gleam = require "gleam"
local flow = gleam.New("join of two files")
local left = flow:Read(gleam.Csv(arg[1])):As("key bytes, text bytes")
local right = flow:Read(gleam.Csv(arg[2])):As("key bytes, text bytes")
left:JoinByKey(right):MergeTo(1):WriteFormatted(arg[3], "%s,%s,%s\n"):Run()
