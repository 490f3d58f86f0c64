"""Who pushed this answer up or down? Direct logit attribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.attribution.logit_parts import EXPLAINED, Parts, obstacle, sites, take_apart
from mi_core.errors import InputError
from mi_core.metrics.target import Target, resolve
from mi_core.models import hooks
from mi_core.models.model import Activations, Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import listed, place, quoted, signed
from mi_core.result import Check, Reading, check_axes, same_length, whole_numbers

WORTH_SAYING = 0.005  # logits: less is written as nothing


@dataclass(frozen=True)
class Attribution:
    """What every component adds to one logit (difference) at one position."""

    model: str
    """Id of the model."""
    tokens: Tokens
    """[pos] What was read."""
    target: Target
    """The answer, and the foil whose logit is subtracted."""
    pos: int
    """The position whose next-token logits are split, from 0."""
    layer: int | None
    """The layer that the table `sources` shows; None for the sum over all."""
    head: int | None
    """The head that it shows; None for the sum over all."""
    components: tuple[str, ...]
    """[component] Names, in the order of the computation."""
    kinds: tuple[str, ...]
    """[component] embed, pos_embed, head, attn, attn_bias, mlp, other, norm_bias or unembed_bias."""
    component_layers: tuple[int, ...]
    """[component] Block; −1 for none."""
    component_heads: tuple[int, ...]
    """[component] Head; −1 for none."""
    contribution: Float[np.ndarray, " component"]
    """[component] Logits, before any soft cap; they sum to `total`."""
    sources: Float[np.ndarray, "layer head key_pos"]
    """[layer, head, key] Logits: the heads' contributions, split over the tokens that they read."""
    whole_layers: tuple[int, ...]
    """Attention layers that could not be split into heads."""
    total: float
    """Logits: the logit (difference), before any soft cap."""
    capped: bool
    """Whether the model has a soft cap."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "logits"
    """Unit of every contribution."""

    def __post_init__(self) -> None:
        check_axes(self, component=len(self.components))
        same_length(self, "components", "kinds", "component_layers", "component_heads")

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Logits may be those before a soft cap."""
        logits = dict.fromkeys(("contribution", "cumulative"), self.units)
        return dict.fromkeys(("contributions", "layers", "sources"), logits)

    def tables(self) -> dict[str, pd.DataFrame]:
        """`contributions`: a row per component. `layers`: attention and MLP per block. `sources`: a row per token read.

        In `layers`, `cumulative` counts the embeddings and the biases from the start, so that after block L it is the
        frozen logit lens there. In `sources`, layer and head are empty where heads are summed.
        """
        return {"contributions": self._contributions(), "layers": self._layers(), "sources": self._sources()}

    def _contributions(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "component": self.components,
                "kind": self.kinds,
                "layer": whole_numbers(self.component_layers),
                "head": whole_numbers(self.component_heads),
                "contribution": self.contribution,
            }
        )

    def _layers(self) -> pd.DataFrame:
        names = {"head": "attn", "attn": "attn", "attn_bias": "attn", "mlp": "mlp", "other": "other"}
        parts = self._contributions().assign(kind=[names.get(kind) for kind in self.kinds])
        inside = parts.dropna(subset=["kind"]).groupby(["layer", "kind"], as_index=False)["contribution"].sum()
        start = self.contribution.sum(dtype=np.float64) - inside["contribution"].sum()
        return inside.assign(cumulative=start + inside["contribution"].cumsum())

    def _sources(self) -> pd.DataFrame:
        chosen = self.sources if self.layer is None else self.sources[self.layer][None]
        chosen = chosen if self.head is None else chosen[:, self.head][:, None]
        n = chosen.shape[-1]
        return pd.DataFrame(
            {
                "pos": np.arange(n),
                "token": self.tokens.texts[:n],
                "layer": whole_numbers([-1 if self.layer is None else self.layer] * n),
                "head": whole_numbers([-1 if self.head is None else self.head] * n),
                "contribution": chosen.sum((0, 1)),
            }
        )

    def reading(self) -> Reading:
        """The strongest helper and the strongest opposer, and which token the answer was taken from."""
        best, worst = int(self.contribution.argmax()), int(self.contribution.argmin())
        answer = quoted(self.target.text)
        up, down = f"pushes {answer} up most", f"holds {answer} down most"
        if self.target.foil_text is not None:
            foil = quoted(self.target.foil_text)
            up, down = f"favours {answer} over {foil} most", f"favours {foil} over {answer} most"
        if self.contribution[best] > 0:
            title = f"{self._said(best)} {up}: {signed(self.contribution[best])} logits"
        else:
            title = f"{self._said(worst)} {down}: {signed(self.contribution[worst])} logits"
        return Reading(title, (self._balance(worst), self._origin(), *self._caveats()))

    def _balance(self, worst: int) -> str:
        at = place(self.tokens, self.pos)
        sentence = f"All parts together give the {self.target.quantity} at {at}: {signed(self.total)}."
        if self.contribution[worst] > -WORTH_SAYING:
            return f"{sentence} Nothing works against it."
        return f"{sentence} {self._said(worst)} works against it most: {signed(self.contribution[worst])}."

    def _origin(self) -> str:
        by_token = self._sources()["contribution"].to_numpy()
        if np.isnan(by_token).any():
            return "This model does more to its values than mix them, so no token owns a share of a head."
        best = int(by_token.argmax())
        who = "The heads" if self.layer is None else f"The heads of layer {self.layer}"
        who, take = (who, "take") if self.head is None else (f"L{self.layer}H{self.head}", "takes")
        if by_token[best] < WORTH_SAYING:
            return f"{who} {take} nothing in its favour from any token."
        return f"{who} {take} most in its favour from {place(self.tokens, best)}: {signed(by_token[best])}."

    def _caveats(self) -> list[str]:
        said = []
        if self.capped:
            said.append("This model squeezes its logits at the very end; the numbers are from before that.")
        if self.whole_layers:
            layers = listed([str(layer) for layer in self.whole_layers])
            said.append(
                f"Attention in layer {layers} cannot be split into heads in this model, or is something else there, "
                "and is shown whole."
            )
        return said

    def _said(self, index: int) -> str:
        """A component as the subject of a sentence."""
        name = self.components[index]
        return name if name[0].isupper() else f"The {name}"


def attribution(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    layer: int | None = None,
    head: int | None = None,
    prepend_bos: bool | None = None,
) -> Attribution:
    """Split one logit, or the difference of two, into what each component wrote towards it.

    The final residual is the sum of everything the model's parts wrote, and with the final norm's scale held at this
    run's value the way from there to a logit is linear: so the logit is a sum over parts, with nothing left over
    (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; Wang et al. 2022 for logit
    differences). It shows direct effects only: what a head does by feeding a later head is credited to the later one.

    The direction is projected back once through norm and O, then dotted with `z`, rather than every head's write
    being formed: the same numbers, orders of magnitude faster.

    Args:
        model: The model.
        prompt: Text to read.
        target: The answer; None for the model's top guess at `pos`.
        foil: A second token whose logit is subtracted, or None.
        pos: Position whose next-token logits are split; None for the last.
        layer: Split this layer's heads over source tokens; None for all layers together.
        head: Split this head only; needs `layer`.
        prepend_bos: None follows the model's own habit.

    Returns:
        Contributions in logits (before the soft cap, where the model has one); they sum to the logit (difference).

    Raises:
        InputError: A bad prompt, target, position, layer or head.
    """
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    if reason := obstacle(model):
        raise InputError(reason, "model")
    _check_choice(model, layer, head)
    acts = model.run(tokens, sites(model), logits=position, query=position)
    logits = acts.logits[0]
    answer = resolve(model, target, foil, int(logits.argmax()))
    parts = take_apart(model, acts, answer, position)
    rows = list(_rows(parts))
    contribution = np.array([row[-1] for row in rows], dtype=np.float32)
    total = _logit_before_cap(model, acts, logits, answer, position)
    return Attribution(
        model=model.id,
        tokens=tokens,
        target=answer,
        pos=position,
        layer=layer,
        head=head,
        components=tuple(row[0] for row in rows),
        kinds=tuple(row[1] for row in rows),
        component_layers=tuple(row[2] for row in rows),
        component_heads=tuple(row[3] for row in rows),
        contribution=contribution,
        sources=parts.sources.numpy(force=True),
        whole_layers=tuple(np.flatnonzero(~parts.split.numpy(force=True)).tolist()),
        total=total,
        capped=model.logit_cap is not None,
        checks=_checks(model, parts, contribution, total, answer),
        units="logits, before the soft cap" if model.logit_cap else "logits",
    )


def _rows(parts: Parts):
    """(component, kind, layer, head, contribution) in the order of the computation; −1 where there is none."""
    yield "embedding", "embed", -1, -1, float(parts.embed)
    if parts.pos_embed is not None:
        yield "positional embedding", "pos_embed", -1, -1, float(parts.pos_embed)
    for layer, split in enumerate(parts.split.tolist()):
        if split:
            for head, value in enumerate(parts.heads[layer].tolist()):
                yield f"L{layer}H{head}", "head", layer, head, value
            if parts.attn_bias[layer] != 0:
                yield f"attention bias {layer}", "attn_bias", layer, -1, float(parts.attn_bias[layer])
        else:
            yield f"attention {layer}", "attn", layer, -1, float(parts.attn[layer])
        yield f"MLP {layer}", "mlp", layer, -1, float(parts.mlp[layer])
        if abs(parts.other[layer]) > EXPLAINED * (1 + abs(parts.attn[layer]) + abs(parts.mlp[layer])):
            yield f"other {layer}", "other", layer, -1, float(parts.other[layer])
    for name, kind, value in (
        ("final norm bias", "norm_bias", parts.norm_bias),
        ("unembedding bias", "unembed_bias", parts.unembed_bias),
    ):
        if value != 0:
            yield name, kind, -1, -1, value


def _logit_before_cap(model: Model, acts: Activations, logits: Tensor, target: Target, pos: int) -> float:
    if model.logit_cap is None:
        return float(target.of(logits))
    last = acts[hooks.resid_post(model.n_layers - 1)][pos]
    with torch.no_grad():
        return float(target.of(model.unembed(model.final_norm.apply(last))))


def _checks(model: Model, parts: Parts, contribution: np.ndarray, total: float, target: Target) -> tuple[Check, ...]:
    whole = Check(
        f"the contributions sum to the {target.quantity}",
        abs(float(contribution.sum(dtype=np.float64)) - total),
        1e-3,
    )
    if not model.opening.mixes:
        return (whole,)
    by_token = (parts.sources.sum(-1) - parts.heads).abs().max()
    return (whole, Check("each head's tokens sum to the head", float(by_token), 1e-3))


def _check_choice(model: Model, layer: int | None, head: int | None) -> None:
    if layer is not None:
        model.require(hooks.z(model.layer(layer)))
    if head is not None:
        model.head(head)
        if layer is None:
            raise InputError("A head belongs to a layer: choose the layer too.", "layer")
