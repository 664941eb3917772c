#!/usr/bin/env python3
"""Installs a wheel into a fresh environment, in a directory where there is nothing else, and runs what a user would run first:
the command and the program of the package's README. Says how long the import takes, and how large it all is.

    try-wheel.py WHEEL
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
TIMED = "import asyncio, time; t = time.perf_counter(); import agentmesh; print((time.perf_counter() - t) * 1000)"


def main(wheel: Path) -> None:
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

        run("pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", str(wheel))
        print(run("agentmesh", "--version"))
        with zipfile.ZipFile(wheel) as archive:
            metadata = next(entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA"))
            readme = archive.read(metadata).decode()
            unpacked = sum(entry.file_size for entry in archive.infolist())
        (program,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
        (directory / "readme.py").write_text(program, encoding="utf-8")
        said = run("python", "readme.py")
        assert said == EXPECTED, said
        print(said)
        times = sorted(float(run("python", "-c", TIMED)) for _ in range(9))
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, unpacked {unpacked / 1e6:.1f} MB")
        print(f"import agentmesh: {times[0]:.0f} ms at best, {times[4]:.0f} ms typically ({sys.version.split()[0]})")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve())
