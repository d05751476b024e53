"""A capture process, from its beginning to its end."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

import av

from pipeline.flow.apart.child import Child
from pipeline.flow.apart.memory import Memory
from pipeline.flow.apart.messages import Logged, Post


class _Log(logging.Handler):
    """Sends what is logged to the run, which logs it."""

    def __init__(self, send: Callable[[object], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        told = {"name": record.name, "levelno": record.levelno, "levelname": record.levelname}
        with suppress(OSError):  # the run is gone
            self._send(Logged(told | {"msg": text, "threadName": record.threadName}))


def main(connection: int, memory: int, decoders: int, level: int) -> None:
    """The process.

    Args:
        connection, memory: file descriptors of the pair of sockets and of the memory.
        decoders: how many pictures are decoded at a time.
        level: below which nothing is logged.
    """
    # The run says when it is over, or is gone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    post = Post(socket.socket(fileno=connection))
    av.logging.set_level(None)
    logging.getLogger().addHandler(_Log(post.send))
    logging.getLogger("threadline").setLevel(level)
    try:
        Child(post, Memory(memory), decoders).serve()
    except (EOFError, OSError):
        pass
    except Exception:
        logging.getLogger("threadline.capture").exception("a capture process failed")
    finally:
        os._exit(0)  # a native read can outlast everybody's patience
