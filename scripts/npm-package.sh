#!/usr/bin/env bash
# npm-package.sh DIR PACKAGE@VERSION: installs a package of npm below DIR, if it is not there, and prints the directory in
# which its node_modules is. Any number may do that at a time. Prints nothing, and a notice on standard error, if it is not
# to be had.
set -uo pipefail
package="$2" place="$1/$2"

if [ ! -d "$place" ] && command -v npm >/dev/null; then
  mkdir -p "$1"
  fresh=$(mktemp -d "$1/fresh.XXXXXX")
  npm install --prefix "$fresh" --no-save --no-audit --no-fund --ignore-scripts --silent "$package" >/dev/null 2>&1 &&
    [ -d "$fresh/node_modules/${package%@*}" ] && [ ! -d "$place" ] && mv "$fresh" "$place"
  # Somebody else was faster, or there is none.
  rm -rf "$fresh" "$place"/fresh.*
fi
if [ -d "$place" ]; then echo "$place"; exit; fi
echo "npm's $package is not to be had: the clients that need it were NOT run (install npm and a network)" >&2
