curl -X POST https://your-worker.workers.dev/users/user-123/skills \
  -H "Authorization: Bearer YOUR_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "name": "debugging.md",
    "content": "# Debugging Skill\n\nWhen debugging..."
  }'
