"""What all tests share: the repository on the path, whatever folder they are run from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "tests"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

# Under `make test` a test that calls make would be a part of it, and would say so ("make[1]").
for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "FILE", "JSON", "MODULE"):
    os.environ.pop(name, None)
