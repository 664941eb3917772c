#!/usr/bin/env bash
# Runs fuzzing targets for MINUTES each (default 1), those that are named or all of them, and keeps what reached code that the inputs in
# fuzz/corpus/ do not reach. Exits with 1 if a target failed; its input is then in fuzz/artifacts/. FLAGS go to libFuzzer.
set -uo pipefail
cd "$(dirname "$0")/.."

missing() {
  echo "fuzz: $1 is missing: $2" >&2
  exit 2
}
command -v rustup >/dev/null || missing rustup "https://rustup.rs"
cargo +nightly --version >/dev/null 2>&1 || missing "a nightly compiler" "rustup toolchain install nightly --profile minimal"
cargo fuzz --version >/dev/null 2>&1 || missing cargo-fuzz "cargo install cargo-fuzz --locked"
command -v c++ >/dev/null || missing "a C++ compiler, for libFuzzer" "apt-get install g++"

targets=("$@")
mapfile -t all < <(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | tail -n +2)
[ $# -gt 0 ] || targets=("${all[@]}")
# Those that read what services and clients of the server send bring in most of what there is to compile.
features=(--no-default-features)
for target in "${targets[@]}"; do
  [[ " ${all[*]} " == *" $target "* ]] || missing "the target $target" "there are ${all[*]}"
  sed -n "/^name = \"$target\"$/,/^$/p" fuzz/Cargo.toml | grep -q '^required-features' && features=()
done
seconds=$((${MINUTES:-1} * 60))
read -ra flags <<<"${FLAGS:-}"
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
failed=()

cargo_fuzz() {
  cargo +nightly fuzz "$1" --sanitizer address --codegen-units 16 "${features[@]}" "${@:2}"
}

# How long inputs get. What takes all of them for one message is at its limits soon; 200 events are 402 bytes, and with short ones
# nothing happens.
lengths() {
  case $1 in
  interaction) echo "-max_len=402 -len_control=0" ;;
  *) echo "-max_len=16384" ;;
  esac
}

figure() {
  sed -n "s/^stat::$1: *//p" "$log"
}

for target in "${targets[@]}"; do
  mkdir -p "$new/$target" "fuzz/corpus/$target"
  log=$new/log
  cargo_fuzz build "$target" || exit
  read -ra length < <(lengths "$target")
  TIMEFORMAT=%U
  # One input that takes 25 s, or 2 GiB, is a finding as well.
  if { time cargo_fuzz run "$target" "$new/$target" "fuzz/corpus/$target" -- "${length[@]}" -max_total_time="$seconds" \
    -timeout=25 -rss_limit_mb=2048 -print_final_stats=1 "${flags[@]}" >"$log" 2>&1; } 2>"$new/cpu"; then
    result=ok
    # By edges only, not by how often each is taken: an input for each count would be thousands.
    before=$(find "fuzz/corpus/$target" -type f | wc -l)
    cargo_fuzz run "$target" "fuzz/corpus/$target" "$new/$target" -- -merge=1 -use_counters=0 >"$new/merge" 2>&1 ||
      { tail -n 20 "$new/merge" >&2 && failed+=("$target"); }
    added=$(($(find "fuzz/corpus/$target" -type f | wc -l) - before))
  else
    result=FAILED added=0
    failed+=("$target")
    tail -n 40 "$log" >&2
  fi
  coverage=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)
  echo "fuzz: $target: $result, $(figure number_of_executed_units) inputs in $seconds s ($(cat "$new/cpu") s of the processor)," \
    "${coverage:-no coverage}, at most $(figure slowest_unit_time_sec) s and $(figure peak_rss_mb) MB, $added kept"
done

[ ${#failed[@]} -eq 0 ] || {
  echo "fuzz: failed: ${failed[*]} (inputs in fuzz/artifacts/)" >&2
  exit 1
}
