# Sourced by the scripts that need Node.js and npm. $out is the directory of what the script makes.

# Node from 20 on, the system's or else the one that scripts/node22.sh fetches: as `node` in the PATH, and in $node.
# False if there is none, or no npm.
find_node() {
  node=$(command -v node || true)
  if [ -z "$node" ] || [ "$("$node" -p 'Number(process.versions.node.split(".")[0]) >= 20')" != true ]; then
    node=$(scripts/node22.sh)
  fi
  [ -n "$node" ] && command -v npm >/dev/null || return 1
  mkdir -p "$out/bin"
  ln -sf "$node" "$out/bin/node"
  export PATH=$out/bin:$PATH npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
}

# install_tools DIR: what the lock file in DIR pins, into $out/tools, unless it is there.
install_tools() {
  local tools=$out/tools
  if ! cmp -s "$1/package-lock.json" "$tools/installed"; then
    say "setting up the tools in ${tools#"$PWD/"} (Node $(node --version), npm $(npm --version))"
    rm -rf "$tools"
    mkdir -p "$tools"
    cp "$1/package.json" "$1/package-lock.json" "$tools"
    npm ci --prefix "$tools" --silent --ignore-scripts
    cp "$1/package-lock.json" "$tools/installed"
  fi
}

# run_tests FILE…: prints what failed, or how many there were.
run_tests() {
  node --test --test-reporter=tap --test-concurrency=2 --test-timeout=300000 "$@" >"$out/tests.log" || {
    grep -vE '^ *(ok|#|---|\.\.\.|duration_ms|type:)' "$out/tests.log" >&2
    return 1
  }
  grep -E '^# (tests|pass|fail)' "$out/tests.log" >&2
}
