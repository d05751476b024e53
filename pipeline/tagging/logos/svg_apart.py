"""SVG drawn in a process with limits of time and memory, and what becomes of its text."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

#: Whether text is drawn with the fonts of this machine.
FONTS = True
#: Seconds that drawing may take, starting the process included.
MOST_S = 10.0
#: Side in pixels at which it is seen whether two drawings are the same.
_SEEN = 96
#: Families that every machine has something for.
_GENERIC = frozenset(("serif", "sans-serif", "monospace", "cursive", "fantasy", "inherit"))
#: Where families are named: in an attribute, or in a style.
_FAMILIES = re.compile(r"""(font-family\s*(?:=\s*"|:\s*))([^";}]*)""")


class SvgError(ValueError):
    """A text is no usable SVG; says what is wrong and the remedy."""


def lettered(text: str, wordless: str, side: int) -> bytes:
    """An SVG with text as PNG; ``wordless`` is the same without.

    Raises:
        SvgError: it cannot be drawn, takes too much, or its text cannot be drawn here.
    """
    picture = apart(text, side, FONTS)
    if picture == apart(wordless, side, False):
        raise SvgError("holds text, and this machine has no font for it; convert text to paths")
    return picture


def in_another_font(text: str) -> bool:
    """Whether this machine draws an SVG's text in its own serif font though the text names another;
    it may be that font.

    Raises:
        SvgError: it cannot be drawn.
    """
    nameless = _FAMILIES.sub(lambda found: found[1] + _generic(found[2]), text)
    return nameless != text and apart(text, _SEEN, FONTS) == apart(nameless, _SEEN, FONTS)


def _generic(families: str) -> str:
    """Of families, those that every machine has something for."""
    names = (name.strip() for name in families.replace("&quot;", "").split(","))
    return ", ".join(name for name in names if name.strip("'") in _GENERIC)


def apart(text: str, side: int, fonts: bool) -> bytes:
    """Draw in a process that is ended when it takes too much."""
    child = [
        sys.executable,
        str(Path(__file__).with_name("drawing.py")),
        str(side),
        str(int(fonts)),
    ]
    try:
        done = subprocess.run(child, input=text.encode(), capture_output=True, timeout=MOST_S)
    except subprocess.TimeoutExpired:
        raise SvgError("takes too long to draw; simplify it") from None
    if done.returncode < 0:
        raise SvgError("takes too much time or memory to draw; simplify it")
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["unknown"]
        raise SvgError(f"cannot be drawn: {reason[0][:200]}")
    return done.stdout
