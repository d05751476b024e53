"""One pack that is used as a tagger: an entry of the list ``packs`` of the settings."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from engines.packs.tagger import Background
from pipeline.settings.section import Share
from pipeline.tagging.tagger import TaggerSettings


class PackSettings(TaggerSettings):
    """A pack beside the other taggers. The bare name stands for one with its own settings."""

    pack: str = Field(description="name of a pack with a [tagger] table")
    accept_licence: bool = Field(False, description="what its licence asks is accepted")
    least: Share | None = Field(
        None, description="probability under which nothing is reported; else the pack's own"
    )
    every_s: float | None = Field(
        None, gt=0, le=3600, description="seconds between looks at tiles or pictures"
    )
    background: Background | None = Field(
        None, description="what is done to what lies behind people; else the pack's own"
    )
    labels: str = Field(
        "", description="file of the labels wanted instead of the pack's own, one a line"
    )
    share: Share = Field(
        0.1, description="share of the time that its looks of live cameras may take"
    )

    @classmethod
    def expanded(cls, value: Any) -> Any:
        return {"pack": value} if isinstance(value, str) else value
