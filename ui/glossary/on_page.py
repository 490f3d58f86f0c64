"""The words of a page: which terms its texts use, beside its title."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import streamlit as st

from ui import words
from ui.glossary.mentions import PAGE, link, mentioned
from ui.glossary.terms import Term
from ui.text import literal

ROOT = Path(__file__).parents[2]
PARTS = ("ui.fields", "ui.parts")  # what a page is put together from, with texts of its own


def draw(page: str) -> None:
    """A small button beside a page's title: its terms, each in one sentence, with the way to the glossary."""
    found = of_page(page)
    if not found or page == PAGE:
        return
    with st.popover("Words on this page", icon=":material/menu_book:", type="tertiary", key="words-on-page"):
        st.markdown(_listed(page))


@functools.cache
def of_page(page: str) -> tuple[Term, ...]:
    """The terms that the texts of a page use, by the alphabet. `page` is its name in the address."""
    script = next((ROOT / "pages").rglob(f"{page or 'start'}.py"), None)
    if script is None:
        return ()
    options = [field for field in words.PAGES.get(page, ()) if isinstance(field, words.Options)]
    said = [*texts(script), *(word.label for field in options for word in field.words)]
    found = {term for text in said for term in mentioned(text)}
    return tuple(sorted(found, key=lambda term: term.name.lower()))


@functools.cache
def _listed(page: str) -> str:
    lines = [f"**{link(term)}**: {literal(term.short)}" for term in of_page(page)]
    return "\n\n".join([*lines, f"[All words, from A to Z]({PAGE})"])


def texts(script: Path) -> list[str]:
    """What a page's file, and the parts that it imports, may say to a reader: not its names, keys and docstrings."""
    page = ast.parse(script.read_text(encoding="utf-8"))
    return [text for tree in (page, *_parts(page)) for text in _strings(tree)]


def _parts(page: ast.Module) -> Iterator[ast.Module]:
    for node in page.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PARTS):
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                part = (ROOT / name.replace(".", "/")).with_suffix(".py")
                if part.is_file():
                    yield ast.parse(part.read_text(encoding="utf-8"))


def _strings(tree: ast.Module) -> Iterator[str]:
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            text = node.value.strip()
            if (" " in text or text[:1].isupper()) and not text.startswith("<"):
                yield text
