"""Settings changed while the service runs: numbers, switches and choices of the sections that hold
for all cameras. What cannot follow at once is kept for the next start, and said to be."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from engines.packs import Packs
from pipeline.errors import ConfigError
from pipeline.flow.runner import Runner
from pipeline.settings.schema import (
    Config,
    first_mistake,
    is_per_run,
    is_section,
    merged,
    schema,
)
from pipeline.tagging import known_taggers
from pipeline.web.kept import Kept

log = logging.getLogger("threadline.web")

#: Sections, or parts of them, that are asked for while cameras run.
_LIVE = ("motion.", "looks.", "privacy.", "store.keep.", "person.interval_s", "person.refresh_s")
#: What is chosen elsewhere, and what could keep the service from starting or all from being found.
#: Last, what means nothing: brands have no categories.
_LEFT_OUT = (
    *("cameras", "packs", "engine", "store.enabled", "store.mode", "measures.accept_licence"),
    *("logos.vote.fine", "logos.vote.likely"),
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of the settings.

    Attributes:
        key: ``section.name``, or deeper.
        kind: ``switch``, ``number`` or ``choice``.
        choices: of a choice.
        optional: it may be nothing at all.
        why: what it does.
    """

    key: str
    kind: str
    choices: tuple[str, ...]
    optional: bool
    why: str
    per_run: bool

    def restart(self, began: Config) -> bool:
        """Whether a change holds from the next start only, of a run that ``began`` so."""
        section = self.key.partition(".")[0]
        if self.per_run:
            return True
        if section in known_taggers():
            return not began.uses(section)
        return not self.key.startswith(_LIVE)


def leaves(kind: Any = None, within: str = "") -> Iterator[Leaf]:
    """Everything that can be changed by itself. Texts cannot: they name files, models and places,
    which whoever starts the service chooses."""
    for name, field in (kind or schema()).model_fields.items():
        key = f"{within}{name}"
        if is_section(field.annotation):
            yield from leaves(field.annotation, f"{key}.")
        elif within and not key.startswith(_LEFT_OUT):
            found = _leaf(key, field)
            if found is not None:
                yield found


def _leaf(key: str, field: FieldInfo) -> Leaf | None:
    kind: Any = field.annotation
    optional = NoneType in get_args(kind)
    if optional:
        [kind, *others] = [part for part in get_args(kind) if part is not NoneType]
        kind = None if others else kind
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if choices and all(isinstance(one, str) for one in choices):
        word = "choice"
    elif kind is bool:
        word = "switch"
    elif kind in (int, float):
        word = "number"
    else:
        return None
    return Leaf(key, word, choices, optional, field.description or "", is_per_run(field))


def value_of(config: Config, key: str) -> Any:
    """A value by its key."""
    return reduce(getattr, key.split("."), config)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by their keys as a settings file has them."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split(".")
        reduce(lambda table, name: table.setdefault(name, {}), path, found)[last] = value
    return found


def changed(base: Config, values: Mapping[str, Any], packs: Packs) -> Config:
    """Settings with some values in the place of those of ``base``.

    Raises:
        ConfigError: one is impossible; the message begins with its key.
    """
    told = merged(base.model_dump(exclude_unset=True), nested(values))
    try:
        return schema().model_validate(told, context={"packs": packs})
    except ValidationError as error:
        raise ConfigError(first_mistake(error)) from None


def of_last_time(kept: Kept, base: Config, packs: Packs) -> Config:
    """The settings of a start: those of the file, and what was changed in the window. What does not
    fit any more is told, and left out."""
    values = settings_of(kept)
    try:
        return changed(base, values, packs)
    except ConfigError as error:
        log.error("settings changed in the window are left out: %s", error)
        return base


def settings_of(kept: Kept) -> dict[str, Any]:
    """What was changed in the window, by key."""
    known = {leaf.key for leaf in leaves()}
    rows = kept.all("SELECT key, value FROM setting")
    return {row["key"]: json.loads(row["value"]) for row in rows if row["key"] in known}


class SettingsBook:
    """The settings of all cameras. Works from any thread.

    Args:
        base: those of the file.
    """

    def __init__(self, kept: Kept, runner: Runner, base: Config, packs: Packs) -> None:
        self._kept = kept
        self._runner = runner
        self._base = base
        self._began = runner.config
        self._packs = packs
        self._lock = threading.Lock()

    def fields(self) -> list[dict[str, Any]]:
        """Every value that can be changed, as the API tells it."""
        values, now = settings_of(self._kept), self._runner.config
        found = []
        for leaf in leaves():
            usual, force = value_of(self._base, leaf.key), value_of(now, leaf.key)
            wanted = values.get(leaf.key, usual)
            found.append(
                {
                    "key": leaf.key,
                    "kind": leaf.kind,
                    "value": wanted,
                    "usual": usual,
                    "changed": leaf.key in values,
                    "choices": list(leaf.choices),
                    "optional": leaf.optional,
                    "restart": leaf.restart(self._began),
                    "waits": wanted != force,
                    "why": leaf.why,
                }
            )
        return found

    def change(self, changes: Mapping[str, Any], undone: frozenset[str] = frozenset()) -> None:
        """Change values; those ``undone`` are as in the file again.

        Raises:
            ConfigError: a key is unknown, or a value impossible; then nothing is changed.
        """
        known = {leaf.key: leaf for leaf in leaves()}
        if unknown := sorted((changes.keys() | undone) - known.keys()):
            raise ConfigError(f"{unknown[0][:80]}: no setting that can be changed here")
        with self._lock:
            old, now = settings_of(self._kept), self._runner.config
            values = {k: v for k, v in {**old, **changes}.items() if k not in undone}
            wanted = changed(self._base, values, self._packs)
            touched = sorted(changes.keys() | undone)
            live = [key for key in touched if not known[key].restart(self._began)]
            fresh = {key: value_of(wanted, key) for key in live}
            force = changed(now, fresh, self._packs)
            for key in touched:
                self._kept.change("DELETE FROM setting WHERE key = ?", key)
                if key in values:
                    query = "INSERT INTO setting VALUES (?, ?)"
                    self._kept.change(query, key, json.dumps(values[key]))
            if force != now:
                self._runner.follow(force)
