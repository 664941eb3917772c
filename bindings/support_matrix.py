#!/usr/bin/env python3
"""Compares ``support-matrix.yaml`` with what each language declares, and ``docs/support.md`` with the matrix.

With ``AGENTMESH_UPDATE_DOCS`` set, writes ``docs/support.md``.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MATRIX = ROOT / "bindings" / "support-matrix.yaml"
TABLE = ROOT / "docs" / "support.md"
NODE = r"(?:export (?:declare |abstract )*(?:class|function|const|interface|type) |^  (?:static |async |get |\*)*|^  )NAME\b"
LANGUAGES = {
    "rust": ("Rust", ["agentmesh-core/src", "examples/server/src"], "*.rs", r"\bpub (?:const |async )*(?:fn|struct|enum|trait|type) NAME\b"),
    "python": ("Python", ["bindings/python/python"], "*.py", r"^ *(?:async )?(?:def|class) NAME\b|^ +NAME: "),
    "node": ("Node", ["bindings/node/src"], "*.ts", NODE),
    "workers": ("Workers", ["bindings/node/src"], "*.ts", NODE),
    "browser": ("browser", ["bindings/node/src"], "*.ts", NODE),
    "kotlin": ("Kotlin", ["bindings/kotlin/src/main"], "*.kt", r"\bpublic (?:[a-z]+ )*(?:fun|class|object|interface|val|var) (?:<[^>]+> )?NAME\b"),
    "swift": ("Swift", ["bindings/swift/Sources/AgentMesh"], "*.swift", r"\bpublic (?:[a-z]+ )*(?:func|class|struct|enum|actor|protocol|var|let) NAME\b"),
}


def matrix() -> list[tuple[str, dict[str, str]]]:
    """The features, each with what the languages have."""
    features: list[tuple[str, dict[str, str]]] = []
    for number, line in enumerate(MATRIX.read_text(encoding="utf-8").splitlines(), 1):
        if line == "features:" or line.startswith("#"):
            continue
        if found := re.fullmatch(r"  - name: (.+)", line):
            features.append((found[1], {}))
        elif features and (found := re.fullmatch(r'    (\w+): (?:"(no: .+)"|([\w, ]+))', line)):
            features[-1][1][found[1]] = found[2] or found[3]
        else:
            sys.exit(f"{MATRIX.name}:{number} is not understood: {line}")
    return features


def present(language: str) -> bool:
    """Whether the language's package is in the repository."""
    return any((ROOT / directory).is_dir() for directory in LANGUAGES[language][1])


def problems(features: list[tuple[str, dict[str, str]]]) -> list[str]:
    """What the matrix says that is not so."""
    found = []
    for language, (_, directories, pattern, declaration) in LANGUAGES.items():
        files = [file for directory in directories for file in (ROOT / directory).rglob(pattern) if "Generated" not in file.parts]
        source = "\n".join(file.read_text(encoding="utf-8") for file in files)
        for name, entries in features:
            entry = entries.get(language)
            if entry is None:
                found.append(f"{name}: nothing is said of {language}")
            elif not entry.startswith("no: ") and present(language):
                for symbol in entry.split(", "):
                    if not re.search(declaration.replace("NAME", re.escape(symbol)), source, re.MULTILINE):
                        found.append(f"{name}: {language} declares no {symbol}")
    if any(set(entries) - set(LANGUAGES) for _, entries in features):
        found.append("there is a language that is none")
    return found


def table(features: list[tuple[str, dict[str, str]]]) -> str:
    """The matrix for people."""
    reasons: list[str] = []
    lines = [
        "# What each language offers",
        "",
        "Generated from [`bindings/support-matrix.yaml`](../bindings/support-matrix.yaml), which a test compares with what the languages export. A number",
        "says why something is not there.",
        "",
        "| | " + " | ".join(title for title, *_ in LANGUAGES.values()) + " |",
        "|---|" + "---|" * len(LANGUAGES),
    ]
    for name, entries in features:
        cells = []
        for language in LANGUAGES:
            entry = entries[language]
            if not present(language):
                entry = "no: the package is not part of this repository yet"
            if entry.startswith("no: "):
                reason = entry.removeprefix("no: ")
                if reason not in reasons:
                    reasons.append(reason)
                cells.append(f"no ({reasons.index(reason) + 1})")
            else:
                cells.append("yes")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append("")
    lines += [f"{number}. {reason[0].upper()}{reason[1:]}." for number, reason in enumerate(reasons, 1)]
    return "\n".join(lines) + "\n"


def main() -> None:
    features = matrix()
    wrong = problems(features)
    if not wrong:
        text = table(features)
        if os.environ.get("AGENTMESH_UPDATE_DOCS"):
            TABLE.write_text(text, encoding="utf-8")
        elif not TABLE.exists() or TABLE.read_text(encoding="utf-8") != text:
            wrong.append(f"docs/support.md is old: AGENTMESH_UPDATE_DOCS=1 {sys.argv[0]}")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
