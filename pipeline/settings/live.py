"""The settings of a run as they stand for each camera, while cameras come and go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.people.zones import Zones
from pipeline.settings.schema import Camera, Config
from pipeline.settings.section import PerSource, Section
from pipeline.tagging.packs.settings import PackSettings


class _View:
    """One section, and what it is for the cameras that override it."""

    def __init__(self, section: Section) -> None:
        self.section = section
        self.own: dict[str, Section] = {}

    def of(self, source: str) -> Any:
        return self.own.get(source, self.section)


class _PackView(_View):
    """A pack's settings; ``only``: the cameras it looks at, where that is chosen while the run
    lasts."""

    def __init__(self, section: PackSettings) -> None:
        super().__init__(section)
        self.only: frozenset[str] | None = None
        self._off = section.model_copy(update={"enabled": False})

    def of(self, source: str) -> Any:
        if self.only is None or not source:
            return super().of(source)
        return self.section if source in self.only else self._off


class LiveSettings:
    """Every section for every camera. Stages keep what ``section`` returns and ask it per frame;
    cameras are added and dropped by one thread."""

    def __init__(self, config: Config) -> None:
        self._config = self._began = config
        self._views = {
            name: _View(section)
            for name in type(config).model_fields
            if isinstance(section := config.section(name), Section)
        }
        self.zones = _View(Zones())
        self._packs = {entry.pack: _PackView(entry) for entry in config.packs}
        for camera in config.cameras:
            self.add(camera)

    def section(self, name: str) -> Any:
        """A section by name: ask it ``of(source)``."""
        return self._views[name]

    def uses(self, name: str) -> bool:
        """Whether a tagger was wanted when the run began, by all cameras or by one of them."""
        return self._began.uses(name)

    def packs(self) -> dict[str, Any]:
        """The packs that any camera may use: the settings of each, to be asked ``of(source)``."""
        return {name: view for name, view in self._packs.items() if self._config.uses_pack(name)}

    def follow(self, config: Config, cameras: Iterable[Camera]) -> None:
        """Have other settings hold, for these cameras and those to come. Whoever keeps a section
        has the new one."""
        self._config = config
        for name, view in self._views.items():
            view.section = config.section(name)
        for camera in cameras:
            self.add(camera)

    def take_pack(self, entry: PackSettings, only: frozenset[str] | None) -> PerSource[Any]:
        """Take in a pack while the run lasts, in the place of one of its name.

        Args:
            only: the cameras it looks at; ``None`` for all.
        """
        view = self._packs[entry.pack] = _PackView(entry.model_copy(update={"enabled": True}))
        view.only = only
        return view

    def look_at(self, name: str, only: frozenset[str] | None) -> None:
        """Have a pack that was taken in look at other cameras."""
        self._packs[name].only = only

    def drop_pack(self, name: str) -> None:
        """Forget a pack."""
        self._packs.pop(name, None)

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
        for pack, view in list(self._packs.items()):
            if camera.packs is None:
                view.own.pop(camera.name, None)
            else:
                here = {"enabled": pack in camera.packs}
                view.own[camera.name] = view.section.model_copy(update=here)
        self.zones.own[camera.name] = camera.areas

    def drop(self, source: str) -> None:
        """Forget a camera."""
        for view in (*self._views.values(), *list(self._packs.values()), self.zones):
            view.own.pop(source, None)
