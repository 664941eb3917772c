curl https://your-worker.workers.dev/users/user-123/conversations/conv-123 \
  -H "Authorization: Bearer YOUR_API_KEY"
