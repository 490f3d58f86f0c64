"""The links that people copy: with short keys, the version of their words, and packed where they would be long.

The address bar keeps the long keys. What a link says is the same either way, and both are understood forever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from ui.packed import unpack

VERSION = 1  # of the words of addresses, `ui.words`: counts up when a link would be understood otherwise
TAG, PACKED = "v", "z"
LONG = 1_500  # characters of an address from which on it is packed
LONGEST = 12_000  # characters of an address that servers take

# Every key of five letters and more, and those that most links have. A short key never changes its meaning.
SHORT = {
    "against": "ag", "approximations": "ap", "baseline": "bs", "baseline_token": "bt", "beside": "bd",
    "bigram_token": "bg", "colour": "co", "compare": "cm", "compared": "cp", "corrupted": "c", "cut_letter": "cl",
    "dense": "dn", "density": "ds", "direction": "dr", "distance": "dt", "edit_direction": "ed", "edit_kind": "ek",
    "edit_layer": "el", "edit_numbers": "en", "edit_token": "et", "edits": "e", "estimate": "es", "feature": "fe",
    "feature2": "fe2", "feature3": "fe3", "feature4": "fe4", "fetched": "ft", "fit_guess": "fg", "foil": "f",
    "follow": "fl", "gains": "gn", "guess": "gs", "head": "h", "heard_by": "hb", "hidden": "hd", "importance": "im",
    "input": "in", "key_pos": "kp", "label": "lb", "labelled": "ll", "largest": "lr", "layer": "l", "layer2": "l2",
    "layer3": "l3", "layer4": "l4", "learning_steps": "ls", "least": "lt", "lens_source": "ln", "letter": "let",
    "measure": "ms", "measured": "mr", "metric": "mt", "model": "m", "moved": "mv", "n_features": "nf",
    "n_hidden": "nh", "n_steps": "ns", "nearest_to": "nr", "negative": "ng", "negative2": "ng2", "negative3": "ng3",
    "negative4": "ng4", "neighbours": "nb", "neuron": "n", "new_answer": "na", "new_tokens": "nt",
    "operation": "op", "other_sae": "os", "own_words": "ow", "pairs": "pai", "paraphrases": "pp", "parts": "pt",
    "patch": "pc", "pattern": "pn", "permutations": "pm", "players": "pl", "pos": "i", "positive": "ps",
    "positive2": "ps2", "positive3": "ps3", "positive4": "ps4", "probe": "pr", "probe2": "pr2", "probe3": "pr3",
    "probe4": "pr4", "probe_strength": "pb", "prompt": "p", "reach": "rc", "reach_times": "rt", "read_at": "ra",
    "read_by": "rb", "read_token": "rd", "reads": "rs", "receiver": "rv", "reference": "rf", "skip_first": "sf",
    "source": "so", "source2": "so2", "source3": "so3", "source4": "so4", "space": "sp", "spans": "sn",
    "start": "sr", "starts": "ss", "steps": "ste", "straight": "sg", "strength": "st", "strength2": "st2",
    "strength3": "st3", "strength4": "st4", "subject": "sb", "sweep": "sw", "target": "t", "temperature": "te",
    "texts": "tx", "times": "tm", "token": "k", "token2": "k2", "token3": "k3", "token4": "k4", "tokens": "tk",
    "tour_step": "ts", "towards": "tw", "training_steps": "tr", "unpack": "un", "unrelated": "ur", "vector": "ve",
    "vector2": "ve2", "vector3": "ve3", "vector4": "ve4", "weighted": "wg", "window": "wn", "written": "wr",
    "analysis": "an", "column": "cn", "for_all": "fa", "prompt_column": "pk", "prompts": "pq",
    "rows_from": "rw", "table": "ta",
    "setting": "stg", "value": "vl",
    "outside": "ou", "edges_shown": "eg", "level": "lv", "made_of": "mo", "family": "fy", "slide": "sl",
    "nodes_of": "no", "alone": "al", "node_share": "nz", "lines": "li", "pinned": "pi", "groups": "gr",
    "chance": "cc", "chance_seed": "cs",
    "sender": "sd", "feature_mode": "fm", "set_to": "sv", "query_pos": "qp",
    "hold2": "ho2", "hold3": "ho3", "hold4": "ho4",
    "questions": "qs", "n_prompts": "np", "names": "nm", "templates": "tp", "knocked": "kn", "without": "wo",
}  # fmt: skip
_LONG = {short: key for key, short in SHORT.items()}


@dataclass(frozen=True)
class Opened:
    """A query with long keys: the values `given` for each, the `query` as text, and faults as (key, value, what)."""

    given: dict[str, list[str]]
    query: str
    faults: tuple[tuple[str, str, str], ...]


def opened(given: Mapping[str, Sequence[str]], query: str) -> Opened:
    """Undo what the copying of a link did; an address with long keys stays as it is.

    Args:
        given: The values of each key, decoded.
        query: The same as it was sent.
    """
    values = {key: list(texts) for key, texts in given.items() if key not in (TAG, PACKED)}
    versions, faults = list(given.get(TAG, ())), []
    for packed in given.get(PACKED, ())[-1:]:
        try:
            query = unpack(packed)
            inside = parse_qs(query, keep_blank_values=True, errors="replace")
            versions += inside.pop(TAG, [])
            values = inside | values
        except ValueError:
            faults.append((PACKED, packed, "is damaged"))
    for version in versions[-1:]:
        if not version.isascii() or not version.isdecimal():
            faults.append((TAG, version, "is no version of links"))
        elif version != str(VERSION):
            faults.append((TAG, version, "another Loupe wrote"))
    return Opened({long_key(key): texts for key, texts in values.items()}, query, tuple(faults))


def long_key(key: str) -> str:
    """The key that a short one stands for, behind a prefix too; any other stays as it is."""
    prefix, dot, name = key.rpartition(".")
    return prefix + dot + _LONG.get(name, name)


def is_copied(key: str) -> bool:
    """Whether a key is one of copied links only."""
    return key in (TAG, PACKED) or long_key(key) != key
