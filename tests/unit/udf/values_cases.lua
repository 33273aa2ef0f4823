-- values_cases.lua - the cases of test_values.c.  Called with values.lua's table; returns a list of
-- names and functions.
local values = ...
local ffi = require "ffi"
local cases = {}

local function case(name, fn)
    cases[#cases + 1] = {name = name, fn = fn}
end

local function travel(value)
    return values.load(values.dump(value, "the value"))
end

local function equal(got, want)
    if got ~= want then
        error(("%s (%s) instead of %s (%s)"):format(tostring(got), type(got), tostring(want),
            type(want)), 2)
    end
end

-- Refused, with these words.
local function refused(value, ...)
    local ok, why = pcall(values.dump, value, "the value")
    if ok then
        error("not refused", 2)
    end
    for _, words in ipairs {...} do
        if not why:find(words, 1, true) then
            error(("'%s' does not say '%s'"):format(why, words), 2)
        end
    end
end

case("plain_values_are_the_same", function()
    local numbers = {0, 1, -1, 0.1, 2 ^ 53, 1e308, 5e-324, 1 / 0, -1 / 0}
    for _, number in ipairs(numbers) do
        equal(travel(number), number)
    end
    equal(1 / travel(-0.0), -1 / 0)
    local nan = travel(0 / 0)
    equal(type(nan), "number")
    equal(nan == nan, false)
    equal(travel(nil), nil)
    equal(travel(true), true)
    equal(travel(false), false)
    for _, text in ipairs {"", "a", "\0", "a\0b", ("x"):rep(100000), "e", "T\27z"} do
        equal(travel(text), text)
    end
end)

case("whole_numbers_of_64_bits_keep_their_type", function()
    for _, number in ipairs {0LL, -1LL, 0x7fffffffffffffffLL, -0x7fffffffffffffffLL - 1LL} do
        local back = travel(number)
        equal(ffi.istype("int64_t", back), true)
        equal(back, number)
    end
    for _, number in ipairs {0ULL, 0xffffffffffffffffULL} do
        local back = travel(number)
        equal(ffi.istype("uint64_t", back), true)
        equal(back, number)
    end
end)

case("tables_have_their_members", function()
    local back = travel {1, "two", {3}, x = {y = {z = false}}, [2.5] = "half", [true] = "yes",
                         [1e15] = "far"}
    equal(back[1], 1)
    equal(back[2], "two")
    equal(back[3][1], 3)
    equal(back.x.y.z, false)
    equal(back[2.5], "half")
    equal(back[true], "yes")
    equal(back[1e15], "far")
    local count = 0
    for _ in pairs(back) do
        count = count + 1
    end
    equal(count, 7)
    equal(next(travel {}), nil)
end)

case("what_was_one_is_one_again", function()
    local shared = {}
    local function fn() return shared end
    local back = travel {a = shared, b = shared, f = fn, g = fn, [shared] = "key"}
    equal(back.a, back.b)
    equal(back.f, back.g)
    equal(back.f(), back.a)
    equal(back[back.a], "key")
    equal(back.a ~= shared, true)
end)

case("cycles_close", function()
    local ring = {name = "ring"}
    ring.next = {next = ring}
    ring[ring] = ring
    local back = travel(ring)
    equal(back.next.next, back)
    equal(back[back], back)
    equal(back.name, "ring")
end)

case("upvalues_of_every_kind_travel", function()
    local n, i, u, s, t, b, z = 1.5, -5LL, 7ULL, "a\0b", {k = {1}}, true, nil
    local floor, lib, fn = math.floor, string, function(x) return x .. s end
    local back = travel(function(x)
        return n, i, u, s, t.k[1], b, z, floor(2.7), lib.upper(x), fn(x)
    end)
    local got = {back("x")}
    equal(got[1], 1.5)
    equal(got[2], -5LL)
    equal(got[3], 7ULL)
    equal(got[4], "a\0b")
    equal(got[5], 1)
    equal(got[6], true)
    equal(got[7], nil)
    equal(got[8], 2)
    equal(got[9], "X")
    equal(got[10], "xa\0b")
end)

case("functions_keep_parameters_and_nested_functions", function()
    local back = travel(function(a, ...)
        local sum = a
        local function add(x) sum = sum + x end
        for _, x in ipairs {...} do
            add(x)
        end
        return sum, select("#", ...)
    end)
    local sum, count = back(1, 2, 3)
    equal(sum, 6)
    equal(count, 2)
end)

case("functions_call_themselves_and_each_other", function()
    local function factorial(n)
        return n <= 1 and 1 or n * factorial(n - 1)
    end
    equal(travel(factorial)(10), 3628800)
    local odd
    local function even(n)
        if n == 0 then return true end
        return odd(n - 1)
    end
    odd = function(n)
        if n == 0 then return false end
        return even(n - 1)
    end
    local back = travel {even = even, odd = odd}
    equal(back.even(10), true)
    equal(back.odd(10), false)
end)

case("shared_upvalues_are_shared_again", function()
    local count, name = 0, "mine"
    local function more() count = count + 1 return name end
    local function get() return count end
    local back = travel {more = more, get = get, nested = {more = function() count = count + 10 end}}
    equal(back.more(), "mine")
    back.nested.more()
    equal(back.get(), 11)
    equal(count, 0)
end)

-- An upvalue that is numbered before its value, which is a function with the same upvalue.
case("upvalue_that_holds_its_own_functions", function()
    local api
    api = {get = function() return api end, set = function(value) api = value end}
    local get = function() return api end
    local back = travel(get)
    local table = back()
    equal(table.get(), table)
    table.set(5)
    equal(back(), 5)
end)

case("closures_of_one_function_stay_apart", function()
    local function counter()
        local n = 0
        return function() n = n + 1 return n end
    end
    local back = travel {counter(), counter()}
    equal(back[1](), 1)
    equal(back[1](), 2)
    equal(back[2](), 1)
end)

case("libraries_travel_by_name", function()
    for _, value in ipairs {string, math, table.concat, ("x").rep, print, pairs, os.time, bit.band,
                            coroutine.wrap, ffi, ffi.new, _G, setmetatable} do
        equal(travel(value), value)
    end
    local mine = {}
    values.name("mine", mine)
    equal(travel {mine}[1], mine)
    local bytes = values.dump(print, "print")
    equal(bytes, "gs\5\0\0\0print")
    local ok, why = pcall(values.load, "gs\4\0\0\0none")
    equal(ok, false)
    equal(why, "this executor has no none")
end)

case("broadcast_values_travel_by_number", function()
    local asked = {}
    function values.broadcast(number)
        asked[#asked + 1] = number
        return "value " .. number
    end
    local handle = setmetatable({}, {__gleam_broadcast = 63})
    local back = travel {handle, fn = function() return handle end}
    equal(back[1], "value 63")
    equal(back.fn(), "value 63")
    equal(#asked, 2)
end)

case("what_cannot_travel_is_refused_with_the_way_to_it", function()
    local file, thread = io.stderr, coroutine.create(print)
    refused(file, "the value is a userdata, which cannot travel to the executors",
        "open or make it inside the function")
    refused(thread, "the value is a thread", "make it inside the function")
    refused({a = {[3] = {file}}}, "the value.a[3][1] is a userdata")
    refused({[file] = 1}, "(the key) is a userdata")
    refused(ffi.new("int[2]"), "the value is a cdata")
    refused({x = string.gmatch("a", "a")}, "the value.x is a function written in C",
        "call it through its library's name")
    refused(function() return thread end, "values_cases.lua:", "upvalue 'thread'",
        "is a thread")
    local deep = {list = {0, file}}
    local function inner() return deep end
    refused(function() return inner() end, "upvalue 'deep.list[2]' is a userdata")
end)

case("metatables_are_refused", function()
    refused({x = setmetatable({}, {__index = string})}, "the value.x is a table with a metatable",
        "pass its plain fields")
    refused(setmetatable({}, {__metatable = false}), "the value is a table with a metatable")
    refused(setmetatable({}, {__metatable = "locked"}), "the value is a table with a metatable")
end)

case("lists_may_be_long_and_deep", function()
    local list = {}
    for i = 1, 100000 do
        list[i] = i
    end
    equal(#travel(list), 100000)
    local chain
    for _ = 1, 1000 do
        chain = {next = chain}
    end
    local back, length = travel(chain), 0
    while back do
        back, length = back.next, length + 1
    end
    equal(length, 1000)
end)

-- Every cut, and bytes that no writer made.
case("bytes_that_are_no_value_are_refused", function()
    local upvalue = {1, "two"}
    local bytes = values.dump({f = function() return upvalue end, n = 5, [2] = 7LL}, "the value")
    for cut = 0, #bytes - 1 do
        local ok, why = pcall(values.load, bytes:sub(1, cut))
        equal(ok, false)
        equal(type(why), "string")
    end
    for _, wrong in ipairs {"", "?", "x", "s\255\255\255\255", "Tz", "Fz", "n1234", "g5"} do
        local ok, why = pcall(values.load, wrong)
        equal(ok, false)
        if not (why:find("make no sense", 1, true) or why:find("end too early", 1, true)) then
            error(("%q: %s"):format(wrong, why))
        end
    end
end)

return cases
