"""The glossary's page: a term with an example and the page that shows it, what a search offers, all terms."""

from __future__ import annotations

import functools
from itertools import groupby

import streamlit as st

from mi_core.analyses._index import parameters
from mi_core.models import catalogue
from ui import address, show
from ui.compute import compute
from ui.glossary.mentions import link, linked
from ui.glossary.on_page import ROOT
from ui.glossary.pictures import PICTURES
from ui.glossary.search import Found
from ui.glossary.terms import Term, by_name, terms
from ui.text import literal


def explanation(term: Term) -> None:
    """What a term means, an example of it, and where it is seen."""
    st.header(literal(term.name), anchor=False)
    if term.also:
        st.caption(literal(f"Also called: {', '.join(term.also)}"))
    st.markdown(linked(term.plain, term))
    st.markdown(f"**For example.** {linked(term.example, term)}")
    script = next((ROOT / "pages").rglob(f"{term.see.page or 'start'}.py"))
    st.page_link(
        script.relative_to(ROOT).as_posix(), label=literal(term.see.label), icon=":material/arrow_forward:",
        query_params=address.link_to(**dict(term.see.fields)),
    )  # fmt: skip
    if term.related:
        st.markdown(f"Beside it: {' · '.join(link(by_name()[name]) for name in term.related)}")


def picture(term: Term) -> None:
    """The term in the built-in model, computed now: without a visitor's edits."""
    if term.picture is None:
        return
    shown = PICTURES[term.picture]
    of = {"model": catalogue.DEFAULT, "edits": ""} if "model" in parameters(shown.analysis) else {}
    answer = compute(shown.analysis, **of, **shown.settings)
    reading = answer.result.reading()
    st.subheader(f"Here it is, in {'Loupe mini' if of else 'a model trained for it'}", anchor=False)
    prompt = f"“{shown.settings['prompt']}”: " if "prompt" in shown.settings else ""
    st.markdown(literal(" ".join((f"{prompt}{reading.title}.", *reading.sentences[:1]))))
    show.chart(answer, shown.figure, key="picture", how=shown.how, table=shown.table, **shown.view)


def offers(found: Found, typed: str) -> None:
    """The terms that a search may have meant."""
    if found.others:
        st.markdown("Which of these?")
    else:
        nothing = f"There is no word “{typed}” here."
        st.markdown(literal(f"{nothing} {'Near it:' if found.near else 'All words that there are stand below.'}"))
    st.markdown(_lines(found.others or found.near))


def everything() -> None:
    """All terms, from A to Z, each with its first sentence."""
    with st.container(key="glossary-all"):
        st.markdown(_alphabet())


@functools.cache
def _alphabet() -> str:
    letters = groupby(terms(), key=lambda term: term.name[0].upper())
    return "\n\n".join(f"#### {letter}\n\n{_lines(tuple(of))}" for letter, of in letters)


def _lines(some: tuple[Term, ...]) -> str:
    return "\n\n".join(f"{link(term)}  \n{literal(term.short)}" for term in some)
