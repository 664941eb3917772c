# Run the setup script
chmod +x scripts/setup-r2.sh
./scripts/setup-r2.sh

# Or manually:
npx wrangler r2 bucket create claude-agent-user-data
