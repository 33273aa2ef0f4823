"""readme.py - the commands of a Markdown text: finds its fenced blocks of shell.

A block that is not to be run has, on the lines right above it, a comment that says why:

    <!-- not run: installs packages -->
    ```sh
    ./dev demo
    ```
"""
import re
from collections import namedtuple

# line: of the opening fence, from 1.  reason: why it is not run, or None.
Block = namedtuple("Block", "line text reason")

FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,})\s*([^`\s]*)[^`]*$")
REASON = re.compile(r"<!--\s*not run\s*(?::\s*((?:(?!-->).)*?)\s*)?-->\s*\Z", re.S)
SHELL = ("sh",)
ALMOST_SHELL = ("bash", "shell", "console", "shell-session", "zsh", "sh-session")


class Mistake(Exception):
    """The text is not as it should be; says where."""


def reason_above(lines, index):
    """The reason of the comment that ends right above line `index`, or None."""
    match = REASON.search("\n".join(lines[:index]))
    if not match:
        return None
    if not match.group(1):
        raise Mistake("line %d: `not run` without a reason" % index)
    return match.group(1)


def is_end(line, fence):
    mark = line.strip()
    return mark.startswith(fence) and not mark.strip(fence[0]) and not line.startswith("    ")


def body_of(lines, index, indent, fence):
    """(the block's text, index behind its closing fence)"""
    for end in range(index + 1, len(lines)):
        if is_end(lines[end], fence):
            inside = [re.sub("^ {0,%d}" % len(indent), "", line) for line in lines[index + 1:end]]
            return "".join(line + "\n" for line in inside), end + 1
    raise Mistake("line %d: a fence that never closes" % (index + 1))


def blocks(text):
    """The shell blocks of a Markdown text, in order.  Raises Mistake."""
    lines = text.replace("\r\n", "\n").split("\n")
    out = []
    index = 0
    while index < len(lines):
        match = FENCE.match(lines[index])
        if not match:
            index += 1
            continue
        indent, fence, language = match.groups()
        body, behind = body_of(lines, index, indent, fence)
        if language.lower() in ALMOST_SHELL:
            raise Mistake("line %d: write `sh`, so that it is run" % (index + 1))
        if language in SHELL:
            out.append(Block(index + 1, body, reason_above(lines, index)))
        index = behind
    return out
