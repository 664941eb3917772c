{
  _id: string;                       // Tool ID (MongoDB ObjectId)
  name: string;                      // Tool name (unique identifier)
  type: string;                      // "builtin", "custom", "mcp", "api"
  description: string;               // Human-readable description
  category: string;                  // "productivity", "communication", "data", etc.
  status: string;                    // "active" (only active tools are returned)
  schema: {
    inputSchema: object;             // JSON Schema for input
    outputSchema: object;            // JSON Schema for output
  };
}
