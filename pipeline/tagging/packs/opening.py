"""Opens a pack as a tagger, or for its masks, if it may be used and can run here."""

from __future__ import annotations

from pathlib import Path

from engines.base import Engine, EngineError
from engines.packs import Pack, PackError
from pipeline.settings.section import Fixed, PerSource
from pipeline.tagging.packs.lengths import TaughtLengths
from pipeline.tagging.packs.matting import Matting
from pipeline.tagging.packs.segmenter import Segmenter
from pipeline.tagging.packs.settings import PackSettings
from pipeline.tagging.packs.tagger import PackTagger
from pipeline.tagging.tagger import Opener, TaggerSettings

#: An opened model takes about this much more memory than its files.
IN_MEMORY = 2.0
MB = 1 << 20


def open_pack(
    pack: Pack,
    settings: PerSource[PackSettings],
    models: Opener,
    parsed: PerSource[TaggerSettings] | None = None,
    matter: Matting | None = None,
) -> PackTagger:
    """A pack, ready to tag.

    Args:
        parsed: settings of the tagger that parses people; ``None`` without one.
        matter: tells what lies behind people who are not parsed.

    Raises:
        EngineError: it is no tagger, its terms are not accepted, there is too little memory, its
            files are damaged, or the engine cannot run it.
    """
    if pack.tagger is not None and pack.tagger.kind == "segmenter":
        raise PackError("it gives masks and no tags; name it in the settings as measures.masks")
    if pack.tagger is not None and pack.tagger.kind == "length":
        raise PackError("it tells lengths and no tags; name it in the settings as measures.taught")
    _check(pack, settings.of("").accept_licence, "--accept-licence")
    engine, opened = models.open(pack.name)
    return PackTagger(engine, opened, settings, parsed, matter)


def open_matting(pack: Pack, settings: PerSource[PackSettings], models: Opener) -> Matting:
    """A pack, ready to tell what lies in front.

    Raises:
        EngineError: as ``open_pack``.
    """
    _check(pack, settings.of("").accept_licence, "--accept-licence")
    return Matting(*models.open(pack.name))


def open_segmenter(name: str, accepted: bool, models: Opener) -> Segmenter:
    """A pack, ready to give masks; ``accepted``: what its licence asks is.

    Raises:
        EngineError: as ``open_pack``, or there is none of this name.
    """
    _check(models.packs.find(name), accepted, "accept_licence: true")
    return Segmenter(*models.open(name))


def open_lengths(name: str, accepted: bool, models: Opener) -> TaughtLengths:
    """A pack, ready to tell how long objects are; ``accepted``: what its licence asks is.

    Raises:
        EngineError: as ``open_segmenter``.
    """
    _check(models.packs.find(name), accepted, "accept_licence: true")
    return TaughtLengths(*models.open(name))


def try_out(engine: Engine, pack: Pack) -> None:
    """Run an opened tagger once as it will be run.

    Raises:
        EngineError: its files or outputs do not fit its labels.
    """
    assert pack.tagger is not None
    if pack.tagger.kind == "segmenter":
        Segmenter(engine, pack)
    elif pack.tagger.kind == "length":
        TaughtLengths(engine, pack)
    elif pack.tagger.kind == "matting":
        Matting(engine, pack)
    else:
        PackTagger(engine, pack, Fixed(PackSettings(pack=pack.name)))


def _check(pack: Pack, accepted: bool, how: str) -> None:
    """Raise EngineError unless a pack is a tagger, may be used, and there is enough memory.

    ``how`` its terms are accepted.
    """
    if pack.tagger is None:
        raise PackError(f"model '{pack.name}' is no tagger: its pack.toml has no [tagger]")
    if pack.terms and not accepted:
        raise PackError(f"{pack.licence}: {pack.terms}; accept that with {how}")
    needed = pack.tagger.memory_mb or round(IN_MEMORY * _bytes(pack) / MB)
    free = free_memory_mb()
    if free is not None and needed > free:
        raise EngineError(f"it needs about {needed} MB of memory, and {free} MB are free")


def _bytes(pack: Pack) -> int:
    """Size of its files."""
    return sum((pack.folder / name).stat().st_size for name in pack.files)


def free_memory_mb(path: Path = Path("/proc/meminfo")) -> int | None:
    """Memory that can still be had, in MB; ``None`` where the system does not tell."""
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    except (OSError, ValueError, IndexError):
        pass
    return None
