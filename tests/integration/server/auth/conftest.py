from __future__ import annotations

from pathlib import Path

import pytest
from support.policies import PolicyFiles, Signer


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
def files(tmp_path: Path) -> PolicyFiles:
    return PolicyFiles(tmp_path)
