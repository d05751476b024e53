"""What every section of the settings is, wherever it is defined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: A number from 0 to 1.
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0, le=3600)]

S = TypeVar("S", bound="Section")
S_co = TypeVar("S_co", bound="Section", covariant=True)


class Section(BaseModel):
    """A section of the settings: frozen, checked, and defined beside the code that reads it.

    Any section may be overridden under a camera, but for fields made with ``per_run``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def expanded(cls, value: Any) -> Any:
        """What a shorthand in the settings file stands for; anything else as it is."""
        return value

    @model_validator(mode="before")
    @classmethod
    def _expanded(cls, value: Any) -> Any:
        return cls.expanded(value)


def per_run(default: Any, **more: Any) -> Any:
    """A field that is the same for all cameras: what it names is opened once."""
    return Field(default, json_schema_extra={"per_run": True}, **more)


def model_of(task: str, default: str) -> Any:
    """A field that names a pack for a task, the same for all cameras."""
    extra: dict[str, Any] = {"per_run": True, "task": task}
    return Field(default, json_schema_extra=extra, description=f"a pack for {task}")


class PerSource(Protocol[S_co]):
    """One section of the settings as it stands for each camera."""

    def of(self, source: str) -> S_co:
        """The section for one camera, its own overrides included; for a name that is no camera's,
        such as the empty one, without any."""
        ...


class Fixed(Generic[S]):
    """The same section for every camera, but for those named."""

    def __init__(self, section: S, by_source: Mapping[str, S] | None = None) -> None:
        self._section = section
        self._by_source = by_source or {}

    def of(self, source: str) -> S:
        return self._by_source.get(source, self._section)
