"""flows.py - random flows: how they are drawn from a seed, computed, and written as Lua.

A flow is a list of nodes, each a source or an operator that reads nodes before it; a node may be read
by several, and one or two nodes are outputs.  Nothing else depends on the seed, so a flow can be cut down
(shrink.py) and is still a flow, or Unfit.
"""
import math
import random
import re

from data import BYTES_MAX, Data, Unfit, base, fit
from operators import OPERATORS, as_text
from values import literal, show_row

PARTITIONS = (1, 2, 3, 8, 21)
STEPS_MAX = 6
VALUE_BYTES_MAX = 64 << 10  # beyond, a message about memory is an answer in little memory
# Steps that spill in one executor take from each other what they need to write, in the least memory.
SPILLING_TOGETHER_MAX = 2
BIG_ONE_IN = 50  # flows with rows enough to spill in little memory

INTS = (0, 1, -1, 2 ** 53 - 1, 2 ** 53, 2 ** 53 + 1, -2 ** 53 - 1, 2 ** 63 - 1, -2 ** 63, 2 ** 31)
FLOATS = (0.0, -0.0, 1.0, math.nan, math.inf, -math.inf, 1e300, 5e-324, 2.0 ** 53, 2.0 ** 63,
          -2.0 ** 63, 0.1, -1.5)
TEXTS = (b"", b"a", b"\0", b"a\0b", b"line\nbreak", b"tab\there", b"it's", b'a "quote"', b"back\\slash",
         b"\xff\xfe", "größe".encode(), b"comma, too", b"\r", b"a word of more than sixteen bytes",
         b"a word of more than sixteen letters", b"0", b"nil", b"NULL", b"b q")
KINDS = ("i64", "i64?", "f64", "f64?", "bytes", "bytes?", "bool", "any", "any")


# ---- sources -----------------------------------------------------------------------------------------

class Source:
    """Rows of the test.  form is how they come in:

    lines   a text file, whose lines a function decodes: any kind, any number of partitions
    csv     a CSV file: declared kinds, any number of partitions
    slices  given in the script; ints and strings likewise
    """

    def __init__(self, form, kinds, rows):
        self.form, self.kinds, self.rows = form, kinds, rows

    def data(self):
        return Data(self.rows, self.kinds, known=True, one=self.form == "strings")

    def is_file(self):
        return self.form in ("lines", "csv")

    def lua(self, index):
        if self.form == "lines":
            return "f:TextFile(files[%d], p):Map(decode)%s" % (index, as_text(self.kinds))
        if self.form == "csv":
            return 'f:Read(gleam.Csv(files[%d], p, {null_text = "\\\\N"}))%s' % (
                index, as_text(self.kinds))
        if self.form == "ints":
            return "f:Ints(1, %d)" % (len(self.rows) + 1)
        if self.form == "strings":
            return "f:Strings{%s}" % ", ".join(literal(row[0]) for row in self.rows)
        rows = ", ".join("{%s}" % ", ".join(map(literal, row)) for row in self.rows)
        # Slices of no row cannot know their columns.
        return "f:Slices{%s}%s" % (rows, as_text(self.kinds))

    def file_bytes(self):
        line = encode_line if self.form == "lines" else csv_line
        return b"".join(line(row) for row in self.rows)


def encode(v):
    """A value for the function decode of runner.lua."""
    if v is None:
        return b"n"
    if isinstance(v, bool):
        return b"t" if v else b"f"
    if isinstance(v, int):
        return b"i%d,%d" % (v >> 32, v & 0xffffffff)
    if isinstance(v, float):
        return b"d%s" % (b"%.17g" % v)
    for plain, coded in ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\t", b"\\t"), (b"\r", b"\\r")):
        v = v.replace(plain, coded)
    return b"s" + v


def encode_line(row):
    return b"\t".join(map(encode, row)) + b"\n"


def csv_line(row):
    return b",".join(map(csv_field, row)) + b"\n"


def csv_field(v):
    if v is None:
        return b"\\N"
    if isinstance(v, bool):
        return b"true" if v else b"false"
    if isinstance(v, bytes):
        return b'"%s"' % v.replace(b'"', b'""')
    return repr(v).encode()


def draw_value(dice, kind):
    if kind == "any":
        kind = dice.choice(("i64?", "f64", "bytes", "bytes", "bool", "i64"))
    if kind.endswith("?") and dice.random() < 0.2:
        return None
    kind = base(kind)
    odd = dice.random() < 0.12
    if kind == "i64":
        return dice.choice(INTS) if odd else dice.randrange(-4, 10)
    if kind == "f64":
        return dice.choice(FLOATS) if odd else dice.randrange(-8, 20) / 2
    if kind == "bool":
        return dice.random() < 0.5
    return dice.choice(TEXTS) if dice.random() < 0.4 else b"k%d" % dice.randrange(12)


def draw_source(dice, big):
    form = dice.choice(("lines", "lines", "lines", "csv", "csv", "slices", "ints", "strings"))
    count = dice.choice((0, 1, 2, 9, 40, 40, 120, 300))
    if dice.random() < 0.03:
        count = 3000
    if big:
        return draw_big(dice)
    if form == "ints":
        return Source(form, ["i64"], [(i,) for i in range(1, count + 1)])
    if form == "strings":
        return Source(form, ["bytes"], [(draw_value(dice, "bytes"),) for _ in range(count)])
    width = dice.randrange(1, 5)
    kinds = [dice.choice(KINDS) for _ in range(width)]
    if form == "csv":
        kinds = [dice.choice(KINDS[:6]) for _ in range(max(2, width))]
    if form == "slices":
        count = min(count, 40)
    rows = [tuple(draw_value(dice, kind) for kind in kinds) for _ in range(count)]
    if rows and dice.random() < 0.3:  # one key that half of the rows have
        rows = [(rows[0][0],) + row[1:] if i % 2 else row for i, row in enumerate(rows)]
    return Source(form, kinds, rows)


def draw_big(dice):
    """Some megabytes: many rows, or a few with a megabyte in one value."""
    if dice.random() < 0.4:
        rows = [(b"%d" % i + bytes([97 + i % 26]) * (1 << 20), i % 3) for i in range(dice.choice((3, 12)))]
        return Source("lines", ["bytes", "i64"], rows)
    size = dice.choice((600, 4500))
    rows = [(dice.randrange(6000), bytes([97 + i % 26]) * dice.randrange(size), i / 2)
            for i in range(12000)]
    return Source("csv", ["i64", "bytes", "f64"], rows)


# ---- flows ---------------------------------------------------------------------------------------------

class Node:
    """A source, or an operator's name, its parameters and the nodes it reads."""

    def __init__(self, source=None, name=None, parameters=(), inputs=()):
        self.source, self.name, self.parameters, self.inputs = source, name, parameters, inputs

    def apply(self, datasets):
        if self.source is not None:
            return self.source.data()
        return OPERATORS[self.name].apply(self.parameters, *(datasets[i] for i in self.inputs))


class Flow:
    def __init__(self, seed, nodes, outputs):
        self.seed, self.nodes, self.outputs = seed, nodes, outputs
        self.computed = None

    def compute(self):
        """The Data of every node; raises Unfit."""
        if self.computed is None:
            out = []
            for node in self.nodes:
                out.append(node.apply(out))
            self.computed = out
        return self.computed

    @property
    def results(self):
        return [self.compute()[i] for i in self.outputs]

    def steps(self):
        return [node for node in self.nodes if node.source is None]

    def has_to_fit_little_memory(self):
        """No step holds what it cannot let go of, few let go at the same time, and an executor can hold
        a few dozen of the largest values."""
        spills = [OPERATORS[node.name].spills for node in self.steps()]
        return (False not in spills and spills.count(True) <= SPILLING_TOGETHER_MAX
                and all(not isinstance(v, bytes) or len(v) < VALUE_BYTES_MAX for node in self.nodes
                        if node.source for row in node.source.rows for v in row))

    def may_have_little_memory(self):
        """Large rows that go through functions in Lua may not: where memory ends inside of compiled
        code LuaJIT itself can crash, and the job ends with a signal instead of a message."""
        return self.bytes() < 1 << 20 or re.search(r"\(function|decode|in_order", self.lua()) is None

    def files(self):
        """[bytes of each source's file, or None]"""
        return [node.source.file_bytes() if node.source and node.source.is_file() else None
                for node in self.nodes]

    def lua(self):
        """The function build(f, p, files) as a chunk: it returns the datasets that are put out."""
        datasets, lines = self.compute(), []
        for i, node in enumerate(self.nodes):
            if node.source is not None:
                lines.append("  local d%d = %s" % (i + 1, node.source.lua(i + 1)))
                continue
            operator = OPERATORS[node.name]
            text = operator.lua(node.parameters, *(datasets[k] for k in node.inputs))
            if len(node.inputs) > 1:
                text = text.replace("{{", "{").replace("}}", "}").replace(
                    "{other}", "d%d" % (node.inputs[1] + 1))
            lines.append("  local d%d = d%d%s" % (i + 1, node.inputs[0] + 1, text))
        lines.append("  return %s" % ", ".join("d%d" % (i + 1) for i in self.outputs))
        return "local function build(f, p, files)\n%s\nend\n" % "\n".join(lines)

    def bytes(self):
        return sum(len(v) if isinstance(v, bytes) else 16
                   for node in self.nodes if node.source for row in node.source.rows for v in row)


def draw_flow(seed):
    """The flow of a seed."""
    dice = random.Random(seed)
    big = dice.randrange(BIG_ONE_IN) == 0
    nodes = [Node(draw_source(dice, big))]
    datasets = [nodes[0].apply(())]
    steps = dice.randrange(1, STEPS_MAX + 1)
    tries = 0
    names = list(OPERATORS)
    if big and dice.random() < 0.7:
        steps -= add_step(dice, nodes, datasets, [n for n in names if "Sort" in n])
    while steps > 0 and tries < 200:
        tries += 1
        steps -= add_step(dice, nodes, datasets, names)
    last = len(nodes) - 1
    outputs = [last]
    if dice.random() < 0.15 and last > 0:
        outputs.append(dice.randrange(last))
    return Flow(seed, nodes, outputs)


def add_step(dice, nodes, datasets, names):
    """Adds one of the operators, and the source that it may need; how many steps were added."""
    name = dice.choices(names, [OPERATORS[n].weight for n in names])[0]
    one = OPERATORS[name]
    first = len(nodes) - 1 if dice.random() < 0.85 else dice.randrange(len(nodes))
    inputs, more = [first], []
    if one.arity == 2:
        second = dice.randrange(len(nodes)) if dice.random() < 0.5 else None
        if second is None:
            source = draw_source(dice, False)
            if dice.random() < 0.5:  # alike, so that it can be joined and united
                kinds = datasets[first].kinds
                if all(kind in KINDS for kind in kinds):
                    rows = [tuple(draw_value(dice, kind) for kind in kinds)
                            for _ in range(dice.choice((0, 1, 9, 60)))]
                    source = Source("lines", list(kinds), rows)
            more = [Node(source)]
            second = len(nodes)
        inputs.append(second)
    try:
        data = datasets + [node.apply(()) for node in more]
        chosen = [data[i] for i in inputs]
        node = Node(None, name, one.draw(dice, *chosen), tuple(inputs))
        made = node.apply(data)
        fit(sum(len(v) for row in made.rows for v in row if isinstance(v, bytes)) < BYTES_MAX)
    except Unfit:
        return 0
    nodes += more + [node]
    datasets[:] = data + [made]
    return 1


# ---- what is expected ------------------------------------------------------------------------------------

def difference(data, got):
    """What is wrong with these lines of rows, or None.  got: in the order in which they came."""
    want = [show_row(row) for row in data.rows]
    if data.sort is not None and data.known:
        return None if got == want else "rows or their order"
    if sorted(got) != sorted(want):
        return "rows"
    if data.sort is not None:
        # Equal rows may change places, so the order is seen in its columns alone.
        def columns(lines):
            return [[line.split("\t")[c] for c, _ in data.sort] for line in lines]
        return None if columns(got) == columns(want) else "order"
    return None


def is_plain_for_sql(flow):
    """SQL has no NaN, bool or list."""
    return all(not isinstance(v, (bool, list)) and v == v
               for data in flow.compute() for row in data.rows[:5000] for v in row)
