#!/usr/bin/env python3
"""test_compare.py - the tool around the comparisons: pictures, the page, who takes part.

The comparisons themselves are run by `compare.py --small`.
"""
import json
import os
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(HERE))

import charts  # noqa: E402
import comparisons  # noqa: E402
import contenders  # noqa: E402
import report  # noqa: E402
import runner  # noqa: E402
import tap  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
MACHINE = {"cpu": "A Processor", "cpu_numbers": "family 1 model 2", "vectors": "avx2",
           "virtual": False, "cores": 2, "memory_bytes": 8e9, "system": "A Linux", "kernel": "6.1",
           "compiler": "a compiler"}


def spread(*values):
    return {"median": sorted(values)[len(values) // 2], "least": min(values), "most": max(values)}


def row(name, *seconds, peer=False, **more):
    return {"name": name, "cores": 2, "seconds": spread(*seconds), "cpu_seconds": seconds[0],
            "mb_per_s": 1.0, "speed": spread(1.0), "peer": peer, **more}


def result(name, *rows):
    return {"name": name, "title": f"About {name}", "rounds": 3, "bytes": 2000000, "base": "b",
            "answer": {}, "rows": list(rows), "figures": [], "date": "2026-01-01",
            "revision": "abc", "machine": MACHINE}


def curve(*lines):
    def points(seconds):
        return [{"bytes": size, "seconds": spread(each * 0.9, each, each * 1.2),
                 "all_seconds": [each] * 3}
                for size, each in zip((62500000, 125000000, 250000000, 500000000), seconds)]

    return {"name": "c", "title": "A curve",
            "lines": [{"name": name, "cores": 2, "peer": name != "gleam", "points": points(seconds)}
                      for name, seconds in lines]}


def drawn_texts(svg):
    """[(left, right, y, text)], by the estimated widths."""
    out = []
    for element in xml.etree.ElementTree.fromstring(svg).iter(SVG + "text"):
        font = {"title": charts.TITLE_FONT, "small": charts.SMALL_FONT}.get(
            element.get("class"), charts.FONT)
        width, x = charts.text_width(element.text, font), float(element.get("x"))
        left = {"start": x, "end": x - width, "middle": x - width / 2}[element.get("text-anchor")]
        out.append((left, left + width, float(element.get("y")), element.text))
    return out


class Pictures(unittest.TestCase):
    def inside(self, svg):
        """No text is cut by the edge or meets another one."""
        root = xml.etree.ElementTree.fromstring(svg)
        width, height = map(float, root.get("viewBox").split()[2:])
        texts = drawn_texts(svg)
        for left, right, y, text in texts:
            self.assertTrue(0 <= left and right <= width and charts.FONT <= y <= height - 4, text)
        for i, (left, right, y, text) in enumerate(texts):
            for left2, right2, y2, text2 in texts[i + 1:]:
                self.assertFalse(left < right2 and left2 < right and abs(y - y2) < 11,
                                 f"{text!r} and {text2!r} overlap")
        return [text for _, _, _, text in texts]

    def test_bars_name_everyone_and_the_longest_is_the_slowest(self):
        svg = charts.bars(result("r", row("gleam, Lua", 1.0, 1.1, 2.5),
                                 row("a < b & a very long name of a peer", 8.0, 9.0, 20.0,
                                     peer=True)))
        texts = self.inside(svg)
        self.assertIn("a < b & a very long name of a peer", texts)
        self.assertIn("1.10 s", texts)
        self.assertIn("9.00 s", texts)
        rects = [rect for rect in xml.etree.ElementTree.fromstring(svg).iter(SVG + "rect")
                 if "bar" in rect.get("class")]
        self.assertEqual([rect.get("class") for rect in rects], ["bar c0", "bar c1"])
        fast, slow = (float(rect.get("width")) for rect in rects)
        self.assertAlmostEqual(slow / fast, 9.0 / 1.1, places=1)

    def test_bars_are_milliseconds_for_short_ones_and_memory_where_it_was_sampled(self):
        short = result("r", row("gleam", 0.005))
        short["bytes"] = 66
        self.assertIn("5.00 ms", self.inside(charts.bars(short)))
        memory = result("r", row("gleam", 3.0, peak_bytes=spread(157e6)),
                        row("c", 9.0, peer=True, peak_bytes=spread(72e6)))
        texts = self.inside(charts.bars(memory))
        self.assertIn("157 MB", texts)
        self.assertLess(texts.index("c"), texts.index("gleam"))  # the best first

    def test_long_titles_are_broken_into_lines(self):
        long = result("r", row("gleam", 1.0))
        long["title"] = "WIDE WORDS MOVE " * 12
        self.inside(charts.bars(long))

    def test_curves_of_any_steepness(self):
        for lines in ([("gleam", (1, 2, 4, 8)), ("peer", (1.01, 2.02, 4.04, 8.08)),
                       ("other", (1.02, 2.01, 4.01, 8.01))],
                      [("gleam", (0.001, 0.001, 0.001, 0.001))],
                      [("a peer with a long name", (0.1, 0.4, 30, 4000)),
                       ("gleam", (0.02, 0.02, 0.02, 0.03))]):
            with self.subTest(lines=lines):
                svg = charts.curves(curve(*lines), 3)
                texts = self.inside(svg)
                for size in ("62.5 MB", "125 MB", "250 MB", "500 MB"):
                    self.assertIn(size, texts)
                for name, seconds in lines:
                    self.assertIn(f"{name}, {charts.number(seconds[-1])} s", texts)
                circles = list(xml.etree.ElementTree.fromstring(svg).iter(SVG + "circle"))
                self.assertEqual(len(circles), 4 * len(lines))

    def test_a_line_in_proportion_rises_as_the_guide(self):
        root = xml.etree.ElementTree.fromstring(
            charts.curves(curve(("gleam", (1, 2, 4, 8))), 3))
        guide = next(line for line in root.iter(SVG + "line") if line.get("class") == "guide")
        last = list(root.iter(SVG + "circle"))[-1]
        self.assertAlmostEqual(float(guide.get("x2")), float(last.get("cx")), delta=0.2)
        self.assertAlmostEqual(float(guide.get("y2")), float(last.get("cy")), delta=0.2)

    def test_labels_are_spread_out_within_their_limits(self):
        for wanted in ([50, 50, 50], [0, 1, 2], [100, 100, 99], [10, 90, 50]):
            placed = sorted(charts.spread_out(wanted, 20, 0, 100))
            self.assertTrue(all(b - a >= 20 for a, b in zip(placed, placed[1:])), placed)
            self.assertTrue(placed[0] >= 0 and placed[-1] <= 100, placed)

    def test_both_modes_have_a_background_and_text_of_their_own(self):
        light, dark = charts.STYLE.split("@media (prefers-color-scheme: dark)")
        for style in (light, dark):
            for selector in ("text {", ".back {", ".c0 {", ".c1 {", ".c2 {", ".c3 {", ".range {"):
                self.assertIn(selector, style)


class Page(unittest.TestCase):
    def test_results_of_other_comparisons_are_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder, "b.md")
            order = ["one", "two", "growth"]
            report.keep(page, [result("two", row("b", 5.0))], order)
            report.keep(page, [result("one", row("b", 1.0))], order)
            grown = result("growth", row("b", 1.0))
            del grown["rows"]
            grown["curves"] = [curve(("gleam", (1, 2, 4, 8)), ("p", (1, 2, 4, 8)))]
            report.keep(page, [grown], order)
            text = page.read_text()
            self.assertLess(text.index("About one"), text.index("About two"))
            self.assertIn("A Processor", text)
            self.assertIn("How to read it", text)
            self.assertNotIn(report.RESULTS, text)
            for name in ("one.svg", "two.svg", "growth-c.svg"):
                self.assertIn(f"](b/{name})", text)
                self.assertTrue(pathlib.Path(folder, "b", name).is_file())
            # A comparison that is no longer known goes, with its picture.
            report.keep(page, [], order[:1])
            self.assertEqual(os.listdir(pathlib.Path(folder, "b")), ["one.svg"])
            self.assertNotIn("About two", page.read_text())

    def test_the_page_in_docs_is_what_the_tool_makes(self):
        page = ROOT / "docs" / "benchmarks.md"
        results = json.loads(page.with_suffix(".json").read_text())
        again = "run: benchmarks/compare/compare.py --docs docs/benchmarks.md --redraw"
        self.assertEqual(page.read_text(), report.page_of(results, "benchmarks"), again)
        drawn = {name: svg for each in results for name, svg in report.pictures(each).items()}
        folder = page.with_suffix("")
        self.assertEqual({path.name for path in folder.iterdir()}, set(drawn), again)
        for name, svg in drawn.items():
            self.assertEqual((folder / name).read_text(), svg, again)

    def test_what_was_left_out_and_versions_are_said(self):
        one = {**result("one", row("b", 1.0)), "programs": {"DuckDB": "1.2.3"},
               "left_out": ["Polars: it is not there", "Polars: it is not there"]}
        text = "\n".join(report.section(one, None))
        self.assertIn("DuckDB 1.2.3", text)
        self.assertEqual(text.count("Left out: Polars: it is not there."), 1)
        self.assertNotIn("![", text)


class TakingPart(unittest.TestCase):
    def test_peers_that_are_not_installed_are_left_out_with_a_reason(self):
        missing = [contenders.duckdb("/no/build", "count", 1),
                   contenders.polars("/no/build", "count", 1)]
        chosen, left_out = runner.available([contenders.nothing(), *missing])
        self.assertEqual([each.name for each in chosen], ["true"])
        self.assertEqual(len(left_out), 2)
        for reason in left_out:
            self.assertIn("not installed; ./dev peers", reason)
            self.assertNotIn("/no/build", reason)

    def test_programs_of_ours_have_to_be_there(self):
        with self.assertRaisesRegex(runner.Failed, "gleam is not there: ./dev build"):
            runner.available([contenders.gleam("/no/build", "gleam", 1)])

    def test_more_cores_than_there_are(self):
        cores = len(os.sched_getaffinity(0)) + 1
        chosen, left_out = runner.available([contenders.gnu_sort_lines(cores)])
        self.assertEqual((chosen, left_out),
                         ([], [f"GNU sort: it is for {cores} cores, not for {cores - 1}"]))

    def test_every_peer_that_is_there_says_its_version(self):
        peer = contenders.gnu_sort_lines(1)
        self.assertRegex(runner.version_of(peer), r"^\d+\.\d+")
        self.assertEqual(runner.version_of(contenders.nothing()), "")

    def test_answers_that_differ_fail(self):
        def run(answer):
            return [runner.Run(1.0, 1.0, 0, 0.0, answer)]

        self.assertEqual(runner.check_answers({"a": run({"n": 1}), "b": run({"n": 1})}), {"n": 1})
        with self.assertRaisesRegex(runner.Failed, "b found"):
            runner.check_answers({"a": run({"n": 1}), "b": run({"n": 2})})

    def test_written_files_are_compared_in_order_and_removed(self):
        with tempfile.TemporaryDirectory() as folder:
            def answer(*texts):
                paths = [pathlib.Path(folder, str(i)) for i in range(len(texts))]
                for path, text in zip(paths, texts):
                    path.write_bytes(text)
                return contenders.answer_of_files(paths)

            self.assertEqual(answer(b"a,b\n", b"c\n"), answer(b"a,b\nc\n"))
            self.assertNotEqual(answer(b"a,b\n", b"c\n"), answer(b"c\n", b"a,b\n"))
            self.assertEqual(os.listdir(folder), [])

    def test_names_are_unique_and_figures_name_contenders(self):
        known = comparisons.all_comparisons("build")
        names = [each.name for each in known]
        self.assertEqual(len(names), len(set(names)))
        for each in known:
            there = [contender.name for contender in each.contenders]
            self.assertEqual(len(there), len(set(there)))
            for figure in each.figures:
                self.assertIn(figure.subject, there)
                self.assertIn(figure.base or figure.subject, there)


if __name__ == "__main__":
    tap.main()
