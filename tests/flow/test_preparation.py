"""What takes long is done on a thread of its own, in the right order."""

from __future__ import annotations

from pipeline.flow.preparation import FIRST, Preparation


def test_what_somebody_waits_for_is_done_before_what_was_asked_earlier():
    preparation, done = Preparation(), []
    for name, in_s in (("canvas", 0.0), ("other canvas", 0.0), ("a camera's size", FIRST)):
        preparation.ask(name, lambda name=name: done.append(name), in_s)
    preparation.ask("end", preparation.stop, 0.02)
    preparation.run()
    assert done == ["a camera's size", "canvas", "other canvas"]
