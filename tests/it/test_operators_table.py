#!/usr/bin/env python3
"""test_operators_table.py - docs/operators.md has every method of both languages, and no other."""
import os
import re

import lib

TABLE = os.path.join(lib.ROOT, "docs", "operators.md")
HEADER = os.path.join(lib.ROOT, "engine", "gleam.h")
# They run a flow, or free it: no method of it.
NO_BUILDERS = {"gleam_flow_free", "gleam_flow_error", "gleam_run", "gleam_try", "gleam_plan"}
BUILDER = re.compile(r"^(?:struct gleam_dataset \*|void |uint32_t )(gleam_\w+)\("
                     r"struct gleam_(?:flow|dataset) \*", re.M)
NAMES = """
local f = gleam.New()
for _, class in ipairs {getmetatable(f), getmetatable(f:Ints(0, 1))} do
  for name in pairs(class.__index) do print(name) end
end
"""


def cells(text):
    """[(what stands in the column of Lua, in that of C)] of all tables of operators."""
    out = []
    for line in text.split("\n"):
        parts = [part.strip() for part in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(parts) == 6 and parts[0] not in ("Lua", "---"):
            out.append((parts[0], parts[1]))
    return out


class OperatorsTable(lib.Case):
    def setUp(self):
        super().setUp()
        with open(TABLE, encoding="utf-8") as table:
            self.cells = cells(table.read())

    def test_self_cells(self):
        self.assertEqual(cells("| Lua | C | a | b | c | d |\n| --- | --- | --- | --- | --- | --- |\n"
                               "| `:A()` | `gleam_a` | x | y | z | w |\n| two | cells |"),
                         [("`:A()`", "`gleam_a`")])

    def same(self, there, described):
        self.assertEqual(there - described, set(), "not in docs/operators.md")
        self.assertEqual(described - there, set(), "in docs/operators.md alone")

    def test_c_has_these(self):
        with open(HEADER, encoding="utf-8") as header:
            there = set(BUILDER.findall(header.read())) - NO_BUILDERS
        self.assertGreater(len(there), 80)
        self.same(there, {name for _, c in self.cells for name in re.findall(r"gleam_\w+", c)})

    def test_lua_has_these(self):
        there = set(self.run_ok([lib.binary("gleam"), "run", "-e", NAMES]).out.split())
        self.same(there, {name for lua, _ in self.cells for name in re.findall(r":([A-Z]\w*)", lua)})


if __name__ == "__main__":
    lib.main()
