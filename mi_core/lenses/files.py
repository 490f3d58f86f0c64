"""The learned lenses that a model has: beside its weights, trained here, or published."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from mi_core import disk
from mi_core.errors import Absent, InputError, choose
from mi_core.lenses.formats import Maps, read
from mi_core.models import catalogue
from mi_core.models.loading import local_folder

if TYPE_CHECKING:  # pages list lenses long before torch is there
    from mi_core.lenses.translator import Translator
    from mi_core.models.model import Model

Kind = Literal["tuned", "jacobian"]
NAMES: dict[str, str] = {"tuned": "tuned lens", "jacobian": "Jacobian lens"}


@dataclass(frozen=True)
class LensFile:
    """A lens that a model has: its `source`, and its `path`, or the `entry` of one that others have published."""

    source: str
    path: Path = Path()
    entry: catalogue.LensEntry | None = None


def available(model_id: str, kind: Kind, fingerprint: str = "") -> dict[str, LensFile]:
    """The lenses of a model by their source, the one that is taken first in front. Reads no weights.

    Args:
        model_id: The model's name, or its folder.
        kind: Which lens.
        fingerprint: Of the model's weights; without it, what was trained here is not looked for.
    """
    known = {entry.id: entry for entry in catalogue.entries()}.get(model_id)
    found = {}
    folder = known.folder if known else local_folder(model_id)
    if folder is not None and (path := folder / file_name(kind)).is_file():
        found["model"] = LensFile("model", path)
    if fingerprint and (path := trained(fingerprint, kind)).is_file():
        found["trained"] = LensFile("trained", path)
    for entry in known.lenses if known else ():
        if entry.kind == kind:
            found["published"] = LensFile("published", entry=entry)
    return found


def file_name(kind: Kind) -> str:
    """What the file of a lens is called."""
    return f"{kind}_lens.safetensors"


def trained(fingerprint: str, kind: Kind) -> Path:
    """Where a lens that was trained here is kept, for these weights, with edits or without."""
    return disk.cache_folder() / "lenses" / fingerprint.partition("+")[0] / file_name(kind)


def stamp(model_id: str, fingerprint: str) -> str:
    """Changes with every file of a model's lenses."""
    lenses = [lens for kind in get_args(Kind) for lens in available(model_id, kind, fingerprint).values()]
    seen = [disk.state(lens.path) for lens in lenses if not lens.entry]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16] if seen else ""


def open_lens(model: Model, kind: Kind, source: str | None = None) -> Translator:
    """A learned lens of a model, on its device.

    Args:
        model: The model that it reads.
        kind: Which lens.
        source: ``"model"`` for the one beside the weights, ``"trained"`` for the one trained here, ``"published"`` for
            the one that others offer; None for the first of these that there is.

    Raises:
        Absent: A published one that has to be fetched first.
        InputError: There is none, a damaged file, or one made for another model.
    """
    found = available(model.id, kind, model.fingerprint)
    if not found:
        raise InputError(
            f"There is no {NAMES[kind]} for {model.id}: train one on a text file, or put {file_name(kind)} into the "
            "model's folder.",
            "source",
        )
    file = found[choose(source, found, "source", f"{NAMES[kind]} that this model has") if source else next(iter(found))]
    path = _fetched(file.entry, kind) if file.entry else file.path
    state, about = read(path, kind)
    _check(state, model, kind, path.name)
    return _translator(state, about, file, kind).to(model.device)


def _translator(state: Maps, about: dict[str, str], file: LensFile, kind: Kind):
    from mi_core.lenses.translator import Translator

    parts = {part: {layer: t for (layer, name), t in state.items() if name == part} for part in ("weight", "bias")}
    where = {
        "model": "lies beside the model's weights",
        "trained": "was trained here",
        "published": f"was published as {file.entry.repo if file.entry else ''}",
    }[file.source]
    texts = f", fitted on {int(about['texts']):,} texts" if about.get("texts", "").isdigit() else ""
    first = about.get("first_pos", "")
    return Translator(
        weight=parts["weight"],
        bias=parts["bias"],
        adds=kind == "tuned",
        origin=f"{where}{texts}.",
        first_pos=int(first) if first.isdigit() else 0,
    )


def _check(state: Maps, model: Model, kind: Kind, name: str) -> None:
    """Raises InputError where the file is of another model, incomplete or damaged."""
    d, n = model.d_model, model.n_layers
    for (_layer, part), tensor in state.items():
        right = (d, d) if part == "weight" else (d,)
        if tuple(tensor.shape) != right:
            raise InputError(
                f"{name} was made for streams {tensor.shape[-1]:,} wide, and those of {model.id} are {d:,} wide: it "
                "belongs to another model.",
                "source",
            )
        if not tensor.isfinite().all():
            raise InputError(
                f"{name} is damaged: it holds values that are no numbers. Fetch or train it again.", "source"
            )
    layers = {layer for layer, part in state if part == "weight"}
    whole = set(range(n)) if kind == "tuned" else set(range(1, n))
    if layers != whole or not {layer for layer, _ in state} <= layers:
        raise InputError(
            f"{name} has maps for {len(layers)} of the {len(whole)} layers of {model.id} that a {NAMES[kind]} maps: it "
            "belongs to another model, or is incomplete.",
            "source",
        )


def _fetched(entry: catalogue.LensEntry, kind: Kind) -> Path:
    """The published file on this machine.

    Raises:
        Absent: It is not there yet.
    """
    from mi_core.models import hub

    path = hub.cached_file(entry.repo, entry.path, entry.repo_type)
    if path is None:
        raise Absent(
            f"The {NAMES[kind]} has to be downloaded first: ask for it through mi_core.run, which does that.",
            "source",
            lambda progress: fetch(entry, kind, progress),
        )
    return path


def fetch(entry: catalogue.LensEntry, kind: Kind, progress: Callable[[int, int, str], None]) -> None:
    """Download a published lens into the usual Hugging Face cache.

    Raises:
        InputError: No network, or no room.
    """
    import httpx
    from huggingface_hub.errors import DryRunError

    from mi_core.models import hub

    try:
        hub.download_part(entry.repo, entry.path, f"the {NAMES[kind]}", progress, entry.repo_type)
    except (DryRunError, httpx.HTTPError, OSError) as error:
        raise InputError(
            f"The {NAMES[kind]} ({entry.repo}) is downloaded on first use and could not be fetched: check the network "
            "connection, or train one on a text file.",
            "source",
        ) from error
