"""The settings of one camera or recording."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import quote

from pydantic import (
    ConfigDict,
    Field,
    SecretStr,
    field_serializer,
    field_validator,
    model_validator,
)

from pipeline.address import login_span, tidy
from pipeline.errors import redact, source_name
from pipeline.picture.turn import Turn, quarter_turn
from pipeline.settings.section import Seconds, Section
from pipeline.sources.begins import FROM_METADATA, FROM_NAME, began, tz_of


class CameraSettings(Section):
    """One camera or recording.

    Credentials are never shown: not by ``repr``, not by ``name``, not in JSON.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    url: str = Field(
        min_length=1, description="RTSP, HTTP or HLS URL, file, /dev/videoN or csi://N"
    )
    sub: str = Field(
        "",
        description="URL of the same camera's smaller stream, or a recording's proxy: people are "
        "searched on it, and looked at on that of url, which is decoded only for that",
    )
    id: str = Field("", max_length=64, description="name in events and file names")
    user: SecretStr = Field(SecretStr(""), description="user name, where the URL has none")
    password: SecretStr = Field(SecretStr(""), description="password; may hold any character")
    transport: Literal["tcp", "udp"] = Field("tcp", description="how RTSP carries the video")
    reader: Literal["ffmpeg", "gstreamer", "nvdec"] = Field(
        "ffmpeg", description="what decodes; gstreamer on a Jetson, nvdec on an NVIDIA GPU"
    )
    tls: Literal["verify", "insecure"] = Field(
        "verify", description="whether certificates of rtsps:// and https:// have to be trusted"
    )
    rotate: Literal[0, 90, 180, 270] = Field(
        0, description="degrees by which its picture is turned clockwise"
    )
    flip: Literal["none", "horizontal", "vertical"] = Field(
        "none", description="then left and right, or above and below, change places"
    )
    timeout_s: Seconds = Field(2.8, description="silence after which a camera counts as lost")
    begins: str = Field(
        FROM_METADATA,
        max_length=64,
        description="when a recording began: from-metadata, from-name, or a time in ISO 8601",
    )
    time_zone: str = Field(
        "", max_length=64, description="of such times: Europe/Berlin; empty: this machine's"
    )
    then: tuple[str, ...] = Field(
        (), max_length=20_000, description="further files of the same camera, in their order"
    )
    poll_s: Seconds = Field(1.0, description="time between two pictures of a snapshot's URL")

    @field_validator("url", "sub")
    @classmethod
    def _tidy(cls, url: str) -> str:
        return tidy(url)

    @field_validator("id")
    @classmethod
    def _safe(cls, name: str) -> str:
        if name.startswith(".") or not all(
            c.isalpha() or c.isdecimal() or c in "_.-" for c in name
        ):
            raise ValueError(
                "use letters, digits, '-', '_' and '.', and no dot to begin with; "
                f"for example {source_name(name)}"
            )
        return name

    @model_validator(mode="after")
    def _one_login(self) -> CameraSettings:
        if self._login:
            for key, url in (("url", self.url), ("sub", self.sub or self.url)):
                if "://" not in url:
                    raise ValueError("user and password need a URL such as rtsp://10.0.0.7/stream")
                if login_span(url):
                    name = "the URL" if key == "url" else "the URL of sub"
                    raise ValueError(f"{name} names a user already; remove user and password")
        return self

    @model_validator(mode="after")
    def _two_streams(self) -> CameraSettings:
        if self.sub and self.sub == self.url:
            raise ValueError(
                "sub is the same address as url; leave it out, or name the smaller one"
            )
        if self.sub and self.then:
            raise ValueError("sub: a recording in several files has no proxy; give each file an id")
        if self.sub and self.reader != "ffmpeg":
            raise ValueError(
                f"sub needs reader: ffmpeg; reader {self.reader} decodes cheaply: leave it out"
            )
        return self

    @model_validator(mode="after")
    def _began(self) -> CameraSettings:
        tz_of(self.time_zone)
        if self.then and "://" in self.url:
            raise ValueError("then: only files are followed by others; give each URL an id")
        if "://" not in self.url or self.begins != FROM_NAME:
            for place in (self.url, *self.then):
                began(self.begins, place, self.time_zone)
        return self

    @property
    def files(self) -> tuple[CameraSettings, ...]:
        """A recording's files, each as a recording of its own."""
        return tuple(
            self.model_copy(update={"url": place, "then": ()}) for place in (self.url, *self.then)
        )

    @field_serializer("url", "sub", when_used="json")
    def _shown(self, url: str) -> str:
        return redact(url)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, redact(value) if name in ("url", "sub") else value

    @property
    def name(self) -> str:
        """``id``, or a name made of the location; free of credentials."""
        return self.id or source_name(self.url)

    @property
    def main_stream(self) -> CameraSettings:
        """The camera as if it had the stream of ``url`` alone."""
        return self.model_copy(update={"sub": "", "id": self.name})

    @property
    def sub_stream(self) -> CameraSettings:
        """The camera as if it had the stream of ``sub`` alone."""
        return self.model_copy(update={"url": self.sub, "sub": "", "id": self.name})

    @property
    def turn(self) -> Turn:
        """``rotate`` and ``flip``."""
        return quarter_turn(self.rotate, self.flip == "horizontal", self.flip == "vertical")

    @property
    def address(self) -> str:
        """The location with ``user`` and ``password`` quoted in: what opens it. Never shown."""
        if not self._login:
            return self.url
        scheme, rest = self.url.split("://", 1)
        return f"{scheme}://{self._login}@{rest}"

    @property
    def _login(self) -> str:
        """``user:password`` as a URL holds it; empty if neither is given."""
        user, password = (
            quote(secret.get_secret_value(), safe="") for secret in (self.user, self.password)
        )
        return f"{user}:{password}" if password else user
