"""Fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest
from gallery_support import MODEL, pictures, write_shapes

from pipeline.tagging.logos.gallery import Gallery, open_gallery
from pipeline.tagging.logos.gallery_edit import add, marks_in


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder of marks."""
    return write_shapes(tmp_path / "marks")


@pytest.fixture
def gallery(tmp_path: Path, files: Path) -> Gallery:
    """A gallery of them."""
    return add(open_gallery(tmp_path / "gallery", MODEL), pictures(marks_in(files)))[0]
