#!/usr/bin/env python3
"""test_manual.py - help texts, and the manual pages and completions that are made from them."""
import os
import re
import shutil
import subprocess
import sys

import driver
import lib

sys.path.insert(0, os.path.join(lib.ROOT, "docs"))

import manual  # noqa: E402

DOCS = os.path.join(lib.BIN_DIR, "docs")


def commands_of_build():
    with open(os.path.join(lib.ROOT, "docs", "meson.build"), encoding="utf-8") as file:
        listed = re.search(r"manual_commands = \[(.*?)\]", file.read(), re.S).group(1)
    return re.findall(r"'([a-z-]+)'", listed)


def made(name):
    with open(os.path.join(DOCS, name), encoding="utf-8") as file:
        return file.read()


class ManualCase(driver.DriverCase):

    @classmethod
    def setUpClass(cls):
        cls.manual = manual.read(lib.binary("gleam"), commands_of_build())


class HelpTexts(ManualCase):

    def test_every_command_has_one_and_no_other(self):
        listed = {name for name in self.manual.lines if name != "help"}
        self.assertEqual(set(self.manual.commands), listed)

    def test_every_one_teaches_by_examples(self):
        for command, found in list(self.manual.commands.items()) + [("", self.manual.main)]:
            examples = "\n".join(found.sections.get("examples", []))
            self.assertIn(("gleam " + command).strip(), examples)
            self.assertTrue(found.paragraphs, command)

    def test_help_and_the_option_say_the_same(self):
        for command in self.manual.commands:
            words = command.split()
            by_option = self.run_ok([lib.binary("gleam")] + words + ["--help"]).out
            by_word = self.run_ok([lib.binary("gleam"), "help"] + words).out
            self.assertEqual(by_option, by_word)
            self.assertLessEqual(max(map(len, by_option.splitlines())), 100, command)

    def test_every_option_is_one_of_the_program(self):
        for command in self.manual.commands:
            for option in self.manual.options_of(command):
                if option.name == "--help" or command.startswith("plan"):
                    continue
                value = {"--dir": [self.dir], "--spill-dir": [self.dir], "--stats": ["-"],
                         "--master": ["127.0.0.1:1"]}.get(option.name, ["1"])
                args = [option.name] + (value if option.value and option.value[0] != "=" else [])
                done = self.run_it([lib.binary("gleam")] + command.split() + args + ["--frobnicate"])
                self.assertEqual(done.status, 2, (command, option, done.err))
                self.assertIn("--frobnicate", done.err)
                self.assertNotIn(option.name, done.err)

    def test_self_mistakes_are_seen(self):
        for text in ("gleam does it\n", "usage: x\n\noptions\n  --a\nb\n\nwords\n",):
            with self.assertRaises(manual.Mistake, msg=text):
                manual.parse(text)
        for line in ("  no option here", "  --Bad"):
            with self.assertRaises(manual.Mistake, msg=line):
                manual.options([line])

    def test_self_a_text_is_taken_apart(self):
        found = manual.parse("usage: x A\n       x B\n\nWhat it\ndoes.\n\nMore.\n\noptions\n"
                             "  --one N               text\n                        goes on\n"
                             "  --two[=a|b]\n                        other\n"
                             "  --three-dirs D[,D...] more\n\nexamples\n  x\n")
        self.assertEqual(found.usage, ["x A", "x B"])
        self.assertEqual(found.paragraphs, ["What it does.", "More."])
        self.assertEqual(manual.options(found.sections["options"]),
                         [("--one", "N", "text goes on"), ("--two", "=a|b", "other"),
                          ("--three-dirs", "D[,D...]", "more")])


class Pages(ManualCase):

    def test_a_page_for_everything(self):
        for name, text in manual.pages(self.manual, "1").items():
            self.assertEqual(made(name).replace('"gleam 0.1.0"', '"gleam 1"'),
                             text, "%s is older than the help text" % name)
        for command in self.manual.commands:
            page = made("gleam-%s.1" % command.replace(" ", "-"))
            for option in manual.options(self.manual.commands[command].sections.get("options", [])):
                self.assertIn("\n\\fB" + manual.escape(option.name), page)

    def test_they_render_without_a_warning(self):
        lib.needs(shutil.which("man") and shutil.which("groff"), "needs man and groff")
        for name in sorted(os.listdir(DOCS)):
            if not name.endswith(".1"):
                continue
            done = self.run_ok(["man", "--warnings", "-l", os.path.join(DOCS, name)],
                               env={"MANWIDTH": "80", "MANPAGER": "cat", "LC_ALL": "C.UTF-8"})
            self.assertEqual(done.err, "", name)
            for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "SEE ALSO"):
                self.assertIn("\n%s\n" % heading, "\n" + done.out)

    def test_self_roff_is_escaped(self):
        self.assertEqual(manual.escape(".a\\b-c"), "\\&.a\\eb\\-c")


class Bash(ManualCase):

    def complete(self, line):
        """What bash offers at the end of the line; it breaks words at "=" as readline does."""
        words = re.findall(r"=|[^\s=]+", line) + ([""] if line.endswith(" ") else [])
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _gleam; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = self.run_ok(["bash", "--norc", "-eu", "-c", script, "bash",
                            os.path.join(DOCS, "gleam")] + words)
        self.assertEqual(done.err, "")
        return done.out.split("\n")[:-1] if done.out.strip() else []

    def test_commands(self):
        self.assertEqual(self.complete("gleam d"), ["doctor"])
        self.assertEqual(self.complete("gleam "), self.manual.children_of("") + ["--help"])
        self.assertIn("run", self.manual.children_of(""))
        self.assertEqual(self.complete("gleam bench "),
                         ["generate", "group", "ring", "sort", "validate", "wordcount"])
        self.assertEqual(self.complete("gleam help pl"), ["plan"])
        self.assertEqual(self.complete("gleam help bench w"), ["wordcount"])

    def test_every_option_of_every_command(self):
        for command in self.manual.commands:
            offered = self.complete("gleam %s --" % command)
            self.assertEqual(offered, [o.name for o in self.manual.options_of(command)], command)
        self.assertIn("--hugepages", self.complete("gleam bench wordcount --"))
        self.assertNotIn("--hugepages", self.complete("gleam doctor --"))

    def test_values(self):
        self.assertEqual(self.complete("gleam bench wordcount --hugepages "), ["auto", "off"])
        self.assertEqual(self.complete("gleam bench wordcount --hugepages=a"), ["auto"])
        self.assertEqual(self.complete("gleam bench wordcount --hugepages="), ["auto", "off"])
        self.assertEqual(self.complete("gleam bench wordcount --plan="), ["text", "dot", "svg"])
        self.assertEqual(self.complete("gleam plan x --plan=s"), ["svg"])
        self.assertEqual(self.complete("gleam bench wordcount --memory "), [])

    def test_files_and_folders(self):
        self.file("", "some file.txt")
        os.mkdir(os.path.join(self.dir, "somewhere"))
        self.assertEqual(sorted(self.complete("gleam bench wordcount some")),
                         ["some file.txt", "somewhere"])
        self.assertEqual(self.complete("gleam doctor --dir some"), ["somewhere"])
        self.assertEqual(self.complete("gleam doctor --dir=some"), ["somewhere"])
        self.assertEqual(sorted(self.complete("gleam bench wordcount --stats=so")),
                         ["some file.txt", "somewhere"])
        self.assertEqual(self.complete("gleam doctor some"), [])
        self.assertEqual(self.complete("gleam plan --svg w"), ["wordcount"])

    def test_it_is_registered(self):
        done = self.run_ok(["bash", "--norc", "-c", 'source "$1"; complete -p gleam', "bash",
                            os.path.join(DOCS, "gleam")])
        self.assertEqual(done.out, "complete -F _gleam gleam\n")


class Zsh(ManualCase):

    def test_every_option_and_command_is_there(self):
        text = made("_gleam")
        self.assertTrue(text.startswith("#compdef gleam\n"))
        for command in self.manual.commands:
            self.assertIn(command.split()[-1], text)
            if not self.manual.children_of(command):
                branch = text[text.index("    '%s')" % command):]
                branch = branch[:branch.index(";;")]
                for option in self.manual.options_of(command):
                    self.assertRegex(branch, r"'\*?%s(=-?)?\[" % option.name)

    def test_zsh_takes_it(self):
        lib.needs(shutil.which("zsh"), "needs zsh")
        path = os.path.join(DOCS, "_gleam")
        self.assertEqual(self.run_ok(["zsh", "-n", path]).err, "")
        # _arguments itself checks the specifications, within a completion: ask for one.
        script = ('zmodload zsh/zpty; zpty z zsh -f -i; zpty -w z "PS1=READY; fpath=(%s \\$fpath); '
                  'autoload -U compinit; compinit -D -u"; zpty -w z "setopt NO_BEEP"; '
                  'zpty -n -w z $\'gleam doctor --j\\t\'; sleep 1; zpty -n -w z $\'\\n\'; sleep 0.5; '
                  'zpty -r -t z; while zpty -r -t z part; do print -r -- $part; done; zpty -d z'
                  % DOCS)
        done = self.run_it(["zsh", "-f", "-c", script], env={"TERM": "dumb"})
        self.assertIn("gleam doctor --json", done.out)


if __name__ == "__main__":
    lib.main()
