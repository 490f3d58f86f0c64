"""Results on disk: what comes back is what went in, whole or not at all, and never too much of it."""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jaxtyping import Float, Int

from mi_core.analyses._index import analysis_names, find_analysis
from mi_core.jobs.store import SUFFIX, Store, dataclasses_in, decode, default_store, encode
from tests.patience import SECONDS


@dataclass(frozen=True)
class Leaf:
    """A nested part."""

    text: str
    number: float
    flag: bool = True


@dataclass(frozen=True)
class Sample:
    """Every kind of field that a result has."""

    numbers: Float[np.ndarray, "*any"]
    ids: Int[np.ndarray, " pos"]
    leaf: Leaf
    leaves: tuple[Leaf, ...]
    pair: tuple[int, str]
    maybe: Leaf | None
    extra: dict[str, Float[np.ndarray, "*any"]]
    mode: Literal["a", "b"] = "a"
    nested: tuple[tuple[float | None, ...], ...] = ()


@dataclass(frozen=True)
class Stranger:
    """A class that no annotation of Sample mentions."""

    text: str


TEXT = st.text(st.characters(), max_size=20)
DTYPES = st.one_of(
    hnp.boolean_dtypes(), hnp.integer_dtypes(), hnp.floating_dtypes(sizes=(16, 32, 64)), hnp.unicode_string_dtypes()
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
LEAVES = st.builds(Leaf, TEXT, st.floats(), st.booleans())
SAMPLES = st.builds(
    Sample,
    ARRAYS,
    hnp.arrays(np.int64, 3),
    LEAVES,
    st.lists(LEAVES, max_size=3).map(tuple),
    st.tuples(st.integers(), TEXT),
    st.none() | LEAVES,
    st.dictionaries(TEXT, ARRAYS, max_size=2),
    st.sampled_from("ab"),
    st.lists(st.lists(st.none() | st.floats(), max_size=3).map(tuple), max_size=2).map(tuple),
)


def same(one: Any, other: Any) -> bool:
    """Equal in type and value, NaN to NaN, −0 to −0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if dataclasses.is_dataclass(one):
        return same(tuple(vars(one).values()), tuple(vars(other).values()))
    return repr(one) == repr(other)


def entries(folder):
    return sorted(folder.glob(f"*/*{SUFFIX}"))


def total_bytes(folder):
    return sum(path.stat().st_size for path in entries(folder))


# What goes in comes out ---------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(SAMPLES)
def test_a_result_comes_back_as_it_was(sample):
    assert same(decode(encode(sample), Sample), sample)


def test_special_numbers_and_half_characters_survive():
    leaf = Leaf("\ud800 ⟨E2⟩ \x00", float("nan"))
    sample = (leaf, float("inf"), float("-inf"), -0.0, 2**70, True, None)
    assert same(decode(encode(sample), tuple[Leaf, float]), sample)


def test_numpy_scalars_become_plain_numbers():
    leaf = Leaf("x", np.float32(0.5), np.bool_(True))
    assert same(decode(encode(leaf), Leaf), Leaf("x", 0.5, True))


def test_the_classes_of_a_result_are_found_through_its_annotations():
    assert set(dataclasses_in(Sample).values()) == {Sample, Leaf}
    assert set(dataclasses_in(tuple[Leaf, ...] | None).values()) == {Leaf}


@pytest.mark.parametrize("name", analysis_names())
def test_every_analysis_names_a_result_that_can_be_kept(name):
    kind = get_type_hints(find_analysis(name))["return"]
    assert kind in dataclasses_in(kind).values()


def test_what_cannot_be_kept_is_named():
    with pytest.raises(TypeError, match="cannot hold a set: use arrays"):
        encode(Leaf({"x"}, 1.0))
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        encode(np.array([object()]))


def test_classes_nobody_named_are_not_built(tmp_path):
    store = Store(tmp_path)
    store.put("a/k", Stranger("x"))
    assert store.get("a/k", Sample) is None
    assert not entries(tmp_path)


def test_arrays_that_come_back_cannot_be_written_to(tmp_path):
    store = Store(tmp_path)
    store.put("a/k", (np.zeros(3),))
    with pytest.raises(ValueError, match="read-only"):
        store.get("a/k", tuple)[0][0] = 1


# Damage -------------------------------------------------------------------------------------------------------------


def test_every_kind_of_damage_is_found_and_removed(tmp_path):
    store = Store(tmp_path)
    store.put("a/k", Leaf("whole", 1.0))
    (entry,) = entries(tmp_path)
    whole = entry.read_bytes()
    flipped = [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(0, len(whole), 7)]
    truncated = [whole[:length] for length in (0, 1, 31, 32, 33, len(whole) // 2, len(whole) - 1)]
    for damaged in [*flipped, *truncated, whole + b"\0", os.urandom(300)]:
        entry.write_bytes(damaged)
        assert store.get("a/k", Leaf) is None
        assert not entry.exists()
    store.put("a/k", Leaf("whole", 1.0))
    assert store.get("a/k", Leaf) == Leaf("whole", 1.0)


def test_a_missing_entry_is_none(tmp_path):
    assert Store(tmp_path / "not made yet").get("a/k", Leaf) is None


WRITER = """
import itertools, sys
import numpy as np
from mi_core.jobs import store as module
store = module.Store(sys.argv[1], 10**9)
payloads = [module.encode((np.full(1_000_000, number),)) for number in range(5)]
module.encode = payloads.__getitem__  # so that the time goes into writing
store.put("a/0", 0)
print("ready", flush=True)
for number in itertools.cycle(range(5)):
    store.put(f"a/{number}", number)
"""


@pytest.mark.slow
def test_a_process_killed_in_the_middle_leaves_no_half_entry(tmp_path):
    generator = np.random.default_rng(0)
    for _ in range(10):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(0.05 + 0.1 * generator.random())
        writer.kill()
        writer.wait()
        writer.stdout.close()
    store, found = Store(tmp_path), entries(tmp_path)
    assert found
    for path in found:
        (array,) = store.get(f"a/{path.stem}", tuple)
        np.testing.assert_array_equal(array, np.full(1_000_000, int(path.stem)))


def test_what_dead_processes_left_is_removed_in_time(tmp_path):
    fresh, stale = tmp_path / "a" / ".x.1.2.tmp", tmp_path / "a" / ".y.1.2.tmp"
    fresh.parent.mkdir()
    for path in (fresh, stale):
        path.write_bytes(b"half")
    os.utime(stale, (time.time() - 7200,) * 2)
    Store(tmp_path).put("a/k", Leaf("x", 1.0))
    assert fresh.exists()
    assert not stale.exists()


# Bounds -------------------------------------------------------------------------------------------------------------


def test_the_folder_never_holds_more_than_its_bound(tmp_path):
    store = Store(tmp_path, max_bytes=100_000)
    for number in range(150):
        store.put(f"a/{number}", (np.full(100, number),))
        assert total_bytes(tmp_path) <= 100_000
    assert total_bytes(tmp_path) > 80_000
    assert store.get("a/149", tuple) is not None
    assert store.get("a/0", tuple) is None


def test_the_least_recently_used_entries_go_first(tmp_path):
    store = Store(tmp_path, max_bytes=50_000)
    for number in range(5):
        store.put(f"a/{number}", (np.full(1000, number),))
    for age, path in enumerate(entries(tmp_path)):
        os.utime(path, ns=(10**9 * (100 + age),) * 2)
    assert store.get("a/0", tuple) is not None  # used again
    store.put("a/5", (np.full(1000, 5),))
    store.put("a/6", (np.full(1000, 6),))
    assert [path.stem for path in entries(tmp_path)] == ["0", "3", "4", "5", "6"]


def test_entries_of_earlier_processes_count(tmp_path):
    for _ in range(3):
        store = Store(tmp_path, max_bytes=50_000)
        for number in range(4):
            store.put(f"a/{time.monotonic_ns()}", (np.full(1000, number),))
    assert total_bytes(tmp_path) <= 50_000


def test_one_result_larger_than_the_bound_is_not_kept(tmp_path):
    store = Store(tmp_path, max_bytes=5_000)
    store.put("a/small", (np.zeros(10),))
    store.put("a/large", (np.zeros(10_000),))
    assert [path.stem for path in entries(tmp_path)] == ["small"]


def test_files_of_others_are_never_touched(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("README.md", "a/notes.txt", "a/model.safetensors"):
        (tmp_path / name).write_bytes(b"x" * 10_000)
    store = Store(tmp_path, max_bytes=3_000)
    for number in range(5):
        store.put(f"a/{number}", (np.zeros(200),))
    assert {path.name for path in tmp_path.rglob("*") if path.suffix not in ("", SUFFIX)} == {
        "README.md",
        "notes.txt",
        "model.safetensors",
    }


SHARER = """
import sys
import numpy as np
from mi_core.jobs.store import Store
store, seed = Store(sys.argv[1], 200_000), int(sys.argv[2])
order = np.random.default_rng(seed).integers(0, 60, 400)
hits = 0
for number in map(int, order):
    found = store.get(f"a/{number}", tuple)
    hits += found is not None
    if found is None:
        store.put(f"a/{number}", (np.full(1000, number),))
    else:
        assert (found[0] == number).all()
assert hits
"""


@pytest.mark.slow
def test_two_processes_share_a_folder(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, "-c", SHARER, str(tmp_path), str(seed)], stderr=subprocess.PIPE, text=True)
        for seed in range(2)
    ]
    for process in processes:
        assert process.communicate(timeout=SECONDS)[1] == ""
        assert process.returncode == 0
    assert 0 < total_bytes(tmp_path) <= 200_000 * 1.2
    assert not list(tmp_path.rglob("*.tmp"))


# Places that cannot be written to -----------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_told_once_and_does_no_harm(tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    store = Store(tmp_path / "file")
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            store.put(f"a/{number}", Leaf("x", 1.0))
            assert store.get(f"a/{number}", Leaf) is None
    assert len(caplog.records) == 1
    assert "not kept on disk" in caplog.text


FULL = """
import resource, sys
import numpy as np
from mi_core.jobs.store import Store
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
store = Store(sys.argv[1])
store.put("a/large", (np.zeros(10_000),))
store.put("a/small", (np.zeros(10),))
assert store.get("a/large", tuple) is None
assert store.get("a/small", tuple) is not None
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("not kept on disk") == 1
    assert [path.name for path in tmp_path.rglob("*.*")] == ["small.result"]


def test_the_usual_folder_can_be_set(monkeypatch, tmp_path):
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    assert default_store().folder == tmp_path
    monkeypatch.delenv("LOUPE_CACHE")
    assert default_store().folder.name == "cache"
    assert (default_store().folder.parent / "mi_core").is_dir()
