export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext) {
    const agent = await loadAgent(env);

    // Don't block response on connection
    ctx.waitUntil(agent.connect());

    // Process request immediately
    return handleRequest(request, agent);
  }
};
