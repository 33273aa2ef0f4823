"""values.py - gleam's values in Python and in Lua: one text for each, their order, their source text.

For tests that compute beside gleam what a flow should give.  A value is None, a bool, an int (i64), a
float (f64), bytes, or a list of values.  Numbers are shown by what they are worth: 1 and 1.0 are one
key, and either may stand where rows of a key have met; so are 0.0 and -0.0.
"""
import math
import zlib

EXACT = 2 ** 53
SHOWN_BYTES_MAX = 64  # of a longer text its length, a checksum and its beginning are shown

# The same as show() below, for scripts; output is a function for OutputRow.
SHOW = r"""
local floor = math.floor
local function adler(s)
  local a, b = 1, 0
  for i = 1, #s do
    a = a + s:byte(i)
    b = b + a
    if i % 4096 == 0 then a, b = a % 65521, b % 65521 end
  end
  return (b % 65521) * 65536 + a % 65521
end
local function hex(s)
  return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end
local function show(v)
  local kind = type(v)
  if v == nil then return "n" end
  if kind == "boolean" then return v and "bt" or "bf" end
  if kind == "cdata" then return "i" .. tostring(v):sub(1, -3) end
  if kind == "string" then
    return #v <= 64 and "s" .. hex(v) or ("S%d:%.0f:%s"):format(#v, adler(v), hex(v:sub(1, 16)))
  end
  if kind == "number" then
    if v ~= v then return "nan" end
    return (v == floor(v) and v < 2^63 and v >= -2^63) and ("i%.0f"):format(v + 0)
      or ("f%.17g"):format(v)
  end
  local words = {}
  for i = 1, v.n or #v do words[i] = show(v[i]) end
  return "l[" .. table.concat(words, ",") .. "]"
end
local function output(...)
  local words = {}
  for i = 1, select("#", ...) do words[i] = show((select(i, ...))) end
  io.write(table.concat(words, "\t"), "\n")
end
"""


def is_number(v):
    """What Lua calls a number: 64-bit integers beyond 2^53 are none."""
    return isinstance(v, float) or isinstance(v, int) and not isinstance(v, bool) and abs(v) < EXACT


def is_long(v):
    return isinstance(v, int) and not isinstance(v, bool) and abs(v) >= EXACT


def show(v):
    if v is None:
        return "n"
    if isinstance(v, bool):
        return "bt" if v else "bf"
    if isinstance(v, bytes):
        if len(v) <= SHOWN_BYTES_MAX:
            return "s" + v.hex()
        return "S%d:%d:%s" % (len(v), zlib.adler32(v), v[:16].hex())
    if isinstance(v, list):
        return "l[%s]" % ",".join(map(show, v))
    if v != v:
        return "nan"
    if isinstance(v, int) or -2.0 ** 63 <= v < 2.0 ** 63 and v == math.floor(v):
        return "i%d" % v
    return "f%.17g" % v


def show_row(row):
    return "\t".join(map(show, row))


def literal(v):
    """A value as Lua source; the least i64, which has no literal of its own, is `low`."""
    if v is None:
        return "nil"
    if isinstance(v, bool):
        return str(v).lower()
    if isinstance(v, bytes):
        return '"%s"' % "".join("\\%03d" % byte for byte in v)
    if isinstance(v, list):
        return "{n = %d%s}" % (len(v), "".join(", " + literal(one) for one in v))
    if v != v:
        return "0/0"
    if abs(v) == math.inf:
        return "1/0" if v > 0 else "-1/0"
    if v == -2 ** 63 and isinstance(v, int):
        return "low"
    return "%dLL" % v if is_long(v) else repr(v)


def type_of(v):
    return (b"nil" if v is None else b"boolean" if isinstance(v, bool) else b"string"
            if isinstance(v, bytes) else b"table" if isinstance(v, list) else b"cdata"
            if is_long(v) else b"number")


def rank(v):
    """What orders as the value does: null, bools, numbers (NaN last), bytes, lists.  Equal values have
    equal ranks, so it is the key of a group as well."""
    if v is None:
        return (0,)
    if isinstance(v, bool):
        return (1, v)
    if isinstance(v, bytes):
        return (3, v)
    if isinstance(v, list):
        return (4, tuple(map(rank, v)))
    return (2, 1, 0) if v != v else (2, 0, v)


def rank_row(row):
    return tuple(map(rank, row))


def sorted_by(rows, order):
    """The rows in the order of [(column from 0, ascending)], equal ones as they were."""
    rows = list(rows)
    for column, ascending in reversed(order):
        rows.sort(key=lambda row: rank(row[column]), reverse=not ascending)
    return rows
