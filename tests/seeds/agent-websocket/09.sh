# Deploy the function
supabase functions deploy agent_websocket

# Set environment variables
supabase secrets set OPENROUTER_API_KEY=your-openrouter-api-key
