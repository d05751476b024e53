"""Settings: one YAML file in, one frozen Config out, mistakes named with file, line and key."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engines import BACKENDS
from engines.zoo import MODELS
from pipeline.background import Background
from pipeline.errors import ConfigError, redact, source_name
from pipeline.skip import SkipPolicy
from pipeline.track import TrackPolicy
from pipeline.vote import VotePolicy

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
_ENV = re.compile(r"\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}")
#: A configuration larger than this is a mistake (bytes).
_MOST_BYTES = 1_000_000


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraConfig(_Section):
    """One camera or recording."""

    url: str = Field(min_length=1, description="RTSP, HTTP or HLS URL, file, or /dev/videoN")
    id: str = Field("", pattern=r"^[\w.-]{0,64}$", description="name in events and file names")
    transport: Literal["tcp", "udp"] = Field("tcp", description="how RTSP carries the video")
    timeout_s: Seconds = Field(3.0, description="silence after which a camera counts as lost")

    @property
    def name(self) -> str:
        return self.id or source_name(self.url)


class EngineConfig(_Section):
    """What runs the models."""

    backend: str = Field("auto", description="auto, openvino or onnxruntime")
    threads: int = Field(0, ge=0, le=256, description="CPU threads; 0 lets the engine choose")
    precision: Literal["f32", "bf16", "f16"] = Field("f32", description="arithmetic of the models")

    @model_validator(mode="after")
    def _known(self) -> EngineConfig:
        if self.backend not in ("auto", *BACKENDS):
            raise ValueError(f"must be one of auto, {', '.join(BACKENDS)}")
        return self


class MotionConfig(_Section):
    """When a scene counts as still."""

    threshold: Share = Field(0.002, description="share of the picture that must change")


class PersonConfig(_Section):
    """Person detection."""

    model: str = Field("person-store-int8", description="a registered person-detection model")
    score: Share = Field(0.42, description="score a person needs to be believed")
    keep_score: Share = Field(0.2, description="score that keeps a person already followed")
    iou: Share = Field(0.5, description="overlap above which two boxes are one person")
    pixels: int = Field(
        0, ge=0, le=4_000_000, description="pixels a detector of free input size sees; 0: its own"
    )
    interval_s: float = Field(0.2, ge=0, le=60, description="shortest time between detections")
    refresh_s: Seconds = Field(2.0, description="longest time without one, even if all is still")


class TrackConfig(_Section):
    """Following people from frame to frame."""

    iou: Share = Field(0.1, description="least likeness of prediction and detection")
    confirm_hits: int = Field(3, ge=1, le=100, description="detections that make a person")
    lost_s: Seconds = Field(2.5, description="time out of sight after which a person has left")


class GarmentConfig(_Section):
    """Parsing garments on person crops."""

    enabled: bool = True
    model: str = Field("garments-lite0", description="a registered garment-parsing model")
    types: bool = Field(False, description="look again at upper garments: polo, hoodie, blazer")
    background: Background = Field("keep", description="behind what that look sees")
    min_height_px: int = Field(48, ge=8, le=10000, description="smaller people are not tagged")
    photo_share: Share = Field(
        0.5, description="on still pictures: people under this share of the tallest are passers-by"
    )
    refresh_s: Seconds = Field(3.0, description="tags older than this are looked at again")
    settle_s: float = Field(0.3, ge=0, le=60, description="time between the first looks")
    settle_looks: int = Field(8, ge=1, le=1000, description="first looks at a person")
    better: float = Field(1.3, ge=1, le=10, description="a crop this much better is looked at")


class VoteConfig(_Section):
    """Fusing a person's crops into tags."""

    appear: Share = Field(0.4, description="fused probability at which a garment appears")
    vanish: Share = Field(0.25, description="fused probability under which it vanishes")
    fine: Share = Field(0.35, description="probability a label needs, else its category is said")
    looks: int = Field(2, ge=1, le=100, description="crops needed before anything is said")
    memory: Share = Field(0.9, description="weight of the past against a new crop")

    @model_validator(mode="after")
    def _ordered(self) -> VoteConfig:
        if self.vanish > self.appear:
            raise ValueError("vanish must not exceed appear")
        return self


class OutputConfig(_Section):
    """What is written into the output folder."""

    events: bool = Field(True, description="events.jsonl")
    frames: bool = Field(False, description="frames.jsonl, one record per analysed frame")
    video: bool | Literal["auto"] = Field("auto", description="annotated MP4; auto: files only")
    snapshots: bool = Field(True, description="best picture of every person")


class Config(_Section):
    """All settings of a run."""

    cameras: tuple[CameraConfig, ...] = ()
    engine: EngineConfig = EngineConfig()
    motion: MotionConfig = MotionConfig()
    person: PersonConfig = PersonConfig()
    track: TrackConfig = TrackConfig()
    garments: GarmentConfig = GarmentConfig()
    vote: VoteConfig = VoteConfig()
    outputs: OutputConfig = OutputConfig()

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        names = [camera.name for camera in self.cameras]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two cameras are called '{name}'; give one another id")
        for model, task in (
            (self.person.model, "person-detection"),
            (self.garments.model, "garment-parsing"),
        ):
            known = [m.name for m in MODELS.values() if m.task == task]
            if model not in known:
                raise ValueError(f"model '{model}' is no {task} model; known: {', '.join(known)}")
        return self

    @property
    def skip_policy(self) -> SkipPolicy:
        person = self.person
        return SkipPolicy(self.motion.threshold, person.interval_s, person.refresh_s)

    @property
    def track_policy(self) -> TrackPolicy:
        track, person = self.track, self.person
        return TrackPolicy(
            person.score, person.keep_score, track.iou, track.confirm_hits, track.lost_s
        )

    @property
    def vote_policy(self) -> VotePolicy:
        vote = self.vote
        return VotePolicy(vote.appear, vote.vanish, vote.fine, vote.looks, vote.memory)


Path_ = tuple[str | int, ...]


def _lines(node: yaml.Node | None, path: Path_ = ()) -> dict[Path_, int]:
    """Line number (from 1) of every key and list item, by path."""
    if node is None:
        return {}
    found = {path: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            found.update(_lines(value, inner))
            found[inner] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found.update(_lines(value, (*path, index)))
    return found


def _substitute(value: Any, where: str, env: Mapping[str, str]) -> Any:
    """Replace ``${NAME}`` and ``${NAME:-default}`` in every string."""
    if isinstance(value, dict):
        return {k: _substitute(v, f"{where}.{k}", env) for k, v in value.items()}
    if isinstance(value, list):
        return [_substitute(v, f"{where}[{i}]", env) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        if name in env:
            return env[name]
        if default is not None:
            return default
        raise ConfigError(
            f"{where.lstrip('.')}: environment variable {name} is not set; export it first"
        )

    return _ENV.sub(fill, value)


def _valid_keys(path: Path_) -> list[str]:
    """Keys allowed at the place ``path`` points to."""
    model: Any = Config
    for part in path:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        inner = [a for a in get_args(annotation) if isinstance(a, type)]
        model = inner[0] if inner else annotation
        if not hasattr(model, "model_fields"):
            return []
    return list(model.model_fields)


def _explain(error: Any, file: str, lines: Mapping[Path_, int]) -> str:
    """One line for one pydantic error."""
    path: Path_ = tuple(error["loc"])
    place = path
    while place and place not in lines:
        place = place[:-1]
    line = f":{lines[place]}" if place in lines else ""
    key = ".".join(str(part) for part in path)
    text = redact(str(error["msg"]).removeprefix("Value error, "))
    if error["type"] == "extra_forbidden":
        valid = _valid_keys(path[:-1])
        near = difflib.get_close_matches(str(path[-1]), valid, n=1, cutoff=0.5)
        text = "unknown key; " + (
            f"did you mean '{near[0]}'?" if near else f"valid: {', '.join(valid)}"
        )
    return f"{file}{line}: {key + ': ' if key else ''}{text}"


def parse(text: str, file: str, env: Mapping[str, str] | None = None) -> Config:
    """Config of a YAML text; ``file`` names it in errors.

    Raises:
        ConfigError: one line per mistake.
    """
    try:
        data = yaml.safe_load(text)
        lines = _lines(yaml.compose(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{file}{line}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{file}: not valid YAML: {str(error).splitlines()[0]}") from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(f"{file}:1: expected keys such as 'cameras:', got {type(data).__name__}")
    try:
        filled = _substitute(data, "", os.environ if env is None else env)
        return Config.model_validate(filled)
    except ValidationError as error:
        mistakes = [_explain(e, file, lines) for e in error.errors(include_url=False)]
        raise ConfigError("\n".join(mistakes)) from None
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def load(path: Path) -> Config:
    """Config of a YAML file.

    Raises:
        ConfigError: the file cannot be read or has mistakes.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise ConfigError(f"{path}: larger than {_MOST_BYTES} bytes; not a configuration")
        return parse(raw.decode("utf-8"), str(path))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
