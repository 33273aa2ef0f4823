"""data.py - a dataset as the reference interpreter has it: its rows, and what is promised about them.

Gleam promises an order of rows in few places.  What the promise is, an operator may lean on: Limit takes
the first rows where the order of (partition, position) is that of `rows`, whatever the number of
partitions; where it is not, the answer would not be one answer, and the operator does not fit.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "it"))

from values import rank_row  # noqa: E402

ROWS_MAX = 20000
BYTES_MAX = 80 << 20


class Unfit(Exception):
    """The operator cannot stand here: its answer would depend on chance, or the plan be refused."""


def fit(condition, why="unfit"):
    if not condition:
        raise Unfit(why)


def base(kind):
    return kind.rstrip("?")


def nullable(kind):
    return kind if kind in ("any", "mixed") or kind.endswith("?") else kind + "?"


def is_numeric(kind):
    return base(kind) in ("i64", "f64")


class Data:
    """Rows (tuples) and the kinds of their columns: i64, f64, bool, bytes, each perhaps with "?", any,
    or mixed: it is one of several, and which one is not predicted here.

    known    the order of (partition, position) is the order of rows
    one      there is one partition
    sort     rows are printed in this order, [(column from 0, ascending)], or None; where all is known
             they are printed as they stand, and the columns may be others since
    runs     each partition is sorted so, or None
    total    as sort, if it names every column and the rows came right from there, for SQL
    hashed   rows that are equal in these columns are in one partition, or None
    """

    def __init__(self, rows, kinds, known=False, one=False, sort=None, total=None, runs=None,
                 hashed=None):
        fit(len(rows) <= ROWS_MAX, "too many rows")
        self.rows, self.kinds = rows, list(kinds)
        self.known, self.one, self.sort, self.total = known, one, sort, total
        self.runs, self.hashed = runs, hashed

    @property
    def width(self):
        return len(self.kinds)

    def but(self, **changes):
        """The same with some things changed."""
        fields = dict(vars(self))
        fields.update(changes)
        return Data(**fields)

    def rowwise(self, rows, kinds, keeps=False):
        """What a step on single rows makes; keeps: it only leaves rows out."""
        if keeps:
            return self.but(rows=rows)
        # The columns of the order may be gone, so it is still one where every row's place is known.
        return Data(rows, kinds, known=self.known, one=self.one,
                    sort=self.sort if self.known else None)

    def bag(self, rows=None, kinds=None, **more):
        """The rows in no order."""
        return Data(self.rows if rows is None else rows, kinds or self.kinds, **more)

    def groups(self, keys):
        """[rows of one key], in the order of their first rows."""
        found = {}
        for row in self.rows:
            found.setdefault(rank_row([row[k] for k in keys]), []).append(row)
        return list(found.values())
