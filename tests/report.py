#!/usr/bin/env python3
"""report.py - what the test runs of some build folders came to.

Reads the logs that `meson test` left in each folder, prints why tests failed or were skipped, and as
the last line `N passed, N failed, N skipped`.  The exit status is 0 only when something passed and
nothing failed.

A TAP program counts case by case.  A program that died counts as a failure even if every case it
came to had passed, and a folder without a log (the build failed) counts as one.
"""
import json
import os
import re
import sys
import xml.etree.ElementTree as xml
from collections import namedtuple

Counts = namedtuple("Counts", "passed failed skipped")
OUTPUT_LINES_MAX = 200
TAP_LINE = re.compile(r"(not )?ok \d+\b")


def cases_by_test(junit_path):
    """{test name: [(case name, "passed" | "failed" | "skipped", explanation)]} of the TAP tests."""
    suites = {}
    for suite in xml.parse(junit_path).getroot().iter("testsuite"):
        name = suite.get("name").partition(".")[2]  # PROJECT.TEST; a plain PROJECT has no cases
        if name:
            suites[name] = [case_of(element) for element in suite.iter("testcase")]
    return suites


def case_of(element):
    tags = {child.tag for child in element}
    state = "skipped" if "skipped" in tags else "passed"
    if tags & {"failure", "error"}:
        state = "failed"
    return element.get("name"), state, element.findtext("system-out") or ""


def state_of(result):
    """The state of a whole test by meson's word for it; anything unknown is a failure."""
    return {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}.get(result, "failed")


def cases_of(test, tap_cases):
    cases = list(tap_cases) or [("", state_of(test["result"]), "")]
    states = [state for _, state, _ in cases]
    if state_of(test["result"]) == "failed" and "failed" not in states:
        cases.append((test["result"].lower(), "failed", "exit status %d" % test["returncode"]))
    return cases


def tests_of(folder):
    """[(test, cases)] from the logs of a folder; None when there are none."""
    logs = os.path.join(folder, "meson-logs")
    try:
        with open(os.path.join(logs, "testlog.json"), encoding="utf-8") as file:
            tests = [json.loads(line) for line in file]
        tap = cases_by_test(os.path.join(logs, "testlog.junit.xml"))
    except (OSError, ValueError, xml.ParseError):
        return None
    return [(test, cases_of(test, tap.get(test["name"], []))) for test in tests]


def show_failure(folder, test, cases):
    print("\nFAILED in %s: %s" % (folder, test["name"]))
    for name, state, explanation in cases:
        if state == "failed":
            print("  not ok: %s %s" % (name, explanation.strip()))
    for stream in ("stdout", "stderr"):
        lines = [line for line in test.get(stream, "").splitlines() if not line.startswith("ok ")]
        if len(lines) > OUTPUT_LINES_MAX:
            print("  | (%d lines left out)" % (len(lines) - OUTPUT_LINES_MAX))
        for line in lines[-OUTPUT_LINES_MAX:]:
            print("  | " + line)


def show_skips(folder, test, cases):
    """A skip's reason is in its TAP line, or in what the program said about skipping."""
    lines = (test.get("stderr", "") + "\n" + test.get("stdout", "")).split("\n")
    lines = [line.strip() for line in lines if line.strip() and not TAP_LINE.match(line)]
    said = [line for line in lines if "skip" in line.lower()] or lines[-1:]
    for name, state, explanation in cases:
        if state == "skipped":
            why = ([explanation.strip()] if name and explanation.strip() else []) + said
            print("skipped in %s: %s %s: %s" % (folder, test["name"], name, "; ".join(why)))


def report(folders):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for folder in folders:
        tests = tests_of(folder)
        if tests is None:
            print("\nFAILED in %s: no tests were run there (did it build?)" % folder)
            counts["failed"] += 1
            continue
        for test, cases in tests:
            for _, state, _ in cases:
                counts[state] += 1
            show_skips(folder, test, cases)
            if any(state == "failed" for _, state, _ in cases):
                show_failure(folder, test, cases)
    return Counts(**counts)


def main():
    counts = report(sys.argv[1:])
    print("\n%d passed, %d failed, %d skipped" % counts)
    return 0 if counts.failed == 0 and counts.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
