curl -X POST "https://your-worker.workers.dev/setup/session-abc?userId=user-123" \
  -H "Authorization: Bearer YOUR_API_KEY"
