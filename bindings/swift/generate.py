#!/usr/bin/env python3
"""Writes what the package calls the native library with: generate.py BINDGEN LIBRARY.

BINDGEN is `uniffi-bindgen` of bindings/uniffi, LIBRARY what it was built with. What UniFFI writes is changed in two ways, and an
output that does not look as expected is an error: nothing of it is public, and a task that is cancelled cancels its future in Rust,
where UniFFI would let it run.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
MODULE = "AgentMeshFFI"

CANCELLATION = '''
/// A future in Rust that is cancelled at most while it is there.
fileprivate final class UniffiCancellation: @unchecked Sendable {
    private let lock = NSLock()
    private var future: UInt64?
    private let cancelFunc: (UInt64) -> ()

    init(_ future: UInt64, _ cancelFunc: @escaping (UInt64) -> ()) {
        self.future = future
        self.cancelFunc = cancelFunc
    }

    func cancel() {
        lock.lock()
        defer { lock.unlock() }
        if let future { cancelFunc(future) }
    }

    func end() {
        lock.lock()
        defer { lock.unlock() }
        future = nil
    }
}

'''


def replaced(text: str, old: str, new: str, times: int | None = 1) -> str:
    """Replaces what must be there so often, or at least once."""
    found = text.count(old)
    if found == 0 or (times is not None and found != times):
        raise SystemExit(f"generate.py: {old!r} is there {found} times: this is another UniFFI than the one it was written for")
    return text.replace(old, new)


def private(text: str) -> str:
    """Takes `public` and `open` off declarations, but not off words of comments."""
    # Of an error, UniFFI writes the word on a line of its own.
    text = re.sub(r"^public *\n(?=\w)", "", text, flags=re.MULTILINE)
    declaration = re.compile(r"^(\s*)((?:[a-z@]\w*(?:\(\w+\))? )*?)(?:public|open) (?=[a-z@])")
    lines = []
    for line in text.splitlines():
        # What a public protocol of Foundation demands has to be public.
        if not line.lstrip().startswith(("//", "*", "/*")) and "errorDescription" not in line:
            line = declaration.sub(r"\1\2", line)
        lines.append(line)
    return "\n".join(lines) + "\n"


def distinct(text: str) -> str:
    """Renames the protocol that UniFFI makes of every class: that of one may have the name of another class."""
    text = re.sub(r"\bclass (\w+): \1Protocol\b", r"class \1: \1Members", text)
    return re.sub(r"\bprotocol (\w+)Protocol\b", r"protocol \1Members", text)


def cancelling(text: str) -> str:
    """Has the cancellation of a task reach Rust."""
    text, calls = re.subn(
        r"pollFunc: (\w+)_rust_future_poll_(\w+),",
        r"pollFunc: \1_rust_future_poll_\2, cancelFunc: \1_rust_future_cancel_\2,",
        text,
    )
    if calls == 0:
        raise SystemExit("generate.py: there is no asynchronous call")
    text = replaced(text, 'fatalError("Cancellation not supported yet")', "throw CancellationError()")
    text = replaced(
        text,
        "fileprivate func uniffiRustCallAsync<F, T>(",
        CANCELLATION + "fileprivate func uniffiRustCallAsync<F, T>(",
    )
    text = replaced(
        text,
        "UniffiRustFutureContinuationCallback, UInt64) -> (),\n    completeFunc:",
        "UniffiRustFutureContinuationCallback, UInt64) -> (),\n    cancelFunc: @escaping (UInt64) -> (),\n    completeFunc:",
    )
    text = replaced(
        text,
        "    defer {\n        freeFunc(rustFuture)\n    }\n",
        "    let cancellation = UniffiCancellation(rustFuture, cancelFunc)\n"
        "    defer {\n        cancellation.end()\n        freeFunc(rustFuture)\n    }\n",
    )
    text = replaced(
        text,
        "        pollResult = await withUnsafeContinuation {\n",
        "        pollResult = await withTaskCancellationHandler { await withUnsafeContinuation {\n",
    )
    return replaced(
        text,
        "                uniffiContinuationHandleMap.insert(obj: $0)\n            )\n        }\n",
        "                uniffiContinuationHandleMap.insert(obj: $0)\n            )\n        } } onCancel: { cancellation.cancel() }\n",
    )


def main() -> None:
    bindgen, library = (Path(given).resolve() for given in sys.argv[1:])
    with tempfile.TemporaryDirectory() as place:
        command = [bindgen, "generate", "--language", "swift", "--no-format", "--out-dir", place, library]
        subprocess.run(command, check=True, cwd=HERE.parent.parent, stdout=subprocess.DEVNULL)
        (source,) = Path(place).glob("*.swift")
        (header,) = Path(place).glob("*.h")
        module = header.stem
        swift = cancelling(distinct(private(source.read_text())))
        swift = replaced(swift, f"canImport({module})", f"canImport({MODULE})")
        swift = replaced(swift, f"import {module}\n", f"import {MODULE}\n")
        generated = HERE / "Sources" / "AgentMesh" / "Generated" / "Native.swift"
        generated.parent.mkdir(exist_ok=True)
        for path, text in ((generated, swift), (HERE / "Sources" / MODULE / f"{MODULE}.h", header.read_text())):
            # Files that are the same stay the same, so that nothing is compiled again.
            if not path.exists() or path.read_text() != text:
                path.write_text(text)


main()
