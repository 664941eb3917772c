   curl -X POST http://localhost:3305/agents/{AGENT_ID}/heartbeat \
     -H "Authorization: Bearer {JWT_TOKEN}" \
     -H "Content-Type: application/json" \
     -d '{"status": "online"}'
