#!/usr/bin/env python3
"""Writes the Kotlin source that calls the native library: ``generate.py BINDGEN LIBRARY DIRECTORY``.

UniFFI makes public declarations and has no setting for it. Here they become ``internal``, so that the compiler refuses any of them in
the public API.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DECLARATION = re.compile(
    r"^(?:public )?((?:(?:open|data|sealed|enum|abstract|inline|suspend|value|fun) )*(?:class|interface|object|fun|val|var|const val|typealias) )",
    re.MULTILINE,
)
COMMENT = re.compile(r"^[ \t]*/\*\*.*?\*/[ \t]*\n", re.MULTILINE | re.DOTALL)


def internal(source: str) -> str:
    """The source with nothing public in it, and without the comments, which are those of the Rust crate."""
    return DECLARATION.sub(r"internal \1", COMMENT.sub("", source))


def main() -> None:
    bindgen, library, target = sys.argv[1:]
    config = ROOT / "bindings" / "uniffi" / "uniffi.toml"
    command = [bindgen, "generate", library, "--language", "kotlin", "--no-format", "--config", str(config), "--out-dir", target]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    for file in Path(target).rglob("*.kt"):
        made = internal(file.read_text(encoding="utf-8"))
        if re.search(r"^public ", made, re.MULTILINE):
            sys.exit(f"{file} still has a public declaration")
        file.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
