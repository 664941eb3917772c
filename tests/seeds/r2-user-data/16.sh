# List buckets
npx wrangler r2 bucket list

# Create if missing
npx wrangler r2 bucket create claude-agent-user-data
