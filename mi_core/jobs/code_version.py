"""Which code computed a result: a name that changes with every computation, and with no comment or help text."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

CORE = Path(__file__).parents[1]
# What only asks for results, keeps them and writes them; the worker, which is among it, computes.
NOT_COMPUTING = ("jobs", "sharing", "commandline.py", "__main__.py", "__init__.py")
WORKER = Path("jobs") / "worker.py"

# A string alone on its line, which is a statement where no bracket is open; other strings; comments; brackets.
DOUBLE = r'"""(?:[^\\]|\\.)*?"""|"(?!"")(?:[^"\\\n]|\\.)*"'
SINGLE = DOUBLE.replace('"', "'")
TOKEN = re.compile(
    rf"(?P<alone>(?<!\\\n)^[ \t]*[rRuU]?(?:{DOUBLE})[ \t]*(?=\n|\#|\Z))"
    rf"|(?P<string>{DOUBLE}|{SINGLE})"
    r"|(?P<comment>[ \t]*\#[^\n]*)"
    r"|(?P<bracket>[()\[\]{}])",
    re.DOTALL | re.MULTILINE,
)
BLANK_LINES = re.compile(r"(?:[ \t]*\n)+")
HERE = "\0"  # where a string was


@functools.cache
def code_version() -> str:
    """Hash of all that computes: a change of it never meets results of the former code."""
    return hash_of(CORE)


def hash_of(core: Path) -> str:
    """Hash of the wings in a folder `mi_core` from errors to analyses: their code, and the data that lies in them."""
    digest = hashlib.sha256()
    for path in sorted(core.rglob("*")):
        inside = path.relative_to(core)
        if path.suffix not in (".py", ".toml", ".csv") or (inside.parts[0] in NOT_COMPUTING and inside != WORKER):
            continue
        text = path.read_text(encoding="utf-8")
        content = normal_form(text) if path.suffix == ".py" else text
        digest.update(f"{inside.as_posix()}{HERE}{content}{HERE}".encode())
    return digest.hexdigest()[:16]


def normal_form(source: str) -> str:
    """Python without comments, blank lines and docstrings; parsing it to see these would take several times as long."""
    strings: list[str] = []
    depth = 0

    def part(match: re.Match[str]) -> str:
        nonlocal depth
        kind, text = match.lastgroup, match[0]
        if kind == "comment":
            return ""
        if kind == "bracket":
            depth += 1 if text in "([{" else -1
            return text
        if kind == "alone" and not depth:
            return text[: len(text) - len(text.lstrip())] + '""'  # a function may have nothing else
        strings.append(text)
        return HERE

    code = BLANK_LINES.sub("\n", TOKEN.sub(part, source)).split(HERE)
    return "".join(between + string for between, string in zip(code, [*strings, ""], strict=True))
