"""The texts in which a feature fires most, each token tinted by how strongly."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from charts import theme
from mi_core.models.tokens import visible
from mi_core.saes.notes import Context
from ui.drawn import drawn
from ui.text import literal

if TYPE_CHECKING:  # pages are drawn before torch is there
    from mi_core.firing.excerpt import Excerpt

ACCENT = theme.LIGHT["category"][0]


def draw(feature) -> None:
    """Contexts of a feature, what its label rests on, and its neighbours.

    Args:
        feature: Result of the `feature` analysis.
    """
    texts(feature, "feature")
    if feature.neuronpedia:
        st.link_button("Open on Neuronpedia", feature.neuronpedia, icon=":material/open_in_new:", type="tertiary")
    near = [f"#{id} {label} ({cosine:.2f})" for id, label, cosine in zip(
        feature.nearest_ids, feature.nearest_labels, feature.nearest_cosines, strict=True)]  # fmt: skip
    if near:
        st.caption(literal("Most similar directions (cosine): " + "; ".join(near) + "."))


def texts(found, what: str) -> None:
    """Contexts of a feature or a neuron, and what its label rests on.

    Args:
        found: Result of the `feature` or `neuron` analysis.
        what: Which of these it is, in words.
    """
    with st.container(key="contexts"):
        st.markdown("**Where it fires most, in the sample text**")
        if not found.contexts:
            st.caption(f"No contexts are known for this {what}.")
        for context in drawn(found, _contexts):
            st.html(context)
    rule = literal(f"Labels come from a rule: {found.label_rule}")
    if found.label:
        st.caption(
            literal(f"The label, {found.label}, fits {found.confidence:.0%} of its activation in the sample."),
            help=rule,
        )
    elif found.nearest_label:
        st.caption(
            literal(
                f"No label fits half of its activation in the sample, so it has none here; {found.nearest_label} "
                f"comes nearest, with {found.confidence:.0%}."
            ),
            help=rule,
        )


def excerpts(found: Sequence[Excerpt], largest: float) -> list[str]:
    """Texts at their strongest as HTML, each with its activation and its number; tinted by how near to `largest`."""
    return [
        _context(one.context, largest, f"{one.activation:.2f}".replace("-", "−") + f" · text {one.text}")
        for one in found
    ]


def _contexts(feature) -> list[str]:
    return [_context(context, max(context.activations)) for context in feature.contexts]


def _context(context: Context, largest: float, said: str = "") -> str:
    spans = (
        _span(text, max(value, 0.0) / (largest or 1.0), place == context.peak and value != 0)  # silent, it has no peak
        for place, (text, value) in enumerate(zip(context.tokens, context.activations, strict=True))
    )
    lead = f"<small>{html.escape(said)}</small>" if said else ""
    return f'<div class="loupe-context">{lead}{"<wbr>".join(spans)}</div>'


def _span(text: str, share: float, is_peak: bool) -> str:
    """One token; the strongest is underlined too, so that the tint does not carry the meaning alone."""
    style = f"background: color-mix(in srgb, var(--st-primary-color, {ACCENT}) {share * 45:.0f}%, transparent);"
    mark = ' class="peak"' if is_peak else ""
    return f'<span{mark} style="{style}">{html.escape(visible(text))}</span>'
