"""Links into a tour."""

from __future__ import annotations

import streamlit as st

from ui.tours.plan import TOURS, Tour


def tour_link(tour: Tour, label: str, number: int = 1) -> None:
    """A link that opens a step of a tour; steps count from 1."""
    st.page_link(**tour.link(number), label=label, icon=":material/tour:", help=tour.sentence)


def tour_links() -> None:
    """A link to each tour, by its title."""
    for tour in TOURS.values():
        tour_link(tour, tour.title)
