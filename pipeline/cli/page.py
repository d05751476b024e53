"""A page of people for the browser: one file with the pictures in it, without scripts."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.files import replace_file

_STYLE = """
body { font: 15px system-ui, sans-serif; margin: 2em; background: #fafafa; color: #222 }
main { display: flex; flex-wrap: wrap; gap: 1em }
figure { margin: 0; width: 220px; background: #fff; border: 1px solid #ddd; border-radius: 6px }
img { width: 100%; border-radius: 6px 6px 0 0 } figcaption { padding: .6em } b { display: block }
"""


def write_page(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Write the page, for its owner's eyes alone.

    Args:
        rows: with ``began``, ``camera``, ``wears`` and ``picture``, a path or ``None``.
    """
    shown = "".join(map(_figure, rows)) or "<p>Nobody was found.</p>"
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    text = (
        "<!doctype html><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>threadline search</title><style>{_STYLE}</style><main>{shown}</main>\n"
    )
    content = text.encode("utf-8", "replace")
    replace_file(path, content, durable=False, private=True)
    return path


def _figure(row: Mapping[str, Any]) -> str:
    image = ""
    if row["picture"]:
        packed = base64.b64encode(Path(row["picture"]).read_bytes()).decode()
        image = f'<img alt="" src="data:image/jpeg;base64,{packed}">'
    wears = " · ".join(row["wears"])
    when = str(row["began"])[:19].replace("T", " ")
    return (
        f"<figure>{image}<figcaption><b>{html.escape(when)}</b>{html.escape(row['camera'])}<br>"
        f"{html.escape(wears)}</figcaption></figure>"
    )
