#!/usr/bin/env bash
# Runs fuzzing targets for MINUTES each (default 1), those that are named or all of them, and keeps what they found new,
# made small, in fuzz/corpus/. Exits with 1 if a target failed; its input is then in fuzz/artifacts/.
set -uo pipefail
cd "$(dirname "$0")/.."

cargo fuzz --version >/dev/null 2>&1 || {
  echo "fuzz: needs cargo-fuzz (cargo install cargo-fuzz) and a nightly compiler (rustup toolchain install nightly)" >&2
  exit 2
}

targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | tail -n +2)
seconds=$((${MINUTES:-1} * 60))
# Without these, a thousand inputs for what one of them shows.
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
failed=()

for target in "${targets[@]}"; do
  mkdir -p "$corpus/$target" "fuzz/corpus/$target"
  log=$corpus/log
  if cargo +nightly fuzz run --sanitizer address "$target" "$corpus/$target" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -timeout=25 -rss_limit_mb=4096 -print_final_stats=1 >"$log" 2>&1; then
    result=ok
  else
    result=FAILED
    failed+=("$target")
    tail -n 40 "$log" >&2
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)
  echo "fuzz: $target: $result, ${runs:-0} inputs in $seconds s, ${coverage:-no coverage}"
done

[ ${#failed[@]} -eq 0 ] || {
  echo "fuzz: failed: ${failed[*]} (inputs in fuzz/artifacts/)" >&2
  exit 1
}
