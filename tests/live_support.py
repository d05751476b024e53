"""Runs on live cameras, for tests."""

from __future__ import annotations

import time
from contextlib import contextmanager

from pipeline.flow.runner import Runner
from pipeline.settings.schema import make_config


@contextmanager
def running(
    tmp_path, *cameras: dict[str, str], sinks=(), pace=None, backend="onnxruntime", most_s=2.0
):
    """On an engine that compiles nothing, unless that is the point; ends within ``most_s``."""
    config = make_config(
        cameras=list(cameras),
        outputs={"video": False},
        pace=pace or {},
        engine={"backend": backend, "threads": 1},
    )
    with Runner(config, tmp_path, sinks) as runner:
        runner.start()
        yield runner
        began = time.monotonic()
        runner.stop()
        runner.wait()
        assert time.monotonic() - began < most_s
