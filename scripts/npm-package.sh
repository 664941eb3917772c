#!/usr/bin/env bash
# npm-package.sh DIR PACKAGE@VERSION: installs a package of npm below DIR, if it is not there, and prints DIR. Prints
# nothing, and a notice on standard error, if it is not to be had.
set -uo pipefail
dir="$1" package="$2"
name="${package%@*}" version="${package##*@}"
is_there() { grep -qs "\"version\": \"$version\"" "$dir/node_modules/$name/package.json"; }

if ! is_there && command -v npm >/dev/null; then
  mkdir -p "$dir"
  npm install --prefix "$dir" --no-save --no-audit --no-fund --ignore-scripts --silent "$package" >/dev/null 2>&1
fi
if is_there; then echo "$dir"; exit; fi
echo "npm's $package is not to be had: the clients that need it were NOT run (install npm and a network)" >&2
