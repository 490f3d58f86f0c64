"""What empty number fields stand for once a result is there, so that their − and + start from it."""

from __future__ import annotations

from typing import Any

from ui.components.number_steps import number_steps

NUMBERED = {
    "head": "head",
    "neuron": "neuron",
    "position": "token",
    "feature": "feature",
    "key": "key_pos",
    "edge": "head",
}  # kind: the field


def of_ablation(result: Any) -> None:
    """The part that matters most."""
    number, layer = (numbers[result.strongest] for numbers in (result.component_numbers, result.component_layers))
    shown = {NUMBERED[result.site]: number} if result.site in NUMBERED else {}
    number_steps("part", shown | ({} if layer < 0 or result.site == "feature" else {"layer": layer}))


def of_steering(result: Any) -> None:
    """Where each direction acts, and what a clamped feature's largest activation is taken to be."""
    for place, push in enumerate(result.pushes):
        layer = f"layer{place + 1 if place else ''}"
        number_steps(layer, {layer: push.layer})
    if result.pushes[0].operation == "clamp":
        number_steps("largest", {"largest": result.pushes[0].scale})
