"""How long the window's search page waits, over a store of millions."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any

import httpx

from benchmark.window_service import Served

#: What the search page asks, page and counts: nothing, frequent, of a colour, rare, two garments,
#: what has to be verified, a camera, a time, a brand.
QUESTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"q": "jeans"},
    {"q": "blue jeans"},
    {"q": "orange blazer"},
    {"q": "red jacket", "and": "blue jeans"},
    {"q": "striped blue jeans"},
    {"q": "jeans", "camera": "cam09"},
    {"q": "red jacket", "from": "2026-11-10T14:00+01:00", "to": "2026-11-10T16:00+01:00"},
    {"brand": "brand007"},
    {"not": "jeans"},
)


def measure(folder: Path, tries: int) -> None:
    """Print how long answers take, by turns over all questions."""
    times: dict[tuple[str, str], list[float]] = {}
    with Served(folder) as served, httpx.Client(base_url=served.url, timeout=60) as client:
        client.headers.update(served.headers)
        busy_s, asked_n = 0.0, 0
        for i in range(tries + 1):
            if i == 1:
                busy_s = served.busy_s()
            for asked in QUESTIONS:
                for path in ("search", "search/counts"):
                    began = time.perf_counter()
                    answer = client.get(f"/api/v1/{path}", params=asked)
                    took = 1000 * (time.perf_counter() - began)
                    asked_n += i > 0
                    assert answer.status_code == 200, answer.text
                    if i:  # once before, as for whoever came first
                        times.setdefault((" ".join(asked.values()), path), []).append(took)
        each = 1000 * (served.busy_s() - busy_s) / asked_n
    print(f"load {os.getloadavg()[0]:.1f}; {each:.0f} ms of processor time a question, all in all")
    print("| question | of | p50 ms | p95 ms |\n|---|---|---|---|")
    for (question, path), took in times.items():
        print(f"| {question or 'everybody'} | {path} | {_shown(took)} |")
    for path in ("search", "search/counts"):
        every = [one for key, took in times.items() if key[1] == path for one in took]
        print(f"| all | {path} | {_shown(every)} |")


def _shown(took: list[float]) -> str:
    p95 = statistics.quantiles(took, n=20)[-1]
    return f"{statistics.median(took):.0f} | {p95:.0f}"
