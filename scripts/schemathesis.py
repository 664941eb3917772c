#!/usr/bin/env python3
"""Tries requests that a server's own OpenAPI description allows, and some that it forbids, and reports where the answers are
not what it says: schemathesis.py SERVER [EXAMPLES]. Needs schemathesis 4 beside this interpreter; see scripts/attack.sh.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path


def main():
    program, examples = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "50"
    admin = secrets.token_hex(32)
    environment = {**os.environ, "JWT_SECRET": secrets.token_hex(32), "AIWM_ADMIN_TOKEN": admin, "RUST_LOG": "error"}
    with tempfile.TemporaryDirectory() as directory:
        # What is asked thousands of times a minute is not limited here; how limits hold, others test.
        command = [program, "serve", "--listen", "127.0.0.1:0", "--data-dir", directory,
                   "--aiwm-connects-per-minute", "0", "--requests-per-minute-per-ip", "0"]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            url = "http://" + json.loads(server.stdout.readline())["addr"]
            tool = Path(sys.executable).with_name("schemathesis")
            run = [tool, "run", f"{url}/api-docs-json", "--url", url, "--header", f"Authorization: Bearer {admin}",
                   "--checks", "all", "--max-examples", examples, "--seed", "1", "--continue-on-failure"]
            # What is too large is refused as such.
            accepted = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429, "5xx"]
            config = f"[checks.negative_data_rejection]\nexpected-statuses = {json.dumps(accepted)}\n"
            Path(directory, "schemathesis.toml").write_text(config)
            status = subprocess.run(run, cwd=directory).returncode
            if server.poll() is not None:
                sys.exit("the server has ended")
        finally:
            server.terminate()
            server.wait(20)
    sys.exit(status)


main()
