-- values.lua - Lua values as bytes, and back: how functions and tables travel to the executors.
--
-- What passes: nil, booleans, numbers, strings, 64-bit integers, tables of these, Lua functions with
-- their upvalues, functions and tables of the standard library (by name), the module gleam, and
-- broadcast values (by number).  Tables and functions keep their identity: what was one object is one
-- object again, cycles too, and an upvalue that two functions share is shared again.  Anything else is
-- refused, with the way to it.
--
-- Format: a byte for the kind, then
--   z nil  t true  f false  n f64  i int64  u uint64  s u32 length, bytes
--   r u32   the object with this number (objects count from 1, in the order of their first byte)
--   T       pairs of key and value, ended by e
--   F       s bytecode, u8 number of upvalues, and for each  V value  or  W u32 (an upvalue that came before)
--   g       s name in the standard library
--   b u32   broadcast value
local ffi = require "ffi"
local debug, string, table = debug, string, table
local byte, char, sub = string.byte, string.char, string.sub
local type, pairs, ipairs, error, tostring = type, pairs, ipairs, error, tostring

local values = {}

-- ---- names of what both sides have -------------------------------------------------------------

local libraries = {"string", "table", "math", "bit", "os", "io", "coroutine", "debug", "jit", "ffi"}

-- name -> value and value -> name, as things are in this state.
local by_name, name_of = {}, {}

local function remember(name, value)
    if type(value) == "function" or type(value) == "table" then
        by_name[name] = value
        name_of[value] = name_of[value] or name
    end
end

for name, value in pairs(_G) do
    if type(value) == "function" then
        remember(name, value)
    end
end
remember("_G", _G)
for _, library in ipairs(libraries) do
    local members = library == "ffi" and ffi or _G[library]
    remember(library, members)
    for name, value in pairs(members) do
        if type(value) == "function" then
            remember(library .. "." .. name, value)
        end
    end
end

-- Makes `value` known under a name on this side: the module gleam and its members.
function values.name(name, value)
    remember(name, value)
end

-- ---- out -----------------------------------------------------------------------------------------

local function u32(number)
    return ffi.string(ffi.new("uint32_t[1]", number), 4)
end

local function text(value)
    return "s" .. u32(#value) .. value
end

local function place_of(fn)
    local info = debug.getinfo(fn, "S")
    return info.short_src .. ":" .. info.linedefined
end

local writer = {}
writer.__index = writer

function writer:put(piece)
    self.count = self.count + 1
    self[self.count] = piece
end

function writer:number(object)
    self.objects = self.objects + 1
    self.numbers[object] = self.objects
end

-- where: "flow.lua:4: upvalue", of the function at hand; path: the variable, and the way into it.
function writer:refuse(path, what, hint)
    local where = self.where and ("%s '%s'"):format(self.where, path) or path
    error(("%s is %s, which cannot travel to the executors: %s"):format(where, what, hint), 0)
end

function writer:table(value, path)
    local metatable = debug.getmetatable(value) -- whatever __metatable says
    if metatable ~= nil then
        local index = metatable.__gleam_broadcast
        if index == nil then
            self:refuse(path, "a table with a metatable", "pass its plain fields")
        elseif metatable.__gleam_owner ~= self.owner then
            self:refuse(path, "a broadcast value of another flow", "make it by this flow's Broadcast")
        end
        return self:put("b" .. u32(index))
    end
    self:number(value)
    self:put("T")
    for key, member in pairs(value) do
        local name = path .. (type(key) == "string" and "." .. key or "[" .. tostring(key) .. "]")
        self:value(key, name .. " (the key)")
        self:value(member, name)
    end
    self:put("e")
end

function writer:fn(value, path)
    local info = debug.getinfo(value, "Su")
    if info.what == "C" then
        self:refuse(path, "a function written in C", "call it through its library's name")
    end
    self:number(value)
    self:put("F")
    self:put(text(string.dump(value)))
    self:put(char(info.nups))
    for i = 1, info.nups do
        local name, upvalue = debug.getupvalue(value, i)
        local id = tostring(debug.upvalueid(value, i))
        local known = self.upvalues[id]
        if known then
            self:put("W" .. u32(known))
        else
            self.upvalue_count = self.upvalue_count + 1
            self.upvalues[id] = self.upvalue_count
            self:put("V")
            local outer = self.where
            self.where = place_of(value) .. ": upvalue"
            self:value(upvalue, name)
            self.where = outer
        end
    end
end

function writer:value(value, path)
    local kind = type(value)
    if kind == "nil" then
        self:put("z")
    elseif kind == "boolean" then
        self:put(value and "t" or "f")
    elseif kind == "number" then
        self:put("n" .. ffi.string(ffi.new("double[1]", value), 8))
    elseif kind == "string" then
        self:put(text(value))
    elseif kind == "cdata" and ffi.istype("int64_t", value) then
        self:put("i" .. ffi.string(ffi.new("int64_t[1]", value), 8))
    elseif kind == "cdata" and ffi.istype("uint64_t", value) then
        self:put("u" .. ffi.string(ffi.new("uint64_t[1]", value), 8))
    elseif name_of[value] then
        self:put("g" .. text(name_of[value]))
    elseif self.numbers[value] then
        self:put("r" .. u32(self.numbers[value]))
    elseif kind == "table" then
        self:table(value, path)
    elseif kind == "function" then
        self:fn(value, path)
    else
        self:refuse(path, "a " .. kind, kind == "thread" and "make it inside the function"
            or "open or make it inside the function, or pass what it is made of")
    end
end

-- The bytes of a value; `path` is what to call it when it is refused (an error without a place), and
-- `owner` the flow whose broadcast values it may name.
function values.dump(value, path, owner)
    local out = setmetatable({count = 0, objects = 0, numbers = {}, upvalues = {}, upvalue_count = 0,
                              owner = owner}, writer)
    out:value(value, path)
    return table.concat(out, "", 1, out.count)
end

-- ---- in ------------------------------------------------------------------------------------------

local reader = {}
reader.__index = reader

function reader:take(count)
    local begin = self.at
    self.at = begin + count
    if self.at > #self.data + 1 then
        error("the bytes of a function end too early", 0)
    end
    return sub(self.data, begin, self.at - 1)
end

function reader:u32()
    return tonumber(ffi.cast("uint32_t *", ffi.cast("const char *", self:take(4)))[0])
end

function reader:text()
    local tag = self:take(1)
    if tag ~= "s" then
        error("the bytes of a function make no sense", 0)
    end
    return self:take(self:u32())
end

function reader:keep(object)
    self.objects[#self.objects + 1] = object
    return object
end

function reader:table()
    local result = self:keep({})
    while byte(self.data, self.at) ~= 101 do -- e
        local key = self:value()
        result[key] = self:value()
    end
    self.at = self.at + 1
    return result
end

function reader:fn()
    local fn = self:keep(assert(loadstring(self:text())))
    local count = byte(self:take(1))
    for i = 1, count do
        local tag = self:take(1)
        if tag == "V" then
            -- Numbered before its value is read: the value may refer to it.
            self.upvalues[#self.upvalues + 1] = {fn, i}
            debug.setupvalue(fn, i, (self:value()))
        else
            local known = self.upvalues[self:u32()]
            debug.upvaluejoin(fn, i, known[1], known[2])
        end
    end
    return fn
end

local function number_of(ctype, data)
    return ffi.cast(ctype, ffi.cast("const char *", data))[0]
end

function reader:named()
    local name = self:text()
    local value = by_name[name]
    if value == nil then
        error("this executor has no " .. name, 0)
    end
    return value
end

local readers = {
    z = function() return nil end,
    t = function() return true end,
    f = function() return false end,
    n = function(self) return number_of("double *", self:take(8)) end,
    i = function(self) return number_of("int64_t *", self:take(8)) end,
    u = function(self) return number_of("uint64_t *", self:take(8)) end,
    s = function(self) return self:take(self:u32()) end,
    r = function(self) return self.objects[self:u32()] end,
    T = reader.table,
    F = reader.fn,
    g = reader.named,
    b = function(self) return values.broadcast(self:u32()) end,
}

function reader:value()
    local read = readers[self:take(1)]
    if read == nil then
        error("the bytes of a function make no sense", 0)
    end
    return read(self)
end

-- A value from its bytes.  values.broadcast(number) must be there when it names any.
function values.load(data)
    local state = setmetatable({data = data, at = 1, objects = {}, upvalues = {}}, reader)
    return state:value()
end

return values
