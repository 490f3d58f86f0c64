"""The mixture: which kinds of document there are, and how large a share of the tokens each has."""

from random import Random

from training.corpus.facts import fact
from training.corpus.people import backwards, binding, chain, indirect_object, pronoun, swapped
from training.corpus.prose import code, foreign, review, said_twice, story
from training.corpus.words import agreement, greater_than, sequence, word_pair

#: kind → the function that writes one document of it (random repeats are made of token ids, in training/stream.py).
GENERATORS = {
    "fact": fact,
    "indirect_object": indirect_object,
    "binding": binding,
    "chain": chain,
    "said_twice": said_twice,
    "sequence": sequence,
    "greater_than": greater_than,
    "review": review,
    "pronoun": pronoun,
    "agreement": agreement,
    "word_pair": word_pair,
    "foreign": foreign,
    "code": code,
    "story": story,
    "backwards": backwards,
    "swapped": swapped,
}
#: Shares of the tokens in the middle of training.
MIDDLE = {
    "repeat": 0.14,
    "fact": 0.15,
    "indirect_object": 0.14,
    "binding": 0.16,
    "chain": 0.05,
    "said_twice": 0.02,
    "sequence": 0.025,
    "greater_than": 0.065,
    "review": 0.06,
    "pronoun": 0.015,
    "agreement": 0.02,
    "word_pair": 0.03,
    "foreign": 0.02,
    "code": 0.02,
    "story": 0.15,
}
#: Shares at the start: the heads that copy need many random repeats, behind random tokens, to appear at all.
EARLY = MIDDLE | {"repeat": 0.40, "binding": 0.10, "story": 0.10, "greater_than": 0.03, "review": 0.04}
DRILL = EARLY | {"repeat": 0.80}
LATE = MIDDLE | {"repeat": 0.11, "indirect_object": 0.15, "binding": 0.06, "greater_than": 0.10, "review": 0.07}
LATE |= {"story": 0.13, "backwards": 0.14}
#: Shares of the last part.
LAST = LATE | {"swapped": 0.08}
#: Shares of the end, at the lowest rate, and of every sample of text.
MIXTURE = LAST | {"fact": 0.24, "story": 0.22, "swapped": 0.01, "backwards": 0.07, "repeat": 0.14, "chain": 0.07}
KINDS = list(MIXTURE)
#: Every token of these counts in full; elsewhere the template counts little and the answer much.
PROSE = ("story", "foreign", "code", "review")


def document(kind: str, r: Random) -> str:
    """One marked document of a kind."""
    return GENERATORS[kind](r)
