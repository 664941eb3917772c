const claudeModel =
  aiwmResponse?.settings?.claudeModel ||  // Priority 1: AIWM
  process.env.CLAUDE_MODEL ||              // Priority 2: .env
  'claude-3-5-haiku-latest';               // Priority 3: default
