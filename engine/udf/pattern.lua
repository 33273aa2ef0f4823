-- pattern.lua - string.find, string.match and string.gmatch on the compiled patterns of pattern.h.
--
-- LuaJIT interprets its own three for patterns and leaves its compiler to do so.  These here are
-- Lua and a call through the FFI, which the compiler takes into its traces.  They are for arguments
-- of the usual types; everything else goes to the originals by a tail call: numbers as text, `plain`,
-- wrong arguments and patterns with errors.  So messages, and the lines in them, are LuaJIT's own.
--
-- Every function here that runs often takes "...", whatever it needs: LuaJIT counts the calls of
-- functions with fixed parameters to compile them by themselves, fails (they return to a loop that
-- runs elsewhere) and, after enough failures, refuses to compile any loop that calls them.
--
-- Called with the address of a struct gm_pattern_api and a function that wraps a Lua function so
-- that the compiler calls it from outside (pattern_lua.c).  Changes the table `string`.

local ffi = require("ffi")
local api_address, uncompiled = ...
local type, sub = type, string.sub
local original_find, original_match, original_gmatch = string.find, string.match, string.gmatch

-- A copy of struct gm_pattern_api and what it refers to; no name is declared.
local capture_type = ffi.typeof("struct { int32_t start; int32_t length; }")
local api = ffi.cast(ffi.typeof([[struct {
    int32_t (*compile)(const char *, int32_t, int32_t, void *);
    int32_t (*find)(const void *, const char *, int32_t, int32_t, void *);
    int32_t (*walk)(const void *, const char *, int32_t, void *);
    int32_t program_bytes, match_bytes, walk_bytes;
} *]]), api_address)
local match_type = ffi.typeof("struct { int32_t first; int32_t behind; $ captures[32]; }",
                              capture_type)
local walk_type = ffi.typeof([[struct {
    int32_t next, count, at, room;
    $ captures[64];
}]], capture_type)
assert(ffi.sizeof(match_type) == api.match_bytes and ffi.sizeof(walk_type) == api.walk_bytes)
local program_type = ffi.typeof([[struct {
    uint32_t bytes;
    uint8_t strategy, capture_count, flags, skip;
    uint64_t code[?];
}]])

local POSITION = -2 -- GM_PATTERN_POSITION
local USE_FIND, USE_MATCH, USE_GMATCH = 0, 1, 2 -- enum gm_pattern_use
local CACHE_MAX = 256 -- patterns of one use that are kept; a step has a handful
local POOL_MAX = 16 -- walks that wait for another loop; nested loops need one each

-- ---- compiled patterns ---------------------------------------------------------------------------

local scratch = ffi.new("uint64_t[?]", api.program_bytes / 8)

-- Looks up or compiles: a program, or false for a pattern that is left to LuaJIT.
local function new_cache(use)
    local programs, count = {}, 0
    return function(...)
        local pattern = ...
        local program = programs[pattern]
        if program ~= nil then
            return program
        end
        local bytes = api.compile(pattern, #pattern, use, scratch)
        program = false
        if bytes > 0 then
            program = program_type(bytes / 8 - 1)
            ffi.copy(program, scratch, bytes)
        end
        if count == CACHE_MAX then
            programs, count = {}, 0
        end
        programs[pattern] = program
        count = count + 1
        return program
    end
end

local program_find = new_cache(USE_FIND)
local program_match = new_cache(USE_MATCH)
local program_gmatch = new_cache(USE_GMATCH)

-- ---- captures ------------------------------------------------------------------------------------

local function value(...)
    local s, start, length = ...
    if length == POSITION then
        return start + 1
    end
    return sub(s, start + 1, start + length)
end

local function values_from(...)
    local s, owner, i, last = ...
    local start, length = owner.captures[i].start, owner.captures[i].length
    if i == last then
        return value(s, start, length)
    end
    return value(s, start, length), values_from(s, owner, i + 1, last)
end

-- The captures [at, at + count) of a match or a walk.  Making a string may collect garbage, and run
-- a finalizer, which may use patterns too.  So up to SHARED_MAX captures are read before the first
-- string is made, and an `owner` with more is nobody else's.  The owner itself is handed on, not the
-- array in it: that would be a reference, which keeps nothing alive.
local SHARED_MAX = 3

local function values(...)
    local s, owner, at, count = ...
    if count > SHARED_MAX then
        return values_from(s, owner, at, at + count - 1)
    end
    local captures = owner.captures
    local start1, length1 = captures[at].start, captures[at].length
    if count == 1 then
        return value(s, start1, length1)
    end
    local start2, length2 = captures[at + 1].start, captures[at + 1].length
    if count == 2 then
        return value(s, start1, length1), value(s, start2, length2)
    end
    local start3, length3 = captures[at + 2].start, captures[at + 2].length
    return value(s, start1, length1), value(s, start2, length2), value(s, start3, length3)
end

-- ---- find and match ------------------------------------------------------------------------------

-- Where a search begins, counted from 0; nil for an `init` that is left to LuaJIT.
local function begin_of(...)
    local init, length = ...
    if init == nil then
        return 0
    end
    if type(init) ~= "number" or init % 1 ~= 0 or init < -2147483648 or init > 2147483647 then
        return nil
    end
    local from = init < 0 and init + length or init - 1
    if from < 0 then
        return 0
    end
    return from > length and length or from
end

local shared_match = match_type()

local function find(...)
    local s, p, init, plain = ...
    if type(s) ~= "string" or type(p) ~= "string" or plain then
        return original_find(...)
    end
    local from = begin_of(init, #s)
    local program = program_find(p)
    if not from or not program then
        return original_find(...)
    end
    local match = program.capture_count > SHARED_MAX and match_type() or shared_match
    local found = api.find(program, s, #s, from, match)
    if found == 0 then
        return nil
    elseif found == 1 then
        return match.first + 1, match.behind
    elseif found < 0 then
        return original_find(...)
    end
    return match.first + 1, match.behind, values(s, match, 0, found - 1)
end

local function match_(...)
    local s, p, init = ...
    if type(s) ~= "string" or type(p) ~= "string" then
        return original_match(...)
    end
    local from = begin_of(init, #s)
    local program = program_match(p)
    if not from or not program then
        return original_match(...)
    end
    local match = program.capture_count > SHARED_MAX and match_type() or shared_match
    local found = api.find(program, s, #s, from, match)
    if found == 0 then
        return nil
    elseif found == 1 then
        return sub(s, match.first + 1, match.behind)
    elseif found < 0 then
        return original_match(...)
    end
    return values(s, match, 0, found - 1)
end

-- ---- gmatch --------------------------------------------------------------------------------------

-- A loop under way is a table: the subject, a struct gm_pattern_walk, the pattern and its program.
-- An iterator has it as its only upvalue, so that a loop costs two objects.  Once the last match has
-- been handed out, the table waits for another loop, and the iterator has LuaJIT's own instead if
-- there was an error, or false.
local SUBJECT, WALK, PATTERN, PROGRAM = 1, 2, 3, 4
local pool, pooled = {}, 0

local function take_loop(...)
    local s, p, program = ...
    local loop
    if pooled == 0 then
        loop = { s, walk_type(), p, program }
    else
        loop = pool[pooled]
        pooled = pooled - 1
        loop[SUBJECT], loop[PATTERN], loop[PROGRAM] = s, p, program
    end
    local walk = loop[WALK]
    walk.next, walk.count, walk.at, walk.room = 0, 0, 0, 0
    return loop
end

-- After the last match, or instead of the first one: what the iterator has from then on.
local function end_loop(...)
    local loop, failed = ...
    local rest = failed and original_gmatch(loop[SUBJECT], loop[PATTERN])
    if pooled < POOL_MAX then
        loop[SUBJECT], loop[PATTERN], loop[PROGRAM] = "", "", false
        pooled = pooled + 1
        pool[pooled] = loop
    end
    return rest
end

-- Matches without captures, or with one.
local function iterate_single(...)
    local loop = ...
    return function(...)
        if type(loop) ~= "table" then
            if loop then
                return loop()
            end
            return
        end
        local s, walk = loop[SUBJECT], loop[WALK]
        local i = walk.next
        if i == walk.count then
            local found = api.walk(loop[PROGRAM], s, #s, walk)
            if found <= 0 then
                loop = end_loop(loop, found < 0)
                if loop then
                    return loop()
                end
                return
            end
            i = 0
        end
        walk.next = i + 1
        local start, length = walk.captures[i].start, walk.captures[i].length
        if length == POSITION then
            return start + 1
        end
        return sub(s, start + 1, start + length)
    end
end

local function iterate_several(...)
    local loop, captures = ...
    return function(...)
        if type(loop) ~= "table" then
            if loop then
                return loop()
            end
            return
        end
        local s, walk = loop[SUBJECT], loop[WALK]
        local i = walk.next
        if i == walk.count then
            local found = api.walk(loop[PROGRAM], s, #s, walk)
            if found <= 0 then
                loop = end_loop(loop, found < 0)
                if loop then
                    return loop()
                end
                return
            end
            i = 0
        end
        walk.next = i + captures
        return values(s, walk, i, captures)
    end
end

-- LuaJIT cannot compile the making of a closure; called from outside, it does not end a trace.
local new_single, new_several = uncompiled(iterate_single), uncompiled(iterate_several)

local function gmatch(...)
    local s, p = ...
    if type(s) ~= "string" or type(p) ~= "string" then
        return original_gmatch(...)
    end
    local program = program_gmatch(p)
    if not program then
        return original_gmatch(...)
    end
    local captures = program.capture_count
    if captures > 1 then
        return new_several(take_loop(s, p, program), captures)
    end
    return new_single(take_loop(s, p, program))
end

string.find, string.match, string.gmatch = find, match_, gmatch
