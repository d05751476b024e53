"""All settings, gathered from the rooms that read them; ``pipeline.settings.file`` reads YAML."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from operator import getitem
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import Field, ValidationError, ValidationInfo, create_model, model_validator
from pydantic.fields import FieldInfo

from engines.packs import PackError, Packs, shipped
from engines.published.recipes import RECIPES
from pipeline.flow.pace import PaceSettings
from pipeline.models.opening import EngineSettings
from pipeline.people.detect import PersonSettings
from pipeline.people.schedule import MotionSettings
from pipeline.people.track import TrackSettings
from pipeline.people.zones import Zones
from pipeline.picture.privacy import PrivacySettings
from pipeline.settings.section import Section
from pipeline.sinks import output_settings
from pipeline.sources import is_live
from pipeline.sources.camera import CameraSettings
from pipeline.store.settings import StoreSettings
from pipeline.tagging import known_taggers
from pipeline.tagging.due import LookSettings
from pipeline.tagging.packs.settings import PackSettings


class Camera(Zones, CameraSettings):
    """One camera or recording: how it is read, its areas, and sections of its own."""

    packs: tuple[str, ...] | None = Field(
        None, description="which of the run's packs look at it; left out: those that are enabled"
    )

    @property
    def areas(self) -> Zones:
        """Its areas alone."""
        return Zones.model_construct(**{name: getattr(self, name) for name in Zones.model_fields})

    def override(self, section: str) -> Mapping[str, Any]:
        """What this camera sets of a section."""
        own = getattr(self, section, None)
        return own.model_dump(exclude_unset=True) if isinstance(own, Section) else {}


class Config(Section):
    """All settings of a run. Taggers, outputs and the sections under a camera are added by
    ``schema``: they depend on what is installed."""

    cameras: tuple[Camera, ...] = ()
    engine: EngineSettings = EngineSettings()
    motion: MotionSettings = MotionSettings()
    person: PersonSettings = PersonSettings()
    track: TrackSettings = TrackSettings()
    looks: LookSettings = LookSettings()
    privacy: PrivacySettings = PrivacySettings()
    pace: PaceSettings = PaceSettings()
    store: StoreSettings = StoreSettings()
    packs: tuple[PackSettings, ...] = Field(
        (), description="packs that are used as taggers: their names, or with settings of their own"
    )

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Config:
        packs = (info.context or {}).get("packs") or shipped()
        names = [camera.name for camera in self.cameras]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two cameras are called '{name}'; give one another id")
        for key, model, task in self._models():
            _check_model(key, model, task, packs)
        for i, entry in enumerate(self.packs):
            own = [one.pack for one in self.packs[:i]]
            _check_pack(f"packs.{i}.pack", entry.pack, packs, (*type(self).model_fields, *own))
        for i, camera in enumerate(self.cameras):
            try:
                self.check(camera, packs)
            except ValueError as error:
                raise ValueError(f"cameras.{i}.{error}") from None
        return self

    @property
    def live(self) -> int:
        """How many of its cameras are live."""
        return sum(is_live(camera.url) for camera in self.cameras)

    def section(self, name: str) -> Any:
        """A section by its name."""
        return getattr(self, name)

    def check(self, camera: Camera, packs: Packs) -> None:
        """Raise ValueError, which begins with the key, unless a camera fits the other settings."""
        if camera.sub and is_live(camera.url) != is_live(camera.sub):
            raise ValueError(
                "sub: of a live camera it is another stream of it, of a recording a file, its proxy"
            )
        if camera.far and not packs.find(self.person.model).multiple:
            raise ValueError(f"far: '{self.person.model}' sees pictures of one size only")
        for name in camera.packs or ():
            if name not in {entry.pack for entry in self.packs}:
                raise ValueError(f"packs: '{name}' is not among the packs: of the run")
            if not self.uses_pack(name):
                raise ValueError(f"packs: '{name}': no camera used it when the run began")
        for name in type(self).model_fields:
            if camera.override(name):
                section = self.section_of(camera, name)
                if getattr(section, "wanted", False) is True and not self.uses(name):
                    raise ValueError(f"{name}: no camera used it when the run began")

    def uses(self, name: str) -> bool:
        """Whether a tagger is wanted by these settings, for all cameras or for one of them."""
        own = (self.section_of(camera, name) for camera in self.cameras)
        return any(section.wanted for section in (self.section(name), *own))

    def uses_pack(self, name: str) -> bool:
        """Whether a pack is to be a tagger, for all cameras or for one of them."""
        entries = (entry for entry in self.packs if entry.pack == name)
        named = any(name in (camera.packs or ()) for camera in self.cameras)
        return named or any(entry.enabled for entry in entries)

    def section_of(self, camera: Camera, name: str) -> Any:
        """A section as it stands for one camera.

        Raises:
            ValueError: what the camera sets does not fit the rest of the section.
        """
        section = self.section(name)
        override = camera.override(name)
        if not override:
            return section
        try:
            return type(section).model_validate(merged(section.model_dump(), override))
        except ValidationError as error:
            raise ValueError(first_mistake(error, name)) from None

    def _models(self) -> Iterator[tuple[str, str, str]]:
        """Key, pack and task of every setting that names a pack and is in use."""
        for name in type(self).model_fields:
            section = getattr(self, name)
            if not isinstance(section, Section):
                continue
            own = any(camera.override(name) for camera in self.cameras)
            if not own and not getattr(section, "wanted", True):
                continue
            for key, field in type(section).model_fields.items():
                if task := _extra(field).get("task"):
                    yield f"{name}.{key}", getattr(section, key), str(task)


def _check_model(key: str, model: str, task: str, packs: Packs) -> None:
    try:
        if packs.find(model).task == task:
            return
    except PackError as error:
        reason = str(error)
    else:
        reason = f"'{model}' is no {task} model"
    known = ", ".join(pack.name for pack in packs.of(task)) or "none; add it with --packs"
    raise ValueError(f"{key}: {reason}; for {task}: {known}")


def _check_pack(key: str, name: str, packs: Packs, taken: Collection[str]) -> None:
    """Raise ValueError unless a pack can be a tagger of this name."""
    if name in RECIPES and name not in packs:
        raise ValueError(f"{key}: '{name}' is not here yet: threadline models pull {name}")
    try:
        pack = packs.find(name)
    except PackError as error:
        raise ValueError(f"{key}: {error}") from None
    if pack.tagger is None and pack.task == "garment-parsing":
        raise ValueError(f"{key}: '{name}' parses garments: set garments.model: {name} instead")
    if pack.tagger is None:
        raise ValueError(f"{key}: '{name}' has no [tagger] in its pack.toml: no tagger by itself")
    if name in taken:
        raise ValueError(f"{key}: '{name}' stands twice, or is the name of a section")


def first_mistake(error: ValidationError, *within: str) -> str:
    """The first mistake in one line: its key, under the keys ``within``, and what is wrong."""
    first = error.errors(include_url=False)[0]
    key = ".".join((*within, *map(str, first["loc"])))
    text = str(first["msg"]).removeprefix("Value error, ")
    return f"{key}: {text}" if key else text


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings with those of ``over`` on top."""
    out = dict(base)
    for key, value in over.items():
        inner = out.get(key)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        out[key] = merged(cast(Mapping[str, Any], inner), value) if both else value
    return out


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    extra = field.json_schema_extra
    return extra if isinstance(extra, dict) else {}


def is_section(kind: Any) -> bool:
    """Whether a type is a section's class. For Python 3.10, ``tuple[int]`` is a type as well."""
    return get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, Section)


def is_per_run(field: FieldInfo) -> bool:
    """Whether a field is the same for all cameras."""
    return bool(_extra(field).get("per_run"))


def _overrides(section: type[Section]) -> type[Section]:
    """A section as it may stand under a camera: nothing is required, and what is the same for all
    cameras is left out."""
    fields: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        if is_per_run(field):
            continue
        kind: Any = field.annotation
        if is_section(kind):
            kind = _overrides(kind)
        elif field.metadata:
            kind = getitem(Annotated, (kind, *field.metadata))
        fields[name] = (kind | None, FieldInfo(default=None, description=field.description))
    shorthand: Any = model_validator(mode="before")(lambda value: section.expanded(value))
    made: type[Section] = create_model(
        f"{section.__name__}Override",
        __base__=Section,
        __validators__={"_shorthand": shorthand},
        **fields,
    )
    return made


@lru_cache(maxsize=1)
def schema() -> type[Config]:
    """The settings of everything that is installed."""
    more = {name: entry.settings for name, entry in known_taggers().items()}
    sections: dict[str, Any] = {
        name: Config.model_fields[name].annotation
        for name in ("motion", "person", "track", "looks", "privacy")
    }
    sections |= {**more, "outputs": output_settings()}
    under: dict[str, Any] = {
        name: (_overrides(section) | None, FieldInfo(default=None))
        for name, section in sections.items()
    }
    camera: Any = create_model("Camera", __base__=Camera, **under)
    fields: dict[str, Any] = {
        name: (section, section())
        for name, section in sections.items()
        if name not in Config.model_fields
    }
    fields["cameras"] = (tuple[camera, ...], ())
    return create_model("Config", __base__=Config, **fields)


def camera_class() -> type[Camera]:
    """The settings of one camera, with the sections of everything that is installed."""
    kind: type[Camera] = get_args(schema().model_fields["cameras"].annotation)[0]
    return kind


def make_config(packs: Packs | None = None, **sections: Any) -> Config:
    """Settings from Python: sections by name, as mappings or sections.

    Raises:
        pydantic.ValidationError: a setting is unknown, of the wrong type or impossible.
    """
    return schema().model_validate(sections, context={"packs": packs})
