./scripts/test-agent-connection.sh
