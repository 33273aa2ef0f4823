#!/usr/bin/env python3
"""Side by side: gleam and its peers on the same text, by turns.

    compare.py                              # everything, texts of 1 GB; takes about half an hour
    compare.py wordcount start              # these; --list shows the names
    compare.py --file some.txt wordcount    # on a text of one's own
    compare.py --docs docs/benchmarks.md    # keep the results there, in the place of earlier ones,
                                            # and draw pictures of them

Every round runs each contender once; figures are medians, with the range, of at least five rounds,
and ratios are of runs in the same round.  All contenders must give the same answer; otherwise the
exit status is 1.  The texts are made in /dev/shm and removed; --texts DIR keeps them for next time.
"""

import argparse
import json
import os
import pathlib
import signal
import sys
import tempfile

import comparisons
import report
import runner
import texts

SMALL_BYTES = 2000000


def parse_size(text):
    units = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
    digits = text.rstrip("kKMGiB")
    if not digits.isdigit() or text[len(digits):] not in units:
        raise argparse.ArgumentTypeError(f"{text}: not a size such as 100M or 1GiB")
    return int(digits) * units[text[len(digits):]]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="comparisons (default: all)")
    parser.add_argument("--list", action="store_true", help="show their names")
    parser.add_argument("--build", default=os.environ.get("GLEAM_BUILD", "build"),
                        help="build folder (default: GLEAM_BUILD, or build)")
    parser.add_argument("--rounds", type=int, default=0, help="instead of 5, or 50 for short ones")
    parser.add_argument("--patience", type=int, default=0, metavar="SECONDS",
                        help="wait so long at most, a comparison, for others to be quiet")
    parser.add_argument("--text", type=parse_size, default=10**9, metavar="SIZE",
                        help="size of texts (default: 1G)")
    parser.add_argument("--file", help="a text to count instead of generated ones")
    parser.add_argument("--texts", metavar="DIR", help="keep the texts there")
    parser.add_argument("--small", action="store_true", help="takes seconds, shows that it works")
    parser.add_argument("--json", metavar="FILE", help="write the results there; - is stdout")
    parser.add_argument("--docs", metavar="PAGE", help="keep the results in this page")
    parser.add_argument("--redraw", action="store_true",
                        help="with --docs: make the page anew from what is kept, run nothing")
    parser.add_argument("--disk", metavar="DIR", default=os.environ.get("TMPDIR", "/var/tmp"),
                        help="comparisons of writing write there (default: $TMPDIR, or /var/tmp)")
    arguments = parser.parse_args()
    if arguments.rounds < 0:
        parser.error("--rounds must be at least 1")
    if arguments.redraw and (arguments.names or not arguments.docs):
        parser.error("--redraw needs --docs PAGE, and takes no names")
    if not os.path.isdir(arguments.disk):
        parser.error(f"--disk: {arguments.disk} is no directory")
    if arguments.small:
        arguments.text, arguments.rounds = SMALL_BYTES, arguments.rounds or 1
    return arguments


def run_all(chosen, arguments, folder, disk):
    if arguments.texts:
        os.makedirs(arguments.texts, exist_ok=True)
    made = texts.Texts(arguments.build, arguments.texts or folder, arguments.text, arguments.small,
                       arguments.file)
    setting = comparisons.Setting(arguments.build, arguments.rounds, arguments.small,
                                  arguments.patience, made, os.path.join(folder, "stats.json"),
                                  disk)
    results, failed = [], False
    for comparison in chosen:
        print(f"== {comparison.name}: {comparison.title}", file=sys.stderr)
        try:
            result = comparisons.run_comparison(comparison, setting)
        except runner.LeftOut as reason:
            print(f"{comparison.name}: left out, {reason}", file=sys.stderr)
            continue
        except runner.Failed as error:
            print(f"compare.py: {comparison.name}: {error}", file=sys.stderr)
            failed = True
            continue
        results.append(report.stamp(result, arguments.build))
        save(arguments, results, comparisons.all_comparisons(arguments.build))
    return results, failed


def save(arguments, results, known):
    """After each comparison, so that a run that is ended early leaves what it has."""
    text = json.dumps(results, indent=1) + "\n"
    if arguments.json and arguments.json != "-":
        pathlib.Path(arguments.json).write_text(text)
    if arguments.docs:
        report.keep(arguments.docs, results, [comparison.name for comparison in known])


def main():
    arguments = parse_arguments()
    known = comparisons.all_comparisons(arguments.build)
    names = [comparison.name for comparison in known]
    if arguments.list:
        print("\n".join(names))
        return 0
    unknown = set(arguments.names) - set(names)
    if unknown:
        sys.exit(f"compare.py: no such comparison: {', '.join(sorted(unknown))}; see --list")
    by_name = {comparison.name: comparison for comparison in known}
    chosen = [by_name[name] for name in arguments.names or names]
    if arguments.redraw:
        report.keep(arguments.docs, [], names)
        return 0
    place = None if arguments.small or not os.path.isdir("/dev/shm") else "/dev/shm"
    with tempfile.TemporaryDirectory(dir=place, prefix="gleam-compare-") as folder, \
            tempfile.TemporaryDirectory(dir=arguments.disk, prefix="gleam-compare-") as disk:
        results, failed = run_all(chosen, arguments, folder, disk)
    if arguments.json == "-":
        print(json.dumps(results, indent=1))
    elif results:
        print(report.markdown(results), end="")
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
