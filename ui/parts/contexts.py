"""The texts in which a feature fires most, each token tinted by how strongly."""

from __future__ import annotations

import html

import streamlit as st

from charts import theme
from mi_core.models.tokens import visible
from ui.drawn import drawn
from ui.text import literal

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


def _contexts(feature) -> list[str]:
    return [_context(context) for context in feature.contexts]


def _context(context) -> str:
    peak = max(context.activations) or 1.0
    spans = (
        _span(text, value / peak, place == context.peak)
        for place, (text, value) in enumerate(zip(context.tokens, context.activations, strict=True))
    )
    return f'<div class="loupe-context">{"<wbr>".join(spans)}</div>'


def _span(text: str, share: float, is_peak: bool) -> str:
    """One token; the strongest is underlined too, so that the tint does not carry the meaning alone."""
    style = f"background: color-mix(in srgb, var(--st-primary-color, {ACCENT}) {share * 45:.0f}%, transparent);"
    mark = ' class="peak"' if is_peak else ""
    return f'<span{mark} style="{style}">{html.escape(visible(text))}</span>'
