#!/usr/bin/env bash
# Changes the rooms of the core that decide about secrecy, one place at a time, and demands that the unit tests notice: first those of
# the room itself, then, for what they miss, all but the simulation. SHARD=k/n (from 0) is a part of the work, ROOMS some of the rooms,
# FLAGS go to cargo-mutants. What was noticed is kept in target/mutants-found/: a shard that was interrupted goes on where it was.
# Exits with 1 if a mutant was missed or took too long.
set -uo pipefail
cd "$(dirname "$0")/.."

cargo mutants --version >/dev/null 2>&1 || {
  echo "mutants: needs cargo-mutants (cargo install cargo-mutants --locked)" >&2
  exit 2
}

shard=${SHARD:-0/1}
read -ra rooms <<<"${ROOMS:-keys ratchet handshake session vault engine}"
read -ra flags <<<"${FLAGS:-}"
out=${CARGO_TARGET_DIR:-target}/mutants-found
total=0 left=0

lines() {
  sort -u "$@" 2>/dev/null | grep -c .
}

for room in "${rooms[@]}"; do
  results=$out/$room-${shard/\//-of-}
  mkdir -p "$results"
  common=(--output "$results" --iterate --shard "$shard" --no-shuffle --colors never
    -f "agentmesh-core/src/$room/**" -f "agentmesh-core/src/$room.rs" "${flags[@]}")
  # `--lib` stands here and not in .cargo/mutants.toml, whose arguments come last: the tests would take it for an option of theirs,
  # refuse it, and so notice everything.
  cargo mutants "${common[@]}" --timeout 120 -- --lib -- "$room::" --skip simulation:: ||
    cargo mutants "${common[@]}" --timeout 1200 -- --lib -- --skip simulation::
  # Exits with 2 where mutants were missed, 3 where one timed out, and otherwise where it could not work.
  status=$?
  [ $status -le 3 ] && [ $status -ne 1 ] || exit $status
  files=$results/mutants.out
  n=$(lines "$files/missed.txt" "$files/timeout.txt")
  c=$(lines "$files/caught.txt" "$files/unviable.txt" "$files/previously_caught.txt")
  echo "mutants: $room $shard: $c noticed or not compiled, $n not"
  sed 's/^/  /' "$files/missed.txt" "$files/timeout.txt"
  total=$((total + n + c)) left=$((left + n))
done

echo "mutants: $left of $total were not noticed"
[ $left = 0 ]
