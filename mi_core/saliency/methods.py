"""The ways to share an answer out among the players: what each is called."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """A way to share out: its `name` in settings and tables, its `label` on screen."""

    name: str
    label: str


LEAVE_ONE_OUT = Method("leave_one_out", "leave-one-out")
OCCLUSION = Method("occlusion", "span occlusion")
SHAPLEY = Method("shapley", "Shapley")
INTEGRATED = Method("integrated_gradients", "integrated gradients")
TIMES_INPUT = Method("gradient_times_input", "gradient × input")
NORM = Method("gradient_norm", "gradient norm")
ROLLOUT = Method("rollout", "attention rollout")
KERNEL_SHAP = Method("kernel_shap", "KernelSHAP (approximate)")
LIME = Method("lime", "LIME (approximate)")
METHODS = (
    LEAVE_ONE_OUT, OCCLUSION, SHAPLEY, INTEGRATED, TIMES_INPUT, NORM, ROLLOUT, KERNEL_SHAP, LIME,
)  # fmt: skip
APPROXIMATE = (KERNEL_SHAP, LIME)
BY_NAME = {method.name: method for method in METHODS}
