"""What every sink is given: its own settings, and its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from pipeline.settings.section import Section


class SinkSettings(Section):
    """Settings of one sink. A bare value stands for ``enabled``: ``events: true``."""

    enabled: bool | Literal["auto"] = Field(True, description="auto: recordings only")

    @classmethod
    def expanded(cls, value: object) -> object:
        return value if isinstance(value, Mapping | SinkSettings) else {"enabled": value}

    def wanted(self, live: bool) -> bool:
        """Whether anything is written, in a run with live cameras or without."""
        return not live if self.enabled == "auto" else self.enabled

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        section = handler(core)
        enabled = handler.resolve_ref_schema(section)["properties"]["enabled"]
        return {"anyOf": [enabled, section]}


@dataclass(frozen=True, slots=True)
class Place:
    """Where results go.

    Attributes:
        folder: of the run's results; a sink makes what is missing.
        live: the run has live cameras. What such a run writes, the next one keeps; recordings are
            simply done again.
    """

    folder: Path
    live: bool
