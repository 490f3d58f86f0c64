"""The first page: what the model says next, the strongest leads into how it came about, and other stories."""

import streamlit as st

from charts import figures
from ui import show
from ui.compute import compute
from ui.fields import selection
from ui.parts.completion import show_completion
from ui.parts.stories import pick_story
from ui.prompt import header, prompt
from ui.text import literal
from ui.tours.links import tour_links

# The page that shows what a lead says, and the one that asks on from there, with the lead's own settings that it takes.
PAGES = {
    "logit_lens": ("pages/look/logit_lens.py", "Watch the answer form"),
    "attribution": ("pages/look/attribution.py", "See who pushed the answer"),
    "attention": ("pages/look/attention.py", "See what it reads"),
    "features": ("pages/look/features.py", "See the concepts"),
}
FURTHER = {
    "logit_lens": ("pages/look/writing.py", "See it write on", ()),
    "attribution": ("pages/look/input_attribution.py", "See which words it rests on", ()),
    "attention": ("pages/look/heads.py", "See what heads do", ("layer", "head")),
    "features": ("pages/look/neurons.py", "See the neurons", ()),
}
LABS = (
    ("pages/understand/bigram.py", "The smallest model", "abc"),
    ("pages/understand/superposition.py", "More features than dimensions", "compress"),
    ("pages/understand/training_timeline.py", "What it learned when", "timeline"),
)
HOW_PREDICTIONS = (
    "A language model does one thing: it gives every token a probability of coming next. The bars are its best "
    "guesses for what follows the chosen token. Click another token above to see what it expected there."
)
HOW_SURPRISE = (
    "Each bar is one token of the prompt: the taller it is, the less the model expected it. The unit is bits: 1 bit is "
    "a coin toss, 10 bits a one-in-a-thousand surprise. The first token has no bar, since nothing came before it."
)

header("See inside a language model", "It reads a prompt and guesses what comes next. See the guess, and what made it.")
chosen = prompt()
answer = compute("predict", chosen.model, **chosen.asking)
show_completion(answer)
show.finding(answer)

if answer.result.leads:
    with st.grid(min_column_width=240, gap="small"):
        for lead in answer.result.leads:
            with st.container(border=True, height="stretch", gap="xsmall"):
                st.markdown(literal(lead.text))
                choice = {"layer": lead.layer, "head": lead.head, "feature": lead.feature}
                query = {name: str(value) for name, value in choice.items() if value is not None}
                path, label = PAGES[lead.page]
                st.page_link(path, label=label, icon=":material/arrow_forward:", query_params=query)
                path, label, names = FURTHER[lead.page]
                further = {name: query[name] for name in names if name in query}
                st.page_link(path, label=label, icon=":material/arrow_forward:", query_params=further)

pick_story(chosen.prompt)
with st.container(horizontal=True, vertical_alignment="center", gap="small", key="understand"):
    st.caption("Understand", width="content")
    tour_links()
    for path, label, icon in LABS:
        st.page_link(path, label=label, icon=f":material/{icon}:")

guesses, surprise = st.columns(2, gap="medium")
with guesses:
    show.chart(answer, figures.predict, key="predictions", how=HOW_PREDICTIONS, table="predictions")
with surprise:
    show.chart(
        answer,
        figures.surprise,
        key="surprise",
        how=HOW_SURPRISE,
        table="positions",
        on_select=selection.pick_position("surprise", "token"),
    )
