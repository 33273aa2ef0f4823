"""rules.py - what a script can hold of the style and of the layers; each rule is one function.

A rule takes a file (or the tree) and returns complaints as "path:line: what".  A comment with
`tidy: why` exempts: on the line itself or the one above it, the line; in a function or the comment on
top of it, the function's length; in the first 30 lines of a file, the file's length.
"""
import os
import re

LINE_COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
SOURCE_LINES_MAX = 800
HEADER_LINES_MAX = 400

FOLDERS = ("engine", "shuffle", "iouring", "dpdk", "agent", "control", "master", "script", "cli",
           "benchmarks", "tests", "examples")
OTHER_TEXT = (".py", ".sh", ".md", ".build", ".lua", ".txt", ".yml", ".html", ".js", ".css")

# ---- who may include whom ------------------------------------------------------------------------

PUBLIC = "engine/gleam.h"
BELOW_AGENT = ("engine", "shuffle", "iouring", "dpdk", "control")

# A file obeys the longest entry that is a prefix of its path; what it may include are files under
# these prefixes.  `base`, `row` and so on are the folders of engine/.
MAY_INCLUDE = {
    "engine/gleam.h": (),
    "engine/base": ("engine/base",),
    "engine/row": ("engine/row", "engine/base", PUBLIC),
    "engine/udf": ("engine/udf", "engine/row", "engine/base", PUBLIC),
    # An operator is opened from its entry in the plan: it knows the plan's words, not the planner.
    # It prints values with the sink's format: the last step before an output, and error texts.
    # Commands are run through a port, written to as the sink writes and read as a source reads.
    "engine/op": ("engine/op", "engine/udf", "engine/row", "engine/base", PUBLIC,
                  "engine/flow/plan.h", "engine/flow/pipe_spec.h", "engine/sink", "engine/source",
                  "shuffle/port/process.h"),
    # The planner checks a format against the schema, with the parser that the sink prints with, and
    # splits the header of a CSV file with the parser that the source reads with.
    "engine/flow": ("engine/flow", "engine/udf", "engine/row", "engine/base", PUBLIC,
                    "engine/sink/format.h", "engine/sink/write.h", "engine/sink/compress.h",
                    "engine/source/csv.h", "engine/source/csv_kernel.h",
                    "engine/source/csv_convert.h", "engine/source/jsonl.h",
                    "engine/source/zip.h"),
    "engine/source": ("engine/source", "engine/row", "engine/base", PUBLIC),
    "engine/sink": ("engine/sink", "engine/row", "engine/base", PUBLIC),
    "engine/chain": ("engine/",),
    "shuffle/port": ("shuffle/port", "engine/base"),
    "shuffle": ("shuffle", "engine/row/frame.h", "engine/base"),
    "iouring": ("iouring", "shuffle/port", "engine/base"),
    "dpdk": ("dpdk", "shuffle/port", "engine/base"),
    "agent": ("agent",) + BELOW_AGENT,
    "control": ("control", "engine/flow", "engine/base", PUBLIC),
    "master": ("master", "control", "engine/flow", "engine/base", PUBLIC),
    # Flows in Lua are a driver like any other: the public header, and the bytes of functions.
    "script": ("script", "engine/udf/values.lua.h", PUBLIC),
    # `gleam bench` runs what benchmarks/ offers as a function.
    "cli": ("cli", "script", "master", "agent", "benchmarks") + BELOW_AGENT,
    "examples": (PUBLIC,),
    "benchmarks": ("benchmarks", "agent") + BELOW_AGENT,
    "tests": FOLDERS,
}

# Headers of a library that only one room may know.  Benchmarks and tests measure and check anything.
ONLY_IN = (
    (re.compile(r"rte_\w+\.h"), ("dpdk",)),
    (re.compile(r"liburing(/|\.h)|linux/io_uring\.h"), ("iouring",)),
    # Rows to and from a command may be JSON objects, which one file reads and writes.
    (re.compile(r"jansson\.h"), ("control", "engine/sink/jsonl.c")),
    (re.compile(r"microhttpd\.h|curl/|openssl/|json-c/|yyjson\.h|cjson/|cJSON\.h"), ("control",)),
    (re.compile(r"jemalloc/"), ("engine/base",)),
    (re.compile(r"lz4\w*\.h"), ("shuffle/spill_pack.c",)),
    (re.compile(r"(lua|lualib|lauxlib|luajit)\.h"), ("engine/udf", "script")),
)

# engine/ is bytes in, rows out: no descriptor, no thread, no process, no wire.
IMPURE = re.compile(
    r"(pthread|threads|unistd|fcntl|poll|dirent|glob|spawn|signal|sched|netdb|aio|termios"
    r"|sys/(socket|mman|stat|epoll|eventfd|uio|ioctl|wait|sendfile|select|resource|un|timerfd)"
    r"|netinet/\w+|arpa/\w+|linux/\w+)\.h")
IMPURE_ALLOWED = {
    ("engine/base/check.c", "unistd.h"): "a failed check writes its last words to descriptor 2",
    ("engine/base/heap.c", "sys/mman.h"): "large blocks are mapped, and know no descriptor",
}

# ---- sources without a unit test of their own ------------------------------------------------------

NO_UNIT_TEST = {
    "engine/base/check.c": "ends the process; the checks of other modules' tests reach it",
}

# Sources that are one half of a header; the header's test runs them.
COVERED_BY = {
    "engine/base/checksum_avx2.c": "tests/unit/base/test_checksum.c",
    "engine/base/checksum_avx512.c": "tests/unit/base/test_checksum.c",
    "engine/base/prng.c": "tests/unit/shuffle/test_port.c",
    "engine/flow/flow_csv.c": "tests/unit/flow/test_plan_csv.c",
    "engine/flow/flow_write.c": "tests/unit/flow/test_plan_write.c",
    "engine/flow/plan.c": "tests/unit/flow/test_planner.c",
    "engine/flow/flow_cache.c": "tests/unit/flow/test_plan_cache.c",
    "engine/flow/plan_flows.c": "tests/unit/flow/test_plan_cache.c",
    "engine/flow/plan_dot.c": "tests/unit/flow/test_plan_view.c",
    "engine/flow/plan_svg.c": "tests/unit/flow/test_plan_view.c",
    "engine/op/accumulate.c": "tests/unit/op/test_reduce.c",
    "engine/op/commands.c": "tests/unit/op/test_pipe.c",
    "engine/op/groups.c": "tests/unit/op/test_reduce.c",
    "engine/op/open.c": "tests/unit/op/test_simple.c",
    "engine/op/op.c": "tests/unit/op/test_simple.c",
    "engine/op/rows.c": "tests/unit/op/test_top.c",
    "engine/op/run_set.c": "tests/unit/op/test_sort.c",
    "engine/op/tally_fold.c": "tests/unit/op/test_tally.c",
    "engine/op/tally_kernel.c": "tests/unit/op/test_tally.c",
    "engine/source/csv_kernel.c": "tests/unit/source/test_csv.c",
    "engine/udf/pattern_compile.c": "tests/unit/udf/test_pattern.c",
    "iouring/file_pread.c": "tests/unit/iouring/test_file.c",
    "iouring/file_uring.c": "tests/unit/iouring/test_file.c",
    "iouring/guard.c": "tests/unit/iouring/test_process.c",
    "iouring/ring.c": "tests/unit/iouring/test_file.c",
    "iouring/tcp_epoll.c": "tests/unit/iouring/test_tcp.c",
    "iouring/tcp_uring.c": "tests/unit/iouring/test_tcp.c",
    "shuffle/gateway_in.c": "tests/unit/shuffle/test_gateway.c",
    "shuffle/gateway_out.c": "tests/unit/shuffle/test_gateway.c",
    "shuffle/wire.c": "tests/unit/shuffle/test_gateway.c",
    "shuffle/port/system.c": "tests/unit/shuffle/test_port.c",
    "shuffle/receiver.c": "tests/unit/shuffle/test_exchange.c",
    "shuffle/sender.c": "tests/unit/shuffle/test_exchange.c",
}

# ---- banned words ----------------------------------------------------------------------------------

BANNED = (
    (re.compile(r"\balloca\s*\("), "alloca: the stack has no budget"),
    (re.compile(r"\bvolatile\b"), "volatile: use _Atomic with an order"),
    (re.compile(r"\bv?fork\s*\("), "fork: use posix_spawn"),
    (re.compile(r"\b(sprintf|vsprintf|strcpy|strcat|gets|strtok|tmpnam|mktemp)\s*\("),
     "a call without a bound, or not safe in threads"),
)
PRINTS = re.compile(r"\b(v?printf|puts|putchar|perror)\s*\(|\bstderr\b"
                    r"|\bf(printf|puts|putc|write)\s*\([^;]*\bstdout\b")
SILENT = ("engine", "shuffle", "iouring", "dpdk")
MAY_PRINT = {
    "engine/gleam.h": "the place where a person's program meets FILE",
    "engine/base/check.c": "a failed check ends the process, and says why",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
LOCAL_ARRAY = re.compile(r"^\s+(?!return\b|goto\b)(?:const\s+)?(?:struct\s+)?\w+[\s*]+\w+\[([^\]]*[a-z]\w*[^\]]*)\]\s*;")
INTEGER_SUFFIX = re.compile(r"\b(\d+|0x[0-9a-fA-F]+)[uUlL]+\b")


def under(path, prefix):
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")


def is_c(path):
    return path.endswith((".c", ".h"))


def exempt(lines, index):
    return any("tidy:" in lines[i] for i in (index - 1, index) if i >= 0)


def code_only(text):
    """The text with comments and literals blanked, line by line as it was."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        keep = match.group(0)
        inside = re.sub(r"[^\n]", " ", keep)
        return keep[0] + inside[1:-1] + keep[-1] if keep[0] in "\"'" else inside

    return token.sub(blank, text)


def includes(text):
    """[(line number, '<' or '"', name)]"""
    found = ((i, INCLUDE.match(line)) for i, line in enumerate(text.split("\n"), 1))
    return [(i, match.group(1), match.group(2)) for i, match in found if match]


# ---- rules on one file: text in, complaints out ---------------------------------------------------

def check_direction(path, text):
    """A layer includes only what stands below it."""
    rule = max((p for p in MAY_INCLUDE if under(path, p)), key=len, default=None)
    out = []
    for line, kind, name in includes(text):
        if kind == '"' and rule and not any(under(name, p) for p in MAY_INCLUDE[rule]):
            out.append("%s:%d: %s may not include %s" % (path, line, rule, name))
    return out


def check_libraries(path, text):
    """The header of a library is included in its one room; none of the impure ones in engine/."""
    out = []
    if under(path, "tests") or under(path, "benchmarks"):
        return out
    for line, _, name in includes(text):
        for header, rooms in ONLY_IN:
            if header.match(name) and not any(under(path, room) for room in rooms):
                out.append("%s:%d: only %s includes <%s>" % (path, line, "/".join(rooms), name))
        impure = under(path, "engine") and IMPURE.fullmatch(name)
        if impure and (path, name) not in IMPURE_ALLOWED:
            out.append("%s:%d: engine/ has no descriptor and no thread: <%s>" % (path, line, name))
    return out


def is_made(name, exists):
    """A chunk of Lua as a header: engine/udf/embed.py makes X.lua.h of X.lua, in the build folder."""
    # ... or of X.h, which LuaJIT reads as well.
    return name.endswith(".lua.h") and (exists(name[:-2]) or exists(name[:-6] + ".h"))


def check_include_form(path, text, exists):
    """Own header first, then <system>, then ours; ours by their path from the root."""
    out = []
    listed = includes(text)
    own = path[:-2] + ".h"
    if path.endswith(".c") and exists(own) and not under(path, "tests"):
        if not listed or listed[0][2] != own:
            out.append('%s:1: the first include is "%s"' % (path, own))
    if listed and listed[0][1] == '"':
        own = listed[0][2]  # a source without a header of that name opens with the one it implements
    ours_since = None
    for line, kind, name in listed:
        if kind == '"' and not exists(name) and not is_made(name, exists):
            out.append('%s:%d: "%s" is no path from the root' % (path, line, name))
        if kind == '"' and name != own:
            ours_since = line
        if kind == "<" and ours_since and not under(path, "tests"):
            if not exempt(text.split("\n"), line - 1):
                out.append("%s:%d: <%s> stands behind our own headers" % (path, line, name))
    return out


def check_layout(path, text):
    """Columns, tabs, trailing space, the last newline."""
    out = []
    lines = text.split("\n")
    for i, line in enumerate(lines):
        if len(line) > LINE_COLUMNS_MAX and is_c(path) and not exempt(lines, i):
            out.append("%s:%d: %d columns" % (path, i + 1, len(line)))
        if "\t" in line:
            out.append("%s:%d: a tab" % (path, i + 1))
        if line != line.rstrip():
            out.append("%s:%d: space at the end of the line" % (path, i + 1))
    if text and not text.endswith("\n"):
        out.append("%s:%d: no newline at the end" % (path, len(lines)))
    return out


def check_words(path, text):
    """Banned calls, arrays of variable size, and printing from a library; tests and benchmarks are free."""
    out = []
    if under(path, "tests") or under(path, "benchmarks"):
        return out
    lines = text.split("\n")
    silent = any(under(path, room) for room in SILENT) and path not in MAY_PRINT
    for i, line in enumerate(code_only(text).split("\n")):
        if exempt(lines, i):
            continue
        for word, why in BANNED:
            if word.search(line):
                out.append("%s:%d: %s" % (path, i + 1, why))
        if silent and PRINTS.search(line):
            out.append("%s:%d: a library does not print" % (path, i + 1))
        size = LOCAL_ARRAY.match(line)
        if size and re.search(r"\b[a-z]\w*\b", variable_part(size.group(1))):
            if not in_struct(lines, i):
                out.append("%s:%d: an array of variable size" % (path, i + 1))
    return out


def variable_part(size):
    """What is left of an array's size without the words that are constant: sizeof(...), 4u, MAX."""
    return INTEGER_SUFFIX.sub("", re.sub(r"\bsizeof\s*(\([^()]*\)|\w+)", "", size))


def in_struct(lines, index):
    """A member's size is constant by the language: only locals are looked at."""
    for i in range(index, -1, -1):
        if re.match(r"\S.*\{\s*$", lines[i]):
            return not lines[i].rstrip().endswith(") {")
        if lines[i].startswith("{"):
            return False
    return True


def functions(text):
    """[(first line, last line)], counted from 1, of the functions: a brace alone in column one."""
    lines = code_only(text).split("\n")
    out = []
    start = None
    for i, line in enumerate(lines):
        if line.rstrip() == "{" and start is None:
            start = i
            while start > 0 and lines[start - 1].strip() and lines[start - 1][0] not in "#}":
                start -= 1
        elif line.startswith("}") and start is not None:
            out.append((start + 1, i + 1))
            start = None
    return out


def comment_above(lines, first):
    """The lines of the comment that ends right above line `first` (from 1)."""
    i = first - 1
    while i > 0 and lines[i - 1].lstrip().startswith(("/*", "*", "//")):
        i -= 1
    return lines[i:first - 1]


def check_lengths(path, text):
    """A function of at most 70 lines, a source of 800, a header of 400; the brace on its own line."""
    out = []
    lines = text.split("\n")
    for first, last in functions(text):
        around = comment_above(lines, first) + lines[first - 1:last]
        if last - first + 1 > FUNCTION_LINES_MAX and not any("tidy:" in line for line in around):
            out.append("%s:%d: a function of %d lines" % (path, first, last - first + 1))
    for i, line in enumerate(code_only(text).split("\n")):
        if re.match(r"[a-z].*\)\s*\{", line) and not exempt(lines, i):
            out.append("%s:%d: a function's brace stands on its own line" % (path, i + 1))
    limit = HEADER_LINES_MAX if path.endswith(".h") else SOURCE_LINES_MAX
    count = len(lines) - 1
    if count > limit and not any("tidy:" in line for line in lines[:30]):
        out.append("%s:1: %d lines, at most %d" % (path, count, limit))
    return out


def check_places(path, text, own_places):
    """No path of the machine it was written on: a home folder, or one of own_places."""
    home = re.compile(r"(?<![\w.])/(home|root|Users)/[\w.]")
    out = []
    for i, line in enumerate(text.split("\n"), 1):
        if home.search(line) or any(place in line for place in own_places):
            out.append("%s:%d: a path of one machine" % (path, i))
    return out


# ---- rules on the tree -----------------------------------------------------------------------------

def unit_test_places(path):
    """Where the unit test of a source may be; engine/ is left out of the path."""
    folder, name = os.path.split(path)
    folder = folder[len("engine/"):] if folder.startswith("engine/") else folder
    test = "test_" + name
    return ["tests/unit/%s/%s" % (folder, test), "tests/unit/%s/%s" % (folder.split("/")[0], test)]


def check_unit_tests(paths, registered):
    """Each source of the core has a unit test, and meson knows each unit test.

    registered: the text of tests/unit/meson.build."""
    out = []
    paths = set(paths)
    for path in sorted(paths):
        if path.endswith(".c") and path.startswith(("engine/", "shuffle/", "iouring/")):
            places = [COVERED_BY[path]] if path in COVERED_BY else unit_test_places(path)
            if path not in NO_UNIT_TEST and not paths.intersection(places):
                out.append("%s:1: no %s" % (path, places[0]))
        match = re.fullmatch(r"tests/unit/(.+)/test_(\w+)\.c", path)
        if match and "'%s/%s'" % match.groups() not in registered:
            out.append("%s:1: not in tests/unit/meson.build" % path)
    out += ["%s:1: excused from a unit test, but not there" % path
            for path in sorted(set(NO_UNIT_TEST) | set(COVERED_BY)) if path not in paths]
    return out


def check_built(paths, builds):
    """Each source is named by the meson.build of its folder or of one above it: no dead files.

    builds: {folder: text of its meson.build}."""
    out = []
    for path in sorted(paths):
        if not path.endswith(".c") or under(path, "tests/unit"):
            continue
        parts = path.split("/")
        stem = parts[-1][:-2]
        folders = ["/".join(parts[:n]) for n in range(len(parts))]
        if not any(re.search(r"\b%s\b" % re.escape(stem), builds.get(f, "")) for f in folders):
            out.append("%s:1: no meson.build names it" % path)
    return out
