#!/usr/bin/env bash
# Makes sure that Swift from 5.9 on is there, then runs the arguments as a command with it, in the directory it was called from:
#
#     scripts/swift-toolchain.sh swift build
#
# 1. The system's Swift, if there is one.
# 2. Debian's swiftlang, which trixie has first: in a system of its own that mmdebstrap or debootstrap makes out of
#    packages, about three minutes and 2.5 GB, in AGENTMESH_SWIFT_ROOT (a directory of this user's cache). Needs root and apt.
#
# In there the repository, /tmp, cargo's target directory and what AGENTMESH_SWIFT_BIND names (paths with colons between
# them) have the paths that they have outside, and the network is the same. Everything is mounted in a mount namespace
# that ends with the command: nothing stays mounted, and nothing outside can be deleted through it.
#
# Idempotent; says what it does; who calls while another one builds waits for that one. Exits with 3 if neither way is
# open: whether that is an error, the caller decides.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
root=${AGENTMESH_SWIFT_ROOT:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/agentmesh-tests/swift-trixie}
suite=trixie
packages=swiftlang,swiftlang-dev,libc6-dev,libstdc++-14-dev
# What is in the directory, so that another list of packages makes another one.
version="1 $suite $packages"

say() { echo "swift-toolchain: $*" >&2; }
closed() {
  say "$*"
  exit 3
}

is_new() {
  swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+)\.([0-9]+).*/\1 \2/p' | {
    read -r major minor && [ $((major * 100 + minor)) -ge 509 ]
  }
}
if is_new; then
  [ $# -gt 0 ] || exit 0
  exec "$@"
fi

ready() { [ "$(cat "$root/built-by" 2>/dev/null)" = "$version" ]; }

# The mirror of this machine's own Debian, however its sources are written down: "URL keyring".
mirror() {
  local uri release component keyring found=
  # shellcheck disable=SC2016 # apt expands these.
  while IFS='|' read -r uri release component keyring; do
    [ "$component" = main ] || continue
    case $uri in *security* | *ports*) continue ;; esac
    case $release in *-* | nodistro) continue ;; esac
    case $uri in */debian/ | */debian) found=$uri\ $keyring && break ;; esac
  done < <(apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED-BY)' 'Created-By: Packages' 2>/dev/null)
  echo "${found:-http://deb.debian.org/debian/}"
}

install() {
  say "apt-get install $*"
  local apt=(apt-get -qq -o DPkg::Lock::Timeout=600)
  DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null 2>&1 && return
  "${apt[@]}" update || true
  DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null
}

# Deletes what a run before left. Not through a mount, and not if anything is mounted there, whoever did it.
remove() {
  [ -e "$1" ] || return 0
  if grep -qF " $1/" /proc/self/mounts; then closed "something is mounted in $1: unmount it first"; fi
  rm -rf --one-file-system "$1"
}

build() {
  [ "$(uname -s)" = Linux ] || closed "no Swift from 5.9 on: install one from https://swift.org"
  command -v apt-get >/dev/null || closed "no apt-get here; install Swift from https://swift.org"
  [ "$(id -u)" = 0 ] || closed "making a system for Swift needs root; install Swift from https://swift.org"
  unshare --mount true 2>/dev/null || closed "nothing may be mounted here, which Swift's system needs"
  command -v mmdebstrap >/dev/null || install mmdebstrap || true
  command -v mmdebstrap >/dev/null || command -v debootstrap >/dev/null || install debootstrap ||
    closed "apt has neither mmdebstrap nor debootstrap"

  local uri keyring part=$root.part start=$SECONDS
  read -r uri keyring < <(mirror)
  [ -r "${keyring:-}" ] || keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -r "$keyring" ] || install debian-archive-keyring || true
  say "making a Debian $suite with Swift in $root, from $uri"
  remove "$root"
  remove "$part"
  mkdir -p "$part"
  local made=1
  # Everything that is unpacked is thrown away if the machine goes down: no file is worth an fsync. Nor does anyone read manuals here.
  if command -v mmdebstrap >/dev/null; then
    unshare --mount mmdebstrap --quiet --mode=root --variant=apt --keyring="$keyring" --include="$packages" \
      --aptopt='Acquire::Retries "3"' --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
      --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
      --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$part" "$uri" >&2 || made=0
  else
    mkdir -p "$part/etc/dpkg/dpkg.cfg.d"
    echo force-unsafe-io >"$part/etc/dpkg/dpkg.cfg.d/unsafe-io"
    unshare --mount debootstrap --variant=minbase --keyring="$keyring" --include="$packages" "$suite" "$part" "$uri" >&2 || made=0
  fi
  [ $made = 1 ] || closed "Debian $suite with Swift could not be made"
  rm -rf "$part"/var/cache/apt/* "$part"/var/lib/apt/lists/*
  enter "$part" swift --version >/dev/null || closed "the Swift of Debian $suite does not run here"
  echo "$version" >"$part/built-by"
  mv "$part" "$root"
  say "done after $((SECONDS - start)) s"
}

# Runs a command in a system, with what it needs mounted for as long as it runs.
enter() {
  local system=$1
  shift
  local bind=("$repository" /tmp "${CARGO_TARGET_DIR:-$repository/target}") more=()
  IFS=: read -ra more <<<"${AGENTMESH_SWIFT_BIND:-}"
  # shellcheck disable=SC2016 # expanded in there.
  AGENTMESH_SWIFT_PATHS=$(printf '%s\n' "${bind[@]}" ${more[@]+"${more[@]}"}) unshare --mount --propagation private bash -euc '
    system=$1 directory=$2
    shift 2
    mount -t proc proc "$system/proc"
    mount --rbind /dev "$system/dev"
    # Whom TLS trusts, which clients want to know even if they never use it.
    if [ -d /etc/ssl/certs ]; then mkdir -p "$system/etc/ssl/certs" && mount --bind /etc/ssl/certs "$system/etc/ssl/certs"; fi
    while read -r path; do
      [ -e "$path" ] || continue
      mkdir -p "$system$path"
      mountpoint -q "$system$path" || mount --bind "$path" "$system$path"
    done <<<"$AGENTMESH_SWIFT_PATHS"
    unset AGENTMESH_SWIFT_PATHS
    exec env HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 chroot "$system" \
      sh -c "cd \"\$0\" && exec \"\$@\"" "$directory" "$@"' - "$system" "$PWD" "$@"
}

if ! ready; then
  mkdir -p "$(dirname "$root")"
  exec 9>"$root.lock"
  flock 9
  ready || build 9>&-
  exec 9>&-
fi
[ $# -gt 0 ] || exit 0
enter "$root" "$@"
