"""Writing: what the model writes, token by token, and what happens inside each step."""

import streamlit as st

from charts import figures
from ui import address, show, slots, words
from ui.components.number_steps import number_steps
from ui.compute import compute
from ui.fields import selection
from ui.fields.sites import sae_field
from ui.parts.written import Growing, inside
from ui.prompt import header, prompt

HOW_STEPS = (
    "Each column is a token that the model wrote, after your prompt. Doubt is the entropy of its guesses just before, "
    "in bits: 0 is certain, 1 is a coin toss. Surprise is how unexpected the written token was to the model itself. "
    "Click a token to look inside its step."
)
HOW_LENS = (
    "Each column is a token that was written. Read it from top to bottom: what the model would have written had it "
    "stopped after that layer. Bold: the token that it did write. Where a column turns bold early, the token was easy; "
    "where it turns bold in the last row, the last layer decided. Click a cell to look inside its step."
)
header("Writing", "What does the model write, and what happens inside each step?")
chosen = prompt()
with st.container(horizontal=True, vertical_alignment="bottom"):
    new_tokens = st.number_input("New tokens", 1, 200, 20, key="new_tokens", bind="query-params", width=140)
    temperature = st.slider(
        "Temperature", 0.0, 2.0, 0.0, 0.1, key="temperature", bind="query-params", width=220,
        help="0 always takes the likeliest token; 1 draws from the model's own odds.",
    )  # fmt: skip
    seed = 0
    if temperature:
        seed = st.number_input(
            "Seed", 0, 10_000, 0, key="seed", bind="query-params", width=140,
            help="The same seed draws the same text, another draws another.",
        )  # fmt: skip
    autoencoder = sae_field(chosen.model)
slots.place("max_new_tokens")
slots.place("temperature")

text, overview = Growing(), st.container()
settings = {"max_new_tokens": new_tokens, "temperature": temperature, "seed": seed, "sae": autoencoder}
answer = compute("writing", chosen.model, **chosen.reading, **settings, on_partial=text.update)
result = answer.result
first, last = result.n_prompt, len(result.tokens) - 1
typed = st.number_input(
    "Look inside the token at position", 0, value=None, step=1, key="written", bind="query-params", width=260,
    placeholder=f"{result.least_sure}, the least sure",
    help=f"A written token, {first} to {last}. Empty: where the model was least sure.",
)  # fmt: skip
slots.place("written")
pos = typed if typed is not None and first <= typed <= last else result.least_sure
if typed not in (None, pos):
    slots.note("written", f"Written were positions {first} to {last}; showing {pos}.")
number_steps("written", {"written": pos}, high=last)
text.finish(result, pos)
with overview:
    show.finding(answer)
    value = address.choose(words.STEPS_SHOW, st.segmented_control, "Show", required=True)
    show.chart(
        answer, figures.writing, value=value, pos=pos, key="written-strip", how=HOW_STEPS, table="steps",
        on_select=selection.pick_fields("written-strip", "token", ("pos",), ("written",)),
    )  # fmt: skip
    if result.lens is not None:
        show.chart(
            answer, figures.writing_lens, pos=pos, key="written-lens", how=HOW_LENS, table="lens",
            on_select=selection.pick_fields("written-lens", "cell", ("pos",), ("written",)),
        )  # fmt: skip
inside(answer, chosen.prompt, pos)
