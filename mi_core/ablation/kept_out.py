"""Parts that are knocked out of every run of an analysis: what else matters, or takes over, without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mi_core.ablation import knockout
from mi_core.ablation.component import Component, component
from mi_core.ablation.cut import Cut
from mi_core.interventions.restart import Run
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens


@dataclass(frozen=True)
class KeptOut:
    """Which components are out, and what takes their place: settings as in `mi_core.analyses.ablated_text`."""

    without: tuple[str, ...] = ()
    mode: str = "mean"
    reference: str = ""
    sae: str | None = None

    def components(self, model: Model, n_pos: int) -> list[Component]:
        """What the names stand for in a prompt of `n_pos` tokens.

        Raises:
            InputError: A name is no component of this model.
        """
        return [component(model, name, "without", n_pos, self.sae) for name in self.without]

    def names(self, model: Model, n_pos: int) -> tuple[str, ...]:
        """The names as Loupe writes them."""
        return tuple(one.name for one in self.components(model, n_pos))

    def of(
        self, model: Model, tokens: Tokens, prepend_bos: bool | None, between: Callable[[], None] = lambda: None
    ) -> Run:
        """What takes all of them out of a run of this prompt.

        Raises:
            InputError: A bad name, mode, value or reference.
        """
        out = self.components(model, len(tokens))
        if not out:
            return ()
        plain = model.run(tokens, {one.hook for one in out if not isinstance(one, Cut)})
        ready = knockout.prepare(
            model, tokens, plain, out, self.mode, self.reference, prepend_bos=prepend_bos, between=between
        )  # fmt: skip
        return tuple(ready.together(out))
