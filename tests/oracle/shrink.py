"""shrink.py - makes a failing flow small, and a script of it that a person can run."""
import time

from data import Unfit
from engine import lua_string, script
from flows import Flow, Node, Source
from operators import OPERATORS
from values import show_row

SECONDS = 60
SHOWN_ROWS = 40


def without_unread(flow):
    """The flow without nodes that lead to no output."""
    read = set()
    for i in sorted(range(len(flow.nodes)), reverse=True):
        if i in flow.outputs or i in read:
            read.update(flow.nodes[i].inputs)
            read.add(i)
    place = {old: new for new, old in enumerate(sorted(read))}
    nodes = [Node(node.source, node.name, node.parameters, tuple(place[k] for k in node.inputs))
             for i, node in enumerate(flow.nodes) if i in read]
    return Flow(flow.seed, nodes, [place[i] for i in flow.outputs])


def with_node(flow, index, node):
    nodes = list(flow.nodes)
    nodes[index] = node
    return without_unread(Flow(flow.seed, nodes, list(flow.outputs)))


def without_step(flow, index, instead):
    """The readers of a step read one of its inputs."""
    def other(i):
        return instead if i == index else i
    nodes = [Node(node.source, node.name, node.parameters, tuple(other(k) for k in node.inputs))
             for node in flow.nodes]
    return without_unread(Flow(flow.seed, nodes, [other(i) for i in flow.outputs]))


def as_source(flow, index):
    """A step's rows, given instead of computed; None where a file cannot hold them."""
    data = flow.compute()[index]
    if any(isinstance(v, list) for row in data.rows for v in row):
        return None
    kinds = ["any" if kind == "mixed" else kind for kind in data.kinds]
    return with_node(flow, index, Node(Source("lines", kinds, list(data.rows))))


def parts_of(count):
    """Ranges of rows to leave out, the large ones first."""
    size = count
    while size >= 1:
        for begin in range(0, count, size):
            yield begin, min(begin + size, count)
        size //= 2


def smaller(flow):
    """Flows that are a little smaller."""
    if len(flow.outputs) > 1:
        for output in flow.outputs:
            yield without_unread(Flow(flow.seed, flow.nodes, [output]))
    for i, node in enumerate(flow.nodes):
        for instead in node.inputs:
            yield without_step(flow, i, instead)
    for i, node in enumerate(flow.nodes):
        if node.source is None:
            made = as_source(flow, i)
            if made is not None:
                yield made
    for i, node in enumerate(flow.nodes):
        if node.source is not None and node.source.form not in ("ints",):
            rows = node.source.rows
            for begin, end in parts_of(len(rows)):
                left = rows[:begin] + rows[end:]
                yield with_node(flow, i, Node(Source(node.source.form, node.source.kinds, left)))


def shrink(flow, fails):
    """The smallest flow found for which fails(flow) is still true."""
    deadline = time.monotonic() + SECONDS
    again = True
    while again and time.monotonic() < deadline:
        again = False
        for candidate in smaller(flow):
            try:
                candidate.compute()
                candidate.lua()
                found = fails(candidate)
            except (Unfit, IndexError):
                continue
            if found:
                flow, again = candidate, True
                break
            if time.monotonic() > deadline:
                break
    return flow


def file_literal(data):
    """Bytes as Lua source."""
    return '"%s"' % "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else "\\%03d" % b
                            for b in data)


def standalone(flow, settings, partitions, what, answer):
    """A script that runs the flow by itself, and says what was expected."""
    head, _, _ = script().partition("-- (a failure's script ends here")
    head = head[head.index("local gleam"):]
    lines = ["-- A flow that gave a wrong answer: %s, seed %d, %d partitions." % (
        what, flow.seed, partitions),
             "--",
             "--     gleam run --executors %d --memory %s THIS.lua" % (settings.executors,
                                                                       settings.memory), "--"]
    if answer.kind != "rows":
        lines.append("-- got %s: %s" % (answer.kind, answer.text[:300].replace("\n", " ")))
    for data, got in zip(flow.results, answer.outputs or [None] * len(flow.results)):
        want = [show_row(row) for row in data.rows]
        lines.append("-- expected %d rows%s:" % (len(want), " in this order" if data.sort else ""))
        lines += ["--   " + line[:200].replace("\t", "  ") for line in want[:SHOWN_ROWS]]
        if got is not None:
            lines.append("-- got %d rows:" % len(got))
            lines += ["--   " + line[:200].replace("\t", "  ") for line in got[:SHOWN_ROWS]]
    files = "".join("files[%d] = keep(%s)\n" % (i + 1, file_literal(data))
                    for i, data in enumerate(flow.files()) if data is not None)
    if len(files) > 1 << 20:
        files = "-- (its files are too large to stand here: run the oracle with this seed)\n"
    return "\n".join(lines) + "\n" + head + """local files = {}
local function keep(data)
  local path = os.tmpname()
  local file = io.open(path, "wb")
  file:write(data)
  file:close()
  return path
end
""" + files + """
local chunk = %s
local ok, outputs = pcall(run, load_flow(chunk), %d, files)
for _, path in pairs(files) do os.remove(path) end
if not ok then error(outputs, 0) end
for i, lines in ipairs(outputs) do
  print("output " .. i .. ", rows: " .. #lines)
  for _, line in ipairs(lines) do print((line:gsub("\\t", "  "))) end
end
""" % (lua_string(flow.lua()), partitions)


def operators_of(flow):
    return [node.name for node in flow.steps() if node.name in OPERATORS]
