#!/usr/bin/env bash
# Walks an agent's life at an AIWM controller, as an administrator and as the agent: instruction, tools, node, agent,
# credentials, connect, heartbeat, and what the controller says of it afterwards.
#
#   AIWM_ADMIN_TOKEN=… scripts/test-agent-connection.sh [BASE_URL]     default: AIWM_BASE_URL, http://localhost:3305
#
# Needs curl and Python 3. Secrets and tokens are not printed.
set -euo pipefail

base=${1:-${AIWM_BASE_URL:-http://localhost:3305}}
base=${base%/}
: "${AIWM_ADMIN_TOKEN:?set it to the token of an administrator}"

fail() { echo "FAILED: $*" >&2; exit 1; }

# call METHOD PATH TOKEN BODY: the answer's body; fails unless the status is 2xx. The token goes in by a file
# descriptor, so that nobody sees it among the processes.
call() {
  local answer status
  answer=$(curl -sS -m 10 -X "$1" "$base$2" -H 'Content-Type: application/json' \
    -H @<(if [ -n "$3" ]; then echo "Authorization: Bearer $3"; fi) \
    -d @<(printf '%s' "$4") -w '\n%{http_code}')
  status=${answer##*$'\n'}
  case $status in
    2??) printf '%s' "${answer%$'\n'*}" ;;
    *) fail "$1 $2 answered $status: ${answer%$'\n'*}" ;;
  esac
}

# field NAME: a member of the JSON on standard input.
field() { python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1], ""))' "$1"; }

admin() { call "$1" "$2" "$AIWM_ADMIN_TOKEN" "${3:-}"; }
step() { echo "ok  $*"; }

instruction=$(admin POST /instructions '{"name":"test","systemPrompt":"You are a test.","guidelines":["Be polite","Be accurate"],"status":"active"}' | field _id)
[ -n "$instruction" ] || fail "no instruction id"
step "instruction $instruction"

tools=
for name in read-file write-file; do
  tool=$(admin POST /tools "{\"name\":\"$name\",\"type\":\"builtin\",\"description\":\"d\",\"category\":\"productivity\",\"status\":\"active\",\"schema\":{\"inputSchema\":{},\"outputSchema\":{}}}" | field _id)
  [ -n "$tool" ] || fail "no tool id"
  tools=${tools:+$tools,}\"$tool\"
  step "tool $tool"
done

node=$(admin POST /nodes '{"name":"test-node","role":["worker"],"local":true}' | field _id)
[ -n "$node" ] || fail "no node id"
step "node $node"

agent=$(admin POST /agents "{\"name\":\"Test agent\",\"description\":\"d\",\"status\":\"active\",\"type\":\"autonomous\",\"instructionId\":\"$instruction\",\"nodeId\":\"$node\",\"allowedToolIds\":[$tools],\"settings\":{\"claudeModel\":\"claude-3-5-haiku-latest\",\"maxTurns\":100,\"discord\":{\"channelIds\":[\"1\",\"2\"]}}}" | field _id)
[ -n "$agent" ] || fail "no agent id"
step "agent $agent"

secret=$(admin POST "/agents/$agent/credentials/regenerate" | field secret)
[ ${#secret} -eq 64 ] || fail "the secret does not have 64 characters"
step "credentials"

connected=$(call POST "/agents/$agent/connect" '' "{\"secret\":\"$secret\"}")
token=$(field accessToken <<<"$connected")
[ -n "$token" ] || token=$(field token <<<"$connected")
[ -n "$token" ] || fail "connect gave no token"
step "connect"

wrong=$(curl -sS -m 10 -o /dev/null -w '%{http_code}' -X POST "$base/agents/$agent/connect" \
  -H 'Content-Type: application/json' -d '{"secret": "wrong-secret"}')
[ "$wrong" = 401 ] || fail "a wrong secret answered $wrong"
step "a wrong secret is refused"

beat=$(call POST "/agents/$agent/heartbeat" "$token" '{"status":"online","metrics":{"cpu":45,"memory":60,"uptime":3600,"activeConnections":3}}')
[ "$(field success <<<"$beat")" = True ] || fail "heartbeat: $beat"
step "heartbeat"

shown=$(admin GET "/agents/$agent")
[ "$(field connectionCount <<<"$shown")" = 1 ] || fail "connectionCount is not 1"
[ "$(field lastHeartbeatAt <<<"$shown")" != None ] || fail "no heartbeat was noted"
step "details"
echo "All steps succeeded."
