"""The loaded model that every analysis receives; differences between architectures end here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import linear
from transformer_lens.hook_points import HookPoint
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.generalized_components.attention import AttentionBridge
from transformers import Cache

from mi_core.errors import InputError
from mi_core.models import hooks, projection
from mi_core.models.kv_cache import Reread
from mi_core.models.norm import Norm, take_apart
from mi_core.models.opening import Opening
from mi_core.models.saved import context
from mi_core.models.tokens import Tokens, encode, find_token, token_text, visible

#: What a block has in attention's place, as the bridge calls it: gated linear attention, convolution, state space.
MIXERS = ("linear_attn", "conv", "mixer")


@dataclass(frozen=True)
class Activations:
    """What one forward pass left behind, without the row axis where it read one prompt (`Model.run`)."""

    sites: dict[str, Tensor]
    """By hook name, in the shape that `mi_core.models.hooks` says."""

    logits: Float[Tensor, "*row pos d_vocab"]
    """The model's own, after any soft cap; one position where only one was asked for."""

    def __getitem__(self, name: str) -> Tensor:
        return self.sites[name]


class _Reached(Exception):
    """An activation after which nothing of a pass is wanted."""


class Model:
    """A causal language model with raw Hugging Face weights, opened for reading.

    Args:
        bridge: The booted model. Its parameters are frozen here: gradients are asked for where they are needed.
        id: The name a user knows it by.
        fingerprint: Identifies the weights in cache keys.
        opening: What comparing it with plain transformers found; everything holds where it was not compared.
        tokenizer: As it was saved; None for the bridge's own copy, which gets a start token where there is none.
    """

    def __init__(
        self, bridge: TransformerBridge, id: str, fingerprint: str, opening: Opening | None = None, tokenizer=None
    ) -> None:
        self.bridge = bridge.eval().requires_grad_(False)
        self.id = id
        self.fingerprint = fingerprint
        self.opening = opening or Opening()
        self.tokenizer = tokenizer or bridge.tokenizer
        config = bridge.cfg
        self.n_layers: int = config.n_layers
        self.n_heads: int = config.n_heads
        self.n_kv_heads: int = getattr(config, "n_key_value_heads", None) or config.n_heads
        self.d_model: int = config.d_model
        self.n_ctx: int = context(self.hf_model.config, config.n_ctx)
        self.prepends_bos: bool = bool(config.default_prepend_bos) and self._bos_id is not None
        cap = getattr(config, "output_logits_soft_cap", None) or 0.0
        self.logit_cap: float | None = cap if cap > 0 else None
        self.unembedding.register_forward_pre_hook(_in_one_piece)
        self._texts: dict[int, str] = {}  # asking the tokenizer takes longer than a small model's pass

    @property
    def hf_model(self) -> torch.nn.Module:
        """The transformers model inside, whose modules the bridge has put its own in between."""
        return self.bridge.original_model

    @property
    def d_vocab(self) -> int:
        return self.unembedding.weight.shape[0]

    @property
    def device(self) -> torch.device:
        return self.unembedding.weight.device

    @property
    def unembedding(self) -> torch.nn.Module:
        """The module that makes logits of normalised residuals."""
        return self.bridge.unembed.original_component

    # Tokens ------------------------------------------------------------------------------------------------------

    def tokens(self, text: str, prepend_bos: bool | None = None, field: str = "prompt") -> Tokens:
        """`text` as this model reads it.

        Args:
            text: The prompt, used exactly as typed.
            prepend_bos: Put the beginning-of-sequence token first; None follows the model's own habit.
            field: The setting that the text is of, for errors.

        Raises:
            InputError: The prompt is empty, or nothing to this tokenizer, or longer than the model's context, or BOS is
                asked for and there is none.
        """
        if not text.strip():
            raise InputError("The prompt is empty: type a few words.", field)
        bos = self._bos(prepend_bos)
        own = encode(self.tokenizer, text)
        if not own:
            raise InputError(f"{self.id} passes over everything in this prompt: type a few words.", field)
        self._check_known(own, len(self.embedding), field)
        ids = bos + own
        if len(ids) > self.n_ctx:
            raise InputError(
                f"The prompt is {len(ids):,} tokens long and {self.id} reads at most {self.n_ctx:,}: "
                f"shorten it by {len(ids) - self.n_ctx:,} tokens.",
                field,
            )
        special = set(self.tokenizer.all_special_ids)
        return Tokens(
            ids=tuple(ids),
            texts=tuple(token_text(self.tokenizer, token_id) for token_id in ids),
            special=tuple(token_id in special for token_id in ids),
            has_bos=bool(bos),
        )

    @property
    def _bos_id(self) -> int | None:
        """The beginning-of-sequence token; None where vocabulary or weights have none, whatever is named as one."""
        bos = self.tokenizer.bos_token_id
        if bos is None or bos >= len(self.embedding):
            return None
        return bos if self.tokenizer.convert_ids_to_tokens(bos) == str(self.tokenizer.bos_token) else None

    def _bos(self, prepend_bos: bool | None) -> list[int]:
        wanted = self.prepends_bos if prepend_bos is None else prepend_bos
        if not wanted:
            return []
        bos = self._bos_id
        if bos is None:
            raise InputError(f"{self.id} has no beginning-of-sequence token: switch it off.", "prepend_bos")
        return [bos]

    def _check_known(self, ids: Sequence[int], n_rows: int, field: str) -> None:
        """Raises InputError for a token of the tokenizer that the weights have no row for."""
        for token_id in ids:
            if token_id >= n_rows:
                raise InputError(
                    f"{self.id} has no weights for “{visible(self.text(token_id))}”: its tokenizer calls it token "
                    f"{token_id:,}, and the weights know {n_rows:,} tokens. Leave it out, or write it otherwise.",
                    field,
                )

    def token_id(self, text: str, field: str = "target") -> int:
        """The one token meant by `text`; see `mi_core.models.tokens.find_token`.

        Raises:
            InputError: As there; or the token is one that the weights have no row for.
        """
        token_id = find_token(self.tokenizer, text, field)
        self._check_known([token_id], self.d_vocab, field)
        return token_id

    def text(self, token_id: int) -> str:
        """Raw text of a token."""
        if token_id not in self._texts:
            self._texts[token_id] = token_text(self.tokenizer, token_id)
        return self._texts[token_id]

    def texts(self, token_ids: Iterable[int]) -> list[str]:
        """Raw text of each token."""
        return [self.text(int(token_id)) for token_id in token_ids]

    @cached_property
    def text_ids(self) -> tuple[int, ...]:
        """The tokens that stand for text and can be read: neither special nor without a text, as padded rows are."""
        added = self.tokenizer.added_tokens_decoder
        special = {*self.tokenizer.all_special_ids, *(token_id for token_id in added if added[token_id].special)}
        ids = range(min(self.d_vocab, len(self.embedding), len(self.tokenizer)))
        return tuple(token_id for token_id in ids if token_id not in special)

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

    @cached_property
    def has_experts(self) -> bool:
        """Whether tokens of all rows meet at the same experts, so that a row's last digits depend on the other rows."""
        kinds = {type(part).__name__.lower() for part in self.hf_model.modules()}
        return any("expert" in kind or "moe" in kind for kind in kinds)

    @cached_property
    def turns_at(self) -> int | None:
        """Longer prompts are read with other rotary factors, at all positions (longrope); None where none are."""
        config = self.hf_model.config
        rotary = getattr(config, "rope_parameters", None) or {}
        for one in (rotary, *(part for part in rotary.values() if isinstance(part, dict))):
            if one.get("rope_type") == "longrope":
                name = "original_max_position_embeddings"
                return one.get(name, getattr(config, name, None))
        return None

    def up_to(self, ids: Sequence[int], pos: int) -> tuple[int, ...]:
        """The prompt's tokens up to a position, which this model reads as it does in the whole prompt.

        Raises:
            InputError: It does not: the whole is read with other factors for positions than this part alone.
        """
        if self.turns_at is not None and pos + 1 <= self.turns_at < len(ids):
            raise InputError(
                f"{self.id} reads prompts of more than {self.turns_at:,} tokens with other factors for their "
                f"positions, so nothing can be run up to position {pos} alone: shorten the prompt, or choose its last "
                "position.",
                "pos",
            )
        return tuple(ids[: pos + 1])

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

    def layers(self, site: hooks.Site) -> tuple[int, ...]:
        """The layers that have this activation: all of them, or those with attention where some have none.

        Raises:
            InputError: No layer has it, or what its hook shows was found not to be the model's own.
        """
        found = tuple(layer for layer in range(self.n_layers) if self.hook_point(site(layer)) is not None)
        self.require(site(found[0] if found else 0))
        return found

    def n_neurons(self, layer: int) -> int:
        """Neurons of one layer's MLP. Raises InputError where it has no single layer of them (mixtures of experts)."""
        out = getattr(getattr(self.bridge.blocks[layer], "mlp", None), "out", None)
        if out is None or not self.has(hooks.post(layer)):
            raise InputError(f"Layer {layer} of {self.id} has no plain MLP, so no neurons: choose another.", "site")
        return projection.d_in(out.original_component, self.d_model)

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
        acts = self.run_ids(self.rows([tokens.ids]), names, logits, query=query)
        return Activations({name: value[0] for name, value in acts.sites.items()}, acts.logits[0])

    def run_ids(
        self,
        ids: Int[Tensor, "row pos"],
        names: Iterable[str] = (),
        logits: Literal["last", "all"] | int = "last",
        *,
        changes: Mapping[str, Callable] | None = None,
        query: int | None = None,
    ) -> Activations:
        """One forward pass over rows of token ids.

        Gradients are there for what a change makes ask for them; weights never do.

        Args:
            ids: What to read, a row per run; see `rows`.
            names: As in `run`.
            logits: As in `run`, of every row.
            changes: By hook name, `function(value, hook=…)` whose return takes the activation's place, None leaving it.
                What is kept is what is there after the change.
            query: As in `run`.

        Returns:
            Activations with the row axis in front; logits [row, pos_or_1, d_vocab].
        """
        kept: dict[str, Tensor] = {}
        one_query = set() if query is None else {hooks.pattern(layer) for layer in range(self.n_layers)}
        written_to = self._written_to

        def keep(value: Tensor, hook: HookPoint, name: str) -> Tensor | None:
            if name in one_query:
                kept[name] = value[:, :, query, None].clone()
            else:
                # what has a gradient stays the very tensor that the metric is made from
                kept[name] = value.clone() if name in written_to and not value.requires_grad else value
            return value if value.requires_grad else None  # a hook may see a reshaped copy: its gradient is this one's

        keepers = {name: partial(keep, name=name) for name in names}
        for name in keepers:
            self.require(name)
        for name in changes or {}:
            self.require_change(name)
        with self.hooked(changes or {}), self.hooked(keepers):
            out = self.bridge(ids, **_logits_kept(logits, ids))
        return Activations(kept, out)

    @torch.no_grad()
    def activation(self, ids: Int[Tensor, "row pos"], name: str) -> Tensor:
        """One activation over rows of token ids, with the row axis in front; the pass ends where it is there."""

        def end(value: Tensor, hook: HookPoint) -> None:
            raise _Reached(value)

        self.require(name)
        try:
            with self.hooked({name: end}):
                self.bridge(ids, **_logits_kept("last", ids))
        except _Reached as reached:
            return reached.args[0]
        raise InputError(f"{self.id} never comes to {name} in a pass: choose another place.", "layer")

    @torch.no_grad()
    def run_on(
        self, ids: Int[Tensor, "row pos"], cache: Cache | Reread, logits: Literal["last", "all"] | int = "last"
    ) -> Float[Tensor, "run kept_pos d_vocab"]:
        """Logits of rows that go on where `cache` ends, which grows by them.

        By the transformers model inside, whose modules hold the same hook points: its own classes know their caches.

        Args:
            ids: What to read next, a row per run.
            cache: Keys and values of what was read before; an empty one at the beginning.
            logits: As in `run`, of the new positions.

        Returns:
            As many runs as rows, unless a hook on the way makes more of them.
        """
        if isinstance(cache, Reread):
            found = self.hf_model(input_ids=cache.grow(ids), use_cache=False).logits[:, -ids.shape[1] :]
            return found if logits == "all" else found[:, -1:] if logits == "last" else found[:, logits, None]
        extra = _logits_kept(logits, ids)
        return self.hf_model(input_ids=ids, past_key_values=cache, use_cache=True, **extra).logits

    def rows(self, ids: Sequence[Sequence[int]]) -> Int[Tensor, "row pos"]:
        """Token ids where the model can read them; rows are equally long."""
        return torch.tensor([list(row) for row in ids], device=self.device)

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
                if (point := self.hook_point(name)) is not None:
                    self.bridge.check_hooks_to_add(point.name)
                    point.add_hook(function, level=self.bridge.context_level)
                    points.append(point)
            yield
        finally:
            for point in points:
                point.remove_hooks(level=self.bridge.context_level)
            self.bridge.context_level -= 1

    def has(self, name: str) -> bool:
        """Whether this architecture has the hook, and what it shows is the model's own."""
        return self.hook_point(name) is not None and self._site(name) not in self.opening.unread

    def require(self, name: str) -> None:
        """Raises InputError where this hook is not there, or shows what is not the model's own (`models.opening`)."""
        self._refuse(self.opening.unread.get(self._site(name)))
        if self.hook_point(name) is None:
            site, layer = hooks.parse(name)
            others = [str(other) for other in range(self.n_layers) if self.hook_point(site(other)) is not None]
            where = f"layer {' or '.join(others)}" if others else "another place"
            raise InputError(f"{self.id} has no {site.words.format(layer=layer)}: choose {where}.", "layer")

    def require_change(self, name: str) -> None:
        """Raises InputError where a change at this hook was found not to reach the model as it should, or it is not
        there."""
        self._refuse(self.opening.unfelt.get(self._site(name)))
        self.require(name)

    def _refuse(self, reason: str | None) -> None:
        if reason is not None:
            raise InputError(f"{reason[0].upper()}{reason[1:]}: choose another place, or another model.", "site")

    def _site(self, name: str) -> str:
        return hooks.parse(name)[0].name if name.startswith("blocks.") else ""

    def hook_point(self, name: str) -> HookPoint | None:
        """The hook point of that name, where this architecture has it: a module that passes its input on."""
        return self._points.get(name) or self.bridge.get_hook_point(name)

    @cached_property
    def _written_to(self) -> set[str]:
        """Hooks whose value some architectures go on to add to in place (Falcon): what is kept must be a copy."""
        return {site(layer) for site in (hooks.attn_out, hooks.mlp_out, hooks.attn_o) for layer in range(self.n_layers)}

    @cached_property
    def _points(self) -> dict[str, HookPoint]:
        """Found once: the bridge resolves every alias of every layer at each call.

        What stands in attention's place in some layers of hybrid models adds what attention would add.
        """
        points = dict(self.bridge.hook_dict)
        for layer, block in enumerate(self.bridge.blocks):
            mixer = next((block._modules[name] for name in MIXERS if name in block._modules), None)
            if mixer is not None and not self.has_attention(layer):
                points.setdefault(hooks.attn_out(layer), mixer.hook_out)
        return points

    def has_attention(self, layer: int) -> bool:
        """Whether this layer has it, or something else in its place."""
        return "attn" in self.bridge.blocks[layer]._modules

    def leave_attention(self) -> None:
        """Let transformers' own modules compute attention, not the bridge's copy of their code."""
        for block in self.bridge.blocks:
            attn = block._modules.get("attn")
            if isinstance(attn, AttentionBridge):
                object.__setattr__(attn, "forward", partial(AttentionBridge.forward, attn))  # its own sets the module's

    # Weights -----------------------------------------------------------------------------------------------------

    @cached_property
    def final_norm(self) -> Norm:
        """The norm before the unembedding."""
        if self.opening.logit_scale is None:
            raise InputError(
                f"Between the last layer of {self.id} and its logits stands more than a norm and an unembedding, so "
                "its layers cannot be read as logits: choose another page, or another model.",
                "model",
            )
        with torch.no_grad():
            return take_apart(self.bridge.ln_final.original_component, self.d_model, self.unembedding.weight)

    def attn_post_norm(self, layer: int) -> Norm | None:
        """The norm between attention's O projection and the residual stream (Gemma 2); None where there is none."""
        return self._post_norm(layer, "ln1_post")

    def mlp_post_norm(self, layer: int) -> Norm | None:
        """The norm between the MLP's last projection and the residual stream (Gemma 2); None where there is none."""
        return self._post_norm(layer, "ln2_post")

    @torch.no_grad()
    def _post_norm(self, layer: int, name: str) -> Norm | None:
        part = getattr(self.bridge.blocks[layer], name, None)
        return None if part is None else take_apart(part.original_component, self.d_model, self.unembedding.weight)

    def unembed(
        self, x: Float[Tensor, "*batch d_model"], first: int = 0, end: int | None = None
    ) -> Float[Tensor, "*batch column"]:
        """Logits of normalised residuals, before any soft cap, for the tokens `first` to `end` (None: all of them)."""
        bias = getattr(self.unembedding, "bias", None)
        whole = first == 0 and end is None
        logits = (
            self.unembedding(x)
            if whole
            else linear(x, self.unembedding.weight[first:end], None if bias is None else bias[first:end])
        )
        return logits if self._scale == 1 else logits * self._scale

    @property
    def _scale(self) -> float:
        """What the logits are multiplied by after the unembedding (Granite, Cohere); nearly always 1."""
        return 1.0 if self.opening.logit_scale is None else self.opening.logit_scale

    def unembedding_direction(self, token_id: int | Int[Tensor, "*token"]) -> Float[Tensor, "*token d_model"]:
        """`u_t = W_U[:, t]`, times what the logits are multiplied by; of each token where there are several."""
        return self.unembedding.weight[token_id].detach() * self._scale

    @property
    def embedding(self) -> Float[Tensor, "d_vocab d_model"]:
        """`W_E`: the vector each token is read as, before any scaling or position."""
        return self.hf_model.get_input_embeddings().weight.detach()

    def mean_unembedding(self) -> Float[Tensor, " d_model"]:
        """`u_t` averaged over the vocabulary: what it reads raises every logit alike and changes no probability."""
        return self.unembedding.weight.detach().float().mean(0) * self._scale

    def unembedding_bias(self, token_id: int) -> float:
        """`b_U[t]`, 0 where the model has none."""
        bias = getattr(self.unembedding, "bias", None)
        return 0.0 if bias is None else float(bias[token_id]) * self._scale

    def cap(self, logits: Tensor) -> Tensor:
        """The model's soft cap (Gemma 2): `c · tanh(logit / c)`; the identity elsewhere."""
        return logits if self.logit_cap is None else self.logit_cap * torch.tanh(logits / self.logit_cap)

    def w_q(self, layer: int) -> Float[Tensor, "head d_model d_head"]:
        """`W_Q` per head: ``x · W_Q[head]`` are its queries, before a bias, a norm or a rotation by position."""
        return self._attn_matrix(layer, "W_Q")

    def w_k(self, layer: int) -> Float[Tensor, "head d_model d_head"]:
        """`W_K` as each head reads it: grouped-query heads share one. Like `w_q`."""
        return self._attn_matrix(layer, "W_K")

    def w_v(self, layer: int) -> Float[Tensor, "head d_model d_head"]:
        """`W_V` as each head reads it: grouped-query heads share one. Like `w_q`."""
        return self._attn_matrix(layer, "W_V")

    def _attn_matrix(self, layer: int, name: str) -> Float[Tensor, "head d_model d_head"]:
        block = self.bridge.blocks[self.layer(layer)]
        try:
            matrix = getattr(getattr(block, "attn", None), name, None)
        except (ValueError, RuntimeError):  # how the bridge says that an architecture has none, or of another form
            matrix = None
        if not isinstance(matrix, Tensor) or matrix.ndim != 3:
            raise InputError(f"Attention of {self.id} has no {name} of each head: choose another model.", "model")
        return self._per_head(matrix.detach(), 0)

    def w_o(self, layer: int) -> Float[Tensor, "head d_v d_model"]:
        """`W_O` per head: ``z · W_O[head]`` is what the head writes, before a norm behind attention."""
        attn = getattr(self.bridge.blocks[self.layer(layer)], "attn", None)
        module = getattr(getattr(attn, "o", None), "original_component", None)
        matrix = None if module is None else projection.plain_matrix(module)
        if matrix is None:
            raise InputError(f"Attention of {self.id} has no W_O of each head: choose another model.", "model")
        return matrix.detach().unflatten(0, (self.n_heads, -1))

    def attn_o_pull_back(
        self, layer: int, direction: Float[Tensor, "*batch d_model"]
    ) -> Float[Tensor, "*batch head d_head"]:
        """`u = W_O · direction` per head: `z · u` is what the head writes along `direction`."""
        module = self.bridge.blocks[layer].attn.o.original_component
        return projection.pull_back(module, direction).unflatten(-1, (self.n_heads, -1))

    def attn_o_bias(self, layer: int) -> Float[Tensor, " d_model"]:
        """`b_O`: what attention writes when every head is silent."""
        return projection.bias(self.bridge.blocks[layer].attn.o.original_component, self._in_the_stream)

    def mlp_pull_back(self, layer: int, direction: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_mlp"]:
        """`W_out · direction`: what one unit of each neuron writes along `direction`."""
        return projection.pull_back(self.bridge.blocks[layer].mlp.out.original_component, direction)

    def mlp_bias(self, layer: int) -> Float[Tensor, " d_model"]:
        """What the MLP's last projection writes when every neuron is silent."""
        return projection.bias(self.bridge.blocks[layer].mlp.out.original_component, self._in_the_stream)

    @property
    def _in_the_stream(self) -> Float[Tensor, " d_model"]:
        """Nothing, of the stream's width, which embeddings need not have (OPT)."""
        return self.embedding.new_zeros(self.d_model)

    def per_head(self, v: Float[Tensor, "pos kv_head d_head"]) -> Float[Tensor, "pos head d_head"]:
        """Values as each head reads them: grouped-query heads share one."""
        return self._per_head(v, 1)

    def _per_head(self, x: Tensor, axis: int) -> Tensor:
        n = x.shape[axis]
        return x if n == self.n_heads else x.repeat_interleave(self.n_heads // n, dim=axis)

    def resid_names(self) -> list[str]:
        """Residual stream before each block and after the last: n_layers + 1 hook names."""
        return [hooks.resid_pre(layer) for layer in range(self.n_layers)] + [hooks.resid_post(self.n_layers - 1)]


def _in_one_piece(module: torch.nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The last positions of several rows lie apart, and torch would go through all of the weights for each row anew."""
    return (inputs[0].contiguous(), *inputs[1:])


def _logits_kept(logits: Literal["last", "all"] | int, ids: Tensor) -> dict[str, Any]:
    if logits == "all":
        return {}
    return {"logits_to_keep": 1 if logits == "last" else ids.new_tensor([logits])}
