"""Tours: short walks through the pages, each step with something to do and a number to expect."""

import streamlit as st

from ui import talk
from ui.prompt import header
from ui.text import literal
from ui.tours import place
from ui.tours.links import tour_link
from ui.tours.plan import TOURS

header("Tours", "How does one find out what a model does? Six short walks, one finding each.")
st.markdown(
    "Each step opens a page with its fields filled in, lights what to look at, and says what number to expect; beside "
    "it stands the one that was just computed. Every step also works with a prompt of your own. The arrow keys step, "
    "Esc leaves."
)
with st.grid(min_column_width=320, gap="small"):
    for tour in TOURS.values():
        with st.container(border=True, height="stretch", gap="xsmall"):
            st.header(literal(tour.title), anchor=False)
            st.markdown(literal(tour.sentence))
            with st.container(horizontal=True, gap="small"):
                tour_link(tour, f"Start, {len(tour.steps)} steps")
                if (number := place.reached(tour.name)) > 1:
                    tour_link(tour, f"Go on at step {number}", number)
                steps = range(1, len(tour.steps) + 1)
                talk.offer(tour.title, [tour.link(step) for step in steps], f"present-{tour.name}")
