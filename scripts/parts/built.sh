# Sourced by the scripts of the bindings. Where cargo puts things, cargo says:
#
#     programs=$(workspace_built)
#     server=$(path_of agentmesh-server "$programs")

# Lines of name and path, of the JSON that `cargo --message-format json` prints: programs, and libraries that others load.
built() {
  python3 -c '
import json, sys
for line in sys.stdin:
    made = json.loads(line)
    if made["reason"] != "compiler-artifact":
        continue
    files = [made["executable"]] if made.get("executable") else made["filenames"]
    for file in files:
        if made.get("executable") or file.endswith((".so", ".dylib", ".dll", ".wasm")):
            print(made["target"]["name"], file)'
}

# Every program and native module, with all features: those of the tests, so that next to nothing is built for one binding alone.
workspace_built() { cargo build --quiet --workspace --all-features --message-format json | built; }

path_of() {
  local path
  path=$(sed -n "s/^$1 //p" <<<"$2" | tail -1)
  [ -n "$path" ] || {
    echo "cargo built no $1" >&2
    return 1
  }
  echo "$path"
}
