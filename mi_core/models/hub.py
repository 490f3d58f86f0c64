"""Fetches models and SAEs from the Hugging Face hub into its usual cache, with progress in bytes."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import constants, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    DryRunError,
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from tqdm.auto import tqdm

from mi_core.errors import InputError
from mi_core.models import forecast

# Never *.bin or *.pt (pickle can run code), never Python files; "*/*" would be copies for other programs.
WANTED = (
    "config.json", "generation_config.json", "model*.safetensors", "model.safetensors.index.json", "tokenizer.json",
    "tokenizer.model", "spiece.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt",
)  # fmt: skip
UNWANTED = ("*/*",)
SHA256 = re.compile(r"[0-9a-f]{64}")


def cached(hub_id: str, revision: str = "") -> Path | None:
    """The snapshot on this machine, found without any network; None where there is none or it is incomplete."""
    patterns = {"allow_patterns": list(WANTED), "ignore_patterns": list(UNWANTED)}
    try:
        return Path(snapshot_download(hub_id, revision=revision or None, local_files_only=True, **patterns))
    except LocalEntryNotFoundError:
        return None


def revisions(hub_id: str) -> list[str]:
    """The revisions that were fetched by name to this machine, found without any network."""
    refs = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=hub_id, repo_type="model") / "refs"
    return sorted(path.name for path in refs.glob("*") if path.is_file())


def download(
    model_id: str,
    hub_id: str,
    progress: Callable[[int, int, str], None],
    revision: str = "",
    again: bool = False,
) -> Path:
    """Fetch configuration, tokenizer and safetensors weights.

    Args:
        model_id: The name people know it by, for the sentences.
        hub_id: owner/name.
        progress: Called with (bytes done, bytes in all, message); the message says both for people.
        revision: A branch, tag or commit; "" for the usual one.
        again: Fetch also what is already there, because it is damaged.

    Raises:
        InputError: No network, no such model, a gated one, no safetensors weights, no room, a damaged transfer.
    """
    patterns: dict[str, Any] = {"allow_patterns": list(WANTED), "ignore_patterns": list(UNWANTED)}
    patterns |= {"revision": revision or None, "force_download": again}
    try:
        files = snapshot_download(hub_id, dry_run=True, tqdm_class=_quiet_bar(), **patterns)
        total = sum(file.file_size for file in files if file.will_download)
        _check_offer(model_id, [file.filename for file in files])
        _check_room(model_id, total, "model")
        report = _in_bytes(progress, model_id, total)
        report(0)
        folder = Path(snapshot_download(hub_id, tqdm_class=_quiet_bar(report), **patterns))
    except (DryRunError, HTTPError, OSError) as error:
        raise _sentence(model_id, hub_id, error) from error
    _verify(model_id, folder)
    return folder


def cached_file(hub_id: str, path: str, repo_type: str = "model") -> Path | None:
    """A file of a repository on this machine, found without any network; None where it is not there."""
    found = try_to_load_from_cache(hub_id, path, repo_type=repo_type)
    return Path(found) if isinstance(found, str) else None


def download_part(
    hub_id: str, path: str, title: str, progress: Callable[[int, int, str], None], repo_type: str = "model"
) -> None:
    """Fetch one file, or all files of one folder, of a repository; what is already there is not fetched again.

    Args:
        hub_id: owner/name.
        path: The file or the folder.
        title: The name people know it by.
        progress: As in `download`.
        repo_type: Of the repository: ``"model"`` or ``"space"``.

    Raises:
        InputError: No room on the disk.
        DryRunError, HTTPError, OSError: No network, no such repository, or one that is not open to all.
    """
    part: dict[str, Any] = {"allow_patterns": [path, f"{path}/*"], "repo_type": repo_type}
    files = snapshot_download(hub_id, dry_run=True, tqdm_class=_quiet_bar(), **part)
    total = sum(file.file_size or 0 for file in files if file.will_download)
    if total:
        _check_room(title, total, "sae")
        report = _in_bytes(progress, title, total)
        report(0)
        snapshot_download(hub_id, tqdm_class=_quiet_bar(report), **part)


def _check_offer(model_id: str, names: list[str]) -> None:
    """Refuse before the first byte what could not be opened after the last."""
    if not any(name.endswith(".safetensors") for name in names):
        raise InputError(
            f"{model_id} offers no safetensors weights, and Loupe opens no pickle files because they can run code: "
            "choose another model, or convert it with transformers' model.save_pretrained(folder) and open the folder.",
            "model",
        )


def _check_room(title: str, total: int, field: str) -> None:
    """Refuse before the first byte what could not be kept after the last."""
    cache = Path(constants.HF_HUB_CACHE)
    there = next(path for path in (cache, *cache.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if total > free:
        raise InputError(
            f"Downloading {title} takes {forecast.gigabytes(total)} and {forecast.gigabytes(free)} of disk is free: "
            f"make room, or choose a smaller {'model' if field == 'model' else 'one'}.",
            field,
        )


def _sentence(model_id: str, hub_id: str, error: Exception) -> InputError:
    """What went wrong, for the person who asked for the model."""
    cause = error.__cause__ if isinstance(error, DryRunError) and error.__cause__ is not None else error
    if isinstance(cause, GatedRepoError):
        return InputError(
            f"{model_id} is gated: accept its licence at huggingface.co/{hub_id}, then sign in on this machine with "
            "“hf auth login”.",
            "model",
        )
    if isinstance(cause, RevisionNotFoundError):
        return InputError(
            f"Hugging Face has no such revision of {hub_id} as {model_id} names: check it there.", "model"
        )
    if isinstance(cause, RepositoryNotFoundError):
        return InputError(
            f"Hugging Face has no public model “{hub_id}”: check the spelling; for a private one, sign in with "
            "“hf auth login”.",
            "model",
        )
    if constants.HF_HUB_OFFLINE:
        return InputError(
            f"{model_id} is not on this machine and downloads are switched off (HF_HUB_OFFLINE): "
            "switch them on, or choose loupe-mini, which works offline.",
            "model",
        )
    if isinstance(cause, OSError) and not isinstance(cause, HfHubHTTPError) and "onsistency" in str(cause):
        return _transfer_damaged(model_id)
    return InputError(
        f"{model_id} is not on this machine and could not be downloaded: check the network connection, "
        "or choose loupe-mini, which works offline.",
        "model",
    )


def _verify(model_id: str, folder: Path) -> None:
    """Large files are kept under their SHA-256: a transfer that changed a byte is noticed, and not kept."""
    for file in forecast.weights(folder):
        blob = file.resolve()
        if not SHA256.fullmatch(blob.name):
            continue
        with blob.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != blob.name:
            blob.unlink()
            file.unlink(missing_ok=True)
            raise _transfer_damaged(model_id)


def _transfer_damaged(model_id: str) -> InputError:
    return InputError(f"{model_id} was damaged on its way here: try again.", "model")


def _in_bytes(progress: Callable[[int, int, str], None], model_id: str, total: int) -> Callable[[int], None]:
    size = forecast.gigabytes(total)

    def report(done: int) -> None:
        done = min(done, total)
        progress(done, total, f"Downloading {model_id}: {forecast.gigabytes(done)} of {size}")

    return report


def _quiet_bar(report: Callable[[int], None] | None = None) -> type[tqdm]:
    """A progress bar that draws nothing and tells `report` the largest number of bytes any of its bars has seen."""

    class QuietBar(tqdm):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs | {"file": io.StringIO(), "leave": False})

        def display(self, *args, **kwargs) -> bool:
            return True

        def update(self, n: float | None = 1) -> bool | None:
            drawn = super().update(n)
            if report is not None and self.unit == "B":
                report(int(self.n))
            return drawn

    return QuietBar
