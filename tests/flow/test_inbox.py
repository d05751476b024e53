from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.flow.inbox import Inbox
from pipeline.flow.worker import Worker


def test_the_newest_live_frame_wins_and_drops_are_counted():
    box: Inbox[int] = Inbox()
    box.open("a", replace=True)
    assert [box.put("a", i) for i in range(4)] == [0, 1, 1, 1]
    assert box.take(8) == [3]


def test_files_wait_instead_of_dropping():
    box: Inbox[int] = Inbox()
    box.open("a", replace=False, depth=2)
    seen: list[int] = []

    def produce() -> None:
        for i in range(50):
            assert box.put("a", i) == 0
        box.close("a")

    thread = threading.Thread(target=produce)
    thread.start()
    while not box.drained:
        seen += box.take(1, 1.0)
    thread.join(1)
    assert seen == list(range(50))


def test_take_is_fair():
    box: Inbox[str] = Inbox()
    for key in "abc":
        box.open(key, replace=False, depth=10)
        for _ in range(10):
            box.put(key, key)
    assert sorted(box.take(3)) == ["a", "b", "c"]
    assert [box.take(1)[0] for _ in range(6)] == list("abcabc")


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60),
    st.integers(1, 3),
)
def test_nothing_is_lost_uncounted(steps, most):
    """Every item offered is taken, dropped and counted, or still waiting."""
    box: Inbox[int] = Inbox()
    for key in "abc":
        box.open(key, replace=True)
    offered = dropped = taken = 0
    for key, put in steps:
        if put:
            dropped += box.put(key, offered)
            offered += 1
        else:
            taken += len(box.take(most, 0))
    box.stop()
    assert offered == dropped + taken + sum(box.close(key) for key in "abc")


@pytest.mark.parametrize("waiting", ["put", "take"])
def test_stop_wakes_everybody(waiting):
    box: Inbox[int] = Inbox()
    box.open("a", replace=False)
    box.put("a", 1)
    if waiting == "take":
        box.take(1)
    thread = threading.Thread(target=lambda: box.put("a", 2) if waiting == "put" else box.take(1))
    thread.start()
    time.sleep(0.05)
    assert thread.is_alive()
    box.stop()
    thread.join(1)
    assert not thread.is_alive()
    assert box.drained


def test_what_waits_is_handed_out_after_close():
    box: Inbox[int] = Inbox()
    box.open("a", replace=False)
    box.put("a", 1)
    box.close("a")
    assert not box.drained
    assert box.take(1) == [1]
    assert box.take(1) == []
    assert box.drained


def test_a_worker_reports_what_ended_it():
    ended: list[Worker] = []

    def fail() -> None:
        raise RuntimeError("boom")

    worker = Worker("w", fail, ended.append)
    worker.start()
    worker.join(1)
    assert ended == [worker]
    assert str(worker.error) == "boom"


def test_offering_neither_waits_nor_drops():
    box = Inbox()
    box.open("a", replace=False, depth=2)
    assert [box.offer("a", n, 9) for n in range(3)] == [True, True, False]
    assert box.take(1) == [0]
    assert not box.offer("a", 3, 1)
    assert box.offer("a", 3, 2)
    box.stop()
    assert not box.offer("a", 4, 9)
