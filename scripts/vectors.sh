#!/usr/bin/env bash
# Runs every known answer, and nothing else, and says how many there were of each source. A source that no test reported is a
# failure: a filter that matches nothing must not look like success.
set -euo pipefail
cd "$(dirname "$0")/.."

core=(keys::wycheproof keys::rfc keys::eddsa_cases keys::secretbox legacy::vectors session::tests::vectors identity::vectors
  handshake::vectors)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# What is counted, and cargo's arguments. One thread a test, so that nothing is printed into anything else.
run() {
  local where=$1 out status=0
  shift
  out=$(cargo test --quiet "$@" --nocapture --test-threads=1 2>&1) || status=$?
  if [ $status != 0 ]; then
    printf '%s\n' "$out"
    echo "known answers ($where): FAILED"
    exit 1
  fi
  grep -o 'vectors: [^ ].*: [0-9]*$' <<<"$out" | sed "s/^vectors: /$where|/" >>"$log"
}

# The features of all, so that what the other tests built is used.
run core --workspace --all-features --lib --test all -- "${core[@]}" vectors::
run 'portable back end' -p agentmesh-core --no-default-features --features legacy-0-2,getrandom,hazmat --lib -- \
  keys::wycheproof keys::rfc keys::eddsa_cases keys::secretbox

# where|source what...: count
awk -F'|' '
  { n = $2; sub(/.*: /, "", n); what = $2; sub(/: [0-9]*$/, "", what); source = what; sub(/ .*/, "", source)
    print "  " what " (" $1 "): " n; sum[source " (" $1 ")"] += n; all += n }
  END { print ""; for (s in sum) printf "%-32s %6d\n", s, sum[s] | "sort"; close("sort"); printf "%-32s %6d\n", "known answers in all", all }
' "$log"

missing=0
for source in 'core|agentmesh-0.2' 'core|ours' 'core|Wycheproof' 'core|RFC' 'core|libsodium' 'core|papers' \
  'core|Wycheproof MlKem768' 'portable back end|Wycheproof MlKem768' 'portable back end|Wycheproof X25519' \
  'portable back end|Wycheproof Ed25519' 'portable back end|Wycheproof AesGcm' 'portable back end|RFC'; do
  if ! grep -q "^$source[ :]" "$log"; then
    echo "no known answers of $source ran"
    missing=1
  fi
done
exit $missing
