   curl -X POST http://localhost:3305/agents/{AGENT_ID}/connect \
     -H "Content-Type: application/json" \
     -d '{"secret": "wrong-secret"}'
