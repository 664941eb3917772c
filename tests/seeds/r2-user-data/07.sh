curl https://your-worker.workers.dev/users/user-123/skills \
  -H "Authorization: Bearer YOUR_API_KEY"
