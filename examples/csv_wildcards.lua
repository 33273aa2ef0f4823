-- csv_wildcards.lua - many CSV files with headers as one dataset, joined from the right.
--
--     gleam run examples/csv_wildcards.lua [ORDERS.csv CUSTOMERS.csv]
--
-- ORDERS.csv is a pattern such as 'data/orders-*.csv', which is the default, beside this script; the
-- files have the columns customer, item and price, in any order, and others that are not read.
-- CUSTOMERS.csv has customer and name.  Prints every customer, by name, with the number and the sum of
-- the orders; who ordered nothing has none.
local gleam = require "gleam"

local folder = arg[0]:match("^.*/") or ""
local header = {header = true}
local f = gleam.New("orders of each customer")
local sums = f:Read(gleam.Csv(arg[1] or folder .. "data/orders-*.csv", header))
  :As("customer bytes", "price f64")
  :Map(function(customer, price) return customer, 1, price end)
  :As("customer bytes", "orders i64", "price f64")
  :ReduceByKey(gleam.Sum)
local customers = f:Read(gleam.Csv(arg[2] or folder .. "data/customers.csv", header))
  :As("customer bytes", "name bytes")

sums:RightOuterJoinByKey(customers)
  :Map(function(_, orders, price, name) return name, orders or 0, price or 0 end)
  :As("name bytes", "orders i64", "price f64")
  :Sort()
  :Printlnf("%s: %d orders, %.2f")
  :Run()
