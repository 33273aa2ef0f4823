-- pattern_differential.lua - random patterns on random subjects, by LuaJIT's functions and by ours.
--
-- Called with (originals, seed, cases).  Returns the number of comparisons and of those that were
-- errors; raises an error that shows the first difference.
local originals, seed, cases = ...
local random = math.random
local names = { "find", "match", "gmatch" }
math.randomseed(seed)

local function one_of(list)
    return list[random(#list)]
end

-- ---- patterns ------------------------------------------------------------------------------------

local plain = { "a", "b", "c", "a", "b", " ", ",", "ab", "abc", "é", "\0", "\255", "-", "]", "x", "1" }
local classes = { "%a", "%w", "%s", "%d", "%p", "%c", "%l", "%u", "%x", "%z", "%g", "%A", "%W", "%S",
                  "%D", "%Z", "%X", "%%", "%.", "%-", "%é", "%q", "%k", "%_", "%@" }
local members = { "a", "b", "c", "a-c", "a-b", "%w", "%s", "%a", "%]", "%-", "-", "^", "]", "%D",
                  "z-a", "\0", "\128-\255", "0-9", " -~", "%", "a-%", "%a-z", ".", "[", ":alpha:" }
local suffixes = { "", "", "", "*", "+", "-", "?", "+", "**" }
local broken = { "%", "[", "[a", "[^", "[]", "(", ")", "%b", "%bx", "%f", "%fa", "%f[", "%0", "%1", "%9",
                 "[%", "[a%", "^", "$", "()", "%1", "(a", "[]]", "[^]]", "[^]", "%b()", "*", "+a", "?" }

local function set()
    local text = random(3) == 1 and "[^" or "["
    for _ = 1, random(3) do
        text = text .. one_of(members)
    end
    return text .. (random(40) == 1 and "" or "]")
end

local function item(depth)
    local kind = random(20)
    if kind <= 7 then
        return one_of(plain) .. one_of(suffixes)
    elseif kind <= 9 then
        return "." .. one_of(suffixes)
    elseif kind <= 12 then
        return one_of(classes) .. one_of(suffixes)
    elseif kind <= 14 then
        return set() .. one_of(suffixes)
    elseif kind == 15 then
        return "%f" .. set()
    elseif kind == 16 then
        return "%b" .. one_of({ "ab", "()", "aa", "a ", "\0a" })
    elseif kind == 17 then
        return one_of({ "()", "%1", "%2", "%1" })
    elseif kind == 18 and random(2) == 1 then
        return one_of(broken)
    elseif depth < 3 then
        local text = "("
        for _ = 1, random(3) - 1 do
            text = text .. item(depth + 1)
        end
        return text .. ")"
    end
    return one_of(plain)
end

local usual = { "%w+", "%a+", "%S+", "%d+", "[^,]+", "(%w+)", "(%w+)%s+(%w+)", "(%w+)=(%w*)", "^%s*(.-)%s*$",
                "[^,]*", "%f[%w]%w+", "(%a+)()", "a", "ab", "abc", "", "()", ".-,", "(.-),", "(.*),(.*)", "%s*$",
                "%w+$", "%b()", "(%w)%1", "\n", ".", ".+", "(.+)", "[%a_][%w_]*", "a+b", "(a+)%1", "a-b", "%w+%s",
                "(%w+) %1", "(a+)b%1" }

local function pattern()
    if random(6) == 1 then
        return one_of(usual)
    end
    local text = random(8) == 1 and "^" or ""
    for _ = 1, random(5) do
        text = text .. item(0)
    end
    if random(8) == 1 then
        text = text .. "$"
    end
    if random(50) == 1 and #text > 1 then
        local cut = random(#text)
        text = text:sub(1, cut - 1) .. string.char(random(0, 255)) .. text:sub(cut + 1)
    end
    return text
end

-- ---- subjects ------------------------------------------------------------------------------------

local alphabets = { { "a", "b" }, { "a", "b", "c", " " }, { "a", " ", ",", "1", "(", ")" }, plain,
                    { "abc", " ", "word", ", ", "é", "\n", "=" } }

local function subject(longest)
    local parts = {}
    if random(8) == 1 then
        for i = 1, random(0, longest) do
            parts[i] = string.char(random(0, 255))
        end
    else
        local alphabet = one_of(alphabets)
        for i = 1, random(0, longest) do
            parts[i] = one_of(alphabet)
        end
        if random(4) == 1 then -- long runs
            for i = 1, #parts do
                parts[i] = parts[i]:rep(random(1, 40) == 1 and 50 or 1)
            end
        end
    end
    return table.concat(parts)
end

-- Backtracking is a power of the number of repeats: with many of them, subjects are short.
local function longest_for(text)
    local _, repeats = text:gsub("[*+?-]", "")
    return repeats <= 1 and (random(60) == 1 and 6000 or 300) or repeats <= 2 and 60 or 18
end

-- ---- comparing -----------------------------------------------------------------------------------

local function pack(...)
    return { n = select("#", ...), ... }
end

-- All rounds of a loop; the end has no values, and a second call after it has none either.
local function collect(gmatch, s, p)
    local all = { n = 0 }
    local iterator = gmatch(s, p)
    all.kind = type(iterator)
    local good, problem = pcall(function()
        while true do
            local got = pack(iterator())
            for i = 1, got.n do
                all[all.n + i] = got[i]
            end
            all.n = all.n + got.n + 1
            all[all.n] = got.n
            if got.n == 0 then
                return
            end
        end
    end)
    local again = pack(pcall(iterator))
    all[all.n + 1], all[all.n + 2], all[all.n + 3] = good, problem, again.n
    all[all.n + 4], all[all.n + 5] = again[1], again[2]
    all.n = all.n + 5
    return all
end

local function same(a, b)
    if a.n ~= b.n or a.kind ~= b.kind then
        return false
    end
    for i = 1, a.n do
        if type(a[i]) ~= type(b[i]) or a[i] ~= b[i] then
            return false
        end
    end
    return true
end

local function show(result)
    local parts = {}
    for i = 1, math.min(result.n, 40) do
        parts[i] = ("%q"):format(tostring(result[i]))
    end
    return table.concat(parts, " ")
end

local function differ(name, s, p, init, plainly, expected, got)
    error(("%s(%q, %q, %s, %s): LuaJIT %s, here %s"):format(name, s, p, tostring(init),
          tostring(plainly), show(expected), show(got)), 0)
end

local inits = { 1, 0, -1, 2, 5, -3, 100, -100, 2.5, "3", 1e10, -1e10, 2^31, -2^31, "x", 0/0, 1/0, true }

local function init_for(s)
    local kind = random(6)
    if kind <= 2 then
        return nil
    elseif kind <= 4 then
        return random(-#s - 2, #s + 2)
    end
    return one_of(inits)
end

local compared, failed = 0, 0
for _ = 1, cases do
    local p = pattern()
    local s = subject(longest_for(p))
    local which = random(10)
    if which <= 4 then
        local expected = collect(originals.gmatch, s, p)
        local got = collect(string.gmatch, s, p)
        if not same(expected, got) then
            differ("gmatch", s, p, nil, nil, expected, got)
        end
        failed = failed + (expected[expected.n - 4] and 0 or 1)
    else
        local name = which <= 7 and "find" or "match"
        local init, plainly = init_for(s), nil
        if name == "find" and random(8) == 1 then
            plainly = random(2) == 1
        end
        local expected = pack(pcall(originals[name], s, p, init, plainly))
        local got = pack(pcall(string[name], s, p, init, plainly))
        if not same(expected, got) then
            differ(name, s, p, init, plainly, expected, got)
        end
        failed = failed + (expected[1] and 0 or 1)
    end
    compared = compared + 1
end
return compared, failed
