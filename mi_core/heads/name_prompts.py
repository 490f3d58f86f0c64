"""Prompts that ask who receives: two names, one of them again, and the other is the answer.

After Wang et al. 2022, "Interpretability in the Wild: a Circuit for Indirect Object Identification in GPT-2 small". IO
is the name that is said once, S the one that comes again as S1 and S2, END the last position, whose next token is asked
for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from mi_core.errors import InputError, shortened
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.models.tokens import encode
from mi_core.phrases import listed

TEMPLATES = (
    "When {A} and {B} went to the {P}, {S} gave a {O} to",
    "Then, {A} and {B} went to the {P}. {S} handed a {O} to",
    "After {A} and {B} had left the {P}, {S} gave the {O} to",
    "Yesterday {A} and {B} met at the {P}. Later {S} sent a {O} to",
)
NAMES = (
    "Mary", "John", "Tom", "Anna", "Paul", "Sarah", "Mark", "Emma", "David", "Alice", "Peter", "Laura", "Michael",
    "Kate", "Robert", "Lucy", "Henry", "Julia", "Simon", "Daniel", "Jack", "Susan", "Thomas", "Linda", "William",
    "George", "Richard", "Kevin", "Brian", "Rachel", "Andrew", "Adam", "Jane", "Helen",
)  # fmt: skip
PLACES = ("store", "park", "school", "office", "station", "garden", "restaurant", "hospital", "market", "hotel")
OBJECTS = ("drink", "book", "ring", "ball", "letter", "key", "gift", "computer", "picture", "ticket", "box", "snack")
#: The eight prompts of TransformerLens' Exploratory Analysis demo: four sentences, each with the names either way.
PUBLISHED = (
    ("When {A} and {B} went to the shops, {S} gave the bag to", "John", "Mary"),
    ("When {A} and {B} went to the park, {S} gave the ball to", "Tom", "James"),
    ("When {A} and {B} went to the shops, {S} gave an apple to", "Dan", "Sid"),
    ("After {A} and {B} went to the park, {S} gave a drink to", "Martin", "Amy"),
)
LEAST_NAMES = 4
MOST_PROMPTS = 256
SLOT = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True)
class NamePrompt:
    """One prompt as a model reads it."""

    text: str
    ids: tuple[int, ...]
    """[pos] Token ids; the last position is END."""
    template: int
    """Which of the templates: prompts of one are equally long, with the last name's second mention at one position."""
    order: str
    """``"ABBA"``: IO is named first; ``"BABA"``: S is."""
    target: Target
    """IO − S."""
    io: int
    """Position of IO."""
    s1: int
    """Position of the repeated name's first mention."""
    s2: int
    """Position of its second."""

    @property
    def end(self) -> int:
        """The position whose next token is asked for."""
        return len(self.ids) - 1


@dataclass(frozen=True)
class NamePrompts:
    """What a model is asked, and what its heads are averaged over where they are knocked out."""

    asked: tuple[NamePrompt, ...]
    others: tuple[tuple[str, tuple[int, ...], int], ...]
    """(text, ids, template) of prompts alike in all but the names, which are three different ones, so that nobody comes
    again: the distribution ABC of Wang et al."""
    names: tuple[str, ...]
    """The names that are drawn from."""
    templates: tuple[str, ...]


def name_prompts(
    model: Model,
    *,
    questions: str = "drawn",
    n_prompts: int = 32,
    seed: int = 0,
    names: str = "",
    templates: str = "",
    prepend_bos: bool | None = None,
) -> NamePrompts:
    """Draw prompts, half of them in each order of the names, and as many of three different names.

    Args:
        model: The model, in whose vocabulary every name must be one token.
        questions: ``"drawn"``, or ``"published"`` for the eight prompts of TransformerLens' demo.
        n_prompts: How many; an even number.
        seed: Of the draw.
        names: Names to draw from, with commas between them; the usual ones where it is empty.
        templates: Sentences with {A}, {B} and {S}, and perhaps {P} (a place) and {O} (a thing), one per line; the usual
            ones where it is empty.
        prepend_bos: None follows the model's own habit.

    Raises:
        InputError: Too few of the names are single tokens; a sentence lacks a slot, or names are not read by
            themselves.
    """
    known = _single(model, _listed(names) or NAMES)
    if len(known) < LEAST_NAMES:
        raise InputError(
            f"{model.id} reads {_few(known)} of these names as a single token, and {LEAST_NAMES} are needed so that a "
            "name can be the answer: type other names, or choose another model.",
            "names",
        )
    if not 2 <= n_prompts <= MOST_PROMPTS or n_prompts % 2:
        raise InputError(
            f"The number of prompts must be even and from 2 to {MOST_PROMPTS}: choose another number.", "n_prompts"
        )
    random = Random(seed)
    if questions == "published":
        _check_published(model)
        sentences = tuple(sentence for sentence, *_ in PUBLISHED)
        rows = [(at, [a, b], {}) for at, (_, a, b) in enumerate(PUBLISHED)]
    else:
        sentences = _sentences(templates) or TEMPLATES
        fillers = {"P": _single(model, PLACES) or PLACES, "O": _single(model, OBJECTS) or OBJECTS}
        rows = [
            (
                row % len(sentences),
                tuple(random.sample(known, 2)),
                {slot: random.choice(fillers[slot]) for slot in "PO"},
            )
            for row in range(n_prompts // 2)
        ]
    asked, others = [], []
    for at, (a, b), filled in rows:
        for s in (b, a):
            asked.append(_prompt(model, sentences[at], at, a, b, s, filled, prepend_bos))
            three = random.sample(known, 3)
            text = _filled(sentences[at], dict(zip("ABS", three, strict=True)) | filled)
            others.append((text, model.tokens(text, prepend_bos).ids, at))
    _check_alike(model, sentences, asked, others)
    return NamePrompts(tuple(asked), tuple(others), known, sentences)


def _listed(names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in re.split(r"[,;\n]", names) if name.strip()))


def _single(model: Model, words: Sequence[str]) -> tuple[str, ...]:
    """Those that are one token behind a space."""
    return tuple(word for word in words if len(encode(model.tokenizer, f" {word}")) == 1)


def _few(known: Sequence[str]) -> str:
    return f"only {listed([f'“{name}”' for name in known])}" if known else "none"


def _check_published(model: Model) -> None:
    """Raises InputError where a name of the published prompts is not one token."""
    names = [name for _, *pair in PUBLISHED for name in pair]
    if missing := [name for name in names if name not in _single(model, names)]:
        raise InputError(
            f"{model.id} does not read {listed([f'“{name}”' for name in missing])} of the published prompts as single "
            "tokens: choose drawn prompts.",
            "questions",
        )


def _sentences(templates: str) -> tuple[str, ...]:
    """The lines of a field, each with its slots.

    Raises:
        InputError: A line lacks a slot, or has one that nothing fills; the line is named.
    """
    lines = tuple(line.rstrip() for line in templates.splitlines() if line.strip())
    for row, line in enumerate(lines, 1):
        slots = SLOT.findall(line)
        if any(slots.count(slot) != 1 for slot in "ABS") or set(slots) - set("ABSPO"):
            raise InputError(
                f"Sentence {row} (“{shortened(line, 40)}”) needs {{A}}, {{B}} and {{S}} once each, and may have {{P}} "
                "for a place and {O} for a thing: write {S} where the repeated name stands.",
                "templates",
            )
        if not (line.index("{A}") < line.index("{S}") and line.index("{B}") < line.index("{S}")):
            raise InputError(
                f"Sentence {row} (“{shortened(line, 40)}”) repeats a name before both are named: put {{S}} behind "
                "{A} and {B}.",
                "templates",
            )
    return lines


def _filled(sentence: str, words: dict[str, str]) -> str:
    return SLOT.sub(lambda slot: words[slot[1]], sentence)


def _prompt(
    model: Model, sentence: str, at: int, a: str, b: str, s: str, filled: dict[str, str], prepend_bos: bool | None
) -> NamePrompt:
    text = _filled(sentence, {"A": a, "B": b, "S": s} | filled)
    ids = model.tokens(text, prepend_bos).ids
    io = b if s == a else a
    io_id, s_id = (encode(model.tokenizer, f" {name}")[0] for name in (io, s))
    if ids.count(io_id) != 1 or ids.count(s_id) != 2 or len(ids) < 2:
        raise InputError(
            f"{model.id} does not read each name of “{shortened(text)}” as a token of its own: write a space before "
            "every name, use no name as another word, or choose other names.",
            "templates",
        )
    s1 = ids.index(s_id)
    s2 = ids.index(s_id, s1 + 1)
    target = Target(io_id, model.text(io_id), s_id, model.text(s_id))
    order = "ABBA" if ids.index(io_id) < s1 else "BABA"
    return NamePrompt(text, ids, at, order, target, ids.index(io_id), s1, s2)


def _check_alike(
    model: Model,
    sentences: Sequence[str],
    asked: Sequence[NamePrompt],
    others: Sequence[tuple[str, tuple[int, ...], int]],
) -> None:
    """Raises InputError unless all prompts of a sentence are equally long, as a mean over them needs."""
    for at, sentence in enumerate(sentences):
        lengths = {len(one.ids) for one in asked if one.template == at}
        lengths |= {len(ids) for _, ids, other in others if other == at}
        if len(lengths) > 1:
            raise InputError(
                f"{model.id} reads “{shortened(sentence, 40)}” as {listed([str(n) for n in sorted(lengths)])} tokens, "
                "by what fills it, so that no mean over prompts can be taken: choose other names or another sentence.",
                "templates",
            )
