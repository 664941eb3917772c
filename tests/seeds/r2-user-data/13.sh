curl -X POST https://your-worker.workers.dev/users/user-123/conversations \
  -H "Authorization: Bearer YOUR_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "conversationId": "conv-123",
    "messages": [
      { "role": "user", "content": "Hello" },
      { "role": "assistant", "content": "Hi!" }
    ],
    "metadata": {
      "startedAt": "2025-01-15T10:00:00Z",
      "endedAt": "2025-01-15T10:15:00Z"
    }
  }'
