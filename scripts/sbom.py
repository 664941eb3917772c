#!/usr/bin/env python3
"""sbom.py PACKAGE: what a package of this workspace is built of, as CycloneDX 1.6 on standard output.

Normal and build dependencies of all platforms, with default features, out of `cargo metadata --locked`; checksums are those
of Cargo.lock. Needs nothing but Python 3.9 and cargo. The same input gives the same bytes.
"""

import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

root = Path(__file__).resolve().parent.parent
cargo = os.environ.get("CARGO", "cargo")


def checksums():
    """Checksums by name and version."""
    found = {}
    for block in (root / "Cargo.lock").read_text().split("[[package]]"):
        fields = dict(re.findall(r'^(name|version|checksum) = "([^"]+)"', block, re.M))
        if "checksum" in fields:
            found[fields["name"], fields["version"]] = fields["checksum"]
    return found


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, hashes):
    entry = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
        "licenses": [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}],
    }
    checksum = hashes.get((package["name"], package["version"]))
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package.get("repository"):
        entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return entry


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    command = [cargo, "metadata", "--format-version", "1", "--locked"]
    metadata = json.loads(subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    own = [packages[id] for id in metadata["workspace_members"] if packages[id]["name"] == sys.argv[1]]
    if not own:
        sys.exit(f"there is no package {sys.argv[1]} in the workspace")
    needs, waiting = {}, [own[0]["id"]]
    while waiting:
        id = waiting.pop()
        if id in needs:
            continue
        kinds = lambda dependency: {kind["kind"] for kind in dependency["dep_kinds"]}
        needs[id] = sorted(d["pkg"] for d in nodes[id]["deps"] if kinds(d) & {None, "build"})
        waiting.extend(needs[id])
    hashes = checksums()
    others = sorted((id for id in needs if id != own[0]["id"]), key=lambda id: purl(packages[id]))
    body = {
        "metadata": {"component": component(own[0], hashes)},
        "components": [component(packages[id], hashes) for id in others],
        "dependencies": [
            {"ref": purl(packages[id]), "dependsOn": [purl(packages[other]) for other in needs[id]]}
            for id in [own[0]["id"], *others]
        ],
    }
    # Named after its content, so that it can be made again.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1}
    json.dump({**head, **body}, sys.stdout, indent=1)
    print()


main()
