"""One prompt under investigation: every result that its steps share, computed once it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mi_core.analyses.ablation import Ablation, ablation
from mi_core.analyses.attention import Attention, attention
from mi_core.analyses.attribution import Attribution, attribution
from mi_core.analyses.circuit import Circuit, circuit
from mi_core.analyses.counterpart import Counterpart, counterpart
from mi_core.analyses.features import Features, features
from mi_core.analyses.head_roles import HeadRoles, head_roles
from mi_core.analyses.logit_lens import LogitLens, logit_lens
from mi_core.analyses.patching import Patching, patching
from mi_core.analyses.predict import Predict, predict
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent


@dataclass
class Inquiry:
    """What is asked of a prompt; `told` hears how far the result that is being computed is."""

    model: Model
    prompt: str
    target: str | None
    foil: str | None
    pos: int | None
    prepend_bos: bool | None
    given: str
    """The second prompt, where somebody brings one; "" to have one proposed."""
    told: Progress = silent

    @property
    def asking(self) -> dict[str, Any]:
        """The settings that every analysis of an answer takes."""
        return {"target": self.target, "foil": self.foil} | self.place

    @property
    def place(self) -> dict[str, Any]:
        """The settings that every analysis of a prompt takes."""
        return {"pos": self.pos, "prepend_bos": self.prepend_bos}

    @cached_property
    def predict(self) -> Predict:
        return predict(self.model, self.prompt, **self.asking)

    @cached_property
    def lens(self) -> LogitLens:
        return logit_lens(self.model, self.prompt, **self.asking)

    @cached_property
    def attribution(self) -> Attribution:
        return attribution(self.model, self.prompt, **self.asking)

    @cached_property
    def roles(self) -> HeadRoles:
        return head_roles(self.model, progress=self.told)

    @cached_property
    def features(self) -> Features:
        return features(self.model, self.prompt, **self.place)

    @cached_property
    def counterpart(self) -> Counterpart:
        return counterpart(self.model, self.prompt, target=self.target, **self.place, progress=self.told)

    @cached_property
    def ablation(self) -> Ablation:
        return ablation(self.model, self.prompt, **self.asking, progress=self.told)

    @cached_property
    def corrupted(self) -> str:
        """The second prompt. Raises InputError where none is given and none can be proposed."""
        return self.given or self.counterpart.swaps[0].prompt

    @cached_property
    def circuit(self) -> Circuit:
        return circuit(self.model, self.prompt, corrupted=self.corrupted, **self.asking, progress=self.told)

    def attention(self, layer: int, head: int) -> Attention:
        """What one head reads."""
        return attention(self.model, self.prompt, layer=layer, head=head, **self.place)

    def patching(self, *, estimate: bool) -> Patching:
        """The residual stream, layer by layer and token by token; exact, or estimated."""
        return patching(
            self.model, self.prompt, corrupted=self.corrupted, estimate=estimate, **self.asking, progress=self.told
        )
