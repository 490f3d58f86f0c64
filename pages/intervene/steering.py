"""Steering: add directions to the model's thoughts and watch what it says."""

import streamlit as st

from charts import figures
from ui import address, show, words
from ui.compute import compute
from ui.fields import directions, steps
from ui.fields.first_direction import first_direction
from ui.parts import streams
from ui.parts.beside_chance import beside_chance
from ui.prompt import header, prompt

HOW_SHIFT = (
    "Each row is a token. The open dot is its probability of coming next without the direction, the filled dot with "
    "it; the line between them is what the direction did. Set the strength to 0 and both dots fall together. The "
    "change as a whole is given in bits (KL divergence): 0 is no change, 1 is a clear one, 10 a different mind."
)
HOW_SWEEP = (
    "Each point is one run, at the strength below it. A circle: the text is still readable. A cross: the unsteered "
    "model finds it more than four times as surprising as its own text (perplexity). A triangle: it repeats itself. "
    "This is a rule of thumb: a text in another language is surprising too, and need not be broken."
)

header("Steering", "What does the model say when we push its thoughts in one direction?")
chosen = prompt()
push = st.container()  # the slider comes first, and what it does stands close below it
settings = first_direction(chosen)
is_feature = settings["direction"].startswith("feature:")
outcome = st.container()
also = directions.others(chosen.model)
settings |= directions.more(is_feature) | {"also": also}
clamped = settings["operation"] == "clamp"
with push:
    strength = directions.times() if clamped else directions.strength(held=settings["operation"] == "hold")

with outcome:
    drawing = streams.SideBySide("With the directions" if also else "With the direction")
    answer = compute(
        "steering", chosen.model, **chosen.reading, strength=strength, **settings, on_partial=drawing.update
    )
    drawing.finish(answer.result)
    steps.of_steering(answer.result)
    show.finding(answer, told=answer.result.notes)
    show.chart(answer, figures.steering, key="shift", how=HOW_SHIFT, table="shift")

with push:
    streams.while_moving(chosen, settings, strength)

beside_chance(chosen.model, "steering", chosen.reading | settings | {"strength": strength})
if st.toggle(
    "Try nine strengths at once", key="sweep", bind="query-params",
    help="How far the direction can be pushed before the model's language breaks.",
):  # fmt: skip
    levels = directions.levels(clamped)
    value = address.choose(words.SWEEP_MEASURE, st.segmented_control, "Show", required=True)
    asked = settings | {"strengths": levels, "target": chosen.target, "foil": chosen.foil}
    swept = compute("steering_sweep", chosen.model, **chosen.reading, **asked)
    show.finding(swept)
    table = "probabilities" if value == "probability" else "sweep"
    show.chart(swept, figures.steering_sweep, measure=value, key="strengths", how=HOW_SWEEP, table=table)
    columns = {"strength": ".4g", "text": "", "state": "", "perplexity": ",.1f"}
    show.rows(show.tables(swept)["sweep"], columns, alt="The text at every strength")
