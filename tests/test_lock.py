"""requirements.lock: what is installed is what pyproject.toml asks for, and each file of it has a hash."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
SOURCE = re.compile(r"https?://|^-|file:", re.MULTILINE)


def locked() -> dict[str, set[str]]:
    """Releases by name; a name may have several, for different Pythons."""
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall((ROOT / "requirements.lock").read_text()):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def test_the_lock_has_what_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    pins = locked()
    wanted: dict[str, list[Requirement]] = {}
    for text in asked:
        one = Requirement(text)
        wanted.setdefault(canonicalize_name(one.name), []).append(one)
    for name, requirements in wanted.items():
        versions = pins.get(name, set())
        assert versions, f"{name} is not locked: run make lock"
        # One name may be asked for in several releases, each for some Pythons.
        for version in versions:
            fitting = [one for one in requirements if one.specifier.contains(version)]
            assert fitting, f"{name} {version} is not what is asked for: run make lock"
        for one in requirements:
            assert any(one.specifier.contains(version) for version in versions), f"{one}: run make lock"


def test_every_release_has_hashes_and_no_source_of_its_own() -> None:
    text = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) >= len(locked())
    assert all("--hash=sha256:" in block for block in blocks)
    assert not SOURCE.search(text)
