"""Terms of visits, packed into bytes and counted."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.schema import occurrences, packed, unpacked

NUMBERS = st.sets(st.integers(1, 2**31), max_size=20).map(sorted)


@given(st.lists(NUMBERS, max_size=20))
def test_terms_counted_at_once_are_as_one_by_one(sequences):
    packs = [packed(numbers) for numbers in sequences]
    assert [unpacked(content) for content in packs] == sequences
    counted = Counter(number for numbers in sequences for number in numbers)
    assert occurrences(packs) == counted
