# 1. Upload skills for a user
curl -X POST https://api.example.com/users/alice/skills \
  -H "Authorization: Bearer ${API_KEY}" \
  -H "Content-Type: application/json" \
  -d '{"name": "debugging.md", "content": "..."}'

# 2. Setup sandbox with user's skills
curl -X POST https://api.example.com/setup/session-1?userId=alice \
  -H "Authorization: Bearer ${API_KEY}"

# 3. Connect via WebSocket (in client code)
const socket = io('wss://api.example.com/ws?sessionId=session-1');

# 4. After conversation, save to R2
curl -X POST https://api.example.com/users/alice/conversations \
  -H "Authorization: Bearer ${API_KEY}" \
  -H "Content-Type: application/json" \
  -d '{"conversationId": "conv-1", "messages": [...]}'
