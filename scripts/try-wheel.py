#!/usr/bin/env python3
"""Installs the wheels into a fresh environment, in a directory where there is nothing else, and runs what a user would run first:
the command and the program of the package's README. Fails if the library is larger, or takes longer to import, than it may.

    try-wheel.py LIBRARY SERVER
"""

import os
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

EXPECTED = "{'echo': {'hello': 'wörld'}}"
TIMED = "import asyncio, time; t = time.process_time(); import agentmesh; print((time.process_time() - t) * 1000)"
SERVERLESS = "from agentmesh.testing import Server\ntry: Server()\nexcept ImportError as e: print(e)"

LARGEST = 7_100_000
"""Bytes of the library's wheel, at most: see docs/decisions/025-python-wheels.md. The server has no limit."""

SLOWEST = 150
"""Milliseconds of processor time that `import agentmesh` takes, at most."""


def main(library: Path, server: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        venv.create(directory / "venv", with_pip=True)
        programs = directory / "venv" / ("Scripts" if os.name == "nt" else "bin")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment["PYTHONUTF8"] = "1"

        def run(program: str, *arguments: str) -> str:
            done = subprocess.run(
                [programs / program, *arguments], cwd=directory, env=environment, stdout=subprocess.PIPE,
                encoding="utf-8", timeout=120, check=True,
            )  # fmt: skip
            return done.stdout.strip()

        def install(wheel: Path) -> None:
            run("pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", str(wheel))

        install(library)
        print(run("agentmesh", "--version"))
        said = run("python", "-c", SERVERLESS)
        assert 'pip install "agentmesh-e2ee[server]"' in said, said
        times = sorted(float(run("python", "-c", TIMED)) for _ in range(9))
        install(server)
        with zipfile.ZipFile(library) as archive:
            metadata = next(entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA"))
            readme = archive.read(metadata).decode()
        (program,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
        (directory / "readme.py").write_text(program, encoding="utf-8")
        said = run("python", "readme.py")
        assert said == EXPECTED, said
        print(said)
    for wheel in library, server:
        with zipfile.ZipFile(wheel) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, unpacked {unpacked / 1e6:.1f} MB")
    print(f"import agentmesh: {times[0]:.0f} ms at best, {times[4]:.0f} ms typically ({sys.version.split()[0]})")
    assert library.stat().st_size < LARGEST, f"{library.name} has {library.stat().st_size} bytes"
    # The best of them: a busy machine makes all others longer.
    assert times[0] < SLOWEST, f"the import takes {times[0]:.0f} ms"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
