"""report.py - results as Markdown, the machine they are from, and the page that keeps them.

The page is made of page.md, which says how to read it, and of results; they are kept in a file of
JSON beside it, its pictures in a folder of its name.
"""

import contextlib
import datetime
import json
import os
import pathlib
import platform
import subprocess

import charts

TEMPLATE = pathlib.Path(__file__).resolve().parent / "page.md"
RESULTS = "<!-- results -->"  # where in page.md they go
MADE = "<!-- Made by compare.py --docs: change benchmarks/compare/page.md, then --redraw. -->\n"
UNITS = {"speed": "x", "milliseconds": " ms", "megabytes": " MB", "seconds": " s",
         "times": "x", "times the input": " x input"}


def output_of(*command):
    with contextlib.suppress(OSError):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        return ended.stdout if ended.returncode == 0 else ""
    return ""


def compiler_of(program):
    """What the program itself says built it; its section of comments has a line a compiler."""
    for line in output_of("readelf", "-p", ".comment", program).splitlines():
        if "]" in line:
            return line.split("]", 1)[1].strip()
    return "unknown"


def machine(build):
    cpu = {}
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            cpu.setdefault(key.strip(), value.strip())
    flags = cpu.get("flags", "").split()
    vectors = next((name for name in ("avx512bw", "avx2", "asimd") if name in flags), "")
    release = {}
    with contextlib.suppress(OSError):
        release = platform.freedesktop_os_release()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu.get("model name", platform.machine()),
        "cpu_numbers": f"family {cpu.get('cpu family', '?')} model {cpu.get('model', '?')}",
        "vectors": vectors, "virtual": "hypervisor" in flags,
        "cores": len(os.sched_getaffinity(0)), "memory_bytes": memory,
        "kernel": platform.release(), "system": release.get("PRETTY_NAME", "Linux"),
        "compiler": compiler_of(os.path.join(build, "gleam")),
    }


def revision():
    here = str(pathlib.Path(__file__).resolve().parent)
    name = output_of("git", "-C", here, "rev-parse", "--short", "HEAD").strip()
    changed = output_of("git", "-C", here, "status", "--porcelain", "--untracked-files=no").strip()
    return (name or "unknown") + (" with changes" if changed else "")


def stamp(result, build):
    """A result says when, where and of what it is."""
    today = datetime.date.today().isoformat()
    return {**result, "date": today, "revision": revision(), "machine": machine(build)}


# ---- Markdown ------------------------------------------------------------------------------------

number = charts.number


def range_of(spread):
    return f"{number(spread['least'])} to {number(spread['most'])}"


def verdict(figure):
    higher_is_better = figure["kind"] == "speed"

    def reached(wanted):
        return (figure["median"] >= wanted) == higher_is_better or figure["median"] == wanted

    if reached(figure["aim"]):
        return "aim"
    return "yes" if reached(figure["least_wanted"]) else "**no**"


def figures_table(results):
    lines = ["| what | measured | range | at least | aim | reached |",
             "| --- | ---: | ---: | ---: | ---: | --- |"]
    for result in results:
        for figure in result["figures"]:
            unit = UNITS[figure["kind"]]
            lines.append(f"| {figure['what']} | {number(figure['median'])}{unit} "
                         f"| {range_of(figure)} | {figure['least_wanted']:g}{unit} "
                         f"| {figure['aim']:g}{unit} | {verdict(figure)} |")
    return lines


def rows_table(result):
    base, memory = result["base"], "peak_bytes" in result["rows"][0]
    by_text = result["bytes"] >= 1000000
    unit, scale = ("s", 1) if by_text else ("ms", 1e3)
    heads = ["", "cores", f"median {unit}", f"range {unit}", f"CPU {unit}"]
    heads += ["MB/s"] * by_text + [f"speed against {base}", "range"] + ["peak MB"] * memory
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for row in result["rows"]:
        seconds = {key: value * scale for key, value in row["seconds"].items()}
        cells = [row["name"], str(row["cores"]), number(seconds["median"]), range_of(seconds),
                 number(row["cpu_seconds"] * scale)]
        cells += [number(row["mb_per_s"])] * by_text
        cells += [number(row["speed"]["median"]), range_of(row["speed"])]
        if memory:  # a very short run may have ended before it was looked at
            cells.append(number(row["peak_bytes"]["median"] / 1e6) if "peak_bytes" in row else "")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def ring_table(result):
    lines = ["| case | ours | range | peer | range | ratio | range |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for row in result["ring_rows"]:
        ours, peer = ("processes", "threads")
        if "processes" not in row:
            ours, peer = "gleam", next((key for key in ("rte_ring", "fio") if key in row), "")
        cells = [f"{row['name']}: {ours}" + (f", {peer}" if peer in row else "")]
        for key in (ours, peer, "ratio"):
            unit = "" if key == "ratio" else " " + row["unit"]
            cells += ([number(row[key]["median"]) + unit, range_of(row[key])] if key in row else
                      ["", ""])
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def growth_table(curve):
    """A row a size, a column a contender."""
    names = [line["name"] for line in curve["lines"]]
    lines = ["| " + " | ".join([curve["title"]] + [f"{name} s | range s" for name in names]) + " |",
             "| ---: |" + " ---: | ---: |" * len(names)]
    for points in zip(*(line["points"] for line in curve["lines"])):
        cells = [charts.size_of(points[0]["bytes"])]
        for point in points:
            cells += [number(point["seconds"]["median"]), range_of(point["seconds"])]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def pictures(result):
    """{name of a file: SVG}"""
    if "curves" in result:
        return {f"{result['name']}-{curve['name']}.svg": charts.curves(curve, result["rounds"])
                for curve in result["curves"]}
    if "rows" in result:
        return {f"{result['name']}.svg": charts.bars(result)}
    return {}


def facts_of(result):
    facts = [f"{result['rounds']} round{'s' * (result['rounds'] != 1)}"]
    if "bytes" in result:
        facts.append(f"{result['bytes']:,} bytes")
    facts += [f"{count:,} {what}" for what, count in result.get("answer", {}).items()]
    if result.get("others"):
        facts.append(f"others took at most {100 * result['others']:.0f} % of a core")
    facts += [f"{name} {version}" for name, version in result.get("programs", {}).items()]
    text = ", ".join(facts) + "."
    if result.get("left_out"):
        text += f" Left out: {'; '.join(dict.fromkeys(result['left_out']))}."
    return text


def section(result, folder):
    """folder: where the pictures are, as the page sees it; None without pictures."""
    lines = [f"### `{result['name']}`: {result['title']}", "", facts_of(result), ""]
    if folder:
        for name in pictures(result):
            lines += [f"![{result['title']}]({folder}/{name})", ""]
    if "ring_rows" in result:
        return lines + ring_table(result) + [""]
    if "curves" in result:
        return lines + [line for curve in result["curves"] for line in [*growth_table(curve), ""]]
    return lines + rows_table(result) + [""]


def machine_text(result):
    found = result["machine"]
    return (f"{found['cpu']} ({found['cpu_numbers']}, {found['vectors'] or 'no vectors'}"
            f"{', virtual machine' if found['virtual'] else ''}), {found['cores']} cores, "
            f"{found['memory_bytes'] / 1e9:.0f} GB of memory, {found['system']}, "
            f"Linux {found['kernel']}, {found['compiler']}; {result['date']}, "
            f"revision {result['revision']}")


def markdown(results, folder=None):
    """Everything: what was wanted and reached, each comparison, and where it ran."""
    lines = figures_table(results) + [""]
    for result in results:
        lines += section(result, folder)
    places = {}
    for result in results:
        places.setdefault(machine_text(result), []).append(f"`{result['name']}`")
    lines += ["### Where", ""]
    lines += [f"* {', '.join(names) if len(places) > 1 else 'All'}: {place}."
              for place, names in places.items()]
    return "\n".join(lines) + "\n"


def page_of(results, folder):
    return MADE + TEMPLATE.read_text().replace(RESULTS, markdown(results, folder).rstrip("\n"))


def keep(page, results, order):
    """Makes the page, its pictures and the JSON beside it: these results in the place of earlier
    ones of the same comparisons, the others as they were kept."""
    page = pathlib.Path(page)
    store, folder = page.with_suffix(".json"), page.with_suffix("")
    kept = {}
    if store.exists():
        kept = {result["name"]: result for result in json.loads(store.read_text())}
    kept.update({result["name"]: result for result in results})
    ordered = [kept[name] for name in order if name in kept]
    drawn = {name: svg for result in ordered for name, svg in pictures(result).items()}
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        if old.name not in drawn:
            old.unlink()
    for name, svg in drawn.items():
        (folder / name).write_text(svg)
    store.write_text(json.dumps(ordered, indent=1) + "\n")
    page.write_text(page_of(ordered, folder.name))
