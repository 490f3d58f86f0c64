"""What was used most recently stays, bounded in bytes: against a list that does the same by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mi_core.lru import LRU

SIZE_OF = {name: 1 + index % 4 for index, name in enumerate("abcdefg")}
STEPS = st.lists(st.tuples(st.sampled_from(["get", "put"]), st.sampled_from(sorted(SIZE_OF))), max_size=40)


@given(STEPS, st.integers(0, 12), st.integers(0, 2), st.sets(st.sampled_from(sorted(SIZE_OF)), max_size=2))
def test_it_holds_what_a_list_by_hand_holds(steps, max_bytes, spared, busy):
    lru = LRU(max_bytes, SIZE_OF.get, spared, lambda: busy)
    by_hand: list[str] = []
    for step, name in steps:
        if step == "get":
            assert lru.get(name) == (name if name in by_hand else None)
            by_hand = by_hand if name not in by_hand else [other for other in by_hand if other != name] + [name]
            continue
        gone = lru.put(name, name)
        by_hand = [other for other in by_hand if other != name]
        if SIZE_OF[name] <= max_bytes or spared:
            by_hand.append(name)
        expected = []
        for other in by_hand[: len(by_hand) - spared]:
            if sum(map(SIZE_OF.get, by_hand)) > max_bytes and other not in busy:
                by_hand.remove(other)
                expected.append(other)
        assert gone == expected
        assert lru.values() == by_hand and len(lru) == len(by_hand)
        assert all((other in lru) == (other in by_hand) for other in SIZE_OF)
        assert lru.held_bytes == sum(map(SIZE_OF.get, by_hand))


def test_a_value_beyond_the_bound_is_not_held_and_nothing_goes_for_it():
    lru = LRU(10, len)
    lru.put("small", "1234")
    assert lru.put("large", "1" * 11) == []
    assert lru.values() == ["1234"]


def test_it_makes_all_the_room_there_is_when_asked_to():
    lru = LRU(10, len, spared=1, busy=lambda: {"b"})
    for name in "abc":
        lru.put(name, "123")
    assert lru.trim(max_bytes=0, spared=0) == ["a", "c"]
    assert lru.values() == ["123"] and lru.held_bytes == 3
    lru.clear()
    assert not lru and lru.held_bytes == 0
