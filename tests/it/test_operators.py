#!/usr/bin/env python3
"""test_operators.py - each operator beside a plain computation, for any number of partitions.

Rows are random, with nulls, equal keys, numbers of both kinds, one key that half of the rows have,
and sides without a row; partitions and executors vary, and the answer may not.
"""
import os
import random

import driver
import lib
from driver import scaled

PARTITIONS = (1, 2, 3, 8, 21)
JOINS = ("inner", "left", "right", "full", "semi", "anti")


def text_of(value):
    """A value in the form of drivers/operators.c."""
    if value is None:
        return "n"
    if isinstance(value, bool):
        return "bt" if value else "bf"
    if isinstance(value, int):
        return "i%d" % value
    if isinstance(value, float):
        return "f%.17g" % value
    if isinstance(value, list):
        return "l[%s]" % ",".join(text_of(one) for one in value)
    return "s" + value


def rows_of(out):
    return sorted(line for line in out.split("\n")[:-1])


def expect(rows):
    return sorted("\t".join(text_of(value) for value in row) for row in rows)


class Rows:
    """Random rows of columns of the given kinds (i f b s a), some of them with the same key."""

    def __init__(self, seed, count, kinds, skewed=False):
        self.random = random.Random(seed)
        self.kinds = kinds
        self.rows = [tuple(self.value(kind) for kind in kinds) for _ in range(count)]
        if skewed:
            self.rows = [(self.rows[0][0],) + row[1:] if i % 2 else row
                         for i, row in enumerate(self.rows)]

    def value(self, kind):
        if kind == "a":
            kind = self.random.choice("nifbs")
        number = self.random.randrange(25)
        return {"n": None, "i": number - 12, "f": number / 2 - 6, "b": number % 2 == 0,
                "s": "word%d" % number if number % 3 else "a word of more than 16 bytes %d" % number,
                }[kind]

    def text(self):
        return "".join("\t".join(text_of(value) for value in row) + "\n" for row in self.rows)


def meet(a, b):
    """Whether two values are the same key: a bool is no number here, and null is no key."""
    if a is None or b is None or isinstance(a, bool) != isinstance(b, bool):
        return False
    return a == b


def plain_join(kind, left, right, left_keys, right_keys):
    left_width = len(left.kinds)
    right_width = len(right.kinds)

    def pair(one, other):
        keys = [one[k - 1] if one else other[j - 1] for k, j in zip(left_keys, right_keys)]
        if kind == "right":
            keys = [other[j - 1] for j in right_keys]
        rest = [one[i] if one else None for i in range(left_width) if i + 1 not in left_keys]
        if kind not in ("semi", "anti"):
            rest += [other[i] if other else None
                     for i in range(right_width) if i + 1 not in right_keys]
        return keys + rest

    out = []
    met = set()
    for one in left.rows:
        found = [j for j, other in enumerate(right.rows)
                 if all(meet(one[k - 1], other[r - 1]) for k, r in zip(left_keys, right_keys))]
        met.update(found)
        if kind in ("inner", "left", "right", "full"):
            out += [pair(one, right.rows[j]) for j in found]
        if kind == "semi" and found or kind in ("anti", "left", "full") and not found:
            out.append(pair(one, None))
    if kind in ("right", "full"):
        out += [pair(None, other) for j, other in enumerate(right.rows) if j not in met]
    return out


class OperatorCase(driver.DriverCase):

    def setUp(self):
        super().setUp()
        self.files = 0

    def input(self, rows, partitions):
        self.files += 1
        path = self.file(rows.text(), "rows%d" % self.files)
        return "%d:%s:%s" % (partitions, rows.kinds, path)

    def operators(self, *arguments, executors=2, options=()):
        args = [lib.binary("operators"), "--executors", executors, *options, *arguments]
        return self.run_ok(args).out

    def turns(self):
        """(partitions, executors) to try."""
        pairs = [(partitions, executors) for partitions in PARTITIONS for executors in (1, 2)]
        pairs.append((8, 5))
        return pairs if lib.SANITIZER == "none" else pairs[::3]

    def assert_spilled(self, done):
        self.assertRegex(done.err, r"spilled [1-9][0-9.]* [KM]iB")


class Joins(OperatorCase):

    def check(self, kind, left, right, left_keys, right_keys, partitions, executors, options=()):
        name = lambda keys: ",".join(str(key) for key in keys)
        out = self.operators("join", kind, name(left_keys), name(right_keys),
                             self.input(left, partitions), self.input(right, partitions + 1),
                             executors=executors, options=options)
        wanted = expect(plain_join(kind, left, right, left_keys, right_keys))
        self.assertEqual(rows_of(out), wanted,
                         "%s of %s and %s, %d partitions" % (kind, left.kinds, right.kinds,
                                                             partitions))

    def test_every_kind_is_the_plain_join(self):
        for number, (partitions, executors) in enumerate(self.turns()):
            for kind in JOINS:
                left = Rows(number, 150, "isa")
                right = Rows(number + 100, 120, "ifs")
                self.check(kind, left, right, (1,), (1,), partitions, executors)

    def test_keys_of_other_kinds_meet(self):
        for number, kinds in enumerate(("if", "fi", "ai", "sa", "aa", "ff", "bb", "fa")):
            kind = JOINS[number % 4]
            left = Rows(number, 120, "i" + kinds[0] + "s")
            right = Rows(number + 50, 90, kinds[1] + "i")
            self.check(kind, left, right, (2,), (1,), 3, 2)

    def test_several_keys_of_different_places(self):
        for number, kind in enumerate(JOINS):
            left = Rows(number, 200, "ibaf")
            right = Rows(number + 9, 200, "aib")
            self.check(kind, left, right, (2, 1), (3, 2), 8, 2)

    def test_sides_without_a_row(self):
        for kind in JOINS:
            for counts in ((0, 40), (40, 0), (0, 0)):
                left = Rows(1, counts[0], "is")
                right = Rows(2, counts[1], "ii")
                self.check(kind, left, right, (1,), (1,), 3, 2)

    def test_one_key_that_half_of_the_rows_have(self):
        left = Rows(1, 700, "is", skewed=True)
        right = Rows(2, 500, "is", skewed=True)
        for kind in JOINS:
            self.check(kind, left, right, (1,), (1,), 8, 2)

    def test_all_meet_all(self):
        for partitions, executors in self.turns():
            left, right = Rows(1, 60, "is"), Rows(2, 50, "a")
            out = self.operators("cross", self.input(left, partitions),
                                 self.input(right, 4), executors=executors)
            self.assertEqual(rows_of(out),
                             expect(one + other for one in left.rows for other in right.rows))

    def test_small_side_to_all(self):
        for number, (partitions, executors) in enumerate(self.turns()):
            left = Rows(number, 300, ("isa", "fs", "as")[number % 3])
            right = Rows(number + 100, 20, "is")
            out = self.operators("hash_join", "1", self.input(left, partitions),
                                 self.input(right, 3), executors=executors)
            self.assertEqual(rows_of(out), expect(plain_join("inner", left, right, (1,), (1,))))

    def test_a_dataset_joined_with_itself(self):
        rows = Rows(3, 100, "is")
        out = self.operators("same", self.input(rows, 3), "then", "again")
        self.assertEqual(rows_of(out), expect(plain_join("inner", rows, rows, (1,), (1,))))

    def test_join_of_a_join(self):
        left, right = Rows(1, 60, "is"), Rows(2, 50, "ia")
        out = self.operators("join", "left", "1", "1", self.input(left, 2), self.input(right, 3),
                             "then", "again")
        joined = Rows(0, 0, "isa")
        joined.rows = plain_join("left", left, right, (1,), (1,))
        self.assertEqual(rows_of(out), expect(plain_join("inner", joined, joined, (1,), (1,))))

    def test_little_memory_is_enough(self):
        rows = Rows(1, 20000, "is")
        rows.rows = [(i, "a text of some length %d" % i) for i in range(60000)]
        spec = self.input(rows, 4)
        done = self.run_it([lib.binary("operators"), "--executors", 1, "--memory", "64M",
                            "join", "inner", "1", "1", spec, spec])
        self.assertEqual(done.status, 0, done.err)
        self.assertEqual(len(rows_of(done.out)), 60000)
        rows.rows *= 3
        spec = self.input(rows, 4)
        done = self.run_ok([lib.binary("operators"), "--executors", 1, "--memory", "32M",
                            "join", "inner", "1", "1", spec, spec])
        self.assertEqual(len(rows_of(done.out)), 9 * 60000)
        self.assert_spilled(done)

    def test_wide_sides_fit_the_least_memory(self):
        rows = Rows(1, 20, "i" + "a" * 31)
        args = ["same", self.input(rows, 2), "then", "again"]
        done = self.refused([lib.binary("operators"), "--executors", 2, "--memory", "20M"] + args,
                            1, "give --memory ")
        least = done.err.split("give --memory ")[1].split(",")[0]
        out = self.operators(*args, options=("--memory", least))
        self.assertEqual(rows_of(out), expect(plain_join("inner", rows, rows, (1,), (1,))))

    def test_wrong_joins_are_refused(self):
        left, right = self.input(Rows(1, 3, "is"), 1), self.input(Rows(2, 3, "sb"), 1)
        for arguments, words in (
                (("join", "inner", "1", "1"), "the left key 'c1' is i64 and the right key 'c1' is"),
                (("join", "inner", "2", "2"), "'c2' is bytes and the right key 'c2' is bool"),
                (("join", "inner", "3", "1"), "there is no column 3"),
                (("join", "inner", "2", "3"), "there is no column 3"),
                (("join", "inner", "2,1", "1"), "2 key columns on the left and 1 on the right"),
                (("join", "inner", "2,2", "1,1"), "named twice"),
                (("join", "odd", "2", "1"), "no such kind")):
            self.refused([lib.binary("operators"), *arguments, left, right], 1, words,
                         "operators.c:")


class Moves(OperatorCase):
    """Operators that move, choose or count rows."""

    def test_union_is_all_rows(self):
        for partitions, executors in self.turns():
            parts = [Rows(i, count, "is") for i, count in enumerate((100, 0, 57, 1))]
            out = self.operators("union", *(self.input(part, partitions + i)
                                            for i, part in enumerate(parts)), executors=executors)
            self.assertEqual(rows_of(out), expect(row for part in parts for row in part.rows))

    def test_union_of_other_kinds_keeps_values(self):
        parts = [Rows(1, 50, "is"), Rows(2, 60, "fa"), Rows(3, 40, "ai")]
        specs = [self.input(part, i + 1) for i, part in enumerate(parts)]
        rows = [row for part in parts for row in part.rows]
        self.assertEqual(rows_of(self.operators("union", *specs)), expect(rows))
        # Whatever reads the mixed columns.
        out = self.operators("union", *specs, "then", "sort", "1,2")
        self.assertEqual(rows_of(out), expect(rows))
        out = self.operators("union", *specs, "then", "partition", 5, "2,1")
        self.assertEqual(rows_of(out), expect(rows))
        out = self.operators("union", *specs, "then", "count")
        counts = {}
        for row in rows:
            key = text_of(float(row[0]) if type(row[0]) is int else row[0])
            counts[key] = counts.get(key, 0) + 1
        got = {}
        for line in rows_of(out):
            key, number = line.split("\t")
            got["f%.17g" % float(key[1:]) if key[0] in "if" else key] = int(number[1:])
        self.assertEqual(got, counts)
        joined = Rows(0, 0, "aa")
        joined.rows = rows
        out = self.operators("union", *specs, "then", "again")
        pairs = plain_join("inner", joined, joined, (1,), (1,))
        same_number = lambda line: line.split("\t", 1)[1]  # 1 and 1.0 meet: either may stand there
        self.assertEqual(sorted(map(same_number, rows_of(out))),
                         sorted(map(same_number, expect(pairs))))

    def test_union_is_renamed_and_narrowed(self):
        left, right, third = Rows(1, 60, "is"), Rows(2, 25, "if"), Rows(3, 30, "a")
        parts = [Rows(1, 50, "i"), Rows(2, 60, "f")]
        specs = [self.input(part, 2) for part in parts]
        out = self.operators("union", *specs, "then", "as", "x any", "then", "partition", 3, 1)
        self.assertEqual(rows_of(out), expect(parts[0].rows + parts[1].rows))
        # A narrowed column is checked, also where it arrives as what it is to become.
        ints = [self.input(Rows(1, 50, "i"), 2), self.input(Rows(4, 9, "i"), 1)]
        out = self.operators("union", *ints, "then", "as", "x any", "then", "as", "x i64")
        self.assertEqual(len(rows_of(out)), 59)
        self.refused([lib.binary("operators"), "union", *specs, "then", "as", "x i64"], 1,
                     "column 'x' is declared i64, but a row has f64")
        self.refused([lib.binary("operators"), "join", "left", "1", "1", self.input(left, 1),
                      self.input(right, 1), "then", "select", 3, "then", "as", "x any", "then",
                      "as", "x f64"], 1, "column 'x' is declared f64, but a row has null")
        self.refused([lib.binary("operators"), "union", specs[0], self.input(third, 1), "then",
                      "as", "x i64"], 1, "column 'x' is declared i64, but a row has")

    def test_union_of_other_widths_is_refused(self):
        specs = [self.input(Rows(1, 3, "is"), 1), self.input(Rows(2, 3, "i"), 1)]
        self.refused([lib.binary("operators"), "union"] + specs, 1,
                     "different numbers of columns: (c1 i64, c2 bytes) and (c1 i64)",
                     "operators.c:")

    def test_select_is_those_columns(self):
        rows = Rows(1, 100, "isfb")
        spec = self.input(rows, 3)
        self.assertEqual(rows_of(self.operators("same", spec, "then", "select", "3,1,3")),
                         expect((row[2], row[0], row[2]) for row in rows.rows))
        self.assertEqual(rows_of(self.operators("same", spec, "then", "select_kv", "4,2", "1")),
                         expect((row[3], row[1], row[0]) for row in rows.rows))
        self.refused([lib.binary("operators"), "same", spec, "then", "select", "5"], 1,
                     "there is no column 5", "operators.c:")

    def test_where_is_the_plain_filter(self):
        compare = {"=": lambda a, b: a == b, "<>": lambda a, b: a != b, "<": lambda a, b: a < b,
                   "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}

        def like(value):
            return "number" if type(value) in (int, float) else type(value)

        rows = Rows(1, 2500, "isafb")
        spec = self.input(rows, 3)
        for column, bound in ((1, 3), (1, 2.5), (2, "word7"), (3, 2), (3, "word7"), (3, True),
                              (4, 1.5), (4, -1), (5, False), (1, 99)):
            for name, function in compare.items():
                out = self.operators("same", spec, "then", "where", column, name, text_of(bound))
                wanted = [row for row in rows.rows if like(row[column - 1]) == like(bound) and
                          function(row[column - 1], bound)]
                self.assertEqual(rows_of(out), expect(wanted), (column, name, bound))
        for name, null in (("null", True), ("not_null", False)):
            out = self.operators("same", spec, "then", "where", 3, name, "n")
            self.assertEqual(rows_of(out),
                             expect(row for row in rows.rows if (row[2] is None) == null))
        for arguments, words in (((1, "=", "stext"), "is i64 and never compares with a value of"),
                                 ((9, "=", "i1"), "no column 9"), ((1, "~", "i1"), "no such"),
                                 ((1, "=", "n"), "GLEAM_IS_NULL")):
            self.refused([lib.binary("operators"), "same", spec, "then", "where", *arguments], 1,
                         words, "operators.c:")

    def test_every_way_to_move_rows_keeps_them(self):
        rows = Rows(1, 300, "is")
        wanted = expect(rows.rows)
        for partitions, executors in self.turns():
            spec = self.input(rows, partitions)
            for count in (1, 2, 5, 30):
                for step in (("round_robin", count), ("partition", count, "2,1"),
                             ("merge", count)):
                    out = self.operators("same", spec, "then", *step, executors=executors)
                    self.assertEqual(rows_of(out), wanted, "%s from %d" % (step, partitions))
                out = self.operators("same", spec, "then", "broadcast", count,
                                     executors=executors)
                self.assertEqual(rows_of(out), sorted(wanted * count))

    def test_turns_and_merges_fill_every_partition(self):
        spec = self.input(Rows(1, 300, "is"), 7)
        for step, nonempty in ((("round_robin", 5), 5), (("round_robin", 11), 11),
                               (("merge", 3), 3), (("merge", 12), 7), (("broadcast", 4), 4),
                               (("partition", 1, "1"), 1)):
            out = self.operators("same", spec, "then", *step, "then", "local_limit", 1, 0)
            self.assertEqual(len(rows_of(out)), nonempty, step)
        # By turns: no partition has two rows more than another, for each source.
        out = self.operators("same", self.input(Rows(1, 300, "is"), 1), "then", "round_robin", 7,
                             "then", "local_limit", 300, 300 // 7)
        self.assertEqual(len(rows_of(out)), 300 % 7)

    def test_sorted_partitions_merge_sorted(self):
        rows = Rows(1, 400, "is")
        for partitions in (1, 2, 3, 21, 25):
            spec = self.input(rows, partitions)
            wanted = expect(rows.rows)
            for step in (("merge_sorted", 1, "2,-1"), ("tree", 1, 2, "2,-1"),
                         ("tree", 1, 10, "2,-1")):
                out = self.operators("same", spec, "then", "local_sort", "2,-1", "then", *step)
                lines = out.split("\n")[:-1]
                self.assertEqual(sorted(lines), wanted, step)
                keys = [(line.split("\t")[1], -int(line.split("\t")[0][1:])) for line in lines]
                self.assertEqual(keys, sorted(keys), step)
            out = self.operators("same", spec, "then", "local_sort", "1", "then", "merge_sorted",
                                 4, "1", "then", "local_limit", 1, 0)
            self.assertEqual(len(rows_of(out)), min(4, partitions))

    def test_limit_is_the_first_rows(self):
        rows = Rows(1, 1000, "is")
        rows.rows = [(i, "row") for i in range(1000)]
        for partitions, executors in self.turns():
            spec = self.input(rows, partitions)
            for count in (0, 1, 7, 500, 1000, 5000):
                out = self.operators("same", spec, "then", "limit", count, executors=executors)
                self.assertEqual(rows_of(out), expect(rows.rows[:count]),
                                 "%d of %d partitions" % (count, partitions))
        out = self.operators("same", spec, "then", "sort", "-1", "then", "limit", 3)
        self.assertEqual(rows_of(out), expect(rows.rows[-3:]))

    def test_local_limit_is_a_range_of_each_partition(self):
        rows = Rows(1, 0, "is")
        rows.rows = [(i, "row") for i in range(5000)]
        for count, offset in ((10, 0), (10, 3), (0, 5), (5000, 0), (5000, 4990), (1, 5000),
                              (1500, 1100)):
            out = self.operators("same", self.input(rows, 1), "then", "local_limit", count, offset)
            self.assertEqual(rows_of(out), expect(rows.rows[offset:offset + count]))
        out = self.operators("same", self.input(rows, 1), "then", "round_robin", 4, "then",
                             "local_limit", 100, 1200)
        self.assertEqual(len(rows_of(out)), 4 * 50)

    def test_limit_stops_reading(self):
        line = "i1\ts%s\n" % ("x" * 100)
        path = self.file(line * (scaled(64) * 10000), "large")
        for partitions in (0, 1, 50):
            spec = "%d:is:%s" % (partitions, path)
            for executors in (1, 2):
                args = [lib.binary("operators"), "--executors", executors, "same", spec, "then",
                        "limit", 5]
                done, stats = self.stats_of(args)
                self.assertEqual(done.out.count(b"\n"), 5)
                self.assertLess(stats["input_bytes"], os.path.getsize(path) / 3,
                                "%d partitions, %d executors" % (partitions, executors))



def key_of(row, keys):
    """What rows of one key share: 1 and 1.0 are one, True is another."""
    return tuple((type(row[k - 1]) is bool, row[k - 1]) for k in keys)


def canonical(value):
    """A number as it stands in a key: 2.0 is 2."""
    return int(value) if isinstance(value, float) and value == int(value) else value


def groups_of(rows, keys):
    """{key: [its rows, in order]}"""
    out = {}
    for row in rows.rows:
        out.setdefault(key_of(row, keys), []).append(row)
    return out


def values_of(rows, keys, width):
    """The list of a group: the only other column's values, or a list of values for each row."""
    lists = [[row[i] for i in range(width) if i + 1 not in keys] for row in rows]
    return [one[0] for one in lists] if width - len(keys) == 1 else lists


class Keys(OperatorCase):
    """Operators that bring the rows of a key together."""

    def test_groups_are_lists_in_order(self):
        for number, (partitions, executors) in enumerate(self.turns()):
            for kinds, keys in (("is", (1,)), ("ais", (1,)), ("ifsb", (4, 1)), ("sa", (1,))):
                rows = Rows(number, 300, kinds)
                out = self.operators("same", self.input(rows, partitions), "then", "group",
                                     ",".join(map(str, keys)), executors=executors)
                wanted = [[(canonical if kinds[k - 1] == "a" else lambda v: v)(group[0][k - 1])
                           for k in keys] + [values_of(group, keys, len(kinds))]
                          for group in groups_of(rows, keys).values()]
                self.assertEqual(rows_of(out), expect(wanted), "%s, %d" % (kinds, partitions))

    def test_nothing_has_no_groups(self):
        for step in (("group", 1), ("distinct", 1), ("reduce", "count")):
            out = self.operators("same", self.input(Rows(1, 0, "is"), 2), "then", *step)
            self.assertEqual(out, "")

    def test_a_long_list_in_one_value(self):
        rows = Rows(1, 0, "is")
        rows.rows = [(7, "value number %d of many" % i) for i in range(20000)]
        out = self.operators("same", self.input(rows, 8), "then", "group", 1)
        self.assertEqual(rows_of(out), expect([(7, [row[1] for row in rows.rows])]))

    def test_lists_move_and_sort_and_go_through_functions(self):
        rows = Rows(1, 200, "ii")
        groups = groups_of(rows, (1,))
        pairs = [(group[0][0], [row[1] for row in group]) for group in groups.values()]
        spec = self.input(rows, 3)
        out = self.operators("same", spec, "then", "group", 1, "then", "pairs", "then",
                             "partition", 5, 2)
        self.assertEqual(rows_of(out), expect((key, [values]) for key, values in pairs))
        out = self.operators("same", spec, "then", "group", 1, "then", "sort", "-2")
        self.assertEqual(out.split("\n")[:-1],
                         ["\t".join(map(text_of, pair))
                          for pair in sorted(pairs, key=lambda pair: pair[1], reverse=True)])
        # Lists as keys: every list is its own one.
        out = self.operators("same", spec, "then", "group", 1, "then", "select", "2,1", "then",
                             "again")
        self.assertEqual(rows_of(out), expect((values, key, key) for key, values in pairs))

    def test_cogroups_are_both_lists(self):
        for number, (partitions, executors) in enumerate(self.turns()):
            for left_kind, right_kind in ("ii", "if", "aa", "as"):
                left, right = Rows(number, 150, left_kind + "s"), Rows(number + 50, 90,
                                                                      "b" + right_kind + "i")
                out = self.operators("cogroup", "1", "2", self.input(left, partitions),
                                     self.input(right, partitions + 2), executors=executors)
                lefts, rights = groups_of(left, (1,)), groups_of(right, (2,))
                wanted = []
                for key in set(lefts) | set(rights):
                    value = (lefts[key][0][0] if key in lefts else rights[key][0][1])
                    if left_kind != right_kind or left_kind == "a":
                        value = canonical(value)
                    wanted.append([value, values_of(lefts.get(key, ()), (1,), 2),
                                   values_of(rights.get(key, ()), (2,), 3)])
                self.assertEqual(rows_of(out), expect(wanted), left_kind + right_kind)

    def test_distinct_is_the_first_row_of_each_key(self):
        for number, (partitions, executors) in enumerate(self.turns()):
            for kinds, keys in (("is", (1,)), ("is", (2,)), ("aif", (1,)), ("bis", (1, 2)),
                                ("ib", ()), ("i", (1,)), ("ss", ())):
                rows = Rows(number, 400, kinds)
                out = self.operators("same", self.input(rows, partitions), "then", "distinct",
                                     ",".join(map(str, keys)) or 0, executors=executors)
                groups = groups_of(rows, keys or range(1, len(kinds) + 1))
                self.assertEqual(rows_of(out), expect(group[0] for group in groups.values()),
                                 "%s by %s, %d" % (kinds, keys, partitions))

    def test_distinct_of_more_than_a_little_memory_holds(self):
        rows = Rows(1, 0, "i")
        rows.rows = [(i % 150000,) for i in range(200000)]
        spec = self.input(rows, 4)
        done = self.run_ok([lib.binary("operators"), "--executors", 2, "--memory", "64M", "same",
                            spec, "then", "distinct", "0"])
        self.assertEqual(len(set(rows_of(done.out))), 150000)
        self.assertEqual(len(rows_of(done.out)), 150000)
        done = self.run_ok([lib.binary("operators"), "--executors", 1, "--memory", "24M", "same",
                            self.input(rows, 1), "then", "distinct", 1])
        self.assertEqual(rows_of(done.out), expect((i,) for i in range(150000)))
        self.assert_spilled(done)

    def test_local_forms_look_at_each_partition(self):
        rows = Rows(1, 300, "is")
        spec = self.input(rows, 1)
        groups = groups_of(rows, (1,))
        for step in ("local_distinct", "local_group"):
            out = self.operators("same", spec, "then", step, 1)
            self.assertEqual(len(rows_of(out)), len(groups))
            out = self.operators("same", spec, "then", "broadcast", 3, "then", step, 1)
            self.assertEqual(len(rows_of(out)), 3 * len(groups))
        out = self.operators("same", spec, "then", "local_reduce", "count", 1)
        self.assertEqual(rows_of(out), expect((group[0][0], len(group))
                                              for group in groups.values()))

    def test_reduce_folds_all_rows(self):
        rows = Rows(1, 777, "if")
        ints = [row[0] for row in rows.rows]
        for partitions, executors in self.turns():
            spec = self.input(rows, partitions)
            for kernel, answer in (("count", (777,)), ("min", tuple(map(min, zip(*rows.rows)))),
                                   ("max", tuple(map(max, zip(*rows.rows))))):
                out = self.operators("same", spec, "then", "reduce", kernel, executors=executors)
                self.assertEqual(rows_of(out), expect([answer]))
            out = self.operators("same", spec, "then", "select", 1, "then", "reduce",
                                 "sum_int64", executors=executors)
            self.assertEqual(rows_of(out), expect([(sum(ints),)]))

    def test_folds_are_the_plain_ones(self):
        def mean(values):
            return sum(map(float, values)) / len(values) if values else None

        def least(values):
            return min(values) if values else None

        plain = {"sum": lambda values: sum(values) if values else None, "avg": mean,
                 "min": least, "max": lambda values: max(values) if values else None}
        for number, (partitions, executors) in enumerate(self.turns()):
            rows = Rows(number, 400, "sif")
            for keys in ((1,), (), (1, 2)):
                name = ",".join(map(str, keys)) or 0
                spec = self.input(rows, partitions)
                groups = groups_of(rows, keys) if keys else {(): rows.rows}
                source = ["same", spec] + ([] if keys else ["then", "select", "2,3"])
                for fold, function in plain.items():
                    out = self.operators(*source, "then", "fold", fold, name, executors=executors)
                    first = len(keys) or 1
                    wanted = [[group[0][k - 1] for k in keys] +
                              [function([row[i] for row in group]) for i in range(first, 3)]
                              for group in groups.values()]
                    self.assertEqual(rows_of(out), expect(wanted), "%s by %s" % (fold, keys))
                out = self.operators("same", spec, "then", "fold", "count", name,
                                     executors=executors)
                self.assertEqual(rows_of(out), expect(
                    [group[0][k - 1] for k in keys] + [len(group)] for group in groups.values()))

    def test_distinct_values_are_counted(self):
        for number, (partitions, executors) in enumerate(self.turns()):
            rows = Rows(number, 400, "sa")
            spec = self.input(rows, partitions)
            count = lambda group: len({key_of(row, (2,)) for row in group if row[1] is not None})
            out = self.operators("same", spec, "then", "fold", "count_distinct", 1,
                                 executors=executors)
            self.assertEqual(rows_of(out), expect((group[0][0], count(group))
                                                  for group in groups_of(rows, (1,)).values()))
            out = self.operators("same", spec, "then", "select", 2, "then", "fold",
                                 "count_distinct", 0, executors=executors)
            self.assertEqual(rows_of(out), expect([(count(rows.rows),)]))

    def test_folds_of_nulls_leave_them_out(self):
        left, right = Rows(1, 60, "is"), Rows(2, 25, "if")
        spec = ["join", "left", "1", "1", self.input(left, 2), self.input(right, 3), "then",
                "select", "2,3"]
        joined = Rows(0, 0, "sf")
        joined.rows = [row[1:] for row in plain_join("left", left, right, (1,), (1,))]
        self.assertTrue(any(row[1] is None for row in joined.rows))
        groups = groups_of(joined, (1,)).values()
        for fold, function in (("sum", sum), ("avg", lambda values: sum(values) / len(values)),
                               ("min", min), ("max", max)):
            out = self.operators(*spec, "then", "fold", fold, 1)
            wanted = []
            for group in groups:
                values = [row[1] for row in group if row[1] is not None]
                wanted.append((group[0][0], function(values) if values else None))
            self.assertEqual(rows_of(out), expect(wanted), fold)
        out = self.operators(*spec, "then", "fold", "count_distinct", 1)
        self.assertEqual(rows_of(out), expect(
            (group[0][0], len({row[1] for row in group if row[1] is not None}))
            for group in groups))

    def test_wrong_folds_are_refused(self):
        spec = self.input(Rows(1, 3, "sia"), 1)
        for arguments, words in ((("avg", 1), "averages i64 and f64, but column 'c3' is any"),
                                 (("sum", 2), "sums i64 and f64, but column 'c1' is bytes"),
                                 (("avg", "1,2,3"), "nothing is left to fold"),
                                 (("avg", 4), "no column 4"), (("avg", "1,1"), "named twice"),
                                 (("count_distinct", 1), "values of one column")):
            self.refused([lib.binary("operators"), "same", spec, "then", "fold", *arguments], 1,
                         words, "operators.c:")

    def test_more_to_group_than_memory_holds(self):
        rows = Rows(1, 0, "is")
        rows.rows = [(i % 10, "a text of some length %d" % i) for i in range(300000)]
        done = self.run_ok([lib.binary("operators"), "--executors", 1, "--memory", "28M", "same",
                            self.input(rows, 2), "then", "group", 1])
        self.assertEqual(len(rows_of(done.out)), 10)
        self.assertEqual(done.out.count("a text of some length"), 300000)
        self.assert_spilled(done)

    def test_nothing_is_left_to_group(self):
        rows = Rows(1, 3, "is")
        self.refused([lib.binary("operators"), "same", self.input(rows, 2), "then", "group",
                      "1,2"], 1, "nothing is left", "step 'lists'")


class Pipelines(OperatorCase):
    """Operators behind each other: what one makes, nulls, mixed kinds and all, the next one takes."""

    STEPS = ("select", "distinct", "move", "count", "again", "sort", "where", "move")

    def step(self, dice, rows, width):
        """A random step: its arguments, and what becomes of the rows."""
        kind = dice.choice(self.STEPS)
        column = dice.randrange(width)
        if kind == "select":
            columns = [dice.randrange(width) for _ in range(dice.randrange(1, 5))]
            return (("select", ",".join(str(c + 1) for c in columns)),
                    [[row[c] for c in columns] for row in rows])
        if kind == "distinct":
            keys = range(1, width + 1)
            return ("distinct", 0), list({key_of(row, keys): row for row in rows}.values())
        if kind == "count":
            groups = {}
            for row in rows:
                groups.setdefault(key_of(row, (1,)), []).append(row)
            return ("fold", "count", 1), [[group[0][0], len(group)] for group in groups.values()]
        if kind == "again" and width < 5:
            pairs = [[one[0]] + one[1:] + other[1:] for one in rows for other in rows
                     if meet(one[0], other[0])]
            if len(pairs) < 1500:
                return ("again",), pairs
        if kind == "where":
            return (("where", column + 1, "not_null", "n"),
                    [row for row in rows if row[column] is not None])
        if kind == "sort":
            return ("sort", column + 1), rows
        count = dice.choice((1, 2, 7, 40))
        return dice.choice((("round_robin", count), ("partition", count, column + 1),
                            ("merge", count))), rows

    def test_random_ones_are_the_plain_computation(self):
        for seed in range(scaled(250)):
            dice = random.Random(seed)
            left = Rows(seed, dice.choice((0, 1, 30, 90)), dice.choice(("is", "fa", "aa", "si")))
            right = Rows(seed + 5000, dice.choice((0, 5, 60)), dice.choice(("ia", "af", "sa")))
            specs = [self.input(left, dice.choice(PARTITIONS)),
                     self.input(right, dice.choice(PARTITIONS))]
            kind = dice.choice(("left", "right", "full", "union"))
            if kind == "union" or {left.kinds[0], right.kinds[0]} in ({"i", "s"}, {"f", "s"}):
                arguments = ["union"] + specs
                rows = [list(row) for row in left.rows + right.rows]
            else:
                arguments = ["join", kind, "1", "1"] + specs
                rows = plain_join(kind, left, right, (1,), (1,))
            width = 2 if arguments[0] == "union" else 3
            for _ in range(dice.randrange(1, 5)):
                step, rows = self.step(dice, rows, width)
                arguments += ["then", *step]
                width = {"select": lambda: step[1].count(",") + 1, "fold": lambda: 2,
                         "again": lambda: 2 * width - 1}.get(step[0], lambda: width)()
            out = self.operators(*arguments, executors=dice.choice((1, 2, 3)))
            # 2 and 2.0 are the same key: either may stand where rows of a key meet.
            wanted = sorted("\t".join(text_of(canonical(value)) for value in row) for row in rows)
            got = sorted("\t".join(self.canonical_text(text) for text in line.split("\t"))
                         for line in out.split("\n")[:-1])
            self.assertEqual(got, wanted, "seed %d: %s" % (seed, arguments))

    def canonical_text(self, text):
        return text_of(canonical(float(text[1:]))) if text[0] == "f" else text


if __name__ == "__main__":
    lib.main()
