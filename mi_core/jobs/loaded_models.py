"""The models in memory: loaded in the background, held under a budget of bytes."""

from __future__ import annotations

import gc
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mi_core.jobs.job import Cancelled
from mi_core.lru import LRU

if TYPE_CHECKING:
    from mi_core.models.model import Model

MEMORY_SHARE = 0.6  # of what is free at the start, for weights


@dataclass(frozen=True)
class ModelStatus:
    """Where a model stands. `message` says what is being done, or what went wrong; `fraction` 0 to 1 where known."""

    state: Literal["absent", "loading", "ready", "failed"] = "absent"
    message: str = ""
    fraction: float | None = None
    error: BaseException | None = None


class LoadedModels:
    """Every model that is loading, ready or failed.

    Args:
        load: `load(model_id, progress) -> Model`, with `progress(done, total, message)`, total 0 if unknown; None for
            `mi_core.models.loading.load`.
        max_bytes: Budget for weights; None for 60 % of the memory free now. The least recently used idle models go
            first; the one used last stays.
        lock: The owner's lock, so that a model cannot go between a look and a use.
        busy: Ids of models that have work and must stay; called with the lock held.
        on_change: Called with a model's id, without the lock, when it is ready or has failed.
    """

    def __init__(
        self,
        load: Callable[..., Model] | None,
        max_bytes: int | None,
        lock: threading.Condition,
        busy: Callable[[], set[str]],
        on_change: Callable[[str], None],
    ) -> None:
        self._load = load or _load
        max_bytes = _free_memory() if max_bytes is None else max_bytes
        self._lock = lock
        self._on_change = on_change
        self._models: LRU[str, Model] = LRU(max_bytes, _weight_bytes, spared=1, busy=busy)
        self._status: dict[str, ModelStatus] = {}
        self._closed = False

    def status(self, model_id: str) -> ModelStatus:
        """Where the model stands now."""
        return self._status.get(model_id, ModelStatus())

    def get(self, model_id: str) -> Model | None:
        """The model if it is ready; it counts as used."""
        with self._lock:
            return self._models.get(model_id)

    def is_ready(self, model_id: str) -> bool:
        """Whether the model can be used; does not count as a use."""
        return model_id in self._models

    def warm(self, model_id: str) -> None:
        """Start loading unless that has been done; a model that failed is tried again."""
        with self._lock:
            if self._closed or self.status(model_id).state in ("loading", "ready"):
                return
            self._status[model_id] = ModelStatus("loading", "Opening the model")
        threading.Thread(target=self._run_load, args=(model_id,), name=f"load {model_id}", daemon=True).start()

    def trim(self) -> None:
        """Let go of idle models beyond the budget."""
        with self._lock:
            gone = self._forget(self._models.trim())
        if gone:
            _settle()

    def close(self) -> None:
        """Stop loading at the next progress step and let go of every model."""
        with self._lock:
            self._closed = True
            self._models.clear()
            self._status.clear()

    def _run_load(self, model_id: str) -> None:
        try:
            model = self._opened(model_id)
        except BaseException as error:  # whatever it was, those who wait must hear of it
            traceback.clear_frames(error.__traceback__)  # half a model would live as long as the error
            self._set(model_id, ModelStatus("failed", str(error), None, error))
        else:
            with self._lock:
                if not self._closed:
                    self._forget(self._models.put(model_id, model))
                    self._set(model_id, ModelStatus("ready", "", 1.0))
            del model
            _settle()
        self._on_change(model_id)

    def _opened(self, model_id: str) -> Model:
        """The model; where memory is short, idle models make room and it is tried once more."""

        def report(done: int, total: int, message: str = "") -> None:
            if self._closed:
                raise Cancelled("The engine is closed.")
            self._set(model_id, ModelStatus("loading", message, done / total if total else None))

        try:
            return self._load(model_id, report)
        except MemoryError:
            with self._lock:
                made_room = self._forget(self._models.trim(max_bytes=0, spared=0))
            if not made_room:
                raise
        _settle()
        return self._load(model_id, report)

    def _set(self, model_id: str, status: ModelStatus) -> None:
        with self._lock:
            if not self._closed:
                self._status[model_id] = status

    def _forget(self, gone: list[str]) -> bool:
        """Nothing is known of models that went; whether any did."""
        for model_id in gone:
            del self._status[model_id]
        return bool(gone)


def _load(model_id: str, progress: Callable[..., None]) -> Model:
    from mi_core.models.loading import load  # imports torch and transformers: seconds

    return load(model_id, progress)


def _free_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().available * MEMORY_SHARE)


def _weight_bytes(model: Model) -> int:
    """Bytes of parameters and buffers; tied weights count once."""
    tensors = [*model.bridge.parameters(), *model.bridge.buffers()]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def _settle() -> None:
    """Free models let go of, and spare the collector those that stay.

    A model is tens of thousands of objects that refer to each other in circles: each full collection would walk
    them again, unless they are frozen, and frozen ones are never freed, unless they are thawed first.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
