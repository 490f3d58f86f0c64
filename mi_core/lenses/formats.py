"""What is read of a lens' file, in Loupe's format or a published one: tensors by name. Nothing else is unpickled."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mi_core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

#: Tensors by how many blocks have been passed, and by part: ``"weight"`` or ``"bias"``.
Maps = dict[tuple[int, str], "Tensor"]

OURS = re.compile(r"layers\.(?P<layer>\d+)\.(?P<part>weight|bias)")
TUNED = re.compile(r"(?P<layer>\d+)\.(?P<part>weight|bias)")
BESIDE = re.compile(r"unembed\S*|(input|output)_\S*")  # what older files of tuned lenses hold beside their maps
JACOBIAN = ("J", "n_prompts", "source_layers", "d_model", "metadata")
SKIPPED = 16  # positions that the reference leaves out, where a file does not say it


def read(path: Path, kind: str) -> tuple[Maps, dict[str, str]]:
    """The maps of a file, and what it says of itself: `texts` and `first_pos`, where it does.

    Args:
        path: ``.safetensors`` with ``layers.<blocks passed>.weight`` and ``.bias``; or ``.pt`` as tuned-lens or
            jacobian-lens write it.
        kind: ``"tuned"`` or ``"jacobian"``.

    Raises:
        InputError: It cannot be read, or holds something that is no part of a lens.
    """
    try:
        state, about = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path, kind)
    except InputError:
        raise
    except Exception as error:  # the libraries raise what they meet in the file
        raise _damaged(path.name) from error
    if not state:
        raise _damaged(path.name)
    return state, about


def _read_safetensors(path: Path) -> tuple[Maps, dict[str, str]]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        names = {name: OURS.fullmatch(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        _refuse_others(path.name, [name for name, match in names.items() if match is None])
        state = {(int(match["layer"]), match["part"]): file.get_tensor(name) for name, match in names.items() if match}
        return state, file.metadata() or {}


def _read_torch(path: Path, kind: str) -> tuple[Maps, dict[str, str]]:
    """A published file: numbers and names only, which `weights_only` sees to; the tensors are copied out."""
    import torch

    held = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(held, dict):
        raise _damaged(path.name)
    return _jacobians(held, path.name) if kind == "jacobian" else (_translators(held, path.name), {})


def _jacobians(held: dict[Any, Any], name: str) -> tuple[Maps, dict[str, str]]:
    """Counted there by the block whose output is read: one less than the blocks that were passed."""
    _refuse_others(name, [str(key) for key in held if key not in JACOBIAN])
    maps: Maps = {(int(layer) + 1, "weight"): _copied(tensor, name) for layer, tensor in held["J"].items()}
    first = (held.get("metadata") or {}).get("skip_first_positions", SKIPPED)
    return maps, {"texts": str(held.get("n_prompts", "")), "first_pos": str(first)}


def _translators(held: dict[Any, Any], name: str) -> Maps:
    state = {}
    for key, tensor in held.items():
        match = TUNED.fullmatch(str(key))
        if match:
            state[int(match["layer"]), match["part"]] = _copied(tensor, name)
        elif not BESIDE.fullmatch(str(key)):
            _refuse_others(name, [str(key)])
    return state


def _copied(tensor: Any, name: str) -> Tensor:
    import torch

    if not isinstance(tensor, torch.Tensor):
        raise _damaged(name)
    return tensor.detach().clone().contiguous()


def _refuse_others(name: str, keys: list[str]) -> None:
    if keys:
        raise InputError(f"{name} holds “{keys[0][:40]}”, which is no part of a lens: use a lens' own file.", "source")


def _damaged(name: str) -> InputError:
    return InputError(f"{name} cannot be read as a lens: fetch or train it again.", "source")
