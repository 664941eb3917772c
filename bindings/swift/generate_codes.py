#!/usr/bin/env python3
"""Writes the list in ``ErrorCode.swift``: every error code of the core, whatever features a build has, and those of the bindings. A test compares them."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIST = "extension ErrorCode: CaseIterable {\n"


def main() -> None:
    core = re.findall(r"^\| `([A-Z][A-Z0-9_]*)` \|", (HERE.parents[1] / "docs" / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    own = re.findall(r"`(BINDING_[A-Z_]+)`", (HERE.parent / "README.md").read_text(encoding="utf-8"))
    codes = sorted({*core, *own})
    target = HERE / "Sources" / "AgentMesh" / "ErrorCode.swift"
    head = target.read_text(encoding="utf-8").split(LIST)[0]
    cases = "".join(f"        .{code},\n" for code in codes)
    members = "".join(f'    public static let {code} = ErrorCode(rawValue: "{code}")\n' for code in codes)
    target.write_text(f"{head}{LIST}    public static let allCases: [ErrorCode] = [\n{cases}    ]\n\n{members}}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
