#!/usr/bin/env python3
"""test_lua_random.py - random flows of Lua functions beside a plain computation in Python.

Rows of every kind of value go through random chains of steps, each on two of 1, 2, 3 and 8 partitions
and on 1 or 2 executors; the rows that come out may not differ from those of the same chain in Python,
which is built beside it.  GLEAM_TEST_FLOWS says how many flows (100), GLEAM_TEST_SEED where to begin; a
failure shows the flow.
"""
import math
import os
import random

import driver
import lib
from values import EXACT, SHOW, is_long, is_number, literal, show, show_row, sorted_by, type_of

FLOWS = int(os.environ.get("GLEAM_TEST_FLOWS", driver.scaled(100)))
SEED = int(os.environ.get("GLEAM_TEST_SEED", "1"))
PARTITIONS = ((1, 8), (2, 3))
ROWS_MAX = 4000


def floor_of(v):
    return math.floor(v) if is_number(v) and v == v and -1e15 < v < 1e15 else v if is_long(v) else 7


def modulo(x):
    return math.nan if abs(x) == math.inf or x != x else x % 3


# ---- functions of one value: Lua and Python -----------------------------------------------------------

NUMBER = 'type(x) == "number" and '
STRING = 'type(x) == "string" and '

VALUES = [
    ("x", lambda x: x), ("x", lambda x: x), ("5", lambda x: 5), ('"k"', lambda x: b"k"),
    ("up.two", lambda x: 2), ("{n = 2, x, 1}", lambda x: [x, 1]), ("x == nil", lambda x: x is None),
    ("type(x)", type_of),
    (NUMBER + "x + 1 or x", lambda x: x + 1 if is_number(x) else x),
    (NUMBER + "0 - x or x", lambda x: 0 - x if is_number(x) else x),
    (NUMBER + "x * 0.5 or x", lambda x: x * 0.5 if is_number(x) else x),
    (NUMBER + "x % 3 or x", lambda x: modulo(x) if is_number(x) else x),
    (NUMBER + "x == x and up.max(x, 3) or 3", lambda x: x if is_number(x) and x >= 3 else 3),
    (STRING + 'x .. "!" or x', lambda x: x + b"!" if isinstance(x, bytes) else x),
    (STRING + "x:upper() or x", lambda x: x.upper() if isinstance(x, bytes) else x),
    (STRING + "x:sub(2, 4) or x", lambda x: x[1:4] if isinstance(x, bytes) else x),
    (STRING + "x:reverse() or x", lambda x: x[::-1] if isinstance(x, bytes) else x),
    (STRING + "#x or x", lambda x: len(x) if isinstance(x, bytes) else x),
    (STRING + 'x:match("^%a") or x', lambda x: x[:1] if isinstance(x, bytes) and x[:1].isalpha()
     else x),
]
PREDICATES = [
    (NUMBER + "x > 2", lambda x: is_number(x) and x > 2),
    ("x ~= nil", lambda x: x is not None),
    ("x", lambda x: x is not None and x is not False),
    (STRING + 'x:find("a", 1, true)', lambda x: isinstance(x, bytes) and b"a" in x),
    ('type(x) ~= "string" or #x % 2 == 0', lambda x: not isinstance(x, bytes) or len(x) % 2 == 0),
    ('type(x) ~= "table"', lambda x: not isinstance(x, list)),
]
KINDS = {
    "any": [("x", lambda x: x)],
    "i64": [('(type(x) == "number" and x == x and x > -1e15 and x < 1e15) and up.floor(x) or '
             'type(x) == "cdata" and x or 7', floor_of)],
    "f64": [(NUMBER + "x or 0.5", lambda x: x if is_number(x) else 0.5)],
    "bool": [("x == true", lambda x: x is True)],
    "bytes": [(STRING + 'x or "none"', lambda x: x if isinstance(x, bytes) else b"none")],
    "bytes?": [(STRING + "x or nil", lambda x: x if isinstance(x, bytes) else None)],
    "f64?": [(NUMBER + "x or nil", lambda x: x if is_number(x) else None)],
}


class Flow:
    """A chain of steps as Lua, and its rows as Python has them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        width = self.random.randrange(1, 5)
        self.lua = ""
        self.others = []
        self.order = None  # of the rows, when the last step sorted
        self.rows = self.make_rows(self.random.choice((0, 1, 30, 300, 1500)), width)
        self.width = self.source_width = width
        self.source = self.slices("source", self.rows)
        for _ in range(self.random.randrange(1, 7)):
            self.add_step()
        if self.random.random() < 0.3:
            self.sort()

    # -- input

    def make_value(self):
        dice = self.random.randrange(24)
        if dice < 8:
            return self.random.randrange(-5, 12)
        if dice < 11:
            return self.random.randrange(-10, 24) / 2
        if dice < 18:
            return bytes(self.random.choice(b"abAB \0\xff") for _ in range(self.random.randrange(5)))
        return self.random.choice((None, True, False, math.nan, math.inf, -math.inf, EXACT + 1,
                                   -2 ** 63, 2 ** 63 - 1, 1e300, [], [1, None, b"x"],
                                   b"a word of more than sixteen bytes"))

    def make_rows(self, count, width):
        return [tuple(self.make_value() for _ in range(width)) for _ in range(count)]

    def slices(self, name, rows):
        text = ",".join("{%s}" % ",".join(map(literal, row)) for row in rows)
        return "local %s = {%s}\n" % (name, text)

    # -- functions

    def parameters(self):
        return ", ".join("c%d" % c for c in range(self.width))

    def apply(self, table):
        """A random function of a random column: an expression, and a function of the row."""
        lua, fn = self.random.choice(table)
        column = self.random.randrange(self.width)
        return ("(function(x) return %s end)(c%d)" % (lua, column),
                lambda row: fn(row[column]))

    def outputs(self, count, typed):
        """Expressions, functions of the row, and the declaration of the columns."""
        lua, fns, kinds = [], [], []
        for _ in range(count):
            text, fn = self.apply(VALUES)
            kind = self.random.choice(list(KINDS)) if typed else "any"
            outer, shape = KINDS[kind][0]
            lua.append("(function(x) return %s end)(%s)" % (outer, text))
            fns.append(lambda row, fn=fn, shape=shape: shape(fn(row)))
            kinds.append(kind)
        return lua, fns, ", ".join("c%d %s" % (i, kind) for i, kind in enumerate(kinds))

    # -- steps

    def add_step(self):
        steps = [self.map] * 6 + [self.filter] * 3 + [self.flat_map] * 3 + [self.reduce_by] * 2
        steps += [self.group_by, self.sort, self.top, self.distinct, self.join, self.union]
        self.order = None
        self.random.choice(steps)()

    def map(self):
        typed = self.random.random() < 0.6
        lua, fns, kinds = self.outputs(self.random.randrange(1, 6), typed)
        self.lua += "  :Map(function(%s) return %s end)%s\n" % (
            self.parameters(), ", ".join("(%s)" % one for one in lua),
            ':As("%s")' % kinds if typed else "")
        self.rows = [tuple(fn(row) for fn in fns) for row in self.rows]
        self.width = len(fns)

    def filter(self):
        lua, fn = self.apply(PREDICATES)
        self.lua += "  :Filter(function(%s) return %s end)\n" % (self.parameters(), lua)
        self.rows = [row for row in self.rows if fn(row)]

    def flat_map(self):
        """1 to `times` rows of each, numbered in column 1."""
        small = len(self.rows) <= 30
        times = self.random.choice((0, 1, 2, 3) if not small else (2, 5, 130, 1024))
        if times * len(self.rows) > ROWS_MAX:
            return
        lua, fns, kinds = self.outputs(self.random.randrange(0, 3), True)
        row = ", ".join(["i"] + lua)
        kinds = ", ".join(["number i64"] + ([kinds] if kinds else []))
        form = self.random.choice(("iterator", "coroutine", "table"))
        if form == "iterator":
            body = ("local i = 0 return function() i = i + 1 if i <= %d then return %s end end"
                    % (times, row))
        elif form == "coroutine":
            body = ("return coroutine.wrap(function() for i = 1, %d do coroutine.yield(%s) end end)"
                    % (times, row))
        else:
            body = "local t = {} for i = 1, %d do t[i] = {%s} end return t" % (times, row)
        self.lua += '  :FlatMap(function(%s) %s end):As("%s")\n' % (self.parameters(), body, kinds)
        self.rows = [(i,) + tuple(fn(row) for fn in fns)
                     for row in self.rows for i in range(1, times + 1)]
        self.width = 1 + len(fns)

    def keyed(self, tail):
        """Columns: one or two keys, then what folds in any order.  Returns how many are keys."""
        keys, fns, kinds = self.outputs(self.random.randrange(1, 3), self.random.random() < 0.5)
        columns = [column.split(" ", 1)[1] for column in kinds.split(", ")]
        lua, more, kept = [], [], []
        for text, fn, kind in tail:
            column = self.random.randrange(self.width)
            lua.append("(function(x) return %s end)(c%d)" % (text, column))
            more.append(lambda row, fn=fn, column=column: fn(row[column]))
            kept.append(self.random.choice((kind, "any")))
        self.lua += '  :Map(function(%s) return %s end):As("%s")\n' % (
            self.parameters(), ", ".join("(%s)" % one for one in keys + lua),
            ", ".join("c%d %s" % pair for pair in enumerate(columns + kept)))
        self.rows = [tuple(fn(row) for fn in fns + more) for row in self.rows]
        self.width = len(fns) + len(tail)
        return len(fns)

    def groups(self, keys):
        found = {}
        for row in self.rows:
            found.setdefault(show_row(row[:keys]), []).append(row)
        return found.values()

    def reduce_by(self):
        whole = ('(type(x) == "number" and x == x and x > -100 and x < 100) and x or 1',
                 lambda x: x if is_number(x) and -100 < x < 100 else 1, "f64")
        keys = self.keyed([whole, KINDS["bytes"][0] + ("bytes",), KINDS["bytes"][0] + ("bytes?",)])
        self.lua += ("  :ReduceBy(function(a, s, t, b, u, v) return a + b, s < u and u or s, "
                     "v < t and v or t end, gleam.Field(%s))\n" % ", ".join(
                         str(k + 1) for k in range(keys)))
        self.rows = [group[0][:keys] + (sum(row[keys] for row in group),
                                        max(row[keys + 1] for row in group),
                                        min(row[keys + 2] for row in group))
                     for group in self.groups(keys)]

    def group_by(self):
        keys = self.keyed([KINDS["bytes"][0] + ("bytes",)])
        names = ", ".join("k%d" % k for k in range(keys))
        self.lua += ('  :GroupBy(gleam.Field(%s)):Map(function(%s, l) local n = l.n l.n = nil '
                     'table.sort(l) return %s, n, (table.concat(l, ",")) end)\n' % (
                         ", ".join(str(k + 1) for k in range(keys)), names, names))
        self.rows = [group[0][:keys] + (len(group), b",".join(sorted(row[keys] for row in group)))
                     for group in self.groups(keys)]
        self.width = keys + 2

    def whole_order(self):
        columns = list(range(self.width))
        self.random.shuffle(columns)
        order = [(column, self.random.random() < 0.5) for column in columns]
        first, *rest = ["(%d, %s)" % (column + 1, str(ascending).lower())
                        for column, ascending in order]
        return order, "gleam.OrderBy%s%s" % (first, "".join(":By" + one for one in rest))

    def sort(self):
        order, lua = self.whole_order()
        self.lua += "  :Sort(%s)\n" % lua
        self.rows = sorted_by(self.rows, order)
        self.order = order

    def top(self):
        order, lua = self.whole_order()
        count = self.random.choice((0, 1, 7, 100, 2000))
        self.lua += "  :Top(%d, %s)\n" % (count, lua)
        self.rows = sorted_by(self.rows, order)[:count]

    def distinct(self):
        self.lua += "  :Distinct()\n"
        self.rows = list({show_row(row): row for row in self.rows}.values())

    def other(self, width):
        rows = self.make_rows(self.random.choice((0, 3, 40)), width)
        name = "other%d" % len(self.others)
        self.others.append(self.slices(name, rows))
        return "slices(%s, %d, p)" % (name, width), rows

    def join(self):
        lua, others = self.other(self.random.randrange(1, 3))
        left = self.random.random() < 0.5
        rows = []
        for row in self.rows:
            met = [other for other in others if row[0] is not None and show(other[0]) == show(row[0])]
            rows += [row + other[1:] for other in met]
            if left and not met:
                rows.append(row + (None,) * (len(others[0]) - 1 if others else self.other_width(lua)))
        if len(rows) > ROWS_MAX:
            return
        self.lua += "  :%s(%s)\n" % ("LeftOuterJoin" if left else "Join", lua)
        self.width += self.other_width(lua)
        self.rows = rows

    @staticmethod
    def other_width(lua):
        return int(lua.split(", ")[1]) - 1

    def union(self):
        lua, others = self.other(self.width)
        self.lua += "  :Union(%s)\n" % lua
        self.rows = self.rows + others

    # -- all of it

    def script(self, partitions):
        return "".join(['local gleam = require "gleam"\n',
                        "local low = -9223372036854775807LL - 1\n", SHOW, self.source,
                        *self.others, """
local up = {two = 2, max = math.max, floor = math.floor}
for _, p in ipairs {%s} do
  local f = gleam.New()
  -- rows of any columns, as many as said, also without a row
  local function slices(rows, width, p)
    local types = {}
    for c = 1, width do types[c] = "c" .. c .. " any" end
    return f:Ints(0, #rows):Map(function(i) return unpack(rows[i + 1], 1, width) end)
      :As(unpack(types)):RoundRobin(p)
  end
  slices(source, %d, p)
%s  :OutputRow(output):Run()
  print("--")
end
""" % (", ".join(map(str, partitions)), self.source_width, self.lua)])


class RandomFlows(driver.DriverCase):
    def check(self, seed):
        flow = Flow(seed)
        executors = 1 + seed % 2
        several = PARTITIONS[seed // 2 % 2]
        path = self.file(flow.script(several), "flow.lua")
        done = self.run_it([lib.binary("gleam"), "run", "--quiet", "--memory", "512M", "--executors",
                            str(executors), path])
        said = "seed %d, %d executors\n%s\n%s" % (seed, executors, flow.lua, done.err)
        self.assertEqual(done.status, 0, said)
        outs = done.out.split("--\n")
        self.assertEqual(len(outs), len(several) + 1, said)
        want = [show_row(row) for row in flow.rows]
        want = want if flow.order is not None else sorted(want)
        for partitions, out in zip(several, outs):
            got = out.splitlines()
            got = got if flow.order is not None else sorted(got)
            self.assertEqual(got, want, "%s\n%d partitions" % (said, partitions))

    def test_flows_are_what_python_computes(self):
        for seed in range(SEED, SEED + FLOWS):
            self.check(seed)


if __name__ == "__main__":
    lib.main()
