#!/usr/bin/env python3
"""Compresses wheels anew, as well as deflate can: what is in them stays, byte for byte. Needs ``zopflipy`` of PyPI.

    compress-wheel.py WHEEL…
"""

import os
import sys
import zipfile
from pathlib import Path

from zopfli import ZipFile


def compress(wheel: Path) -> None:
    before, smaller = wheel.stat().st_size, wheel.with_suffix(".smaller")
    with zipfile.ZipFile(wheel) as old, ZipFile(smaller, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry, old.read(entry), zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(smaller) as new:
        assert [(e.filename, e.CRC, e.file_size) for e in old.infolist()] == [(e.filename, e.CRC, e.file_size) for e in new.infolist()]
        assert new.testzip() is None
    os.replace(smaller, wheel)
    print(f"{wheel.name}: {before / 1e6:.2f} → {wheel.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for argument in sys.argv[1:]:
        compress(Path(argument))
