// Pre-generate prekeys during deployment
export default {
  async scheduled(event: ScheduledEvent, env: Env, ctx: ExecutionContext) {
    const storage = new R2Storage(env.AGENT_STORAGE);
    const identity = await Identity.load(storage, 'agent');

    const prekeyManager = new PrekeyManager(identity, storage);
    const bundle = await prekeyManager.loadOrInitialize();

    // Check if prekeys need replenishment
    if (bundle.oneTimePrekeys.length < 50) {
      await prekeyManager.replenishOneTimePrekeys(100);
      console.log('Replenished one-time prekeys');
    }
  }
};
