"""Make the pictures in docs/ small enough to be kept: every PNG over the limit becomes a WebP of as many pixels.

    .venv/bin/python docs/shrink.py

Run it once, when the pictures of a piece of work are final. `metasrgan compare` and the bundle's evaluation write PNG
in full, up to 2.5 MB a picture, and every version of a file stays in the repository's history. A palette of 256
colours would be as small, but draws contours into smooth tissue.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

# Bytes. Slicer's index takes repositories of up to 100 MB, history included.
LIMIT = 400_000
# Of 100. Greys are within 2 of 255 on average; beside the original the eye finds no difference.
QUALITY = 85


def shrink(path: Path) -> Path:
    """Replace a PNG of more than `LIMIT` bytes by a WebP beside it; return the file that is there now.

    Raises:
        ValueError: the WebP is too large as well; the PNG stays.
    """
    if path.stat().st_size <= LIMIT:
        return path
    content = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(content, "WEBP", quality=QUALITY, method=6)
    if content.tell() > LIMIT:
        raise ValueError(f"{path}: {content.tell()} bytes as WebP, more than {LIMIT}; draw it with fewer pixels")
    smaller = path.with_suffix(".webp")
    smaller.write_bytes(content.getvalue())
    path.unlink()
    return smaller


if __name__ == "__main__":
    for large in sorted(Path(__file__).parent.rglob("*.png")):
        before = large.stat().st_size
        small = shrink(large)
        if small != large:
            print(f"{large}: {before / 1000:,.0f} kB → {small.name}, {small.stat().st_size / 1000:,.0f} kB")
