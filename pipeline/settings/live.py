"""The settings of a run as they stand for each camera, while cameras come and go."""

from __future__ import annotations

from typing import Any

from pipeline.people.zones import Zones
from pipeline.settings.schema import Camera, Config
from pipeline.settings.section import Section


class _View:
    """One section, and what it is for the cameras that override it."""

    def __init__(self, section: Section) -> None:
        self.section = section
        self.own: dict[str, Section] = {}

    def of(self, source: str) -> Any:
        return self.own.get(source, self.section)


class LiveSettings:
    """Every section for every camera. Stages keep what ``section`` returns and ask it per frame;
    cameras are added and dropped by one thread."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._views = {
            name: _View(section)
            for name in type(config).model_fields
            if isinstance(section := config.section(name), Section)
        }
        self.zones = _View(Zones())
        self._packs = {entry.pack: _View(entry) for entry in config.packs}
        for camera in config.cameras:
            self.add(camera)

    def section(self, name: str) -> Any:
        """A section by name: ask it ``of(source)``."""
        return self._views[name]

    def uses(self, name: str) -> bool:
        """Whether a tagger was wanted when the run began, by all cameras or by one of them."""
        return self._config.uses(name)

    def packs(self) -> dict[str, Any]:
        """The packs that any camera may use: the settings of each, to be asked ``of(source)``."""
        return {name: view for name, view in self._packs.items() if self._config.uses_pack(name)}

    def add(self, camera: Camera) -> None:
        """Take in a camera, in the place of one of the same name.

        Raises:
            ValueError: what it sets does not fit the rest.
        """
        own = {
            name: self._config.section_of(camera, name)
            for name in self._views
            if camera.override(name)
        }
        for name, view in self._views.items():
            if name in own:
                view.own[camera.name] = own[name]
            else:
                view.own.pop(camera.name, None)
        for pack, view in self._packs.items():
            if camera.packs is None:
                view.own.pop(camera.name, None)
            else:
                here = {"enabled": pack in camera.packs}
                view.own[camera.name] = view.section.model_copy(update=here)
        self.zones.own[camera.name] = camera.areas

    def drop(self, source: str) -> None:
        """Forget a camera."""
        for view in (*self._views.values(), *self._packs.values(), self.zones):
            view.own.pop(source, None)
