#!/usr/bin/env python3
"""manual.py - manual pages and the completion of shells, from the help texts of the command itself.

    manual.py GLEAM FOLDER VERSION COMMAND...

Asks GLEAM for the help of each COMMAND ("bench-ring" is `gleam bench ring`) and of itself, and writes
into FOLDER: gleam.1 and gleam-COMMAND.1, `gleam` for bash, `_gleam` for zsh.  The help texts are the
one source: usage lines, paragraphs, sections whose entries are indented by two columns.
"""
import os
import re
import subprocess
import sys
from collections import namedtuple

TEXT_COLUMN = 24  # where the text of an entry goes on in its further lines
COMPLETED_AS_FILES = ("FILE", "FLOW", "PATH", "PROGRAM")
COMPLETED_AS_FOLDERS = ("DIR",)

# usage: lines without "usage:".  sections: {heading: [line]}, in order.
Help = namedtuple("Help", "usage paragraphs sections")
# value: "" for a flag, "N|LIST", or "=text|dot" for one that may be left out.
Option = namedtuple("Option", "name value text")


class Mistake(Exception):
    """A help text that is not in the form; says what."""


# ---- reading help texts --------------------------------------------------------------------------

def is_heading(lines, index):
    follows = lines[index + 1] if index + 1 < len(lines) else ""
    return bool(re.fullmatch(r"[a-z]+( [a-z]+)*", lines[index])) and follows.startswith("  ")


def parse(text):
    lines = text.rstrip("\n").split("\n")
    if not lines[0].startswith("usage: "):
        raise Mistake("a help text begins with 'usage: ', not with %r" % lines[0])
    usage, paragraphs, sections = [], [], {}
    index = 0
    while index < len(lines) and lines[index]:
        usage.append(lines[index][len("usage: "):])
        index += 1
    section = None
    for index in range(index, len(lines)):
        line = lines[index]
        if is_heading(lines, index):
            section = sections.setdefault(line, [])
        elif section is not None and (line.startswith("  ") or not line):
            section.append(line)
        elif line:
            if section is not None:
                raise Mistake("a paragraph behind a section: %r" % line)
            if lines[index - 1]:
                paragraphs[-1] += " " + line
            else:
                paragraphs.append(line)
    return Help(usage, paragraphs, {name: strip_blank(body) for name, body in sections.items()})


def strip_blank(lines):
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


def entries(lines):
    """[(what, text)] of a section: "  --name VALUE   text", with the text going on below."""
    out = []
    for line in lines:
        if not line:
            continue
        if line.startswith(" " * TEXT_COLUMN) and out:
            out[-1][1].append(line.strip())
            continue
        # Behind what fills its column, the text stands after a single blank.
        match = (re.match(r"  (\S.*?)  +(\S.*)$", line) or
                 re.match(r"  (\S.{%d}) (\S.*)$" % (TEXT_COLUMN - 4), line) or
                 re.match(r"  (\S.*)()$", line))
        if not match:
            raise Mistake("no entry: %r" % line)
        out.append((match.group(1), [match.group(2)] if match.group(2) else []))
    return [(what, " ".join(text)) for what, text in out]


def options(lines):
    out = []
    for what, text in entries(lines):
        match = re.fullmatch(r"(--[a-z][a-z-]*)(?: (\S+)|\[(=\S+)\])?", what)
        if not match:
            raise Mistake("no option: %r" % what)
        out.append(Option(match.group(1), match.group(2) or match.group(3) or "", text))
    return out


def command_lines(main):
    """{"bench ring": its line's text} of the commands in the main help."""
    out = {}
    for what, text in entries(main.sections["commands"]):
        words = []
        for word in what.split():
            if not re.fullmatch(r"[a-z]+", word):
                break
            words.append(word)
        out[" ".join(words)] = text
    return out


class Manual:
    """Everything that is known: the main help, and that of each command."""

    def __init__(self, main, commands):
        self.main = main
        self.commands = commands  # {"bench ring": Help}
        self.lines = command_lines(main)

    def options_of(self, command):
        """The command's own options, and the run options where its usage names them."""
        found = self.commands[command]
        out = options(found.sections.get("options", []))
        if any("[run options]" in line for line in found.usage):
            known = {option.name for option in out}
            out += [option for option in options(self.main.sections["run options"])
                    if option.name not in known]
        return out + [Option("--help", "", "tell more")]

    def children_of(self, command):
        prefix = command + " " if command else ""
        names = {name[len(prefix):].split()[0] for name in self.lines if name.startswith(prefix) and
                 name != command}
        return sorted(names)


# ---- manual pages --------------------------------------------------------------------------------

def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def emphasize(text):
    """`gleam doctor` in bold."""
    return re.sub(r"`([^`]+)`", r"\\fB\1\\fP", escape(text))


def synopsis(line):
    """Words in capitals are the reader's; the others are typed as they are."""
    parts = re.split(r"([A-Z][A-Z]+|\bN\b)", escape(line))
    return "".join("\\fI%s\\fP" % part if i % 2 else part for i, part in enumerate(parts))


def section_body(name, lines):
    if name == "examples":
        return [".nf"] + [".RS 2"] + [escape(line[2:]) for line in lines] + [".RE", ".fi"]
    if name == "exit status":
        return [emphasize(line.strip()) for line in lines]
    out = []
    for what, text in entries(lines):
        out += [".TP", "\\fB%s\\fP" % escape(what), emphasize(text)]
    return out


def page(name, summary, found, version, others):
    """A manual page in section 1, as roff."""
    out = ['.\\" Made from the help texts of gleam; do not edit.',
           '.TH "%s" "1" "" "gleam %s" "gleam manual"' % (name.upper(), version),
           ".SH NAME", "%s \\- %s" % (escape(name), escape(summary)), ".SH SYNOPSIS", ".nf"]
    out += [synopsis(line) for line in found.usage] + [".fi", ".SH DESCRIPTION"]
    for i, paragraph in enumerate(found.paragraphs):
        out += ([".PP"] if i else []) + [emphasize(paragraph)]
    for heading, lines in found.sections.items():
        out += [".SH %s" % heading.upper()] + section_body(heading, lines)
    out += [".SH SEE ALSO", ",\n".join(".BR %s (1)" % escape(other) for other in others)]
    return "\n".join(out) + "\n"


def pages(manual, version):
    """{file's name: text}"""
    names = ["gleam"] + ["gleam-" + command.replace(" ", "-") for command in manual.commands]
    out = {}
    for name, found, summary in [("gleam", manual.main, "runs data flows on the cores of a machine")] + [
            ("gleam-" + command.replace(" ", "-"), found, manual.lines[command])
            for command, found in manual.commands.items()]:
        out[name + ".1"] = page(name, summary, found, version, [n for n in names if n != name])
    return out


# ---- completion ----------------------------------------------------------------------------------

def choices(value):
    """(words, kind) of an option's value; kind is "files", "folders" or ""."""
    parts = re.sub(r"\[.*\]", "", value.lstrip("=")).split("|")  # of DIR[,DIR] the first
    words = [part for part in parts if re.fullmatch(r"[a-z][a-z0-9]*|-", part)]
    kind = ("files" if set(parts) & set(COMPLETED_AS_FILES) else
            "folders" if set(parts) & set(COMPLETED_AS_FOLDERS) else "")
    return words, kind


def takes_files(found):
    return any(re.search(r"\b(%s)\b" % "|".join(COMPLETED_AS_FILES), line) for line in found.usage)


def bash_compgen(words, kind):
    flags = {"files": " -f", "folders": " -d", "": ""}[kind]
    return flags + (" -W '%s'" % " ".join(words) if words else "")


def bash_values(known):
    """The branches for values of options: those that are completed alike stand together."""
    alike = {}
    for option in known:
        if option.value.startswith("="):
            names = [option.name + "="]
        elif option.value:
            names = [option.name, option.name + "="]
        else:
            continue
        alike.setdefault(choices_key(option.value), []).extend(names)
    out = []
    for (words, kind), names in alike.items():
        action = "_gleam_offer%s; return" % bash_compgen(words, kind) if words or kind else "return"
        out.append("        %s) %s ;;" % (" | ".join(names), action))
    return out


def choices_key(value):
    words, kind = choices(value)
    return tuple(words), kind


def bash_command(manual, command):
    """The branch of one command: what its options' values are, and what else may come."""
    found = manual.commands[command]
    known = manual.options_of(command)
    words = manual.children_of(command) + (["wordcount"] if command == "plan" else [])
    kind = "files" if takes_files(found) and not manual.children_of(command) else ""
    values = bash_values(known)
    out = ["    '%s')" % command]
    if values:
        out += ["        case $previous in"] + values + ["        esac"]
    out.append("        if [[ $word == -* ]]; then")
    out.append("            _gleam_offer -W '%s'" % " ".join(option.name for option in known))
    if words or kind:
        out += ["        else", "            _gleam_offer%s" % bash_compgen(words, kind)]
    return out + ["        fi ;;"]


BASH_HEAD = """\
# bash completion for gleam; made from its help texts, do not edit.

# Offers what compgen makes of the arguments and of the word under the cursor.
_gleam_offer() {
    mapfile -t COMPREPLY < <(compgen "$@" -- "$word")
    # Files are quoted as such; compopt works only while a completion is asked for.
    [[ " $* " != *' -f '* && " $* " != *' -d '* ]] || compopt -o filenames 2>/dev/null || true
}

_gleam() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' i
    COMPREPLY=()
    # "--option=value" comes as three words.
    if [[ $word == = ]]; then
        word='' previous+='='
    elif [[ $previous == = && $COMP_CWORD -ge 2 ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}=
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$command/${COMP_WORDS[i]}" in
"""

BASH_TAIL = """\
    esac
}

complete -F _gleam gleam
"""


def bash(manual):
    out = [BASH_HEAD.rstrip("\n")]
    for command in manual.commands:
        above, _, name = command.rpartition(" ")
        out.append("        '%s/%s') command='%s' ;;" % (above, name, command))
    out += ["        esac", "    done"]
    out += ["    case $command in", "    '')"]
    out += ["        if [[ ${COMP_WORDS[1]} == help ]]; then",
            "            _gleam_offer -W '%s'" % " ".join(n for n in manual.children_of("")),
            "        elif [[ $COMP_CWORD == 1 ]]; then",
            "            _gleam_offer -W '%s'" % " ".join(manual.children_of("") + ["--help"]),
            "        fi ;;"]
    for command in manual.commands:
        out += bash_command(manual, command)
    return "\n".join(out) + "\n" + BASH_TAIL


def zsh_text(text):
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")


def zsh_option(option):
    if not option.value:
        return "'%s[%s]'" % (option.name, zsh_text(option.text))
    words, kind = choices(option.value)
    action = ("_files -/" if kind == "folders" else "_files" if kind == "files" else
              "(%s)" % " ".join(words) if words else "")
    name, message = option.name + "=", zsh_text(option.value.lstrip("="))
    if option.value.startswith("="):
        name, message = option.name + "=-", ":" + message  # the value may be left out
    return "'*%s[%s]:%s:%s'" % (name, zsh_text(option.text), message, action)


def zsh(manual):
    out = ["#compdef gleam", "# zsh completion for gleam; made from its help texts, do not edit.", "",
           "_gleam() {", "    local command=$words[2]"]
    out += ["    if (( CURRENT == 2 )); then", "        local -a commands=("]
    for name in manual.children_of(""):
        out.append("            '%s:%s'" % (name, zsh_text(manual.lines.get(name, ""))))
    out += ["        )", "        _describe command commands", "        return", "    fi"]
    for above in sorted({command.rpartition(" ")[0] for command in manual.commands} - {""}):
        out += ["    if [[ $words[2] == %s ]]; then" % above,
                "        if (( CURRENT == 3 )); then",
                "            _values what %s" % " ".join("'%s[%s]'" % (
                    child, zsh_text(manual.lines[above + " " + child]))
                    for child in manual.children_of(above)),
                "            return", "        fi", "        command=\"%s $words[3]\"" % above,
                "        shift words", "        (( CURRENT-- ))", "    fi"]
    out += ["    shift words", "    (( CURRENT-- ))", "    case $command in"]
    for command, found in manual.commands.items():
        if manual.children_of(command):
            continue
        specs = [zsh_option(option) for option in manual.options_of(command)]
        if takes_files(found):
            specs.append("'*:file:_files'")
        out += ["    '%s')" % command, "        _arguments \\"]
        out += ["            %s \\" % spec for spec in specs[:-1]] + ["            " + specs[-1], "        ;;"]
    out += ["    help)", "        _values command %s" % " ".join(manual.children_of("")), "        ;;",
            "    esac", "}", "", '_gleam "$@"']
    return "\n".join(out) + "\n"


# ---- all of it -----------------------------------------------------------------------------------

def ask(gleam, words):
    done = subprocess.run([gleam] + words + ["--help"], capture_output=True, text=True, timeout=60,
                          check=False)
    if done.returncode != 0:
        raise Mistake("%s %s --help: status %d\n%s" % (gleam, " ".join(words), done.returncode, done.stderr))
    try:
        return parse(done.stdout)
    except Mistake as mistake:
        raise Mistake("gleam %s --help: %s" % (" ".join(words), mistake)) from None


def read(gleam, names):
    main = ask(gleam, [])
    return Manual(main, {name.replace("-", " "): ask(gleam, name.split("-")) for name in names})


def main():
    gleam, folder, version = sys.argv[1:4]
    try:
        manual = read(gleam, sys.argv[4:])
        files = pages(manual, version)
        files["gleam"] = bash(manual)
        files["_gleam"] = zsh(manual)
    except Mistake as mistake:
        sys.exit("manual.py: %s" % mistake)
    for name, text in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
