"""Draws one SVG, in a process of its own with limits of time and memory: ``python drawing.py SIDE
FONTS`` reads it from standard input and writes a PNG; what goes wrong is a line on standard error.
"""

from __future__ import annotations

import sys

#: Most memory in bytes and processor time in seconds.
MOST_MEMORY = 768 << 20
MOST_SECONDS = 5


def draw(text: str, side: int, fonts: bool) -> bytes:
    """An SVG as PNG, its longer side ``side`` pixels.

    Raises:
        ValueError: it cannot be drawn.
    """
    import resvg_py

    try:
        made = resvg_py.svg_to_bytes(
            svg_string=text, width=side, height=side, skip_system_fonts=not fonts, dpi=96
        )
    except BaseException as error:  # Rust's panics are no Exceptions
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError("the file is broken") from None
    return bytes(made)


def _limited() -> None:
    """Take no more than allowed, where the system has limits."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _limited()
    try:
        made = draw(sys.stdin.buffer.read().decode("utf-8"), int(sys.argv[1]), sys.argv[2] == "1")
    except (ValueError, MemoryError) as error:
        sys.exit(str(error) or "too large")
    sys.stdout.buffer.write(made)
