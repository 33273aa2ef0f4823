-- step.lua - runs a person's Lua function over batches: one loop per step, written for the kinds of
-- its columns, so that LuaJIT compiles function and loop together.
--
-- Called with the address of struct gm_lua_io (engine/udf/lua_io.h: what C and this file share), and
-- the module of values.lua.  Returns a table of functions for C.
--
-- Rows are arguments and results, never tables.  A bytes column is a string, i64 a number while that
-- is exact (below 2^53) and an int64_t beyond, null is nil.
local address, values, declarations = ...
local ffi = require "ffi"
ffi.cdef(declarations)

local io_ = ffi.cast("struct gm_lua_io *", address)
local type, tostring, select, error = type, tostring, select, error
local floor = math.floor
local concat = table.concat

local I64, F64, BOOL, BYTES, ANY, LIST = 1, 2, 3, 4, 5, 6
local KIND_NAMES = {[0] = "null", "i64", "f64", "bool", "bytes", "any", "list"}
local BATCH_ROWS = io_.batch_rows

local step = {}

-- What a script calls `gleam` is this table in a step.
gleam = {}

-- Results are not for steps to print: what they say goes to standard error.
local stderr = io.stderr
io.output(stderr)
function print(...)
    local words = {}
    for i = 1, select("#", ...) do
        words[i] = tostring((select(i, ...)))
    end
    stderr:write(concat(words, "\t"), "\n")
end
log = print

function os.exit()
    error("os.exit would end the executor, not the job: raise an error", 2)
end

-- ---- what generated code calls out of line -----------------------------------------------------

local helpers = {}

function helpers.wrong(column, value, want)
    local what = type(value)
    if what == "cdata" then
        what = "a " .. tostring(ffi.typeof(value)):match("<(.*)>")
    elseif what == "number" then
        what = ("the number %.17g"):format(value)
    elseif value == nil then
        what = "nil"
    else
        what = "a " .. what
    end
    local hint = ""
    if type(value) == "thread" then
        hint = "; wrap a coroutine (coroutine.wrap) and return it from a FlatMap"
    elseif type(value) == "function" then
        hint = "; only a FlatMap may return an iterator"
    elseif value == nil then
        hint = (", declare the column as '%s?' where null may stand"):format(KIND_NAMES[want])
    elseif type(value) == "number" and want == I64 and value == floor(value) and value - value == 0 then
        hint = ": from 2^53 on numbers are not exact, compute with int64 values (1LL * x)"
    end
    if want == ANY then
        error(("column %d is %s, which is no value of a row%s"):format(column, what, hint), 0)
    end
    error(("column %d is %s, but it is declared %s%s"):format(column, what, KIND_NAMES[want], hint), 0)
end

function helpers.too_many(count)
    error(("it returned more than %d value%s: declare the columns with :As(\"NAME TYPE, ...\") behind "
        .. "the step"):format(count, count == 1 and "" or "s"), 0)
end

-- Room for n more bytes: io.bytes and io.bytes_left are new.
function helpers.grow(n)
    local status = io_.grow(io_, n)
    if status == 1 then -- memory is short: a string of this row may need what garbage holds
        collectgarbage()
        status = io_.grow(io_, n)
    end
    if status < 0 then
        error("", 0) -- the reason is noted already
    end
end

local int64, uint64 = ffi.typeof("int64_t"), ffi.typeof("uint64_t")

-- Whether a value is a 64-bit integer within the range of i64.
local function is_integer(value)
    return ffi.istype(int64, value) or ffi.istype(uint64, value) and value < 0x8000000000000000ULL
end

-- ---- lists: arrays in Lua, packed in rows (engine/row/list.h) ----

local LIST_DEPTH_MAX = 32
local LIST_VALUES_MAX = 2^30 -- each has a byte at least, and a value of a row 1 GiB at most
local u32, f64, i64 = ffi.new("uint32_t[1]"), ffi.new("double[1]"), ffi.new("int64_t[1]")

local function packed_u32(number)
    u32[0] = number
    return ffi.string(u32, 4)
end

-- An array's length; a table with other keys is none.  Nulls may stand in it when `n` says how long
-- it is, as lists that come from rows do.
local function length_of(list, column)
    local n = rawget(list, "n") or #list
    if type(n) ~= "number" or n < 0 or n > LIST_VALUES_MAX or n ~= floor(n) then
        error(("column %d is a table whose field n is %s: of a list, n is how many values it has, "
            .. "nulls among them"):format(column, type(n) == "number" and tostring(n) or "a " .. type(n)), 0)
    end
    for key in pairs(list) do
        if key ~= "n" and (type(key) ~= "number" or key < 1 or key > n or key ~= floor(key)) then
            error(("column %d is a table with the key '%s', and only lists (keys 1 to n) can be values: "
                .. "return its fields one by one"):format(column, tostring(key)), 0)
        end
    end
    return n
end

local pack

local function pack_value(value, column, depth)
    local kind = type(value)
    if kind == "nil" then
        return "\0"
    elseif kind == "boolean" then
        return value and "\3\1" or "\3\0"
    elseif kind == "string" then
        return "\4" .. packed_u32(#value) .. value
    elseif kind == "number" then
        if value == floor(value) and value < 2^53 and value > -2^53 then
            i64[0] = value
            return "\1" .. ffi.string(i64, 8)
        end
        f64[0] = value
        return "\2" .. ffi.string(f64, 8)
    elseif kind == "cdata" and is_integer(value) then
        i64[0] = value
        return "\1" .. ffi.string(i64, 8)
    elseif kind == "table" then
        local packed = pack(value, column, depth + 1)
        return "\6" .. packed_u32(#packed) .. packed
    end
    helpers.wrong(column, value, ANY)
end

function pack(list, column, depth)
    if depth > LIST_DEPTH_MAX then
        error(("column %d is a list of lists more than %d deep, or one that holds itself"):format(
            column, LIST_DEPTH_MAX), 0)
    end
    local count = length_of(list, column)
    local pieces = {packed_u32(count)}
    for i = 1, count do
        pieces[i + 1] = pack_value(list[i], column, depth)
    end
    return concat(pieces)
end

local function number_of(number)
    return number <= 9007199254740991LL and number >= -9007199254740991LL and tonumber(number) or number
end

-- The f64 at `at`.  LuaJIT keeps types in the bits of NaNs that it does not make itself.
local function f64_at(at)
    local high = ffi.cast("const int32_t *", at)[1]
    if high < 0 and high >= -524288 then
        return 0/0
    end
    return ffi.cast("const double *", at)[0]
end

-- The list whose packed form begins at `at`.
local function unpack_list(at)
    local count = ffi.cast("const uint32_t *", at)[0]
    local list = {n = count}
    at = at + 4
    for i = 1, count do
        local kind = at[0]
        at = at + 1
        if kind == I64 then
            list[i] = number_of(ffi.cast("const int64_t *", at)[0])
            at = at + 8
        elseif kind == F64 then
            list[i] = f64_at(at)
            at = at + 8
        elseif kind == BOOL then
            list[i] = at[0] ~= 0
            at = at + 1
        elseif kind == BYTES or kind == LIST then
            local bytes = ffi.cast("const uint32_t *", at)[0]
            at = at + 4
            list[i] = kind == BYTES and ffi.string(at, bytes) or unpack_list(at)
            at = at + bytes
        end
    end
    return list
end

-- What an i64 or f64 column gets for a value that is no plain number of its kind.
function helpers.i64(column, value)
    return is_integer(value) and value or helpers.wrong(column, value, I64)
end

function helpers.f64(column, value)
    return is_integer(value) and tonumber(value) or helpers.wrong(column, value, F64)
end

-- A value of an any column that is no number and no string, or a 64-bit one.
function helpers.any(slot, column, value)
    local kind = type(value)
    if kind == "table" then
        local packed = pack(value, column, 1)
        local kept = io_.keep(io_, packed, #packed)
        if kept == nil then
            error("", 0) -- the reason is noted already
        end
        slot.kind = LIST
        slot.bytes.data = kept
        slot.bytes.length = #packed
    elseif kind == "nil" then
        slot.kind = 0
    elseif kind == "boolean" then
        slot.kind = BOOL
        slot.boolean = value
    elseif kind == "cdata" and is_integer(value) then
        slot.kind = I64
        slot.i64 = value
    else
        helpers.wrong(column, value, ANY)
    end
end

-- The same for a total, which C copies at once: a list is returned packed.
function helpers.total(slot, column, value)
    if type(value) ~= "table" then
        helpers.any(slot, column, value)
        return nil
    end
    return pack(value, column, 1)
end

-- What is neither a number nor a string in an any column of an input row.
function helpers.read(value)
    if value.kind == BOOL then
        return value.boolean
    elseif value.kind == LIST then
        return unpack_list(ffi.cast("const uint8_t *", value.bytes.data))
    end
    return nil
end

-- ---- generated pieces ---------------------------------------------------------------------------

-- A tiny text builder with substitution of $name.
local function fill(template, names)
    return (template:gsub("%$(%w+)", names))
end

local POINTERS = {[I64] = "int64_t *", [F64] = "double *", [BOOL] = "uint8_t *",
                  [BYTES] = "struct gm_lua_bytes *", [ANY] = "struct gm_lua_value *"}

-- Lua allows 200 locals: wide rows have their pointers in a table instead.
local wide = false

-- The name of the pointer of column c: "in", "high", "null", "out" or "outnull".
local function pointer(which, c)
    return (wide and "P." or "") .. which .. c
end

-- Reads the f64 $p: its upper half is $high.  LuaJIT keeps types in the bits of NaNs that it does not
-- make itself, so those become the one that it makes.
local GET_F64 = "local h = $high if h < 0 and h >= -524288 then $x = nan else $x = $f64 end"

-- local x1; do ... end: reads column c (from 1) at index `row`.
local function get_code(c, column, row, prefix)
    local names = {x = prefix .. c, p = pointer("in", c), n = pointer("null", c), i = row,
                   high = pointer("high", c) .. "[2 * " .. row .. " + 1]",
                   f64 = pointer("in", c) .. "[" .. row .. "]"}
    local body
    if column.kind == I64 then
        body = [[
            local v = $p[$i]
            if v <= 9007199254740991LL and v >= -9007199254740991LL then $x = tonumber(v) else $x = v end]]
    elseif column.kind == F64 then
        body = GET_F64
    elseif column.kind == BOOL then
        body = "$x = $p[$i] ~= 0"
    elseif column.kind == BYTES then
        body = "$x = ffi_string($p[$i].data, $p[$i].length)"
    else
        body = [[
            local v = $p + $i
            local k = v.kind
            if k == 4 then $x = ffi_string(v.bytes.data, v.bytes.length)
            elseif k == 1 then
                local n = v.i64
                if n <= 9007199254740991LL and n >= -9007199254740991LL then $x = tonumber(n) else $x = n end
            elseif k == 2 then ]] .. GET_F64 .. [[
            elseif k ~= 0 then $x = H.read(v) end]]
        names.high, names.f64 = "v.words.high", "v.f64"
    end
    if column.nullable and column.kind ~= ANY then
        body = "if $n[$i] == 0 then " .. body .. " end"
    end
    return fill("local $x do " .. body .. " end\n", names)
end

-- Copies string $r to the arena: $put is left with its place.
local COPY = [[
            local n = #$r
            if n > left then H.grow(n) base, off, left = io.bytes, 0, tonumber(io.bytes_left) end
            ffi_copy(base + off, $r, n)
            $slot.data = base + off
            $slot.length = n
            off = off + n
            left = left - n
]]

-- Writes $r to row $j of output column c.
local function set_code(c, column, value, row, reuse)
    local names = {r = value, p = pointer("out", c), n = pointer("outnull", c), j = row, c = c,
                   k = column.kind}
    local body
    if column.kind == I64 then
        body = [[
        if type($r) == "number" and $r == floor($r) and $r < 9007199254740992 and $r > -9007199254740992 then
            $p[$j] = $r
        elseif ffi_istype(int64, $r) then $p[$j] = $r
        else $p[$j] = H.i64($c, $r) end]]
    elseif column.kind == F64 then
        body = [[
        if type($r) == "number" then $p[$j] = $r
        else $p[$j] = H.f64($c, $r) end]]
    elseif column.kind == BOOL then
        body = [[
        if type($r) == "boolean" then $p[$j] = $r and 1 or 0 else H.wrong($c, $r, $k) end]]
    elseif column.kind == BYTES then
        names.slot = "slot"
        body = "if type($r) == \"string\" then local slot = $p + $j " .. COPY ..
            "        else H.wrong($c, $r, $k) end"
        for other, input in pairs(reuse or {}) do
            if input.kind == BYTES and not input.nullable then
                body = ("if $r == x%d then local slot, from = $p + $j, %s + i "
                    .. "slot.data = from.data slot.length = from.length\n        else"):format(
                    other, pointer("in", other)) .. body
                break
            end
        end
    else
        names.slot = "slot.bytes"
        body = [[
        local slot = $p + $j
        local t = type($r)
        if t == "number" then
            if $r == floor($r) and $r < 9007199254740992 and $r > -9007199254740992 then
                slot.kind = 1 slot.i64 = $r
            else slot.kind = 2 slot.f64 = $r end
        elseif t == "string" then slot.kind = 4 ]] .. COPY .. [[
        else H.any(slot, $c, $r) end]]
    end
    -- twice: COPY has names of its own
    body = fill(fill(body, names), names)
    if column.nullable and column.kind ~= ANY then
        body = fill([[
        if $r == nil then $n[$j] = 1 io.output[$z].has_nulls = 1
        else $n[$j] = 0 $body end]], {r = value, n = names.n, j = row, z = c - 1, body = body})
    end
    return "do " .. body .. " end\n"
end

local function list(prefix, count, more)
    local names = {}
    for c = 1, count do
        names[c] = prefix .. c
    end
    names[#names + 1] = more
    return concat(names, ", ")
end

local function columns_of(columns, count)
    local result = {}
    for c = 1, count do
        result[c] = {kind = columns[c - 1].kind, nullable = columns[c - 1].nullable ~= 0}
    end
    return result
end

-- Pointers of a batch as locals, or in P: they are others in every batch.
local function pointers_code(inputs, outputs)
    local lines = {}
    local function line(which, c, value)
        lines[#lines + 1] = (wide and "" or "local ") .. pointer(which, c) .. " = " .. value
    end
    for c, column in ipairs(inputs) do
        line("in", c, ('cast("%s", io.input[%d].data)'):format(POINTERS[column.kind], c - 1))
        if column.kind == F64 then
            line("high", c, ('cast("int32_t *", io.input[%d].data)'):format(c - 1))
        end
        if column.nullable and column.kind ~= ANY then
            line("null", c, ("io.input[%d].nulls"):format(c - 1))
        end
    end
    for c, column in ipairs(outputs) do
        line("out", c, ('cast("%s", io.output[%d].data)'):format(POINTERS[column.kind], c - 1))
        if column.nullable and column.kind ~= ANY then
            line("outnull", c, ("io.output[%d].nulls"):format(c - 1))
        end
    end
    lines[#lines + 1] = "local base, off, left = io.bytes, 0, tonumber(io.bytes_left)"
    return concat(lines, "\n") .. "\n"
end

local PRELUDE = [[
local f, io, H, ffi, CAP = ...
local type, tonumber, floor, cast = type, tonumber, math.floor, ffi.cast
local ffi_string, ffi_copy, ffi_istype, int64 = ffi.string, ffi.copy, ffi.istype, ffi.typeof("int64_t")
local nan, P = 0/0, {}
]]

-- Loops over very wide rows stay interpreted: their traces come near LuaJIT's limits of slots and
-- constants, and 2.1.0-beta3 was seen to make a wrong one of 128 columns.
local COMPILED_COLUMNS_MAX = 96

local function compile(code, name, f)
    local chunk = assert(loadstring(PRELUDE .. code, "=gleam/" .. name))
    local loop = chunk(f, io_, helpers, ffi, BATCH_ROWS)
    if io_.input_count + io_.output_count > COMPILED_COLUMNS_MAX then
        jit.off(loop, true)
    end
    return loop
end

local function gets(inputs, row)
    local pieces = {}
    for c, column in ipairs(inputs) do
        pieces[c] = get_code(c, column, row, "x")
    end
    return concat(pieces)
end

local function sets(outputs, row, reuse)
    local pieces = {}
    for c, column in ipairs(outputs) do
        pieces[c] = set_code(c, column, "r" .. c, row, reuse)
    end
    return concat(pieces)
end

-- ---- the steps ----------------------------------------------------------------------------------

-- Every one takes the first row to work on, and returns the row to go on with, and rows made.

local function make_map(f, inputs, outputs)
    return compile(fill([[
return function(first)
    $pointers
    for i = first, io.input_rows - 1 do
        io.row = i
        $gets
        local $results = f($arguments)
        if more ~= nil then H.too_many($count) end
        $sets
    end
    return io.input_rows, io.input_rows
end]], {pointers = pointers_code(inputs, outputs), gets = gets(inputs, "i"),
        results = list("r", #outputs, "more"), arguments = list("x", #inputs),
        count = #outputs, sets = sets(outputs, "i", inputs)}), "map", f)
end

-- The rows that pass are listed in io.selected.
local function make_filter(f, inputs)
    return compile(fill([[
return function(first)
    $pointers
    local selected, j = io.selected, 0
    for i = first, io.input_rows - 1 do
        io.row = i
        $gets
        if f($arguments) then selected[j] = i j = j + 1 end
    end
    return io.input_rows, j
end]], {pointers = pointers_code(inputs, {}), gets = gets(inputs, "i"),
        arguments = list("x", #inputs)}), "filter", f)
end

-- What a function returned is an iterator, a table of rows, or rows of one value each; all can be
-- left in the middle when the output is full.
local function make_flat_map(f, inputs, outputs)
    return compile(fill([[
local it, state, control
local rows, at, row_count
local select, error = select, error
local function spread(a, b, c, ...)
    local t = type(a)
    if t == "function" then it, state, control = a, b, c
    elseif t == "table" and b == nil then rows, at, row_count = a, 1, #a
    elseif a ~= nil or b ~= nil or c ~= nil or select("#", ...) > 0 then
        row_count = 3 + select("#", ...)
        rows, at = {a, b, c, ...}, 1
        while row_count > 0 and rows[row_count] == nil do row_count = row_count - 1 end
    end
end
return function(i)
    $pointers
    local j, n = 0, io.input_rows
    if io.abandoned ~= 0 then it, rows, io.abandoned = nil, nil, 0 end
    if it or rows then io.row = i - 1 end -- the row whose rows go on
    while true do
        if it then
            -- The first call stands before the loop, so that the loop's r1 keeps one type.
            local next_, s = it, state
            local $results = next_(s, control)
            while r1 ~= nil do
                if more ~= nil then H.too_many($count) end
                $sets
                j = j + 1
                if j == CAP then control = r1 break end
                $results = next_(s, r1)
            end
            if r1 == nil then it = nil end
        elseif rows then
            while j < CAP do
                if at > row_count then rows = nil break end
                local row = rows[at]
                local $results
                if type(row) == "table" then
                    $fields
                else r1 = row end
                $sets
                at = at + 1
                j = j + 1
            end
        end
        if j == CAP then return i, j end
        if i == n then return i, j end
        if not it and not rows then
            io.row = i
            $gets
            i = i + 1
            spread(f($arguments))
        end
    end
end]], {pointers = pointers_code(inputs, outputs), gets = gets(inputs, "i"),
        results = list("r", #outputs, "more"), arguments = list("x", #inputs), count = #outputs,
        fields = (function()
            local lines = {}
            for c = 1, #outputs do
                lines[c] = ("r%d = row[%d]"):format(c, c)
            end
            lines[#lines + 1] = ("if row[%d] ~= nil then H.too_many(%d) end"):format(#outputs + 1, #outputs)
            return concat(lines, " ")
        end)(),
        sets = sets(outputs, "j")}), "flat_map", f)
end

-- ForEach: what writeRow was given while the function ran.
local pending
local in_for_each = false

local function make_for_each(f, inputs, outputs)
    in_for_each = true
    return make_flat_map(function(...)
        pending = nil
        f(...)
        return pending
    end, inputs, outputs)
end

-- Emits a row from inside a ForEach.
function writeRow(...)
    if not in_for_each then
        error("writeRow works in ForEach alone: return the row, or the rows of a FlatMap", 2)
    end
    pending = pending or {}
    pending[#pending + 1] = {...}
end

-- Folds rows into the accumulators of table slots: x is the total, y the row's values.
local function make_fold(f, inputs)
    local loads, stores, reads = {}, {}, {}
    for c, column in ipairs(inputs) do
        local names = {t = "t" .. c, v = c - 1, bit = bit.lshift(1, c - 1), c = c, k = column.kind}
        reads[c] = get_code(c, column, "i", "y")
        local load
        if column.kind == I64 then
            load = [[local n = cast("int64_t *", slot + values)[$v]
            if n <= 9007199254740991LL and n >= -9007199254740991LL then $t = tonumber(n) else $t = n end]]
        elseif column.kind == F64 then
            load = [[$t = cast("double *", slot + values)[$v] ]]
        elseif column.kind == BOOL then
            load = [[$t = cast("uint64_t *", slot + values)[$v] ~= 0]]
        else
            load = [[local v = cast("struct gm_lua_value **", slot + values)[$v]
            local k = v.kind
            if k == 4 then $t = ffi_string(v.bytes.data, v.bytes.length)
            elseif k == 1 then
                local n = v.i64
                if n <= 9007199254740991LL and n >= -9007199254740991LL then $t = tonumber(n) else $t = n end
            elseif k == 2 then $t = v.f64
            elseif k ~= 0 then $t = H.read(v) end]]
        end
        loads[c] = fill("local $t if bit.band(seen, $bit) ~= 0 then " .. load .. " end\n", names)
        names.r = "r" .. c
        names.slot = "io.value.bytes"
        local store
        if column.kind == I64 then
            store = [[
            if type($r) == "number" and $r == floor($r) and $r < 9007199254740992 and $r > -9007199254740992 then
                cast("int64_t *", slot + values)[$v] = $r
            elseif ffi_istype(int64, $r) then cast("int64_t *", slot + values)[$v] = $r
            else cast("int64_t *", slot + values)[$v] = H.i64($c, $r) end
            seen = bit.bor(seen, $bit)]]
        elseif column.kind == F64 then
            store = [[
            if type($r) == "number" then cast("double *", slot + values)[$v] = $r
            else cast("double *", slot + values)[$v] = H.f64($c, $r) end
            seen = bit.bor(seen, $bit)]]
        elseif column.kind == BOOL then
            store = [[
            if type($r) ~= "boolean" then H.wrong($c, $r, $k) end
            cast("uint64_t *", slot + values)[$v] = $r and 1 or 0
            seen = bit.bor(seen, $bit)]]
        else
            -- A number replaces a number in its box; everything else goes through C.
            store = [[
            local t = type($r)
            local box
            if bit.band(seen, $bit) ~= 0 then box = cast("struct gm_lua_value **", slot + values)[$v] end
            if t == "number" and box ~= nil and box.kind < 3 and $k == 5 then
                if $r == floor($r) and $r < 9007199254740992 and $r > -9007199254740992 then
                    box.kind = 1 box.i64 = $r
                else box.kind = 2 box.f64 = $r end
            else
                if t == "string" then
                    io.value.kind = 4 io.value.bytes.data = $r io.value.bytes.length = #$r
                elseif $k == 4 then H.wrong($c, $r, $k)
                elseif t == "number" then
                    if $r == floor($r) and $r < 9007199254740992 and $r > -9007199254740992 then
                        io.value.kind = 1 io.value.i64 = $r
                    else io.value.kind = 2 io.value.f64 = $r end
                else
                    local packed = H.total(io.value, $c, $r)
                    if packed then
                        io.value.kind = 6 io.value.bytes.data = packed io.value.bytes.length = #packed
                    end
                end
                if io.store(io, slot, $v) < 0 then error("", 0) end
                seen = bit.bor(seen, $bit)
            end]]
        end
        store = fill(store, names)
        if column.nullable or column.kind == ANY then
            store = fill("if $r == nil then seen = bit.band(seen, $mask) else ", {r = names.r,
                mask = tostring(bit.bnot(names.bit))}) .. store .. " end"
        end
        stores[c] = "do " .. store .. " end\n"
    end
    return compile(fill([[
local bit, error = require "bit", error
return function(first, count)
    $pointers
    local seen_offset, values = io.seen_offset, io.values_offset
    local slots, new = io.slots, io.new_slots
    for k = 0, count - 1 do
        local i = first + k
        io.row = i
        local slot = slots[k]
        $reads
        local seen = cast("int32_t *", slot + seen_offset)[0]
        local $results
        if new[k] ~= 0 then $results = $nexts
        else
            $loads
            $results = f($totals, $nexts)
            if more ~= nil then H.too_many($count) end
        end
        $stores
        cast("int32_t *", slot + seen_offset)[0] = seen
    end
end]], {pointers = pointers_code(inputs, {}), reads = concat(reads), loads = concat(loads),
        results = list("r", #inputs, "more"), nexts = list("y", #inputs), totals = list("t", #inputs),
        stores = concat(stores), count = #inputs}), "reduce", f)
end

-- ---- what C calls -------------------------------------------------------------------------------

-- A function from its bytes, from its source, or what stands behind "return" in a source.
local function load_function(data, name)
    if data:sub(1, 1) == "\27" then
        return values.load(data:sub(2))
    end
    local chunk, why = loadstring("return " .. data, "=" .. name)
    if not chunk then
        error(why, 0)
    end
    local fn = chunk()
    if type(fn) ~= "function" then
        error("this source is no function: write \"function(...) ... end\"", 0)
    end
    return fn
end

-- Broadcast values are the same table for every function of this step.
local broadcasts = {}
function values.broadcast(number)
    if broadcasts[number] == nil then
        local length = ffi.new("size_t[1]")
        local data = io_.broadcast(io_, number, length)
        if data == nil then
            error("this executor has no broadcast value " .. number, 0)
        end
        broadcasts[number] = values.load(ffi.string(data, length[0]))
    end
    return broadcasts[number]
end

function gleam.Count(name, n)
    n = n or 1
    if type(name) ~= "string" or not is_integer(n) and not (type(n) == "number" and n - n == 0) then
        error("gleam.Count takes a name and a number", 2)
    end
    if io_.count(io_, name, #name, n) < 0 then
        error(("gleam.Count: more than %d different counters"):format(io_.counters_max), 2)
    end
end

values.name("gleam", gleam)
values.name("gleam.Count", gleam.Count)
values.name("writeRow", writeRow)
values.name("print", print)
values.name("log", log)
values.name("os.exit", os.exit)

local makers = {map = make_map, ["flat map"] = make_flat_map, filter = make_filter,
                ["for each"] = make_for_each, fold = make_fold}

-- init: Lua code that sets globals, or "".  Returns the loop for a step.
-- A global that nobody has set is a mistake, not nil.  Those that are there are found without this.
local strict = {__index = function(_, name)
    error(("the global '%s' is not set: a step sees its upvalues and what f:Init sets, not the "
        .. "script's globals: make it local (rawget(_G, \"%s\") asks whether there is one)")
        :format(tostring(name), tostring(name)), 2)
end}

function step.open(mode, data, init, name)
    if init ~= "" then
        local chunk, why = loadstring(init, "=Init")
        if not chunk then
            error(why, 0)
        end
        chunk()
    end
    local f = load_function(data, name)
    setmetatable(_G, strict)
    -- a column has six names at most (three pointers, value, total, result), and the loop has some
    wide = io_.input_count + io_.output_count > 24
    return makers[mode](f, columns_of(io_.input, io_.input_count),
        columns_of(io_.output, io_.output_count))
end

-- Parameters that a function takes (-1: any number), and values that it returns (-1: cannot be seen
-- from its code; the most of several).
function step.inspect(data, name)
    local util = require "jit.util"
    local vmdef_ret = {} -- opcodes by their effect, found from functions that have them
    values.broadcast = function() return {} end
    local fn = load_function(data, name)
    local info = util.funcinfo(fn)
    if not info.bytecodes then
        return -1, -1
    end
    local function opcode(of, pc)
        return bit.band((util.funcbc(of, pc)), 0xff)
    end
    local function last_opcode(of)
        return opcode(of, util.funcinfo(of).bytecodes - 1)
    end
    local samples = {
        tail = loadstring("local f = ... return f()"), tail_many = loadstring("return f(...)"),
        many = loadstring("return ..."), some = loadstring("local a, b = 1, 2 return a, b"),
        none = loadstring("local a = 1"), one = loadstring("local a = ... return a")}
    for effect, sample in pairs(samples) do
        vmdef_ret[last_opcode(sample)] = effect
    end
    local results = 0
    for pc = 1, info.bytecodes - 1 do
        local effect = vmdef_ret[opcode(fn, pc)]
        if effect == "tail" or effect == "tail_many" or effect == "many" then
            results = -1
            break
        elseif effect == "some" then
            local code = util.funcbc(fn, pc)
            results = math.max(results, bit.rshift(code, 16) - 1)
        elseif effect == "one" then
            results = math.max(results, 1)
        end
    end
    return info.isvararg and -1 or info.params, results
end

return step
