"""Pictures are drawn though a thread gets no time, and never take much of it."""

from __future__ import annotations

import threading
import time

import pytest

from pipeline.web import drawing
from pipeline.web.drawing import DUE_S, SHARE, Drawing


@pytest.fixture
def drawn():
    made = Drawing()
    yield made
    made.end()


def test_pictures_are_drawn_by_the_thread_that_gives_way(drawn):
    answers = [drawn.ask(lambda i=i: b"%d" % i) for i in range(20)]
    assert [answer.result(5) for answer in answers] == [b"%d" % i for i in range(20)]
    assert drawn.ask(lambda: threading.current_thread().name.encode()).result(5) == b"drawing"


def test_what_has_waited_is_drawn_though_the_thread_that_gives_way_gets_no_time(drawn):
    """It is at the first picture for ever, and at no other."""
    stuck, spent = threading.Event(), []

    def work():
        if threading.current_thread().name == "drawing":
            stuck.wait(20)
            return b"late"
        before = time.thread_time()
        while time.thread_time() - before < 0.004:
            pass
        spent.append(0.004)
        return b"in time"

    began = time.monotonic()
    answers = [drawn.ask(work) for _ in range(8)]
    assert [answer.result(10) for answer in answers] == [b"in time"] * 8
    took = time.monotonic() - began
    assert took >= DUE_S
    assert sum(spent[:-1]) <= 1.1 * SHARE * took, "the machine is the cameras'"
    stuck.set()


def test_what_fails_is_told_and_the_next_one_is_drawn(drawn):
    def broken():
        raise ValueError("no picture")

    with pytest.raises(ValueError, match="no picture"):
        drawn.ask(broken).result(5)
    assert drawn.ask(lambda: b"next").result(5) == b"next"


def test_nobody_waits_for_what_has_ended(monkeypatch):
    monkeypatch.setattr(drawing, "give_way", lambda: time.sleep(0.3))
    made = Drawing()
    answer = made.ask(lambda: b"never")
    made.end()
    assert answer.cancelled()
    with pytest.raises(RuntimeError, match="any more"):
        made.ask(lambda: b"")
