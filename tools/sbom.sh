#!/bin/sh
# Writes sbom.cdx.json: what requirements.lock names, with hashes, as a CycloneDX list of parts.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/python -m venv .venv-lock
.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check "cyclonedx-bom>=7"
.venv-lock/bin/cyclonedx-py requirements requirements.lock --output-format JSON --output-file sbom.cdx.json
