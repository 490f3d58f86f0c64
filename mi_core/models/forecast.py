"""How much memory a model will need, read from its headers before anything is loaded."""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path

import psutil

from mi_core.errors import InputError

BYTES_PER_NUMBER = 4  # weights are opened in 32-bit floats, however they are stored
WORKING_ROOM = 1.1  # activations and logits beside the weights
HEADER_LIMIT = 100_000_000  # safetensors' own limit


def weights(folder: Path) -> list[Path]:
    """The safetensors files that hold the model of `folder`.

    Raises:
        InputError: There are none, or the index names files that are not there.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        raise _no_weights(folder)
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        files = [folder / Path(name).name for name in names]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(index) from error
    for file in files:
        if not file.is_file():
            raise InputError(
                f"The model's weights are incomplete: {file.name} is missing beside {index.name}. "
                "Fetch the model again.",
                "model",
            )
    return files


def header(file: Path) -> dict[str, dict]:
    """Name → dtype, shape and place of every tensor in a safetensors file.

    Raises:
        InputError: The file is cut short or is not safetensors.
    """
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(HEADER_LIMIT, file.stat().st_size):
                raise damaged(file)
            tensors = json.loads(stream.read(length))
        tensors.pop("__metadata__", None)
        end = max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise damaged(file) from error
    if 8 + length + end != file.stat().st_size:
        raise damaged(file)
    return tensors


def memory_bytes(folder: Path) -> int:
    """Bytes the model of `folder` will take once it is open, weights and room to compute with them.

    Raises:
        InputError: The weights are missing or damaged.
    """
    numbers = sum(prod(tensor["shape"]) for file in weights(folder) for tensor in header(file).values())
    return int(numbers * BYTES_PER_NUMBER * WORKING_ROOM)


def refuse_if_too_large(model_id: str, needed: int, free: float | None = None) -> None:
    """Stop before loading what would not fit.

    Args:
        model_id: For the sentence.
        needed: Forecast in bytes.
        free: Bytes to be had; None for this machine's free memory.

    Raises:
        InputError: More is needed than there is.
    """
    free = psutil.virtual_memory().available if free is None else free
    if needed > free:
        raise InputError(
            f"{model_id} needs about {gigabytes(needed)} of memory and {gigabytes(free)} is free: "
            "close other programs, or choose a smaller model such as loupe-mini.",
            "model",
        )


def gigabytes(count: int) -> str:
    """`count` bytes for people: ``"2.5 GB"``, ``"550 MB"``, ``"12 kB"``."""
    for size, unit, digits in ((1e9, "GB", 1), (1e6, "MB", 0)):
        if count >= size:
            return f"{count / size:.{digits}f} {unit}"
    return f"{count / 1e3:.0f} kB"


def damaged(file: Path) -> InputError:
    """The sentence for a file that cannot be read."""
    return InputError(
        f"{file.name} is damaged or was not copied completely: fetch the model again.",
        "model",
    )


def _no_weights(folder: Path) -> InputError:
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt*")):
        return InputError(
            "The folder holds its weights only as pickle files (.bin), which can run code when opened: convert them "
            "with transformers' model.save_pretrained(folder), which writes model.safetensors.",
            "model",
        )
    return InputError(
        "The folder has no weights: it needs model.safetensors, or model.safetensors.index.json with its parts.",
        "model",
    )
