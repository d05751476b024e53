"""What is measured on which camera: the section ``measures`` of a settings file."""

from __future__ import annotations

from pydantic import Field, model_validator

from pipeline.settings.section import Seconds, Share, per_run
from pipeline.tagging.measures.plane import PlaneSettings
from pipeline.tagging.tagger import TaggerSettings


class MeasureSettings(TaggerSettings):
    """Sizes in cm of objects on a plane, and of people on a floor: needs ``plane``, which
    ``threadline measure calibrate`` writes."""

    enabled: bool = Field(False, description="whether sizes are measured")
    plane: PlaneSettings | None = Field(None, description="the calibrated plane")
    objects: bool = Field(True, description="measure objects on a plain belt or table")
    masks: str = per_run(
        "",
        description="a pack of kind segmenter that gives the masks of objects; empty: objects are "
        "what differs from the empty plane",
    )
    taught: str = per_run(
        "",
        description="a pack of threadline teach --target length, which tells lengths, too; "
        "empty: none",
    )
    accept_licence: bool = per_run(
        False, description="what the licences of these packs ask is accepted"
    )
    heights: bool = Field(False, description="measure people who stand on the plane")
    lengths: bool = Field(
        False, description="measure what such people wear, from top to hem; needs garments"
    )
    every_s: Seconds = Field(0.1, description="seconds between two looks at the plane")
    learn_s: Seconds = Field(4.0, description="first seconds, from which the empty plane is learnt")
    empty: str = Field("", description="a picture of the empty plane, instead of learning it")
    reference: str = Field(
        "", description="a picture of the calibration: the camera must still look there"
    )
    contrast: int = Field(
        20,
        ge=2,
        le=255,
        description="difference from the empty plane from which something lies there",
    )
    shadow: Share = Field(
        0.68,
        description="share of the light that the darkest shadow leaves; 1: shadows are objects",
    )
    least_cm: float = Field(3.0, gt=0, le=1000, description="shorter objects are dirt")
    lost_s: Seconds = Field(1.0, description="time out of sight after which an object is gone")
    moved: Share = Field(
        0.004,
        description="shift of the background, as a share of the picture's width, from which the "
        "camera has moved",
    )

    @property
    def wanted(self) -> bool:
        return (
            self.enabled
            and self.plane is not None
            and (self.objects or self.heights or self.lengths)
        )

    @model_validator(mode="after")
    def _calibrated(self) -> MeasureSettings:
        if self.enabled and self.plane is None:
            raise ValueError("enabled without a plane; make one with: threadline measure calibrate")
        return self
