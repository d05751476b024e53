"""Settings of the store, and of what is kept in it for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from pipeline.settings.section import Section

#: Its name in the folder of the results.
NAME = "threadline.db"


class KeepSettings(Section):
    """What is deleted when. Counts by hour and day stay."""

    pictures_h: float | None = Field(72, gt=0, description="hours; null: for ever")
    rows_d: float | None = Field(30, gt=0, description="days of visits, tags and events")
    pictures_gb: float | None = Field(None, gt=0, description="the oldest pictures go first")


class StoreSettings(Section):
    """The past: what is searched later. A bare value stands for ``enabled``: ``store: false``."""

    enabled: bool = True
    url: str = Field("", description="postgresql://...; else threadline.db in the output folder")
    mode: Literal["search", "statistics"] = Field(
        "search", description="statistics: nothing but counts is ever written"
    )
    zone: str = Field("", description="time zone of a new store's days; else this machine's")
    keep: KeepSettings = KeepSettings()

    @classmethod
    def expanded(cls, value: Any) -> Any:
        return value if isinstance(value, Mapping | StoreSettings) else {"enabled": value}

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError):
                raise ValueError(f"'{value}' is no time zone, such as Europe/Berlin") from None
        return value

    @property
    def counts_only(self) -> bool:
        """Whether nothing about single people may be written anywhere."""
        return self.enabled and self.mode == "statistics"
