"""A reader that goes wrong in every way, by what it reads: whoever tries readers has to notice."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace

from hypothesis import strategies as st

from pipeline.errors import ConfigError

SECRET = "hunter2"


class WrongError(Exception):
    """A promise was broken."""


def harm(data: bytes) -> None:
    word = data.decode()
    if word == "own error":
        raise ConfigError("a line")
    if word == "raised":
        raise KeyError("x")
    if word == "broken":
        raise WrongError("a promise")
    if word == "told":
        raise ConfigError(f"password {SECRET} refused")
    if word == "prints":
        print(SECRET)  # noqa: T201
    if word == "died":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "memory":
        bytes(b"x" * 100_000_000)
    until = time.process_time() + 0.6 * (word == "slow")
    while time.process_time() < until:
        pass


def target(*seeds: bytes) -> SimpleNamespace:
    return SimpleNamespace(check=harm, seeds=lambda: list(seeds), inputs=st.sampled_from, most=99)


TARGETS = {"harm": target(), "deadly": target(b"nothing", b"raised", b"died")}
