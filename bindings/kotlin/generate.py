#!/usr/bin/env python3
"""Writes the Kotlin source that calls the native library: ``generate.py BINDGEN LIBRARY DIRECTORY``.

UniFFI makes public declarations and has no setting for it. Here they become ``internal``, so that the compiler refuses any of them in
the public API.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DECLARATION = re.compile(
    r"^((?:@\w+(?:\([^)]*\))?\s*)*)(?:public )?((?:(?:open|data|sealed|enum|abstract|inline|suspend|value|fun) )*(?:class|interface|object|fun|val|var|const val|typealias) )"
)
COMMENT = re.compile(r"/\*\*(?:(?!\*/).)*\*/", re.DOTALL)


def internal(source: str) -> str:
    """The source with nothing public in it, and without the comments, which are those of the Rust crate."""
    made, depth = [], 0
    for line in COMMENT.sub("", source).splitlines():
        if depth == 0:
            line = DECLARATION.sub(r"\1internal \2", line.lstrip())
        depth += line.count("{") + line.count("(") - line.count("}") - line.count(")")
        made.append(line)
    if depth != 0:
        sys.exit("the generated source is not understood")
    return "\n".join(made) + "\n"


def main() -> None:
    bindgen, library, target = (str(Path(argument).resolve()) for argument in sys.argv[1:])
    config = ROOT / "bindings" / "uniffi" / "uniffi.toml"
    with tempfile.TemporaryDirectory() as directory:
        command = [bindgen, "generate", library, "--language", "kotlin", "--no-format", "--config", str(config), "--out-dir", directory]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        for file in Path(directory).rglob("*.kt"):
            made = internal(file.read_text(encoding="utf-8"))
            kept = Path(target) / file.relative_to(directory)
            kept.parent.mkdir(parents=True, exist_ok=True)
            # What did not change is not compiled again.
            if not kept.exists() or kept.read_text(encoding="utf-8") != made:
                kept.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
