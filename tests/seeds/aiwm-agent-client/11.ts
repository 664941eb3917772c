{
  // Claude Code SDK configuration
  claudeModel?: string;              // e.g., "claude-3-5-haiku-latest"
  maxTurns?: number;                 // e.g., 100
  permissionMode?: string;           // e.g., "bypassPermissions"
  resume?: boolean;                  // e.g., true
  claudeOAuthToken?: string;         // e.g., "oauth-token-here"

  // Discord platform
  discord?: {
    token?: string;                  // Discord bot token
    channelIds?: string[];           // Array of channel IDs
    botId?: string;                  // Discord bot ID
  };

  // Telegram platform
  telegram?: {
    token?: string;                  // Telegram bot token
    groupIds?: string[];             // Array of group IDs
    botUsername?: string;            // Bot username
  };

  // Custom settings (any additional fields)
  [key: string]: any;
}
