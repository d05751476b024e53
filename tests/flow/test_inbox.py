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
    slot = box.add("a", replace=True)
    assert [slot.put(i) for i in range(4)] == [0, 1, 1, 1]
    assert box.take(8) == [3]


def test_files_wait_instead_of_dropping():
    box: Inbox[int] = Inbox()
    slot = box.add("a", replace=False, depth=2)
    seen: list[int] = []

    def produce() -> None:
        for i in range(50):
            assert slot.put(i) == 0
        slot.close()

    thread = threading.Thread(target=produce)
    thread.start()
    while not box.drained:
        seen += box.take(1, 1.0)
    thread.join(1)
    assert seen == list(range(50))


def test_take_is_fair():
    box: Inbox[str] = Inbox()
    for key in "abc":
        slot = box.add(key, replace=False, depth=10)
        for _ in range(10):
            slot.put(key)
    assert sorted(box.take(3)) == ["a", "b", "c"]
    assert [box.take(1)[0] for _ in range(6)] == list("abcabc")


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60),
    st.integers(1, 3),
)
def test_nothing_is_lost_uncounted(steps, most):
    """Every item offered is taken, dropped and counted, or still waiting."""
    box: Inbox[int] = Inbox()
    slots = {key: box.add(key, replace=True) for key in "abc"}
    offered = dropped = taken = 0
    for key, put in steps:
        if put:
            dropped += slots[key].put(offered)
            offered += 1
        else:
            taken += len(box.take(most, 0))
    box.stop()
    assert offered == dropped + taken + sum(slot.close() for slot in slots.values())


@pytest.mark.parametrize("waiting", ["put", "take"])
def test_stop_wakes_everybody(waiting):
    box: Inbox[int] = Inbox()
    slot = box.add("a", replace=False)
    slot.put(1)
    if waiting == "take":
        box.take(1)
    thread = threading.Thread(target=lambda: slot.put(2) if waiting == "put" else box.take(1))
    thread.start()
    time.sleep(0.05)
    assert thread.is_alive()
    box.stop()
    thread.join(1)
    assert not thread.is_alive()
    assert box.drained


def test_what_waits_is_handed_out_after_close():
    box: Inbox[int] = Inbox()
    slot = box.add("a", replace=False)
    slot.put(1)
    slot.close()
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
    slot = box.add("a", replace=False, depth=2)
    assert [slot.offer(n, 9) for n in range(3)] == [True, True, False]
    assert box.take(1) == [0]
    assert not slot.offer(3, 1)
    assert slot.offer(3, 2)
    box.stop()
    assert not slot.offer(4, 9)


def test_a_removed_slot_takes_nothing_and_hands_nothing_out():
    box: Inbox[str] = Inbox(stay=True)
    old = box.add("a", replace=False)
    old.put("old")
    box.remove("a")
    new = box.add("a", replace=True)
    assert old.put("late") == 1, "dropped and counted"
    new.put("new")
    assert box.take() == ["new"]
    assert old.close() == 1


def test_a_removed_slot_wakes_whoever_waits_to_put():
    box: Inbox[int] = Inbox()
    slot = box.add("a", replace=False)
    slot.put(1)
    thread = threading.Thread(target=slot.put, args=(2,))
    thread.start()
    box.remove("a")
    thread.join(1)
    assert not thread.is_alive()


def test_a_box_that_stays_is_never_drained_and_can_be_poked():
    assert Inbox().drained
    box: Inbox[int] = Inbox(stay=True)
    assert not box.drained
    thread = threading.Timer(0.05, box.poke)
    thread.start()
    assert box.take(timeout_s=5) == []
    assert box.take(timeout_s=0) == [], "poked once, woken once"
    box.stop()
    assert box.drained
    assert box.add("a", replace=True).put(1) == 1, "nothing is taken after the stop"
