"""The models Loupe offers by name, with what a person wants to know before choosing one."""

from __future__ import annotations

import difflib
import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_core.errors import InputError, shortened

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT = "loupe-mini"


@dataclass(frozen=True)
class SaeEntry:
    """A sparse autoencoder that fits one site of a model.

    `hook` is the site it reads, `release` and `sae_id` its names in sae_lens' list of public SAEs, or `folder` where
    it lies on disk. `centred`: it expects activations less their mean over d_model. `neuronpedia` is the path of its
    features on neuronpedia.org, or None. `name` is what it is asked for by: its hook, or ``hook#folder`` for a further
    one at the same hook. `refused` says why it cannot be read, as far as its configuration tells.
    """

    hook: str
    release: str | None = None
    sae_id: str | None = None
    folder: Path | None = None
    centred: bool = False
    neuronpedia: str | None = None
    name: str = ""
    refused: str = ""


@dataclass(frozen=True)
class LensEntry:
    """A published lens of a `kind` (``"tuned"``, ``"jacobian"``): the file `path` of a Hugging Face repository."""

    kind: str
    repo: str
    path: str
    download_bytes: int
    repo_type: str = "model"


@dataclass(frozen=True)
class Entry:
    """A model of the catalogue; sizes are approximate, in bytes.

    `hub_id` is where it is downloaded from on first use, `folder` where a built-in model lies; one of them is None.
    `gated`: its owner asks people to accept a licence on the model's page first.
    """

    id: str
    title: str
    description: str
    licence: str
    parameters: int
    download_bytes: int
    memory_bytes: int
    hub_id: str | None = None
    folder: Path | None = None
    gated: bool = False
    saes: tuple[SaeEntry, ...] = ()
    lenses: tuple[LensEntry, ...] = ()


@functools.cache
def entries() -> tuple[Entry, ...]:
    """Every model of the catalogue, the built-in one first."""
    with Path(__file__).with_name("catalogue.toml").open("rb") as file:
        return tuple(_entry(model) for model in tomllib.load(file)["models"])


def find(model_id: str) -> Entry:
    """The entry of that id.

    Raises:
        InputError: There is none; the closest id is suggested.
    """
    for entry in entries():
        if entry.id == model_id:
            return entry
    raise unknown(model_id)


def unknown(model_id: str) -> InputError:
    """The sentence for an id that is none, with the closest known one as its repair."""
    ids = [entry.id for entry in entries()]
    close = difflib.get_close_matches(model_id.lower(), ids, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? There is also" if close else "choose"
    others = ", ".join(known for known in ids if known not in close)
    shown = shortened(model_id)
    return InputError(
        f"There is no model “{shown}”: {hint} {others}, any Hugging Face id (owner/name), or a model folder.",
        "model",
        suggestion=close[0] if close else None,
    )


def _entry(model: dict[str, Any]) -> Entry:
    folder = REPOSITORY / model["folder"] if "folder" in model else None
    saes = tuple(sae for table in model.get("saes", []) for sae in _saes(table, folder))
    lenses = tuple(LensEntry(**table) for table in model.get("lenses", []))
    return Entry(**model | {"folder": folder, "saes": saes, "lenses": lenses})


def _saes(table: dict[str, Any], model_folder: Path | None) -> list[SaeEntry]:
    """One entry per layer that `table` speaks of."""
    fields = {name: value for name, value in table.items() if name != "layers"}
    if "folder" in fields:
        fields["folder"] = model_folder / fields["folder"]
    if "layers" not in table:
        return [SaeEntry(**fields)]
    first, last = table["layers"]
    return [SaeEntry(**{name: _at(value, layer) for name, value in fields.items()}) for layer in range(first, last + 1)]


def _at(value: Any, layer: int) -> Any:
    return value.replace("{layer}", str(layer)) if isinstance(value, str) else value
