"""Glossary: what every word means, in plain words."""

import streamlit as st

from ui.glossary import shown
from ui.glossary.search import Found, search
from ui.glossary.terms import by_name, terms
from ui.prompt import header

BEGIN = "token"  # what all others are explained by
HELP = "Part of a word is enough, and so is another name for it."
header("Glossary", f"What does it mean? {len(terms())} words, each in plain words, with an example.")
typed = st.text_input(
    "Find a word", key="term", bind="query-params", placeholder=BEGIN, help=HELP, icon=":material/search:", width=420
).strip()
found = search(typed) if typed else Found(by_name()[BEGIN])
if found.term is None:
    shown.offers(found, typed)
else:
    shown.explanation(found.term)
example = st.container()
st.subheader("All words", anchor=False)
shown.everything()
if found.term is not None:
    with example:
        shown.picture(found.term)
