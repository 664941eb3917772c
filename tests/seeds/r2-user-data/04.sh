npx wrangler secret put ANTHROPIC_API_KEY
npx wrangler secret put API_KEY
