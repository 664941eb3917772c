#!/usr/bin/env bash
# Runs fuzzing targets for MINUTES each (default 1), JOBS of them at a time (default 1), those that are named or all of them, and keeps what
# reached code that the inputs in fuzz/corpus/ do not reach: of each target KEEP inputs at most (default 50), those that reach most. Exits
# with 1 if a target failed; its input is then in fuzz/artifacts/. What libFuzzer says is in fuzz/logs/; FLAGS go to it.
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
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
mkdir -p fuzz/logs

# The programs, as this run found them: somebody may build others in the meantime.
built=$(cargo metadata --manifest-path fuzz/Cargo.toml --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
built=$built/$(rustc +nightly -vV | sed -n 's/^host: //p')/release
for target in "${targets[@]}"; do
  cargo +nightly fuzz build "$target" --sanitizer address --codegen-units 16 "${features[@]}" || exit
  ln "$built/$target" "$new/" 2>/dev/null || cp "$built/$target" "$new/" || exit
done

# How long inputs get. What takes all of them for one message is at its limits soon; 200 events are 402 bytes, and with short ones
# nothing happens.
lengths() {
  case $1 in
  interaction) echo "-max_len=402 -len_control=0" ;;
  *) echo "-max_len=16384" ;;
  esac
}

fuzz() {
  ASAN_OPTIONS=detect_odr_violation=0 "$new/$target" -artifact_prefix="fuzz/artifacts/$target/" "$@"
}

figure() {
  sed -n "s/^stat::$1: *//p" "$log"
}

# One target, and one line about it.
run() {
  target=$1 log=fuzz/logs/$1.log
  local found=$new/found/$target corpus=fuzz/corpus/$target result=ok added=0
  mkdir -p "$found" "$corpus" "fuzz/artifacts/$target"
  read -ra length < <(lengths "$target")
  read -ra flags <<<"${FLAGS:-}"
  TIMEFORMAT=%U
  # One input that takes 25 s, or 2 GiB, is a finding as well.
  if { time fuzz "${length[@]}" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -print_final_stats=1 "${flags[@]}" \
    "$found" "$corpus" >"$log" 2>&1; } 2>"$new/$target.cpu"; then
    # By edges only, not by how often each is taken: an input for each count would be thousands. What adds most comes first.
    touch "$new/$target.before"
    fuzz -set_cover_merge=1 -use_counters=0 "$corpus" "$found" >"$new/$target.merge" 2>&1 ||
      { tail -n 20 "$new/$target.merge" >&2 && result="FAILED to merge"; }
    find "$corpus" -type f -newer "$new/$target.before" -printf '%T@ %p\n' | sort -n | cut -d' ' -f2 >"$new/$target.kept"
    tail -n "+$((${KEEP:-50} + 1))" "$new/$target.kept" | xargs -r rm
    added=$(head -n "${KEEP:-50}" "$new/$target.kept" | wc -l)
  else
    result=FAILED
    tail -n 40 "$log" >&2
  fi
  local coverage
  coverage=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)
  echo "fuzz: $target: $result, $(figure number_of_executed_units) inputs in $seconds s ($(cat "$new/$target.cpu") s of the processor)," \
    "${coverage:-no coverage}, at most $(figure slowest_unit_time_sec) s and $(figure peak_rss_mb) MB, $added kept"
  [ "$result" = ok ]
}

export -f lengths fuzz figure run
export seconds new
printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-1}" -I '{}' bash -uo pipefail -c 'run {} || echo {} >>"$new/failed"'

[ ! -e "$new/failed" ] || {
  echo "fuzz: failed: $(xargs <"$new/failed") (inputs in fuzz/artifacts/)" >&2
  exit 1
}
