"""The loaded model that every analysis receives; differences between architectures end here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear
from transformer_lens.hook_points import HookPoint
from transformer_lens.model_bridge import TransformerBridge

from mi_core.errors import InputError
from mi_core.models import hooks, projection
from mi_core.models.norm import Norm, take_apart
from mi_core.models.tokens import Tokens, encode, find_token, token_text


@dataclass(frozen=True)
class Activations:
    """What one forward pass left behind: `sites` by hook name (batch dropped), `logits` [pos_or_1, d_vocab]."""

    sites: dict[str, Tensor]
    logits: Float[Tensor, "pos d_vocab"]

    def __getitem__(self, name: str) -> Tensor:
        return self.sites[name]


class Model:
    """A causal language model with raw Hugging Face weights, opened for reading.

    Args:
        bridge: The booted model. Its parameters are frozen here: gradients are asked for where they are needed.
        id: The name a user knows it by.
        fingerprint: Identifies the weights in cache keys.
    """

    def __init__(self, bridge: TransformerBridge, id: str, fingerprint: str) -> None:
        self.bridge = bridge.eval().requires_grad_(False)
        self.id = id
        self.fingerprint = fingerprint
        config = bridge.cfg
        self.n_layers: int = config.n_layers
        self.n_heads: int = config.n_heads
        self.n_kv_heads: int = getattr(config, "n_key_value_heads", None) or config.n_heads
        self.d_model: int = config.d_model
        self.n_ctx: int = config.n_ctx
        self.prepends_bos: bool = bool(config.default_prepend_bos) and self.tokenizer.bos_token_id is not None
        cap = getattr(config, "output_logits_soft_cap", None) or 0.0
        self.logit_cap: float | None = cap if cap > 0 else None
        self.edited: OrderedDict[str, Any] = OrderedDict()  # see `mi_core.editing.overlay`
        self._texts: dict[int, str] = {}  # asking the tokenizer takes longer than a small model's pass

    @property
    def tokenizer(self):
        return self.bridge.tokenizer

    @property
    def d_vocab(self) -> int:
        return self._unembedding.weight.shape[0]

    @property
    def device(self) -> torch.device:
        return self._unembedding.weight.device

    @property
    def _unembedding(self) -> torch.nn.Module:
        return self.bridge.unembed.original_component

    # Tokens ------------------------------------------------------------------------------------------------------

    def tokens(self, prompt: str, prepend_bos: bool | None = None) -> Tokens:
        """`prompt` as this model reads it.

        Args:
            prompt: The text, used exactly as typed.
            prepend_bos: Put the beginning-of-sequence token first; None follows the model's own habit.

        Raises:
            InputError: The prompt is empty, or nothing to this tokenizer, or longer than the model's context, or BOS is
                asked for and there is none.
        """
        if not prompt.strip():
            raise InputError("The prompt is empty: type a few words.", "prompt")
        bos = self._bos(prepend_bos)
        own = encode(self.tokenizer, prompt)
        if not own:
            raise InputError(f"{self.id} passes over everything in this prompt: type a few words.", "prompt")
        ids = bos + own
        if len(ids) > self.n_ctx:
            raise InputError(
                f"The prompt is {len(ids):,} tokens long and {self.id} reads at most {self.n_ctx:,}: "
                f"shorten it by {len(ids) - self.n_ctx:,} tokens.",
                "prompt",
            )
        special = set(self.tokenizer.all_special_ids)
        return Tokens(
            ids=tuple(ids),
            texts=tuple(token_text(self.tokenizer, token_id) for token_id in ids),
            special=tuple(token_id in special for token_id in ids),
            has_bos=bool(bos),
        )

    def _bos(self, prepend_bos: bool | None) -> list[int]:
        wanted = self.prepends_bos if prepend_bos is None else prepend_bos
        if wanted and self.tokenizer.bos_token_id is None:
            raise InputError(f"{self.id} has no beginning-of-sequence token: switch it off.", "prepend_bos")
        return [self.tokenizer.bos_token_id] if wanted else []

    def token_id(self, text: str, field: str = "target") -> int:
        """The one token meant by `text`; see `mi_core.models.tokens.find_token`."""
        return find_token(self.tokenizer, text, field)

    def text(self, token_id: int) -> str:
        """Raw text of a token."""
        if token_id not in self._texts:
            self._texts[token_id] = token_text(self.tokenizer, token_id)
        return self._texts[token_id]

    def texts(self, token_ids: Iterable[int]) -> list[str]:
        """Raw text of each token."""
        return [self.text(int(token_id)) for token_id in token_ids]

    def position(self, tokens: Tokens, pos: int | None, field: str = "pos") -> int:
        """`pos` checked; None means the last position, negative values count from the end.

        Raises:
            InputError: There is no such position.
        """
        n = len(tokens)
        resolved = n - 1 if pos is None else pos + n if pos < 0 else pos
        if not 0 <= resolved < n:
            raise InputError(f"There is no position {pos}: this prompt has positions 0 to {n - 1}.", field)
        return resolved

    def layer(self, layer: int, field: str = "layer") -> int:
        """`layer` checked. Raises InputError where the model has no such block."""
        if not 0 <= layer < self.n_layers:
            raise InputError(f"There is no layer {layer}: {self.id} has layers 0 to {self.n_layers - 1}.", field)
        return layer

    def head(self, head: int, field: str = "head") -> int:
        """`head` checked. Raises InputError where the model has no such head."""
        if not 0 <= head < self.n_heads:
            raise InputError(f"There is no head {head}: {self.id} has heads 0 to {self.n_heads - 1}.", field)
        return head

    def n_neurons(self, layer: int) -> int:
        """Neurons of one layer's MLP. Raises InputError where it has no single layer of them (mixtures of experts)."""
        if not self.has(hooks.post(layer)) or not hasattr(self.bridge.blocks[layer].mlp, "out"):
            raise InputError(f"Layer {layer} of {self.id} has no plain MLP, so no neurons: choose another.", "site")
        return projection.d_in(self.bridge.blocks[layer].mlp.out.original_component, self.d_model)

    # Running -----------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def run(
        self,
        tokens: Tokens,
        names: Iterable[str] = (),
        logits: Literal["last", "all"] | int = "last",
        query: int | None = None,
    ) -> Activations:
        """One forward pass that keeps the named activations.

        Args:
            tokens: What to read.
            names: Hook names from `mi_core.models.hooks`; only these are kept.
            logits: Unembed the last position only, all of them, or the one of this index.
            query: Of attention patterns keep this query position only, [head, 1, key_pos]; None keeps them whole.

        Returns:
            Activations without the batch axis; logits are the model's own, after any soft cap.
        """
        kept: dict[str, Tensor] = {}

        def keep(value: Tensor, hook, name: str) -> None:
            one_row = query is not None and name.endswith("hook_pattern")
            kept[name] = value[0, :, query, None].clone() if one_row else value[0].detach()

        ids = torch.tensor([tokens.ids], device=self.device)
        wanted = {name: partial(keep, name=name) for name in names}
        rows = {"last": {"logits_to_keep": 1}, "all": {}}
        extra = rows[logits] if isinstance(logits, str) else {"logits_to_keep": ids.new_tensor([logits])}
        with self.hooked(wanted):
            out = self.bridge(ids, **extra)
        return Activations(kept, out[0].detach())

    @contextmanager
    def hooked(self, functions: Mapping[str, Callable]) -> Iterator[None]:
        """Within this block, `function(value, hook=…)` is called at the hook of that name; hooks not there are skipped.

        What the bridge's `run_with_hooks` does, with the hook points found once: it finds all of them anew for every
        hook it sets, which takes longer than a small model's forward pass.
        """
        points = []
        self.bridge.context_level += 1  # so that a run inside removes its own hooks only
        try:
            for name, function in functions.items():
                if (point := self._point(name)) is not None:
                    self.bridge.check_hooks_to_add(point.name)
                    point.add_hook(function, level=self.bridge.context_level)
                    points.append(point)
            yield
        finally:
            for point in points:
                point.remove_hooks(level=self.bridge.context_level)
            self.bridge.context_level -= 1

    def has(self, name: str) -> bool:
        """Whether this architecture has the hook."""
        return self._point(name) is not None

    def _point(self, name: str) -> HookPoint | None:
        return self._points.get(name) or self.bridge.get_hook_point(name)

    @cached_property
    def _points(self) -> dict[str, HookPoint]:
        return self.bridge.hook_dict  # a property that resolves every alias of every layer at each call

    # Weights -----------------------------------------------------------------------------------------------------

    @cached_property
    def final_norm(self) -> Norm:
        """The norm before the unembedding."""
        with torch.no_grad():
            return take_apart(self.bridge.ln_final.original_component, self.d_model, self._unembedding.weight)

    def attn_post_norm(self, layer: int) -> Norm | None:
        """The norm between attention's O projection and the residual stream (Gemma 2); None where there is none."""
        return self._post_norm(layer, "ln1_post")

    def mlp_post_norm(self, layer: int) -> Norm | None:
        """The norm between the MLP's last projection and the residual stream (Gemma 2); None where there is none."""
        return self._post_norm(layer, "ln2_post")

    @torch.no_grad()
    def _post_norm(self, layer: int, name: str) -> Norm | None:
        part = getattr(self.bridge.blocks[layer], name, None)
        return None if part is None else take_apart(part.original_component, self.d_model, self._unembedding.weight)

    @torch.no_grad()
    def unembed(
        self, x: Float[Tensor, "*batch d_model"], first: int = 0, end: int | None = None
    ) -> Float[Tensor, "*batch column"]:
        """Logits of normalised residuals, before any soft cap, for the tokens `first` to `end` (None: all of them)."""
        if first == 0 and end is None:
            return self._unembedding(x)
        bias = getattr(self._unembedding, "bias", None)
        return linear(x, self._unembedding.weight[first:end], None if bias is None else bias[first:end])

    def unembedding_direction(self, token_id: int) -> Float[Tensor, " d_model"]:
        """`u_t = W_U[:, t]`."""
        return self._unembedding.weight[token_id].detach()

    @property
    def embedding(self) -> Float[Tensor, "d_vocab d_model"]:
        """`W_E`: the vector each token is read as, before any scaling or position."""
        return self.bridge.original_model.get_input_embeddings().weight.detach()

    def mean_unembedding(self) -> Float[Tensor, " d_model"]:
        """`u_t` averaged over the vocabulary: what it reads raises every logit alike and changes no probability."""
        return self._unembedding.weight.detach().float().mean(0)

    def unembedding_bias(self, token_id: int) -> float:
        """`b_U[t]`, 0 where the model has none."""
        bias = getattr(self._unembedding, "bias", None)
        return 0.0 if bias is None else float(bias[token_id])

    def cap(self, logits: Tensor) -> Tensor:
        """The model's soft cap (Gemma 2): `c · tanh(logit / c)`; the identity elsewhere."""
        return logits if self.logit_cap is None else self.logit_cap * torch.tanh(logits / self.logit_cap)

    def attn_o_pull_back(
        self, layer: int, direction: Float[Tensor, "*batch d_model"]
    ) -> Float[Tensor, "*batch head d_head"]:
        """`u = W_O · direction` per head: `z · u` is what the head writes along `direction`."""
        module = self.bridge.blocks[layer].attn.o.original_component
        return projection.pull_back(module, direction).unflatten(-1, (self.n_heads, -1))

    def attn_o_bias(self, layer: int) -> Float[Tensor, " d_model"]:
        """`b_O`: what attention writes when every head is silent."""
        return projection.bias(self.bridge.blocks[layer].attn.o.original_component, self._unembedding.weight)

    def mlp_pull_back(self, layer: int, direction: Float[Tensor, " d_model"]) -> Float[Tensor, " d_mlp"]:
        """`W_out · direction`: what one unit of each neuron writes along `direction`."""
        return projection.pull_back(self.bridge.blocks[layer].mlp.out.original_component, direction)

    def mlp_bias(self, layer: int) -> Float[Tensor, " d_model"]:
        """What the MLP's last projection writes when every neuron is silent."""
        return projection.bias(self.bridge.blocks[layer].mlp.out.original_component, self._unembedding.weight)

    def per_head(self, v: Float[Tensor, "pos kv_head d_head"]) -> Float[Tensor, "pos head d_head"]:
        """Values as each head reads them: grouped-query heads share one."""
        return v if v.shape[1] == self.n_heads else v.repeat_interleave(self.n_heads // v.shape[1], dim=1)

    def resid_names(self) -> list[str]:
        """Residual stream before each block and after the last: n_layers + 1 hook names."""
        return [hooks.resid_pre(layer) for layer in range(self.n_layers)] + [hooks.resid_post(self.n_layers - 1)]
