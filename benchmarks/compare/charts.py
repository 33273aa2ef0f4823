"""charts.py - results as pictures: bars by time, and curves over the size of the data.

Each function takes a result as report.py keeps it and returns an SVG of fixed width.  A picture has
its own background, light or dark as the reader's screen is set, so that it can be read wherever it
is put.  Widths of texts are estimated, rather too large: what has no room is broken into lines.
"""

import math
from xml.sax.saxutils import escape

WIDTH, MARGIN, LINE = 760, 20, 20
FONT, TITLE_FONT, SMALL_FONT = 13, 15, 12
BAR, BAR_STEP = 18, 30
LABEL_GAP, VALUE_GAP = 10, 8
PLOT_HEIGHT = 300
POINT = 4

STYLE = """
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
       font-size: 13px; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.small { font-size: 12px; fill: #59636e }
.back { fill: #ffffff; stroke: #d1d9e0 }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.range { stroke: #1f2328; stroke-width: 1.5; fill: none }
.guide { stroke: #818b98; stroke-width: 1; stroke-dasharray: 4 4; fill: none }
.c0 { fill: #1f6feb; stroke: #1f6feb } .c1 { fill: #8c959f; stroke: #8c959f }
.c2 { fill: #bf6a02; stroke: #bf6a02 } .c3 { fill: #1a7f37; stroke: #1a7f37 }
.bar { stroke: none }
.curve { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .small { fill: #9198a1 }
.back { fill: #0d1117; stroke: #3d444d } .grid { stroke: #3d444d } .range { stroke: #f0f6fc }
.guide { stroke: #656c76 }
.c0 { fill: #58a6ff; stroke: #58a6ff } .c1 { fill: #848d97; stroke: #848d97 }
.c2 { fill: #e3a03c; stroke: #e3a03c } .c3 { fill: #56d364; stroke: #56d364 }
.curve { fill: none } .bar { stroke: none }
}
"""


def number(value):
    """Three digits, and no more zeros than are known."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def text_width(text, font=FONT):
    """In pixels, rather too much, in any of the fonts."""
    wide = sum(character in "mwMW@%" or character.isupper() for character in text)
    return math.ceil(font * (0.58 * len(text) + 0.22 * wide))


def size_of(count):
    """Bytes for a person: 62.5 MB."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} B"


def wrap(text, font):
    """The text as lines that have room between the margins."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and text_width(longer, font) > WIDTH - 2 * MARGIN:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


class Canvas:
    """Elements that are put on it, and the height that they need."""

    def __init__(self, title, what):
        self.title, self.what = title, what
        self.elements, self.y = [], MARGIN

    def text(self, x, y, content, classes="", anchor="start"):
        named = f' class="{classes}"' if classes else ""
        self.elements.append(f'<text x="{x:.1f}" y="{y:.1f}"{named} text-anchor="{anchor}">'
                             f"{escape(content)}</text>")

    def line(self, x1, y1, x2, y2, classes):
        self.elements.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                             f'class="{classes}"/>')

    def heading(self):
        for line in wrap(self.title, TITLE_FONT):
            self.y += TITLE_FONT
            self.text(MARGIN, self.y, line, "title")
            self.y += LINE - TITLE_FONT
        for line in wrap(self.what, SMALL_FONT):
            self.y += SMALL_FONT
            self.text(MARGIN, self.y, line, "small")
            self.y += LINE - SMALL_FONT
        self.y += 12

    def svg(self):
        height = math.ceil(self.y + MARGIN)
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img">',
            f"<title>{escape(self.title)}</title>", f"<style>{STYLE}</style>",
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6" '
            'class="back"/>', *self.elements, "</svg>"]) + "\n"


def whisker(canvas, x1, y1, x2, y2, cap=4):
    """A line with caps, upright or level."""
    across, down = (0, cap) if y1 == y2 else (cap, 0)
    canvas.elements.append(
        f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}'
        f"M{x1 - across:.1f} {y1 - down:.1f}L{x1 + across:.1f} {y1 + down:.1f}"
        f'M{x2 - across:.1f} {y2 - down:.1f}L{x2 + across:.1f} {y2 + down:.1f}" class="range"/>')


def step_of(most):
    """The distance of three to six ticks up to `most`: 1, 2 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(most / 3))
    return next(power * factor for factor in (1, 2, 5, 10) if most / (power * factor) <= 6)


def colours(rows):
    """One class per row: the first for gleam's, the others for the peers in turn."""
    peers, out = 0, []
    for row in rows:
        peers += bool(row.get("peer"))
        out.append(f"c{1 + (peers - 1) % 3}" if row.get("peer") else "c0")
    return out


def measure_of(result):
    """(what it is, key of the rows, factor, unit): memory where that was sampled, else time."""
    if "peak_bytes" in result["rows"][0]:
        return "Megabytes at the highest", "peak_bytes", 1e-6, "MB"
    if result["bytes"] >= 1000000:
        return "Seconds", "seconds", 1, "s"
    return "Milliseconds", "seconds", 1e3, "ms"


def rounds_text(rounds):
    return "one round" if rounds == 1 else f"median of {rounds} rounds, with the range"


def draw_ticks(canvas, left, to_x, most, bottom):
    step = step_of(most)
    for i in range(int(most / step) + 1):
        x = left + i * step * to_x
        canvas.line(x, canvas.y, x, bottom, "grid")
        canvas.text(x, bottom + SMALL_FONT + 4, f"{i * step:g}", "small", "middle")


def bars(result):
    """A bar a contender, the best first."""
    what, key, scale, unit = measure_of(result)
    rows = sorted(result["rows"], key=lambda row: row[key]["median"])
    spreads = [{name: value * scale for name, value in row[key].items()} for row in rows]
    canvas = Canvas(result["title"], f"{what}, less is better; {rounds_text(result['rounds'])}. "
                    "Blue is gleam.")
    canvas.heading()
    values = [f"{number(spread['median'])} {unit}" for spread in spreads]
    left = MARGIN + max(text_width(row["name"]) for row in rows) + LABEL_GAP
    right = WIDTH - MARGIN - max(map(text_width, values)) - VALUE_GAP
    most = max(spread["most"] for spread in spreads)
    to_x = (right - left) / most
    bottom = canvas.y + BAR_STEP * len(rows)
    draw_ticks(canvas, left, to_x, most, bottom)
    for row, spread, value in zip(rows, spreads, values):
        y = canvas.y + (BAR_STEP - BAR) / 2
        canvas.text(left - LABEL_GAP, y + BAR - 5, row["name"], anchor="end")
        canvas.elements.append(
            f'<rect x="{left:.1f}" y="{y:.1f}" width="{max(1, spread["median"] * to_x):.1f}" '
            f'height="{BAR}" class="bar {"c1" if row.get("peer") else "c0"}"/>')
        if result["rounds"] > 1:
            whisker(canvas, left + spread["least"] * to_x, y + BAR / 2,
                    left + spread["most"] * to_x, y + BAR / 2)
        canvas.text(left + spread["most"] * to_x + VALUE_GAP, y + BAR - 5, value)
        canvas.y += BAR_STEP
    canvas.y = bottom + LINE
    return canvas.svg()


# ---- curves --------------------------------------------------------------------------------------

def decades(least, most):
    """1, 2 and 5 times powers of ten that enclose the two values."""
    ticks = [factor * 10.0 ** power for power in range(math.floor(math.log10(least)) - 1,
                                                       math.ceil(math.log10(most)) + 1)
             for factor in (1, 2, 5)]
    first = max(i for i, tick in enumerate(ticks) if tick <= least)
    last = min(i for i, tick in enumerate(ticks) if tick >= most)
    return ticks[first:max(last, first + 1) + 1]


def spread_out(wanted, distance, least, most):
    """Heights of labels as near to the wanted ones as `distance` between them allows."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = {}
    for i in order:
        placed[i] = max([wanted[i], least] + [placed[j] + distance for j in placed])
    limit = most
    for i in reversed(order):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - distance
    return [placed[i] for i in range(len(wanted))]


class Axes:
    """Logarithmic both ways."""

    def __init__(self, canvas, lines, right):
        points = [point for line in lines for point in line["points"]]
        self.sizes = sorted({point["bytes"] for point in points})
        self.ticks = decades(min(point["seconds"]["least"] for point in points),
                             max(point["seconds"]["most"] for point in points))
        labels = [f"{tick:g} s" for tick in self.ticks]
        self.left = MARGIN + max(map(text_width, labels)) + LABEL_GAP
        self.right, self.top = right, canvas.y
        self.bottom = self.top + PLOT_HEIGHT
        for tick, label in zip(self.ticks, labels):
            canvas.line(self.left, self.y(tick), self.right, self.y(tick), "grid")
            canvas.text(self.left - LABEL_GAP, self.y(tick) + 4, label, "small", "end")
        for size in self.sizes:
            canvas.line(self.x(size), self.top, self.x(size), self.bottom, "grid")
            canvas.text(self.x(size), self.bottom + SMALL_FONT + 6, size_of(size), "small",
                        "middle")

    def x(self, size):
        inset = 24  # so that the label of the smallest size does not reach the seconds'
        share = math.log(size / self.sizes[0]) / math.log(self.sizes[-1] / self.sizes[0])
        return self.left + inset + share * (self.right - self.left - 2 * inset)

    def y(self, seconds):
        share = math.log(seconds / self.ticks[0]) / math.log(self.ticks[-1] / self.ticks[0])
        return self.bottom - share * (self.bottom - self.top)


def draw_line(canvas, axes, line, colour):
    """The curve with its points and their ranges; returns where it ends."""
    at = [(axes.x(point["bytes"]), point) for point in line["points"]]
    path = "L".join(f"{x:.1f} {axes.y(point['seconds']['median']):.1f}" for x, point in at)
    canvas.elements.append(f'<path d="M{path}" class="{colour} curve"/>')
    for x, point in at:
        if len(point["all_seconds"]) > 1:
            whisker(canvas, x, axes.y(point["seconds"]["least"]),
                    x, axes.y(point["seconds"]["most"]))
        canvas.elements.append(f'<circle cx="{x:.1f}" '
                               f'cy="{axes.y(point["seconds"]["median"]):.1f}" r="{POINT}" '
                               f'class="{colour}"/>')
    return axes.y(at[-1][1]["seconds"]["median"])


def draw_guide(canvas, axes, line):
    """From gleam's first point: where twice the data take twice the time; as far as it is seen."""
    first = line["points"][0]
    seconds = first["seconds"]["median"]
    size = min(axes.sizes[-1], first["bytes"] * axes.ticks[-1] / seconds)
    canvas.line(axes.x(first["bytes"]), axes.y(seconds), axes.x(size),
                axes.y(seconds * size / first["bytes"]), "guide")


def curves(curve, rounds):
    """Seconds against the size of the data, a line a contender."""
    lines = curve["lines"]
    canvas = Canvas(curve["title"],
                    "Seconds against the size of the data, both logarithmic; "
                    f"{rounds_text(rounds)}. Dashed: in proportion to the data.")
    canvas.heading()
    labels = [f"{line['name']}, {number(line['points'][-1]['seconds']['median'])} s"
              for line in lines]
    axes = Axes(canvas, lines, WIDTH - MARGIN - max(map(text_width, labels)) - LABEL_GAP)
    ours = [line for line in lines if not line["peer"]]
    if ours:
        draw_guide(canvas, axes, ours[0])
    ends = [draw_line(canvas, axes, line, colour)
            for line, colour in zip(lines, colours(lines))]
    heights = spread_out(ends, LINE, axes.top + 4, axes.bottom)
    for end, height, label, colour in zip(ends, heights, labels, colours(lines)):
        canvas.line(axes.x(axes.sizes[-1]) + POINT, end, axes.right, height, colour)
        canvas.text(axes.right + LABEL_GAP, height + 4, label)
    canvas.y = axes.bottom + LINE
    return canvas.svg()
