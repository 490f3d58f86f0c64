"""From a direction to the pages that act on it, with their fields filled in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from mi_core.directions.spec import DirectionSpec
from ui.permalink import LONGEST
from ui.proof import prove_it


def direction_links(spec: DirectionSpec) -> None:
    """Steer along it, take it out of the weights, and knock it out where it is a feature."""
    if spec.source == "feature":
        feature = {"sae": spec.sae, "feature": spec.value}
        _links(as_fields(spec), {"edit_direction": "feature"} | feature)
        prove_it(
            "pages/intervene/ablation.py", "knock the feature out and measure what becomes of the answer",
            site="feature", **feature,
        )  # fmt: skip
    elif spec.source == "token":
        _links(as_fields(spec), {"edit_direction": "token", "edit_token": spec.value})
    elif spec.source == "probe":
        probe = {"probe": spec.value, "layer": spec.layer}
        _links(as_fields(spec), {"edit_direction": "probe"} | probe)
    elif spec.source == "contrast":
        prompts = {"positive": spec.positive, "negative": spec.negative, "layer": spec.layer}
        _links(as_fields(spec), {"edit_direction": "contrast"} | prompts)
    else:
        numbers_links(spec.vector, spec.layer)


def as_fields(spec: DirectionSpec) -> dict[str, Any]:
    """The direction as the fields of a page that has one."""
    own = {
        "feature": {"sae": spec.sae, "feature": spec.value},
        "token": {"token": spec.value},
        "probe": {"probe": spec.value},
        "contrast": {"positive": spec.positive, "negative": spec.negative},
        "vector": {"vector": spec.vector},
    }
    return {"source": spec.source, "layer": spec.layer} | own[spec.source]


def numbers_links(numbers: str, layer: int | None) -> None:
    """The same for a direction that is known by its numbers."""
    if len(numbers) > LONGEST:
        st.caption("The direction is too long for a link: paste its numbers there.")
        return
    _links(
        {"source": "vector", "vector": numbers, "layer": layer},
        {"edit_direction": "vector", "edit_numbers": numbers},
    )


def written(vector: Iterable[float]) -> str:
    """Numbers as they can be pasted."""
    return " ".join(f"{value:.4g}" for value in vector)


def _links(push: dict[str, Any], removed: dict[str, Any]) -> None:
    prove_it("pages/intervene/steering.py", "steer along it and read what the model writes", **push)
    prove_it("pages/intervene/edits.py", "take it out of the weights themselves", edit_kind="orthogonalise", **removed)
