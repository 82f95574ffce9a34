"""Files of sample data that tests have at hand, by checksum ("SHA256:…"), in place of a download."""

from __future__ import annotations

from pathlib import Path

sample_files: dict[str, Path] = {}
