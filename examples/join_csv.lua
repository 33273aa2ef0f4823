-- join_csv.lua - joins two CSV files: who has lent which book of a library.
--
--     gleam run examples/join_csv.lua [BOOKS.csv LOANS.csv]
--
-- A book is number,author,language,title; a loan is date,number,reader.  Without arguments the files
-- are data/a.csv and data/b.csv beside this script.  Prints a line for each loan of a known book, in
-- no order.
local gleam = require "gleam"

local folder = arg[0]:match("^.*/") or ""
local f = gleam.New("loans")
local books = f:Read(gleam.Csv(arg[1] or folder .. "data/a.csv")):Select(gleam.Field(1, 4))
local loans = f:Read(gleam.Csv(arg[2] or folder .. "data/b.csv")):Select(gleam.Field(2, 3))

books:Join(loans):Printlnf("%s: %s, lent by %s"):Run()
