"""All settings, frozen and checked; ``pipeline.settings.file`` reads them from YAML."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engines import BACKENDS, Precision
from engines.trt.build import Batch
from engines.zoo import MODELS
from pipeline.errors import source_name
from pipeline.flow.pace import PacePolicy
from pipeline.people.skip import SkipPolicy
from pipeline.people.track import TrackPolicy
from pipeline.people.zones import Zones
from pipeline.picture.background import Background
from pipeline.tagging.vote import VotePolicy

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
#: A polygon: corners (x, y) as shares of the picture's width and height.
Area = Annotated[tuple[tuple[Share, Share], ...], Field(min_length=3, max_length=64)]


#: A rectangle: left, top, right and bottom as shares of the picture's width and height.
Rectangle = tuple[Share, Share, Share, Share]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraConfig(_Section):
    """One camera or recording."""

    url: str = Field(
        min_length=1, description="RTSP, HTTP or HLS URL, file, /dev/videoN or csi://N"
    )
    id: str = Field("", pattern=r"^[\w.-]{0,64}$", description="name in events and file names")
    transport: Literal["tcp", "udp"] = Field("tcp", description="how RTSP carries the video")
    reader: Literal["ffmpeg", "gstreamer", "nvdec"] = Field(
        "ffmpeg", description="what decodes; gstreamer on a Jetson, nvdec on an NVIDIA GPU"
    )
    timeout_s: Seconds = Field(2.8, description="silence after which a camera counts as lost")
    include: tuple[Area, ...] = Field((), description="areas people count in; none: everywhere")
    exclude: tuple[Area, ...] = Field((), description="areas in which nobody and no motion counts")

    tiles: tuple[Rectangle, ...] = Field(
        (), max_length=16, description="areas with people far away, looked at at twice the scale"
    )

    @model_validator(mode="after")
    def _tiles(self) -> CameraConfig:
        for x0, y0, x1, y1 in self.tiles:
            if not (0.02 <= x1 - x0 <= 0.5 and 0.02 <= y1 - y0 <= 0.5):
                raise ValueError(
                    f"tile [{x0}, {y0}, {x1}, {y1}] must be [left, top, right, bottom] and at most "
                    "half as wide and half as high as the picture; use several"
                )
        return self

    @property
    def name(self) -> str:
        return self.id or source_name(self.url)

    @property
    def zones(self) -> Zones:
        return Zones(self.include, self.exclude, self.tiles)


class EngineConfig(_Section):
    """What runs the models."""

    backend: str = Field("auto", description="auto, openvino, onnxruntime or tensorrt")
    threads: int = Field(0, ge=0, le=256, description="CPU threads; 0: by cores and cameras")
    cache: bool = Field(True, description="keep compiled models in ~/.cache/threadline")
    precision: Precision = Field("f32", description="arithmetic of the models")
    batch: str = Field("1:1:8", description="TensorRT: least, usual and most pictures at once")
    plans: str = Field("", description="TensorRT: folder of the plans; empty: ~/.cache/threadline")
    fallback: bool = Field(
        False, description="where TensorRT cannot run a model, or runs it wrong: on the processor"
    )

    @model_validator(mode="after")
    def _known(self) -> EngineConfig:
        if self.backend not in ("auto", *BACKENDS):
            raise ValueError(f"must be one of auto, {', '.join(BACKENDS)}")
        Batch.parse(self.batch)
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
    refresh_s: Seconds = Field(
        4.0, description="longest time between looks at the whole picture, if nothing moves longer"
    )
    parts: bool = Field(True, description="between those, only what changed is looked at")


class TrackConfig(_Section):
    """Following people from frame to frame."""

    iou: Share = Field(0.1, description="least likeness of prediction and detection")
    confirm_hits: int = Field(3, ge=1, le=100, description="detections that make a person")
    lost_s: Seconds = Field(2.5, description="time out of sight after which a person has left")


class GarmentConfig(_Section):
    """Parsing garments on person crops."""

    enabled: bool = True
    model: str = Field("garments-lite0-int8", description="a registered garment-parsing model")
    types: bool = Field(False, description="look again at upper garments: polo, hoodie, blazer")
    background: Background = Field("keep", description="behind what that look sees")
    min_height_px: int = Field(48, ge=8, le=10000, description="smaller people are not tagged")
    photo_share: Share = Field(
        0.5, description="on still pictures: people under this share of the tallest are passers-by"
    )
    refresh_s: Seconds = Field(
        3.0, description="tags older than this are looked at again, if somebody stands still later"
    )
    settle_s: float = Field(0.3, ge=0, le=60, description="time between the first looks")
    settle_looks: int = Field(8, ge=1, le=1000, description="first looks at a person")
    better: float = Field(1.3, ge=1, le=10, description="a crop this much better is looked at")


class LogoConfig(_Section):
    """Brand marks on people, recognised by a gallery of pictures."""

    gallery: str = Field("", description="folder of the gallery; empty: no marks are looked for")
    detector: str = Field(
        "logo-detector-lite0-int8", description="a registered logo-detection model"
    )
    embedder: str = Field("logo-embedder-lite0", description="a registered logo-embedding model")
    score: Share = Field(0.3, description="score something needs to be taken for a mark")
    appear: Share = Field(0.2, description="fused score at which a brand appears")
    vanish: Share = Field(0.1, description="fused score under which it vanishes")
    looks: int = Field(2, ge=1, le=100, description="crops needed before anything is said")
    memory: Share = Field(0.95, description="weight of the past against a new crop")
    most_looks: int = Field(12, ge=1, le=1000, description="then only the best crops are looked at")
    lettering: bool = Field(
        False, description="read the letters of marks that looks leave in doubt (needs rapidocr)"
    )
    tile_s: float = Field(
        0.5, ge=0, le=3600, description="seconds between two tiles looked at for signs; 0: none are"
    )

    @model_validator(mode="after")
    def _ordered(self) -> LogoConfig:
        if self.vanish > self.appear:
            raise ValueError("vanish must not exceed appear")
        return self


class VoteConfig(_Section):
    """Fusing a person's crops into tags."""

    appear: Share = Field(0.4, description="fused probability at which a garment appears")
    vanish: Share = Field(0.25, description="fused probability under which it vanishes")
    fine: Share = Field(0.35, description="probability a label needs, else its category is said")
    looks: int = Field(
        2, ge=1, le=100, description="crops needed before anything is said; live and late, one"
    )
    memory: Share = Field(0.9, description="weight of the past against a new crop")

    @model_validator(mode="after")
    def _ordered(self) -> VoteConfig:
        if self.vanish > self.appear:
            raise ValueError("vanish must not exceed appear")
        return self


class PaceConfig(_Section):
    """Holding real time with live cameras: what is given up when a machine has too little."""

    latency_s: Seconds = Field(0.35, description="capture-to-tag time aimed at")
    most_stretch: float = Field(10.0, ge=1, le=1000, description="limit of how intervals grow")


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
    logos: LogoConfig = LogoConfig()
    vote: VoteConfig = VoteConfig()
    pace: PaceConfig = PaceConfig()
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
            (self.logos.detector, "logo-detection"),
            (self.logos.embedder, "logo-embedding"),
        ):
            known = [m.name for m in MODELS.values() if m.task == task]
            if model not in known:
                raise ValueError(f"model '{model}' is no {task} model; known: {', '.join(known)}")
        if self.logos.gallery and not self.garments.enabled:
            raise ValueError("logos: need garments, on whose crops marks are looked for")
        if any(c.tiles for c in self.cameras) and not MODELS[self.person.model].multiple:
            raise ValueError(f"tiles: '{self.person.model}' sees pictures of one size only")
        return self

    @property
    def zones(self) -> dict[str, Zones]:
        """Areas of the cameras that have any, by name."""
        return {c.name: c.zones for c in self.cameras if c.include or c.exclude or c.tiles}

    @property
    def skip_policy(self) -> SkipPolicy:
        person = self.person
        return SkipPolicy(self.motion.threshold, person.interval_s, person.refresh_s)

    @property
    def pace_policy(self) -> PacePolicy:
        return PacePolicy(self.pace.latency_s, self.pace.most_stretch)

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
