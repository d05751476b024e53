"""Plans on disk: under a key of everything they depend on, written whole or not at all, checked
when read. A plan that does not fit is built anew, and the reason is reported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from engines.base import EngineError
from engines.files import replace_file
from engines.trt.build import Shapes


class PlanError(EngineError):
    """A plan is missing, damaged or for something else; the message says which."""


@dataclass(frozen=True, slots=True)
class Key:
    """Everything a plan depends on.

    Attributes:
        model: name of the model, for people.
        sha256: of the ONNX file it is built from.
        precision: f32, f16 or int8.
        shapes: least, usual and most shape of every input.
        flavour: name and version of TensorRT.
        targets: compute capabilities, or the name of the GPU it was built on.
    """

    model: str
    sha256: str
    precision: str
    shapes: dict[str, Shapes]
    flavour: str
    targets: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """The key as JSON has it."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @property
    def stem(self) -> str:
        """Name of its files."""
        packed = json.dumps(self.record(), sort_keys=True).encode()
        return f"{self.model}-{self.precision}-{hashlib.sha256(packed).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Plans:
    """A folder of plans, each with a JSON file of its key, hash and parity report beside it."""

    folder: Path

    def path(self, key: Key) -> Path:
        return self.folder / f"{key.stem}.plan"

    def write(self, key: Key, plan: bytes, report: dict[str, Any] | None = None) -> Path:
        """Keep a plan.

        Raises:
            OSError: the folder cannot be written.
        """
        path = self.path(key)
        self.folder.mkdir(parents=True, exist_ok=True)
        about = {"key": key.record(), "plan": hashlib.sha256(plan).hexdigest(), "parity": report}
        replace_file(path, plan)
        replace_file(path.with_suffix(".json"), (json.dumps(about, indent=1) + "\n").encode())
        return path

    def read(self, key: Key) -> bytes:
        """The plan of a key.

        Raises:
            PlanError: there is none, it is damaged, or it was built for something else.
        """
        return self._whole(self.path(key), key)

    def find(self, key: Key) -> Path:
        """The file of a whole plan that serves: built for this key, or ahead for several GPUs of
        which the one wanted is one.

        Raises:
            PlanError: as ``read``.
        """
        wanted = {target.split()[0] for target in key.targets}
        for path in sorted(self.folder.glob(f"{key.model}-{key.precision}-*.json")):
            with suppress(PlanError, TypeError, KeyError):
                targets = _record(path)["key"]["targets"]
                if wanted and wanted <= set(targets):
                    other = replace(key, targets=tuple(targets))
                    self._whole(path.with_suffix(".plan"), other)
                    return path.with_suffix(".plan")
        self.read(key)
        return self.path(key)

    def report(self, path: Path) -> dict[str, Any]:
        """What was found when a plan was compared with its model.

        Raises:
            PlanError: nothing is known of it.
        """
        return dict(_record(path.with_suffix(".json"))["parity"] or {})

    def note(self, path: Path, report: dict[str, Any]) -> None:
        """Keep what was found later."""
        about = {**_record(path.with_suffix(".json")), "parity": report}
        replace_file(path.with_suffix(".json"), (json.dumps(about, indent=1) + "\n").encode())

    def _whole(self, path: Path, key: Key) -> bytes:
        if not path.exists():
            raise PlanError(self._why_none(key))
        about = _record(path.with_suffix(".json"))
        try:
            plan = path.read_bytes()
        except OSError as error:
            raise PlanError(f"{path}: cannot be read: {error.strerror}") from None
        if about["key"] != key.record():
            raise PlanError(f"{path}: was built for something else")
        if hashlib.sha256(plan).hexdigest() != about["plan"]:
            raise PlanError(f"{path}: damaged: it is not what was written")
        return plan

    def _why_none(self, key: Key) -> str:
        """What sets the plans that are here apart from the one wanted."""
        wanted, best = key.record(), ("", 99)
        for path in sorted(self.folder.glob(f"{key.model}-*.json")):
            try:
                had = _record(path)["key"]
                unlike = [name for name in wanted if had.get(name) != wanted[name]]
            except (PlanError, AttributeError):
                continue
            if len(unlike) < best[1]:
                what = ", ".join(f"{_short(had.get(n))} not {_short(wanted[n])}" for n in unlike)
                best = (f"; the nearest was built for {what}", len(unlike))
        return f"no plan of {key.model} in {self.folder}{best[0]}"


def _record(path: Path) -> dict[str, Any]:
    """What stands beside a plan."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlanError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None
    if (
        not isinstance(about, dict)
        or not {"key", "plan", "parity"} <= set(about)
        or not isinstance(about["parity"], dict | None)
    ):
        raise PlanError(f"{path}: lacks what the plan beside it was built for")
    return about


def _short(value: Any) -> str:
    """A part of a key in a few letters."""
    if isinstance(value, str):
        return value[:12] if len(value) == 64 else value
    if isinstance(value, Sequence):
        return ",".join(map(str, value)) or "this machine"
    return json.dumps(value)
