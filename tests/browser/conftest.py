"""The browser that these tests share; without one they are skipped, but never in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    """A headless Chromium with an empty profile."""
    if shutil.which("chromedriver") is None and os.environ.get("CI") != "true":
        pytest.skip("needs chromium and chromium-driver: apt-get install chromium chromium-driver")
    profile: Path = tmp_path_factory.mktemp("profile")
    with chromium.started(profile) as session:
        yield session
