#!/bin/sh
# Writes requirements.lock from pyproject.toml: the newest fitting releases for every Python and platform that is
# supported, each with the hashes of its files. pip then installs nothing else.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/python -m venv .venv-lock
.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
.venv-lock/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
    --upgrade --quiet --no-header --no-emit-index-url --no-emit-find-links --output-file requirements.lock
