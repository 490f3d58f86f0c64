"""A prompt opened as a game: what is read, who plays, what takes the players' place."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mi_core.errors import InputError
from mi_core.models.model import Activations, Model
from mi_core.models.tokens import Tokens
from mi_core.patching.pair import corrupted_tokens
from mi_core.saliency.answer import asked
from mi_core.saliency.baseline import EMBEDDING, check_baseline, instead
from mi_core.saliency.game import Game
from mi_core.saliency.players import players as cut


@dataclass(frozen=True, eq=False)
class Opened:
    """The prompt as a game, and what else is known of it."""

    prompt: str
    prepend_bos: bool | None
    tokens: Tokens
    pos: int
    game: Game
    other: float | None
    """The number of the exchanged prompt's own run; None without one."""

    @property
    def holds_all(self) -> bool:
        """Whether every position belongs to a player, but for the start token's."""
        return sum(len(player.positions) for player in self.game.players) + self.game.has_bos == len(self.game.ids)


def open_game(
    model: Model,
    prompt: str,
    *,
    target: str | None,
    foil: str | None,
    pos: int | None,
    metric: str,
    players: str,
    pattern: str,
    spans: str,
    baseline: str,
    baseline_token: str,
    corrupted: str,
    prepend_bos: bool | None,
) -> Opened:
    """Run the prompt, and decide what is measured; the settings are those of `input_attribution`.

    Raises:
        InputError: A bad prompt, answer, position, player or baseline.
    """
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    ids = model.up_to(tokens.ids, position)
    check_baseline(baseline, baseline_token)
    parts = cut(tokens, len(ids), players, pattern, spans)
    other = corrupted_tokens(model, corrupted, tokens, prepend_bos) if baseline == "corrupted" else None
    run = model.run(tokens, [EMBEDDING], logits=position)
    second = None if other is None else model.run(other, [EMBEDDING], logits=position)
    guesses = [int(one.logits[0].argmax()) for one in (run, second) if one]
    answer = asked(model, target, foil, metric, *guesses)
    if max(map(len, answer.steps(ids))) > model.n_ctx:
        raise InputError(f"Prompt and answer together are longer than {model.id} reads: shorten one of them.", "target")
    put = instead(model, tokens, run, baseline, baseline_token, second, len(ids))
    game = Game(model, ids, run[EMBEDDING][: len(ids)], put, parts, answer, math.nan, bool(tokens.special[0]))
    game.begin(_number(game, ids, run))
    theirs = None if other is None or second is None else _number(game, other.ids[: len(ids)], second)
    return Opened(prompt, prepend_bos, tokens, position, game, theirs)


def _number(game: Game, ids: tuple[int, ...], run: Activations) -> float:
    """The answer's number in a plain run."""
    steps = game.answer.steps(ids)
    own = float(steps.pop(ids)(run.logits[:1].float())[0])
    further = (
        (read, game.model.run_ids(game.model.rows([more])).logits[:, -1].float()) for more, read in steps.items()
    )
    return own + sum(float(read(logits)[0]) for read, logits in further)
