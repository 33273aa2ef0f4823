"""operators.py - the table of operators: how each is drawn, written in Lua, computed, and asked in SQL.

An operator is a class with the decorator.  Its methods get its parameters, a tuple that draw() made,
and the datasets it stands behind (one, or two for a join):

    draw(dice, d[, e])        parameters; raises Unfit where it cannot stand
    lua(p, d[, e])            the method calls; {other} is the second dataset
    apply(p, d[, e])          the Data that comes out; raises Unfit
    sql(p, d[, e])            the same as a SELECT from {a} (and {b}), or None where SQL cannot say it

Adding one is adding a class.  spills is None for an operator that keeps no rows, True for one that
moves them to disk when memory is spent, and False for one that then ends the job with a message about
memory: what a flow may do in little memory follows from it (Flow.has_to_fit_little_memory).
"""
import math

from data import Data, Unfit, base, fit, is_numeric, nullable
from values import literal, rank, rank_row, show, sorted_by

OPERATORS = {}  # {name: operator}


def operator(weight, arity=1, spills=None):
    def add(kind):
        one = kind()
        one.name, one.weight, one.arity, one.spills = kind.__name__, weight, arity, spills
        OPERATORS[one.name] = one
        return kind
    return add


class Operator:
    def sql(self, p, *datasets):
        return None


# ---- small helpers ----------------------------------------------------------------------------------

def field(keys):
    return "gleam.Field(%s)" % ", ".join(str(k + 1) for k in keys)


def order_text(order):
    first, *rest = ["(%d, %s)" % (column + 1, str(up).lower()) for column, up in order]
    return "gleam.OrderBy" + first + "".join(":By" + one for one in rest)


def as_text(kinds):
    return ':As("%s")' % ", ".join(
        "c%d %s" % (i + 1, "any" if kind == "mixed" else kind) for i, kind in enumerate(kinds))


def sql_columns(count, prefix=""):
    return ", ".join("%sc%d" % (prefix, c + 1) for c in range(count))


def sql_value(v):
    if isinstance(v, bytes):
        return "x'%s'" % v.hex()
    if v == -2 ** 63 and isinstance(v, int):
        return "(-9223372036854775807 - 1)"
    if isinstance(v, float) and abs(v) == math.inf:
        return "9e999" if v > 0 else "-9e999"
    return repr(v)


def sql_order(order):
    return ", ".join("c%d %s" % (c + 1, "ASC" if up else "DESC") for c, up in order)


def some_columns(dice, d, least=1, most=3):
    columns = list(range(d.width))
    dice.shuffle(columns)
    return tuple(columns[:dice.randrange(least, min(most, d.width) + 1)])


def key_columns(dice, d):
    """Key columns that leave something over."""
    fit(d.width > 1)
    return some_columns(dice, d, 1, min(2, d.width - 1))


def draw_order(dice, d, whole=0.4):
    columns = some_columns(dice, d, *((d.width, d.width) if dice.random() < whole else (1, 2)))
    return tuple((c, dice.random() < 0.5) for c in columns)


def in_range(d, columns):
    fit(all(c < d.width for c in columns))


def others(d, keys):
    return [c for c in range(d.width) if c not in keys]


def partitions(dice):
    """A number of partitions: of the flow's own, or another."""
    return dice.choice(("p", "p", "p + 1", "1", "2", "7"))


# ---- functions of a value: Lua, Python, SQL ------------------------------------------------------------

def small(x):
    """Where all arithmetic is exact, whatever the kind."""
    return isinstance(x, (int, float)) and not isinstance(x, bool) and -1e9 < x < 1e9


SMALL = 'type(x) == "number" and x > -1e9 and x < 1e9'
STRING = 'type(x) == "string"'
SQL_SMALL = "typeof({x}) IN ('integer', 'real') AND {x} > -1e9 AND {x} < 1e9"
FUNCTIONS = (
    ("x", lambda x: x, "{x}"),
    ("x", lambda x: x, "{x}"),
    ("%s and x + 1 or x" % SMALL, lambda x: x + 1 if small(x) else x,
     "CASE WHEN %s THEN {x} + 1 ELSE {x} END" % SQL_SMALL),
    ("%s and x * -0.5 or x" % SMALL, lambda x: x * -0.5 if small(x) else x,
     "CASE WHEN %s THEN {x} * -0.5 ELSE {x} END" % SQL_SMALL),
    ("%s and x - x %% 3 or x" % SMALL, lambda x: x - x % 3 if small(x) else x, None),
    ('%s and x .. "!" or x' % STRING, lambda x: x + b"!" if isinstance(x, bytes) else x,
     "CASE typeof({x}) WHEN 'blob' THEN CAST({x} || x'21' AS BLOB) ELSE {x} END"),
    ("%s and #x or x" % STRING, lambda x: len(x) if isinstance(x, bytes) else x,
     "CASE typeof({x}) WHEN 'blob' THEN length({x}) ELSE {x} END"),
    ("%s and x:sub(1, 1) or x" % STRING, lambda x: x[:1] if isinstance(x, bytes) else x,
     "CASE typeof({x}) WHEN 'blob' THEN coalesce(substr({x}, 1, 1), x'') ELSE {x} END"),
    ("x == nil", lambda x: x is None, None),
    ("nil", lambda x: None, "NULL"),
    ('"k"', lambda x: b"k", "x'6b'"),
    ("7", lambda x: 7, "7"),
)
# What makes a declared kind of any value.
SHAPES = {
    "any": ("x", lambda x: x, "{x}"),
    "i64": ("%s and floor(x) or 7" % SMALL, lambda x: math.floor(x) if small(x) else 7, None),
    "i64?": ("%s and floor(x) or nil" % SMALL, lambda x: math.floor(x) if small(x) else None, None),
    "f64": ("%s and floor(x * 2) / 2 or 0.5" % SMALL,
            lambda x: math.floor(x * 2) / 2 if small(x) else 0.5, None),
    "f64?": ('type(x) == "number" and x or nil', lambda x: float(x) if is_double(x) else None, None),
    "bool": ("x == true", lambda x: x is True, None),
    "bytes": ('%s and x or "none"' % STRING, lambda x: x if isinstance(x, bytes) else b"none",
              "CASE typeof({x}) WHEN 'blob' THEN {x} ELSE x'6e6f6e65' END"),
    "bytes?": ("%s and x or nil" % STRING, lambda x: x if isinstance(x, bytes) else None,
               "CASE typeof({x}) WHEN 'blob' THEN {x} ELSE NULL END"),
}
CONDITIONS = (
    ("x ~= nil", lambda x: x is not None, "{x} IS NOT NULL"),
    ("%s and x > 2" % SMALL, lambda x: small(x) and x > 2, SQL_SMALL + " AND {x} > 2"),
    ("not (%s) or #x %% 2 == 0" % STRING, lambda x: not isinstance(x, bytes) or len(x) % 2 == 0,
     "typeof({x}) <> 'blob' OR length({x}) % 2 = 0"),
    ("false", lambda x: False, "0"),
)


def is_double(x):
    """A number of Lua that an f64 column takes as it is."""
    return isinstance(x, float) or isinstance(x, int) and not isinstance(x, bool) and abs(x) < 2 ** 53


def parameters(d):
    return ", ".join("c%d" % (c + 1) for c in range(d.width))


def call(expression, column):
    return "(function(x) return %s end)(c%d)" % (expression, column + 1)


# ---- steps on rows -------------------------------------------------------------------------------------

@operator(6)
class Map(Operator):
    def draw(self, dice, d):
        typed = dice.random() < 0.6
        return tuple((dice.randrange(len(FUNCTIONS)), dice.randrange(d.width),
                      dice.choice(list(SHAPES)) if typed else None)
                     for _ in range(dice.randrange(1, 5)))

    def lua(self, p, d):
        texts = []
        for f, column, shape in p:
            text = call(FUNCTIONS[f][0], column)
            texts.append("(function(x) return %s end)(%s)" % (SHAPES[shape][0], text)
                         if shape else "(%s)" % text)
        kinds = [shape for _, _, shape in p]
        return ":Map(function(%s) return %s end)%s" % (
            parameters(d), ", ".join(texts), as_text(kinds) if kinds[0] else "")

    def apply(self, p, d):
        in_range(d, [column for _, column, _ in p])
        fns = [(FUNCTIONS[f][1], column, SHAPES[shape or "any"][1]) for f, column, shape in p]
        rows = [tuple(shape(fn(row[column])) for fn, column, shape in fns) for row in d.rows]
        return d.rowwise(rows, [shape or "any" for _, _, shape in p])

    def sql(self, p, d):
        out = []
        for i, (f, column, shape) in enumerate(p):
            outer, inner = SHAPES[shape or "any"][2], FUNCTIONS[f][2]
            if outer is None or inner is None:
                return None
            text = outer.replace("{x}", "(%s)" % inner.replace("{x}", "c%d" % (column + 1)))
            out.append("%s AS c%d" % (text, i + 1))
        return "SELECT %s FROM {a}" % ", ".join(out)


@operator(2)
class FlatMap(Operator):
    def draw(self, dice, d):
        return (dice.choice((0, 1, 2, 3, 40)), dice.randrange(d.width), dice.random() < 0.5)

    def lua(self, p, d):
        times, column, table = p
        if table:
            body = "local t = {} for i = 1, %d do t[i] = {i, c%d} end return t" % (times, column + 1)
        else:
            body = ("local i = 0 return function() i = i + 1 if i <= %d then return i, c%d end end"
                    % (times, column + 1))
        return ":FlatMap(function(%s) %s end)%s" % (parameters(d), body, as_text(("i64", "any")))

    def apply(self, p, d):
        times, column, _ = p
        in_range(d, [column])
        fit(times * len(d.rows) < 8000)
        rows = [(i, row[column]) for row in d.rows for i in range(1, times + 1)]
        return d.rowwise(rows, ("i64", "any"))


@operator(1)
class Tokenize(Operator):
    def draw(self, dice, d):
        return (dice.randrange(d.width),)

    def lua(self, p, d):
        return ":Select(%d):FlatMap(gleam.Tokenize)" % (p[0] + 1)

    def apply(self, p, d):
        in_range(d, p)
        fit(d.kinds[p[0]] == "bytes")
        rows = []
        for row in d.rows:
            words = bytes(c if chr(c).isascii() and chr(c).isalnum() else 32 for c in row[p[0]])
            rows += [(word,) for word in words.split()]
        return d.rowwise(rows, ("bytes",))


@operator(1)
class AppendOne(Operator):
    def draw(self, dice, d):
        fit(d.width < 8)
        return ()

    def lua(self, p, d):
        return ":Map(gleam.AppendOne)"

    def apply(self, p, d):
        return d.but(rows=[row + (1,) for row in d.rows], kinds=d.kinds + ["i64"])

    def sql(self, p, d):
        return "SELECT *, 1 AS c%d FROM {a}" % (d.width + 1)


@operator(2)
class Filter(Operator):
    def draw(self, dice, d):
        return (dice.randrange(len(CONDITIONS)), dice.randrange(d.width))

    def lua(self, p, d):
        return ":Filter(function(%s) return %s end)" % (parameters(d), call(CONDITIONS[p[0]][0], p[1]))

    def apply(self, p, d):
        in_range(d, p[1:])
        keep = CONDITIONS[p[0]][1]
        return d.rowwise([row for row in d.rows if keep(row[p[1]])], d.kinds, keeps=True)

    def sql(self, p, d):
        return "SELECT * FROM {a} WHERE %s" % CONDITIONS[p[0]][2].replace("{x}", "c%d" % (p[1] + 1))


@operator(4)
class Where(Operator):
    SIGNS = ("==", "~=", "<", "<=", ">", ">=")

    def draw(self, dice, d):
        column = dice.randrange(d.width)
        values = [row[column] for row in d.rows[:50] if not isinstance(row[column], (list, type(None)))]
        if not values or dice.random() < 0.2:
            return (column, dice.choice(("==", "~=")), None)
        return (column, dice.choice(self.SIGNS), dice.choice(values))

    def lua(self, p, d):
        return ':Where(%d, "%s", %s)' % (p[0] + 1, p[1], literal(p[2]))

    def apply(self, p, d):
        column, sign, bound = p
        in_range(d, [column])
        fit(bound is None or d.kinds[column] == "any" or self.kind_of(bound) == self.kind_of_column(
            d.kinds[column]))
        test = {"==": lambda a, b: a == b, "~=": lambda a, b: a != b, "<": lambda a, b: a < b,
                "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}[sign]
        right = rank(bound)
        keep = (lambda v: (v is None) == (sign == "==")) if bound is None else (
            lambda v: rank(v)[0] == right[0] and test(rank(v), right))
        return d.rowwise([row for row in d.rows if keep(row[column])], d.kinds, keeps=True)

    @staticmethod
    def kind_of(v):
        return "bool" if isinstance(v, bool) else "bytes" if isinstance(v, bytes) else "number"

    @staticmethod
    def kind_of_column(kind):
        return "number" if is_numeric(kind) else base(kind)

    def sql(self, p, d):
        name, sign, bound = "c%d" % (p[0] + 1), p[1].replace("~=", "<>"), p[2]
        if bound is None:
            return "SELECT * FROM {a} WHERE %s IS %s NULL" % (name, "" if p[1] == "==" else "NOT")
        if isinstance(bound, bool) or bound != bound:
            return None
        kinds = "('blob')" if isinstance(bound, bytes) else "('integer', 'real')"
        return "SELECT * FROM {a} WHERE typeof(%s) IN %s AND %s %s %s" % (
            name, kinds, name, sign, sql_value(bound))


@operator(3)
class Select(Operator):
    def draw(self, dice, d):
        return tuple(dice.randrange(d.width) for _ in range(dice.randrange(1, 5)))

    def lua(self, p, d):
        return ":Select(%s)" % field(p)

    def apply(self, p, d):
        in_range(d, p)
        return d.rowwise([tuple(row[c] for c in p) for row in d.rows], [d.kinds[c] for c in p])

    def sql(self, p, d):
        return "SELECT %s FROM {a}" % ", ".join("c%d AS c%d" % (c + 1, i + 1)
                                                for i, c in enumerate(p))


@operator(1)
class SelectKV(Select):
    def draw(self, dice, d):
        fit(d.width > 1)
        return some_columns(dice, d, 2, 4)

    def lua(self, p, d):
        return ":SelectKV(%s, %s)" % (field(p[:1]), field(p[1:]))

    def apply(self, p, d):
        fit(len(p) > 1)
        return super().apply(p, d)


@operator(1.5)
class Named(Select):
    """Columns get names, and are chosen by them."""

    def lua(self, p, d):
        names = ", ".join("n%d %s" % (i + 1, "any" if kind == "mixed" else kind)
                          for i, kind in enumerate(d.kinds))
        return ':As("%s"):Select(gleam.Field(%s))' % (
            names, ", ".join('"n%d"' % (c + 1) for c in p))


@operator(1)
class Hint(Operator):
    """Says something about the size, true or not: rows are the same."""

    def draw(self, dice, d):
        return ("gleam.%s(%s)" % (dice.choice(("TotalSize", "PartitionSize")),
                                  dice.choice((0.001, 1, 20000))),)

    def lua(self, p, d):
        return ":Hint(%s)" % p

    def apply(self, p, d):
        fit(p[0].startswith("gleam.Total") or d.known is False)
        return d.but() if p[0].startswith("gleam.Total") else d.bag()

    def sql(self, p, d):
        return "SELECT * FROM {a}"


@operator(0.4)
class Pipe(Operator):
    """Through a command that changes nothing but b and q."""

    def draw(self, dice, d):
        return (dice.random() < 0.5,)

    def lua(self, p, d):
        command = "LC_ALL=C tr bq qb" if p[0] else "cat"
        return ':Pipe("%s", {escape = true})%s' % (command, as_text(d.kinds))

    def apply(self, p, d):
        fit(all(base(kind) in ("bytes", "i64") for kind in d.kinds))
        swap = bytes.maketrans(b"bq", b"qb")
        rows = d.rows if not p[0] else [
            tuple(v.translate(swap) if isinstance(v, bytes) else v for v in row) for row in d.rows]
        return d.rowwise(rows, d.kinds)


# ---- moving rows -----------------------------------------------------------------------------------------

class Moves(Operator):
    """Rows stay what they are, and go elsewhere."""

    def draw(self, dice, d):
        return (partitions(dice),)

    def lua(self, p, d):
        return ":%s(%s)" % (self.name, p[0])

    def apply(self, p, d):
        return d.bag(one=p[0] == "1")

    def sql(self, p, *_):
        return "SELECT * FROM {a}"


@operator(2)
class RoundRobin(Moves):
    pass


@operator(2)
class MergeTo(Moves):
    def apply(self, p, d):
        return d.bag(one=p[0] == "1", known=d.known and d.one)


@operator(1)
class PartitionByKey(Moves):
    def apply(self, p, d):
        return d.bag(one=p[0] == "1", hashed=(0,))


@operator(2)
class Partition(Moves):
    def draw(self, dice, d):
        return (partitions(dice), some_columns(dice, d))

    def lua(self, p, d):
        return ":Partition(%s, %s)" % (p[0], field(p[1]))

    def apply(self, p, d):
        in_range(d, p[1])
        return d.bag(one=p[0] == "1", hashed=tuple(sorted(p[1])))


@operator(0.7)
class Broadcast(Moves):
    def draw(self, dice, d):
        return (dice.choice((1, 2, 5)),)

    def apply(self, p, d):
        fit(len(d.rows) * p[0] < 5000)
        return d.bag(d.rows * p[0], one=p[0] == 1)

    def sql(self, p, d):
        return " UNION ALL ".join(["SELECT * FROM {a}"] * p[0])


@operator(2, spills=True)
class MergeSortedTo(Moves):
    """A local sort, then a merge of what is sorted."""

    def draw(self, dice, d):
        return (partitions(dice), draw_order(dice, d))

    def lua(self, p, d):
        return ":LocalSort(%s):MergeSortedTo(%s, %s)" % (order_text(p[1]), p[0], order_text(p[1]))

    def apply(self, p, d):
        in_range(d, [c for c, _ in p[1]])
        if p[0] != "1":
            return d.bag(runs=p[1])
        return sorted_data(d, p[1])


@operator(1, spills=True)
class TreeMergeSortedTo(MergeSortedTo):
    def lua(self, p, d):
        return ":LocalSort(%s):TreeMergeSortedTo(%s, 2, %s)" % (order_text(p[1]), p[0],
                                                               order_text(p[1]))


@operator(3, arity=2)
class Union(Operator):
    def draw(self, dice, d, e):
        return (dice.random() < 0.3,)

    def lua(self, p, d, e):
        return ":Union({{{other}, {other}}})" if p[0] else ":Union({other})"

    def apply(self, p, d, e):
        fit(d.width == e.width)
        kinds = [a if a == b else "%s?" % base(a) if base(a) == base(b) else
                 "mixed" if "mixed" in (a, b) else "any" for a, b in zip(d.kinds, e.kinds)]
        return Data(d.rows + e.rows * (2 if p[0] else 1), kinds)

    def sql(self, p, d, e):
        return "SELECT * FROM {a}" + " UNION ALL SELECT * FROM {b}" * (2 if p[0] else 1)


# ---- order and limits ------------------------------------------------------------------------------------

def sorted_data(d, order):
    """Sorted into one partition; what ties is as before, if that is known, or the same anyway."""
    total = len({c for c, _ in order}) == d.width
    return Data(sorted_by(d.rows, order), d.kinds, known=d.known or total, one=True, sort=order,
                total=order if total else None)


@operator(4, spills=True)
class Sort(Operator):
    def draw(self, dice, d):
        return draw_order(dice, d)

    def lua(self, p, d):
        return ":Sort(%s)" % order_text(p)

    def apply(self, p, d):
        in_range(d, [c for c, _ in p])
        return sorted_data(d, p)

    def sql(self, p, d):
        return "SELECT * FROM {a}"


@operator(1, spills=True)
class SortByKey(Sort):
    def draw(self, dice, d):
        return ((0, True),)

    def lua(self, p, d):
        return ":SortByKey()"


@operator(1, spills=True)
class LocalSort(Sort):
    """Where there is one partition, this is a sort; elsewhere order is lost."""

    def lua(self, p, d):
        return ":LocalSort(%s)" % order_text(p)

    def apply(self, p, d):
        done = super().apply(p, d)
        return done if d.one else d.bag(runs=p, hashed=d.hashed)


@operator(3, spills=False)
class Top(Operator):
    def draw(self, dice, d):
        return (dice.choice((0, 1, 3, 20, 5000)), draw_order(dice, d), dice.random() < 0.5)

    def lua(self, p, d):
        text = ":Top(%d, %s)" % (p[0], order_text(p[1]))
        return text.replace(":Top", ":LocalTop") + text if p[2] else text

    def apply(self, p, d):
        in_range(d, [c for c, _ in p[1]])
        order = p[1] + tuple((c, True) for c in range(d.width))
        return Data(sorted_by(d.rows, order)[:p[0]], d.kinds, known=True, one=True, sort=p[1])

    def sql(self, p, d):
        order = p[1] + tuple((c, True) for c in range(d.width))
        return "SELECT * FROM {a} ORDER BY %s LIMIT %d" % (sql_order(order), p[0])


@operator(2, spills=False)
class Limit(Operator):
    def draw(self, dice, d):
        fit(d.known)
        return (dice.choice((0, 1, 7, 100, 5000)), dice.random() < 0.4)

    def lua(self, p, d):
        return (":LocalLimit(%d)" % p[0] if p[1] else "") + ":Limit(%d)" % p[0]

    def apply(self, p, d):
        fit(d.known or p[0] == 0 or p[0] >= len(d.rows))
        return Data(d.rows[:p[0]], d.kinds, known=d.known, one=True, sort=d.sort)

    def sql(self, p, d):
        if d.total is None:
            return None
        return "SELECT * FROM {a} ORDER BY %s LIMIT %d" % (sql_order(d.total), p[0])


@operator(1, spills=False)
class Sample(Operator):
    """Which rows is up to the seed, how many is not: they are counted, unless it is all or none."""

    def draw(self, dice, d):
        return (dice.choice((0, 1, 5, 70, 5000)), dice.randrange(9), dice.random() < 0.6)

    def lua(self, p, d):
        return ":Sample(%d, %d)" % p[:2] + (":Count()" if p[2] else "")

    def apply(self, p, d):
        fit(p[2] or p[0] == 0 or p[0] >= len(d.rows))
        count = min(p[0], len(d.rows))
        if p[2]:
            return Data([(count,)], ["i64"], one=True)
        return d.bag(d.rows[:count], one=True)


@operator(1)
class LocalLimit(Operator):
    def draw(self, dice, d):
        return (dice.choice((0, 1, 7, 100, 5000)), dice.choice((0, 0, 1, 5, 80)))

    def lua(self, p, d):
        return ":LocalLimit(%d, %d)" % p

    def apply(self, p, d):
        whole = p[0] == 0 or p[1] == 0 and p[0] >= len(d.rows)
        fit(d.known and d.one or whole)
        return d.rowwise(d.rows[p[1]:p[1] + p[0]], d.kinds, keeps=True)


# ---- rows of a key -----------------------------------------------------------------------------------------

def local_or_not(p, d, name, keys):
    """The local form, where all rows of a key are in one partition."""
    meets = d.one or d.hashed is not None and set(d.hashed) <= set(keys)
    return ":" + ("Local" if p[-1] and meets else "") + name


@operator(2, spills=True)
class Distinct(Operator):
    def draw(self, dice, d):
        return (some_columns(dice, d, 0 if dice.random() < 0.5 else 1, 2), dice.random() < 0.5)

    def lua(self, p, d):
        name = local_or_not(p, d, "Distinct", p[0] or range(d.width))
        return "%s(%s)" % (name, field(p[0]) if p[0] else "")

    def apply(self, p, d):
        in_range(d, p[0])
        keys = p[0] or range(d.width)
        fit(d.known or len(set(keys)) == d.width)
        return d.bag([rows[0] for rows in d.groups(keys)])

    def sql(self, p, d):
        return None if p[0] and len(p[0]) < d.width else "SELECT DISTINCT * FROM {a}"


def list_of(rows, columns, known):
    """The list of a group: the only other column's values, or a list of values for each row."""
    values = [[row[c] for c in columns] for row in rows]
    values = [one[0] for one in values] if len(columns) == 1 else values
    return values if known else sorted(values, key=show)


def sorting(keys, count):
    """A step that puts `count` lists behind `keys` key columns into an order of their own."""
    names = ", ".join("k%d" % i for i in range(keys))
    lists = ["l%d" % i for i in range(count)]
    return ":Map(function(%s, %s) return %s, %s end)" % (
        names, ", ".join(lists), names, ", ".join("(in_order(%s))" % one for one in lists))


@operator(2, spills=True)
class GroupBy(Operator):
    def draw(self, dice, d):
        return (key_columns(dice, d), dice.random() < 0.5)

    def lua(self, p, d):
        text = "%s(%s)" % (local_or_not(p, d, "GroupBy", p[0]), field(p[0]))
        kinds = [d.kinds[k] for k in p[0]] + ["any"]
        return text if d.known else text + sorting(len(p[0]), 1) + as_text(kinds)

    def apply(self, p, d):
        in_range(d, p[0])
        fit(len(p[0]) < d.width)
        rest = others(d, p[0])
        rows = [tuple(group[0][k] for k in p[0]) + (list_of(group, rest, d.known),)
                for group in d.groups(p[0])]
        return d.bag(rows, [d.kinds[k] for k in p[0]] + ["any"])


@operator(1, arity=2, spills=True)
class CoGroup(Operator):
    def draw(self, dice, d, e):
        return join_keys(dice, d, e)

    def lua(self, p, d, e):
        text = ":CoGroup({other}, %s, %s)" % (field(p[0]), field(p[1]))
        kinds = ["any" if k == "mixed" else k for k in join_kinds(p, d, e)] + ["any", "any"]
        if d.known and e.known:
            return text
        # One of them in order and the other not: both are put into an order.
        return text + sorting(len(p[0]), 2) + as_text(kinds)

    def apply(self, p, d, e):
        check_join(p, d, e)
        fit(len(p[0]) < d.width and len(p[1]) < e.width)
        known = d.known and e.known
        left, right = keyed(d.rows, p[0], nulls=True), keyed(e.rows, p[1], nulls=True)
        rows = []
        for key in list(left) + [key for key in right if key not in left]:
            a, b = left.get(key, []), right.get(key, [])
            values = tuple(a[0][k] for k in p[0]) if a else tuple(b[0][k] for k in p[1])
            rows.append(values + (list_of(a, others(d, p[0]), known), list_of(b, others(e, p[1]), known)))
        kinds = join_kinds(p, d, e)
        if not known:
            kinds = ["any" if kind == "mixed" else kind for kind in kinds]
        return Data(rows, kinds + ["any", "any"])


# ---- folds -------------------------------------------------------------------------------------------------

def exact(values):
    """Whether a sum of these is the same in any order; sums of infinities and NaN are."""
    numbers = [v for v in values if v is not None and v == v and abs(v) != math.inf]
    return (all(isinstance(v, int) for v in values if v is not None) and sum(map(abs, numbers)) < 2 ** 62
            or all(abs(v) < 2 ** 31 and v * 1024 == math.floor(v * 1024) for v in numbers))


def total(values):
    """The sum, without raising where infinities meet."""
    return sum(values)


FOLDS = {"Sum": total, "Min": lambda values: min(values, key=rank),
         "Max": lambda values: max(values, key=rank),
         "Avg": lambda values: float(total(values)) / len(values)}


class Narrowed(Operator):
    """Folds some columns by others: a Select of the keys and of these stands before it, unless they
    are all there is.  p is (keys, folded, ...)."""

    def takes(self, kind):
        return True

    def draw(self, dice, d):
        folded = [c for c in range(d.width) if self.takes(d.kinds[c])]
        fit(folded)
        dice.shuffle(folded)
        folded = folded[:dice.choice((1, 1, 2))]
        keys = some_columns(dice, d, 0 if dice.random() < 0.3 else 1, 2)
        return (tuple(k for k in keys if k not in folded), tuple(folded))

    def narrow(self, p, d):
        in_range(d, p[0] + p[1])
        return OPERATORS["Select"].apply(p[0] + p[1], d)

    def select(self, p, d):
        columns = p[0] + p[1]
        return "" if columns == tuple(range(d.width)) else ":Select(%s)" % field(columns)

    def fold_sql(self, p, d, function):
        names = ["c%d AS c%d" % (k + 1, i + 1) for i, k in enumerate(p[0])]
        names += ["%s(c%d) AS c%d" % (function, c + 1, len(p[0]) + i + 1)
                  for i, c in enumerate(p[1])]
        return "SELECT %s FROM {a} %s" % (", ".join(names), sql_groups(p[0]))


class Fold(Narrowed):
    """For each key, of each other column; the form without keys now and then."""

    @property
    def fold(self):
        return self.name[:-len("By")]

    def lua(self, p, d):
        keys = range(len(p[0]))
        return self.select(p, d) + (":%sBy(%s)" % (self.fold, field(keys)) if keys
                                    else ":%s()" % self.fold)

    def check(self, values):
        pass

    def kind(self, kind):
        return nullable(kind)

    def apply(self, p, d):
        narrow, keys = self.narrow(p, d), range(len(p[0]))
        rest = others(narrow, keys)
        fit(all(self.takes(narrow.kinds[c]) for c in rest))
        for c in rest:
            self.check([row[c] for row in narrow.rows])
        rows = []
        for group in narrow.groups(keys) or ([] if keys else [[]]):
            values = [[row[c] for row in group if row[c] is not None] for c in rest]
            rows.append((group[0][:len(p[0])] if keys else ()) +
                        tuple(FOLDS[self.fold](one) if one else None for one in values))
        return Data(rows, narrow.kinds[:len(p[0])] + [self.kind(narrow.kinds[c]) for c in rest])

    def sql(self, p, d):
        return self.fold_sql(p, d, self.fold.lower())


def sql_groups(p):
    return "GROUP BY " + ", ".join("c%d" % (k + 1) for k in p) if p else ""


@operator(3, spills=True)
class SumBy(Fold):
    def takes(self, kind):
        return is_numeric(kind)

    def check(self, values):
        fit(exact(values))


@operator(2, spills=True)
class AvgBy(SumBy):
    def check(self, values):
        fit(exact(values) and all(v is None or v != v or abs(v) == math.inf or abs(v) < 2 ** 40
                                  for v in values))

    def kind(self, kind):
        return "f64?"


@operator(1.5, spills=True)
class MinBy(Fold):
    def takes(self, kind):
        return kind != "mixed"


@operator(1.5, spills=True)
class MaxBy(MinBy):
    pass


@operator(2, spills=True)
class CountBy(Operator):
    def draw(self, dice, d):
        return () if dice.random() < 0.2 else some_columns(dice, d, 1, 2)

    def lua(self, p, d):
        return ":CountBy(%s)" % field(p) if p else ":Count()"

    def apply(self, p, d):
        in_range(d, p)
        fit(len(p) < d.width)
        rows = [tuple(group[0][k] for k in p) + (len(group),) for group in d.groups(p)]
        rows = rows or ([] if p else [(0,)])  # of nothing there are none
        return Data(rows, [d.kinds[k] for k in p] + ["i64"])

    def sql(self, p, d):
        names = ["c%d AS c%d" % (k + 1, i + 1) for i, k in enumerate(p)]
        return "SELECT %s FROM {a} %s" % (
            ", ".join(names + ["count(*) AS c%d" % (len(p) + 1)]), sql_groups(p))


@operator(1, spills=True)
class CountDistinctBy(Operator):
    def draw(self, dice, d):
        columns = some_columns(dice, d, 1, 3)
        return columns  # the last one is counted, the others are keys

    def lua(self, p, d):
        keys = len(p) - 1
        return ":Select(%s)" % field(p) + (":CountDistinctBy(%s)" % field(range(keys)) if keys
                                           else ":CountDistinct()")

    def apply(self, p, d):
        in_range(d, p)
        keys, counted = p[:-1], p[-1]
        rows = [tuple(group[0][k] for k in keys) +
                (len({rank(row[counted]) for row in group if row[counted] is not None}),)
                for group in d.groups(keys)]
        return Data(rows or ([] if keys else [(0,)]), [d.kinds[k] for k in keys] + ["i64"])

    def sql(self, p, d):
        keys, counted = p[:-1], p[-1]
        names = ["c%d AS c%d" % (k + 1, i + 1) for i, k in enumerate(keys)]
        names.append("count(DISTINCT c%d) AS c%d" % (counted + 1, len(p)))
        return "SELECT %s FROM {a} %s" % (", ".join(names), sql_groups(keys))


class Reducer:
    """A function of a reduce: what it is in Lua, whether it takes these columns, what it makes."""

    def __init__(self, lua, kinds, fold, function=None):
        self.lua, self.kinds, self.fold, self.function = lua, kinds, fold, function

    def fits(self, values, kind):
        return kind in self.kinds and (self.fold is not total or exact(values))


REDUCERS = (
    Reducer("gleam.Sum", ("i64", "f64"), total),
    Reducer("gleam.SumInt64", ("i64",), total),
    Reducer("gleam.SumFloat64", ("f64",), total),
    Reducer("gleam.Min", ("i64", "f64"), FOLDS["Min"]),
    Reducer("gleam.Max", ("i64", "f64"), FOLDS["Max"]),
    Reducer("{a} + {b}", ("i64", "f64"), total, "small"),
    Reducer("{a} < {b} and {a} or {b}", ("bytes",), FOLDS["Min"], "any"),
)


@operator(5, spills=True)
class ReduceBy(Narrowed):
    """The rows of a key, or all of them, folded by a kernel or by a function: (keys, folded, the
    reducer's number, whether by the local form behind a partition)."""

    def draw(self, dice, d):
        keys, folded = super().draw(dice, d)
        fitting = [i for i, one in enumerate(REDUCERS) if all(d.kinds[c] in one.kinds for c in folded)]
        fit(fitting)
        return (keys, folded, dice.choice(fitting), dice.random() < 0.4)

    def takes(self, kind):
        return kind in ("i64", "f64", "bytes")

    def lua(self, p, d):
        keys, one = range(len(p[0])), REDUCERS[p[2]]
        text = one.lua
        if one.function:
            names = [["%s%d" % (letter, i) for i in range(len(p[1]))] for letter in "ab"]
            text = "function(%s) return %s end" % (", ".join(names[0] + names[1]), ", ".join(
                "(%s)" % one.lua.format(a=a, b=b) for a, b in zip(*names)))
        if not keys:
            return "%s:Reduce(%s)" % (self.select(p, d), text)
        before = self.select(p, d)
        if p[3]:
            return "%s:Partition(p, %s):LocalReduceBy(%s, %s)" % (before, field(keys), text, field(keys))
        if len(keys) == 1:
            return "%s:ReduceByKey(%s)" % (before, text)
        return "%s:ReduceBy(%s, %s)" % (before, text, field(keys))

    def apply(self, p, d):
        narrow, one, count = self.narrow(p, d), REDUCERS[p[2]], len(p[0])
        for c in range(count, narrow.width):
            values = [row[c] for row in narrow.rows]
            fit(one.fits(values, narrow.kinds[c]))
            fit(one.function != "small" or all(small(v) for v in values))
        rows = [group[0][:count] + tuple(one.fold([row[c] for row in group])
                                         for c in range(count, narrow.width))
                for group in narrow.groups(range(count))]
        return Data(rows, narrow.kinds)

    def sql(self, p, d):
        function = {total: "sum", FOLDS["Min"]: "min", FOLDS["Max"]: "max"}[REDUCERS[p[2]].fold]
        return self.fold_sql(p, d, function) + ("" if p[0] else " HAVING count(*) > 0")


@operator(1, spills=True)
class CountRows(Operator):
    """The kernel that replaces the other columns by a number of rows."""

    def draw(self, dice, d):
        return key_columns(dice, d)

    def lua(self, p, d):
        return ":ReduceBy(gleam.CountRows, %s)" % field(p)

    def apply(self, p, d):
        return OPERATORS["CountBy"].apply(p, d)

    def sql(self, p, d):
        return OPERATORS["CountBy"].sql(p, d)


# ---- joins -------------------------------------------------------------------------------------------------

def meets(a, b):
    """Whether columns of these kinds may be compared."""
    return "mixed" not in (a, b) and ("any" in (a, b) or base(a) == base(b)
                                      or is_numeric(a) and is_numeric(b))


def join_keys(dice, d, e, same=False):
    """(left columns, right columns)"""
    pairs = [(a, b) for a in range(d.width) for b in range(e.width)
             if meets(d.kinds[a], e.kinds[b]) and (a == b or not same)]
    dice.shuffle(pairs)
    left, right = [], []
    for a, b in pairs:
        if a not in left and b not in right and len(left) < (1 if dice.random() < 0.7 else 2):
            left.append(a)
            right.append(b)
    fit(left)
    return (tuple(left), tuple(right))


def check_join(p, d, e):
    in_range(d, p[0])
    in_range(e, p[1])
    fit(all(meets(d.kinds[a], e.kinds[b]) for a, b in zip(*p)))


def join_kinds(p, d, e):
    return [d.kinds[a] if d.kinds[a] == e.kinds[b] else "mixed" for a, b in zip(*p)]


def keyed(rows, keys, nulls=False):
    """{key: rows}, without the rows that have a null in it, which equals nothing"""
    out = {}
    for row in rows:
        values = [row[k] for k in keys]
        if nulls or None not in values:
            out.setdefault(rank_row(values), []).append(row)
    return out


class JoinOperator(Operator):
    method = None
    left_outer = right_outer = False

    def draw(self, dice, d, e):
        return join_keys(dice, d, e)

    def lua(self, p, d, e):
        if p == ((0,), (0,)):
            return ":%sByKey({other})" % self.name
        return ":%s({other}, %s, %s)" % (self.name, field(p[0]), field(p[1]))

    def apply(self, p, d, e):
        check_join(p, d, e)
        fit(d.width + e.width < 12)
        rest, rest_right = others(d, p[0]), others(e, p[1])
        right = keyed(e.rows, p[1])
        rows, met = [], set()
        for row in d.rows:
            values = [row[k] for k in p[0]]
            key = None if None in values else rank_row(values)
            found = right.get(key, []) if key is not None else []
            met.add(key)
            start = tuple(values) + tuple(row[c] for c in rest)
            rows += [start + tuple(other[c] for c in rest_right) for other in found]
            if self.left_outer and not found:
                rows.append(start + (None,) * len(rest_right))
            fit(len(rows) < 20000, "too many rows")
        if self.right_outer:
            for other in e.rows:
                values = [other[k] for k in p[1]]
                if None in values or rank_row(values) not in met:
                    rows.append(tuple(values) + (None,) * len(rest) + tuple(other[c] for c in rest_right))
        kinds = join_kinds(p, d, e)
        kinds += [nullable(d.kinds[c]) if self.right_outer else d.kinds[c] for c in rest]
        kinds += [nullable(e.kinds[c]) if self.left_outer else e.kinds[c] for c in rest_right]
        return Data(rows, kinds)

    def sql(self, p, d, e):
        kind = {(False, False): "JOIN", (True, False): "LEFT JOIN", (False, True): "RIGHT JOIN",
                (True, True): "FULL JOIN"}[self.left_outer, self.right_outer]
        names = ["coalesce(a.c%d, b.c%d)" % (k + 1, j + 1) for k, j in zip(*p)]
        names += ["a.c%d" % (c + 1) for c in others(d, p[0])]
        names += ["b.c%d" % (c + 1) for c in others(e, p[1])]
        return "SELECT %s FROM {a} AS a %s {b} AS b ON %s" % (
            ", ".join("%s AS c%d" % (name, i + 1) for i, name in enumerate(names)), kind,
            " AND ".join("a.c%d = b.c%d" % (k + 1, j + 1) for k, j in zip(*p)))


@operator(3, arity=2, spills=True)
class Join(JoinOperator):
    pass


@operator(2, arity=2, spills=True)
class LeftOuterJoin(JoinOperator):
    left_outer = True


@operator(2, arity=2, spills=True)
class RightOuterJoin(JoinOperator):
    right_outer = True


@operator(2, arity=2, spills=True)
class FullOuterJoin(JoinOperator):
    left_outer = right_outer = True


@operator(1.5, arity=2, spills=True)
class HashJoin(JoinOperator):
    def draw(self, dice, d, e):
        return join_keys(dice, d, e, same=True)

    def lua(self, p, d, e):
        return ":HashJoin({other}, %s)" % field(p[0])

    def apply(self, p, d, e):
        fit(p[0] == p[1])
        return super().apply(p, d, e)


class Half(JoinOperator):
    """Semi and anti: rows of the left side alone."""

    wanted = None

    def apply(self, p, d, e):
        check_join(p, d, e)
        right = keyed(e.rows, p[1])
        columns = list(p[0]) + others(d, p[0])
        rows = [tuple(row[c] for c in columns) for row in d.rows
                if (None not in [row[k] for k in p[0]]
                    and rank_row([row[k] for k in p[0]]) in right) == self.wanted]
        kinds = [d.kinds[c] if d.kinds[c] == e.kinds[b] else "mixed" for c, b in zip(*p)]
        return Data(rows, kinds + [d.kinds[c] for c in others(d, p[0])])

    def sql(self, p, d, e):
        columns = list(p[0]) + others(d, p[0])
        return "SELECT %s FROM {a} AS a WHERE %sEXISTS (SELECT 1 FROM {b} AS b WHERE %s)" % (
            ", ".join("a.c%d AS c%d" % (c + 1, i + 1) for i, c in enumerate(columns)),
            "" if self.wanted else "NOT ",
            " AND ".join("a.c%d = b.c%d" % (k + 1, j + 1) for k, j in zip(*p)))


@operator(1, arity=2, spills=True)
class SemiJoin(Half):
    wanted = True


@operator(1, arity=2, spills=True)
class AntiJoin(Half):
    wanted = False


@operator(1, arity=2, spills=True)
class CrossJoin(Operator):
    def draw(self, dice, d, e):
        return ()

    def lua(self, p, d, e):
        return ":CrossJoin({other})"

    def apply(self, p, d, e):
        fit(len(d.rows) * len(e.rows) < 4000 and d.width + e.width < 10)
        return Data([a + b for a in d.rows for b in e.rows], d.kinds + e.kinds)

    def sql(self, p, d, e):
        names = ["a.c%d AS c%d" % (c + 1, c + 1) for c in range(d.width)]
        names += ["b.c%d AS c%d" % (c + 1, d.width + c + 1) for c in range(e.width)]
        return "SELECT %s FROM {a} AS a CROSS JOIN {b} AS b" % ", ".join(names)
