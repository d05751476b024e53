"""The files of a published model: from the Hugging Face hub, a mirror of it, or a folder.

``huggingface_hub`` does the work: what is there already is not loaded again, what broke off goes
on. ``HF_ENDPOINT`` names a mirror, ``HF_TOKEN`` a login, ``HF_HUB_OFFLINE=1`` forbids the network.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engines.base import EngineError
from engines.packs.pack import sha256_of
from engines.published.recipes import Recipe
from pipeline.errors import redact

#: How often a file is asked for whose transfer breaks off.
ATTEMPTS = 3
#: Of a file that is in no repository of the hub: seconds without an answer, and most bytes.
TIMEOUT_S = 20.0
MOST_BYTES = 1 << 30
PART = 1 << 20


class FetchError(EngineError):
    """A published model's files cannot be had; the message names them and what to do."""


def fetch(recipe: Recipe, folder: Path, revision: str = "", given: Path | None = None) -> str:
    """Bring what a recipe needs into a folder; where it is from, in a line.

    Args:
        revision: of the repository; the recipe's own if empty.
        given: a folder that holds the files already.

    Raises:
        FetchError: a file cannot be had.
    """
    if given is not None:
        for group in (*recipe.files, *((name,) for name in recipe.elsewhere)):
            found = next((given / name for name in group if (given / name).is_file()), None)
            if found is None:
                raise FetchError(f"{given} lacks {' or '.join(group)}; {_by_hand(recipe)}")
            _known(recipe, found)
            _link(found, folder / found.name)
        for name in recipe.optional:
            if (given / name).is_file():
                _link(given / name, folder / name)
        return f"{recipe.where}, files given"
    if recipe.files and not recipe.repositories:
        raise FetchError(f"no program can fetch it; {_by_hand(recipe)}")
    for name, address in recipe.elsewhere.items():
        _load(address, folder / name, recipe)
        _known(recipe, folder / name)
    if not recipe.files:
        return recipe.where
    try:
        import huggingface_hub  # noqa: F401  # needed below
    except ImportError:
        raise FetchError(
            "huggingface_hub is not installed: pip install 'threadline[hub]'; or "
            + _by_hand(recipe)
        ) from None
    return _from_hub(recipe, folder, revision or recipe.revision)


def _load(address: str, path: Path, recipe: Recipe) -> None:
    """A file that is in no repository of the hub. A transfer that breaks off goes on."""
    for attempt in range(1, ATTEMPTS + 1):
        there = path.stat().st_size if path.exists() else 0
        asked = urllib.request.Request(address, headers={"Range": f"bytes={there}-"})
        try:
            with urllib.request.urlopen(asked if there else address, timeout=TIMEOUT_S) as answer:
                goes_on = there > 0 and answer.status == http.HTTPStatus.PARTIAL_CONTENT
                with path.open("ab" if goes_on else "wb") as file:
                    while part := answer.read(PART):
                        file.write(part)
                        if file.tell() > MOST_BYTES:
                            raise FetchError(f"{address} is larger than {MOST_BYTES} bytes")
                expected = answer.headers.get("Content-Length")
                got = path.stat().st_size - (there if goes_on else 0)
                if expected is not None and got != int(expected):
                    raise OSError(f"{got} of {expected} bytes came")
            return
        except (OSError, http.client.HTTPException) as error:
            if attempt == ATTEMPTS or isinstance(error, urllib.error.HTTPError):
                raise FetchError(
                    f"{address} cannot be loaded ({_line(error)}); {_by_hand(recipe)}"
                ) from None


def _known(recipe: Recipe, path: Path) -> None:
    """Raise FetchError unless a file is the one that was published, where that is known."""
    kind, colon, wanted = recipe.hashes.get(path.name, "").partition(":")
    if not colon:
        return
    found = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while part := file.read(PART):
            found.update(part)
    if found.hexdigest() != wanted:
        raise FetchError(
            f"{path.name} is damaged, or another one than was published ({kind} "
            f"{found.hexdigest()[:12]}, expected {wanted[:12]}); {_by_hand(recipe)}"
        )


def _from_hub(recipe: Recipe, folder: Path, revision: str) -> str:
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

    missing: Exception | None = None
    for repository in recipe.repositories:
        try:
            with _explained(recipe, repository, revision):
                commit = ""
                for group in recipe.files:
                    path, commit = _first(repository, group, revision)
                    _link(path, folder / path.name)
                for name in recipe.optional:
                    with suppress(EntryNotFoundError):
                        _link(_downloaded(repository, name, revision), folder / name)
                return f"https://huggingface.co/{repository} at {commit}"
        except RepositoryNotFoundError as error:
            missing = error
    raise FetchError(
        f"the hub knows none of {', '.join(recipe.repositories)}, or asks for a login: set "
        f"HF_TOKEN; or {_by_hand(recipe)}"
    ) from missing


def _first(repository: str, names: tuple[str, ...], revision: str) -> tuple[Path, str]:
    """The first of some files that a repository has, its content checked, and its commit."""
    from huggingface_hub.errors import EntryNotFoundError

    for i, name in enumerate(names):
        try:
            path = _downloaded(repository, name, revision)
        except EntryNotFoundError:
            if i + 1 == len(names):
                raise
            continue
        # The cache calls large files by the SHA-256 that the hub tells, and folders by the commit.
        content = path.resolve()
        if re.fullmatch("[0-9a-f]{64}", content.name) and sha256_of(content) != content.name:
            content.unlink()
            raise FetchError(f"{name} of {repository} came damaged and was removed; pull it again")
        commits = (part for part in path.parts[::-1] if re.fullmatch("[0-9a-f]{40}", part))
        return path, next(commits, revision)
    raise AssertionError("no file was asked for")


def _downloaded(repository: str, name: str, revision: str) -> Path:
    """A file, in the hub's cache. A transfer that breaks off goes on where it stopped."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # what it tries again is no news
    endpoint = os.environ.get("HF_ENDPOINT") or None
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return Path(hf_hub_download(repository, name, revision=revision, endpoint=endpoint))
        except (HfHubHTTPError, LocalEntryNotFoundError):  # an answer, or nobody to answer
            raise
        except OSError:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("no attempt was made")


@contextmanager
def _explained(recipe: Recipe, repository: str, revision: str) -> Iterator[None]:
    """One line for whatever the hub, the network or the disk do."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except (FetchError, RepositoryNotFoundError) as error:
        if isinstance(error, GatedRepoError):
            raise FetchError(
                f"{repository} wants its terms accepted: do so on its page, and set HF_TOKEN"
            ) from None
        raise
    except RevisionNotFoundError:
        raise FetchError(f"{repository} has no revision '{revision}'") from None
    except LocalEntryNotFoundError as error:
        raise _away(recipe, error) from None
    except EntryNotFoundError as error:
        raise FetchError(f"{repository} lacks a file: {_line(error)}") from None
    except Exception as error:  # the libraries under it differ between versions
        raise _away(recipe, error) from None


def _away(recipe: Recipe, error: Exception) -> FetchError:
    cause = error.__cause__ or error
    return FetchError(
        f"the hub cannot be reached, or the transfer broke off ({_line(cause)}): pull again to go "
        f"on where it stopped; or {_by_hand(recipe)}"
    )


def _line(error: BaseException) -> str:
    return redact(" ".join(str(error).split()))[:200] or type(error).__name__


def _by_hand(recipe: Recipe) -> str:
    """How to do without the network."""
    files = [" or ".join(group) for group in recipe.files]
    wanted = [f"{', '.join(files)} of {recipe.where}"] if files else []
    return (
        f"download {', '.join([*wanted, *recipe.elsewhere.values()])} elsewhere, put them into a "
        f"folder DIR, and: threadline models pull {recipe.name} --from DIR"
    )


def _link(path: Path, target: Path) -> None:
    """The file there, without a copy where that is possible."""
    try:
        target.symlink_to(path.resolve())
    except OSError:
        shutil.copyfile(path, target)
