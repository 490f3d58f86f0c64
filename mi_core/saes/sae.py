"""One sparse autoencoder (SAE), ready to read a model's activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.catalogue import SaeEntry

if TYPE_CHECKING:  # the pages list SAEs long before torch is there
    from jaxtyping import Float, Int
    from sae_lens import SAE
    from torch import Tensor


@dataclass(frozen=True)
class Sae:
    """One SAE, ready to read activations in the model's own (uncentred) coordinates.

    `inner` is sae_lens' object, frozen. Where `centred`, the SAE was trained on a model whose writing weights were
    centred: in a LayerNorm model that takes the mean over d_model off the residual stream and changes nothing else,
    so the mean is taken off what is encoded and put back onto what is decoded.
    """

    entry: SaeEntry
    inner: SAE
    centred: bool
    remarks: tuple[str, ...] = ()
    """What a reader should know before trusting it, in sentences."""

    @property
    def hook(self) -> str:
        return self.entry.hook

    @property
    def name(self) -> str:
        """What it is asked for by: its hook, unless there are several at that hook."""
        return self.entry.name or self.entry.hook

    @property
    def d_sae(self) -> int:
        return self.inner.cfg.d_sae

    @property
    def layer(self) -> int:
        """Number of the block the hook belongs to."""
        return hooks.parse(self.hook)[1]

    @property
    def site(self) -> hooks.Site:
        """What it reads of that block."""
        return hooks.parse(self.hook)[0]

    @property
    def residual_layer(self) -> int:
        """Blocks passed where its features are next found in the residual stream."""
        return self.layer + (self.site != hooks.resid_pre)

    @property
    def W_dec(self) -> Float[Tensor, "d_sae d_model"]:
        """Decoder rows as stored; `directions` has what one unit of activation writes."""
        return self.inner.W_dec

    def encode(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_sae"]:
        """Feature activations of raw activations at `hook`."""
        return self.inner.encode(self._seen(x))

    def decode(
        self, features: Float[Tensor, "*batch d_sae"], x: Float[Tensor, "*batch d_model"]
    ) -> Float[Tensor, "*batch d_model"]:
        """What the features say `x` is, in raw coordinates.

        Args:
            features: Feature activations, changed or not.
            x: The activations they were read from: their mean, and the scale of an SAE that normalises its input,
                are not in the features and are put back from here.
        """
        self.inner.run_time_activation_norm_fn_in(self._seen(x))  # leaves its scale behind, which decode takes away
        out = self.inner.decode(features)
        return out + x.mean(-1, keepdim=True) if self.centred else out

    def directions(self, features: Sequence[int] | Int[Tensor, " feature"]) -> Float[Tensor, "feature d_model"]:
        """What one unit of each feature's activation writes (for an SAE that normalises its input, in its units)."""
        rows = self.W_dec[features]
        rescaled = getattr(self.inner.cfg, "rescale_acts_by_decoder_norm", False)
        return rows / rows.norm(dim=-1, keepdim=True) if rescaled else rows

    def amounts(self, x: Float[Tensor, "pos d_model"]) -> Float[Tensor, "pos d_sae"]:
        """How much of each of `directions` the SAE finds in activations."""
        return self.encode(x) * self.amount_of_one(x)

    def amount_of_one(self, x: Float[Tensor, "pos d_model"]) -> Float[Tensor, "pos 1"]:
        """How much of its direction one unit of a feature's activation is: an SAE that normalises its input multiplies
        by its scale when it decodes, any other by 1.
        """
        if self.inner.cfg.normalize_activations == "none":
            return self.W_dec.new_ones(len(x), 1)
        probe = int(self.W_dec.norm(dim=-1).argmax())
        one = self.W_dec.new_zeros(len(x), self.d_sae)
        one[:, probe] = 1
        step = self.decode(one, x) - self.decode(one.new_zeros(one.shape), x)
        direction = self.directions([probe])[0]
        return (step @ direction / (direction @ direction))[:, None]

    def writing(
        self, feature: int, amount: Float[Tensor, "*batch"], x: Float[Tensor, "*batch d_model"]
    ) -> Float[Tensor, "*batch d_model"]:
        """What `amount` of a feature's activation adds to the reconstruction of `x`, in raw coordinates."""
        if self.inner.cfg.normalize_activations in ("none", "expected_average_only_in"):
            return amount[..., None] * self.directions([feature])[0]
        nothing = amount.new_zeros(*amount.shape, self.d_sae)
        code = nothing.clone()
        code[..., feature] = amount
        return self.decode(code, x) - self.decode(nothing, x)

    def feature(self, feature: int, field: str = "feature") -> int:
        """`feature` checked. Raises InputError where the SAE has no such feature."""
        if isinstance(feature, bool) or not isinstance(feature, int) or not 0 <= feature < self.d_sae:
            raise InputError(f"There is no feature {feature}: this SAE has features 0 to {self.d_sae - 1}.", field)
        return feature

    def _seen(self, x: Tensor) -> Tensor:
        """`x` as the SAE met it in training."""
        x = x.to(self.W_dec.dtype)
        return x - x.mean(-1, keepdim=True) if self.centred else x
