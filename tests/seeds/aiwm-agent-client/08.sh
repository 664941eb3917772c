# Core AIWM settings
AIWM_ENABLED=true
AIWM_BASE_URL=https://api.x-or.cloud/dev/aiwm
AIWM_AGENT_ID=693f3a2c8d1e5b4a7c9f1d3e
AIWM_AGENT_SECRET=a1b2c3d4e5f6...

# Agent info
AGENT_NAME=Customer Support Agent

# Claude Code SDK (provided by AIWM settings)
CLAUDE_MODEL=claude-3-5-haiku-latest
CLAUDE_MAX_TURNS=100
CLAUDE_PERMISSION_MODE=bypassPermissions
CLAUDE_RESUME=true
CLAUDE_CODE_OAUTH_TOKEN=oauth-token-if-configured

# Platform tokens (provided by AIWM settings)
DISCORD_TOKEN=discord-token-if-configured
DISCORD_CHANNEL_ID=channel-ids-comma-separated
TELEGRAM_BOT_TOKEN=telegram-token-if-configured
TELEGRAM_GROUP_ID=group-ids-comma-separated
