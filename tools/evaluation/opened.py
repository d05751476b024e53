"""The configured models, opened as a run opens them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engines import Packs
from pipeline.models.opening import Models
from pipeline.settings.live import LiveSettings
from pipeline.settings.schema import make_config


@contextmanager
def opened(packs: Packs, **sections: Any) -> Iterator[tuple[LiveSettings, Models]]:
    """Settings with these sections, and what opens their models; closed on leaving.

    Raises:
        pydantic.ValidationError: a setting is wrong.
    """
    config = make_config(packs, **sections)
    with Models(config.engine, packs) as models:
        yield LiveSettings(config), models
