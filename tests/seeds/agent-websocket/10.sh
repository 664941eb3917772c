# Serve the function locally
supabase functions serve agent_websocket --env-file .env.local

# Test with WebSocket client
# You can use tools like wscat or a browser-based WebSocket client
wscat -c ws://localhost:54321/functions/v1/agent_websocket
