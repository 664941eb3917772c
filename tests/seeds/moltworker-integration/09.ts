class AgentDO implements DurableObject {
  private identity: Identity | null = null;

  async getIdentity(): Promise<Identity> {
    if (this.identity) return this.identity;

    // Check DO storage first
    const cached = await this.state.storage.get<string>('identity');
    if (cached) {
      this.identity = Identity.fromJSON(JSON.parse(cached));
      return this.identity;
    }

    // Load from R2
    this.identity = await Identity.load(this.r2Storage, 'agent');
    await this.state.storage.put('identity', JSON.stringify(this.identity.toJSON()));

    return this.identity;
  }
}
