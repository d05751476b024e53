"""When a stage that fails is taken for broken, and when a camera's frames are."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pipeline.flow.guard import MOST_FAILURES, Guard


class Fragile:
    """A stage that fails on frames of some cameras."""

    name = "fragile"

    def __init__(self, *broken):
        self.broken = set(broken)

    def __call__(self, batch):
        if any(tagged.frame.source in self.broken for tagged in batch):
            raise KeyError("a defect")
        return batch

    def forget(self, source):
        pass


def of(*sources):
    return [SimpleNamespace(frame=SimpleNamespace(source=source)) for source in sources]


def test_a_camera_that_is_slow_to_come_is_waited_for():
    """Nothing is known yet of whether the stage works on its frames."""
    guard = Guard(Fragile("a"), lambda: ["a", "b"])
    for _ in range(3 * MOST_FAILURES):
        assert guard(of("a")) == []
    assert [tagged.frame.source for tagged in guard(of("a", "b"))] == ["b"]
    assert guard.failed == ["a"] * (3 * MOST_FAILURES + 1)


@pytest.mark.parametrize("there", [["a"], ["a", "b"]])
def test_a_stage_that_fails_on_all_there_are_is_broken(there):
    guard = Guard(Fragile("a", "b"), lambda: there)
    for _ in range(MOST_FAILURES - 1):
        guard(of(*there))
    with pytest.raises(KeyError, match="a defect"):
        guard(of(*there))


def test_a_camera_that_is_down_excuses_nobody():
    there = ["a", "b"]
    guard = Guard(Fragile("a"), lambda: there)
    for _ in range(MOST_FAILURES):
        guard(of("a"))
    there.remove("b")
    with pytest.raises(KeyError):
        guard(of("a"))
