"""The cameras that the window keeps: added, changed and removed while all others run."""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from pipeline.errors import ConfigError, PipelineError, redact
from pipeline.flow.runner import Runner
from pipeline.picture.turn import UPRIGHT
from pipeline.settings.schema import Camera, camera_class, first_mistake
from pipeline.sources import is_live
from pipeline.sources.camera import CameraSettings
from pipeline.sources.network import PROTOCOLS
from pipeline.sources.table import scheme_of
from pipeline.web.accounts import ConflictError, NoSuchError
from pipeline.web.kept import Kept

log = logging.getLogger("threadline.web")

#: What an address from the API may be: of the network, or a device that is a camera; never a file.
_DEVICE = re.compile(r"/dev/video\d{1,3}|csi://\d{1,2}")
#: Where clouds tell their machines their passwords.
_METADATA = frozenset({"169.254.169.254", "fd00:ec2::254", "metadata.google.internal"})
#: What the API has names of its own for, and what names files.
_OWN = frozenset({"url", "sub", "id", "user", "password", "then", "begins", "time_zone"})
_AREAS = ("include", "exclude", "far", "zones", "lines")


def refuse_address(url: str) -> None:
    """Make sure that an address from the API leads to a camera.

    Raises:
        ConfigError: it may lead to a file of this machine, or to what is no camera.
    """
    if _DEVICE.fullmatch(url):
        return
    known = ", ".join(f"{scheme}://" for scheme in PROTOCOLS)
    if scheme_of(url) not in PROTOCOLS or "://" not in url:
        raise ConfigError(f"{redact(url)[:100]}: no camera's address; it begins with {known}")
    host = host_of(url)
    with suppress(ValueError):  # a name
        host = str(ipaddress.ip_address(host))
    if not host or host in _METADATA:
        raise ConfigError(f"{redact(url)[:100]}: no camera is there")


def host_of(url: str) -> str:
    """The host of an address; empty where it has none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


class CameraBook:
    """All cameras of the run; those that were added here are kept. Works from any thread."""

    def __init__(self, kept: Kept, runner: Runner) -> None:
        self._kept = kept
        self._runner = runner
        self._fixed = frozenset(camera.name for camera in runner.config.cameras)
        self._lock = threading.RLock()
        #: Cameras that were kept and could not be started, and why.
        self.broken: dict[str, str] = {}

    def restore(self) -> None:
        """Start the cameras that were kept. One that cannot be is told, and stays kept."""
        for name, settings in self._kept.cameras().items():
            try:
                self._runner.cameras.add(json.loads(settings))
            except PipelineError as error:
                log.error("camera %s: %s", name, error)
                self.broken[name] = str(error)

    def all(self) -> list[Camera]:
        return self._runner.cameras.settings()

    def find(self, name: str) -> Camera:
        """A camera by its name.

        Raises:
            NoSuchError: there is none.
        """
        for camera in self.all():
            if camera.name == name:
                return camera
        raise NoSuchError(f"no camera is called '{name[:64]}'")

    def origin(self, name: str) -> str:
        return "file" if name in self._fixed else "window"

    def add(self, wanted: Mapping[str, Any]) -> Camera:
        """Start a camera and keep it.

        Args:
            wanted: as in a settings file, with ``purpose``.

        Raises:
            ConfigError: a setting is wrong, or the address is none.
            ConflictError: its name is taken.
        """
        settings, purpose = _apart(wanted)
        with self._lock:
            camera = self._checked(settings)
            if camera.name in {one.name for one in self.all()} | self.broken.keys():
                raise ConflictError(f"a camera called '{camera.name}' is there already")
            self._runner.cameras.add(camera)
            self._keep(camera.name, settings, purpose)
        return camera

    def change(self, name: str, changes: Mapping[str, Any]) -> Camera:
        """Change settings of a camera: it is started anew with them; what is not named stays.
        Raises as ``add``."""
        with self._lock:
            settings = self._settings(name)
            more, purpose = _apart({**changes, "id": name})
            if ("url" in more or "sub" in more) and "user" not in more and "password" not in more:
                _refuse_elsewhere(settings, more)
            if set(more) - {"id"}:
                privacy = {**settings.get("privacy", {}), **more.pop("privacy", {})}
                settings = {**settings, **more, **({"privacy": privacy} if privacy else {})}
                camera = self._checked(settings)
                if self.broken.pop(name, None) is None:
                    self._runner.cameras.replace(camera)
                else:
                    self._runner.cameras.add(camera)
            self._keep(name, settings, purpose)
        return self.find(name)

    def remove(self, name: str) -> None:
        """Stop a camera and forget its settings; what was found stays.

        Raises:
            NoSuchError: there is none of this name.
            ConflictError: it is one of the settings file.
        """
        with self._lock:
            self._settings(name)
            if self.broken.pop(name, None) is None:
                self._runner.cameras.remove(name)
            self._kept.drop_camera(name)

    def purpose_of(self, name: str) -> str:
        return self._kept.purposes().get(name, "")

    def closed(self, name: str) -> str:
        """Why a camera's own video may be shown to nobody; empty if it may."""
        privacy = self._runner.settings.section("privacy").of(name)
        if privacy.mask:
            return "masked"
        if privacy.video == "nobody":
            return "private"
        turned = any(one.name == name and one.turn != UPRIGHT for one in self.all())
        return "turned" if turned else ""

    def probed(self, wanted: Mapping[str, Any]) -> CameraSettings:
        """Settings with which an address is tried out; of a camera that is there by its ``id``."""
        if wanted.get("id") and not wanted.get("url"):
            return self.find(str(wanted["id"]))
        settings, _ = _apart({**wanted, "id": "camera"})
        return self._checked(settings)

    def _settings(self, name: str) -> dict[str, Any]:
        if name in self._fixed:
            raise ConflictError(f"camera {name} is of the settings file; change it there")
        kept = self._kept.cameras().get(name)
        if kept is None:
            raise NoSuchError(f"no camera is called '{name[:64]}'")
        settings: dict[str, Any] = json.loads(kept)
        return settings

    def _checked(self, settings: Mapping[str, Any]) -> Camera:
        try:
            camera = camera_class()(**settings)
        except ValidationError as error:
            raise ConfigError(redact(first_mistake(error))) from None
        for url in filter(None, (camera.url, camera.sub)):
            refuse_address(url)
        return camera

    def _keep(self, name: str, settings: Mapping[str, Any], purpose: str | None) -> None:
        self._kept.keep_camera(name, json.dumps({**settings, "id": name}))
        if purpose is not None:
            self._kept.keep_purpose(name, purpose)


def _refuse_elsewhere(settings: Mapping[str, Any], more: Mapping[str, Any]) -> None:
    """A login that was kept is not sent to another host than the one it was given for: nobody
    could read it here, but there."""
    if not settings.get("user") and not settings.get("password"):
        return
    url = more.get("url") or settings["url"]
    if {host_of(url), host_of(more.get("sub") or url)} != {host_of(settings["url"])}:
        raise ConfigError("url: is another host; give user and password again")


def _apart(wanted: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Settings of the camera, and its purpose, of what the API was sent."""
    settings = {key: value for key, value in wanted.items() if value is not None}
    purpose = settings.pop("purpose", None)
    more = settings.pop("settings", {})
    if bad := _OWN & more.keys():
        raise ConfigError(f"settings.{min(bad)}: cannot be set here")
    privacy = {key: settings.pop(key) for key in ("mask", "heads") if key in settings}
    if privacy:
        more = {**more, "privacy": {**more.get("privacy", {}), **privacy}}
    return {**settings, **more}, purpose


def shown(camera: Camera, whole: bool) -> dict[str, Any]:
    """A camera's settings as the API tells them, without credentials; its address and what else is
    set only if ``whole``."""
    set_ = camera.model_dump(mode="json", exclude_unset=True)
    privacy = set_.get("privacy") or {}
    told = {*_OWN, *_AREAS, "privacy"}
    more = {key: value for key, value in set_.items() if key not in told and value is not None}
    found = {
        "id": camera.name,
        "live": is_live(camera.url),
        "mask": privacy.get("mask", []),
        "heads": privacy.get("heads"),
    }
    areas = camera.areas.model_dump(mode="json")
    found |= {name: areas[name] for name in _AREAS}
    if whole:
        found |= {
            "url": redact(camera.url),
            "sub": redact(camera.sub),
            "user": bool(camera.user.get_secret_value()) or camera.url != redact(camera.url),
            "password": bool(camera.password.get_secret_value())
            or camera.url != redact(camera.url),
            "settings": more,
        }
    return found
