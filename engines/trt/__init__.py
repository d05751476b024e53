"""TensorRT: plans built from the ONNX models of packs, kept, checked and run.

``graphs`` changes what TensorRT cannot take, ``build`` makes a plan, ``plans`` keeps and checks it.
"""

from __future__ import annotations

from pathlib import Path

#: Pictures that what is built is compared on.
PICTURES = Path(__file__).parent / "pictures"
