import {
  Identity,
  SessionManager,
  PrekeyManager,
  R2Storage,
} from '@agentmesh/sdk';

export class AgentSession implements DurableObject {
  private state: DurableObjectState;
  private storage: R2Storage;
  private identity: Identity | null = null;
  private sessionManager: SessionManager | null = null;

  constructor(state: DurableObjectState, env: Env) {
    this.state = state;
    this.storage = new R2Storage(env.AGENT_STORAGE);
  }

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);

    // Initialize identity on first request
    if (!this.identity) {
      try {
        this.identity = await Identity.load(this.storage, 'session-identity');
      } catch {
        this.identity = await Identity.generate();
        await this.identity.save(this.storage, 'session-identity');
      }

      // Setup encryption
      const prekeyManager = new PrekeyManager(this.identity, this.storage);
      await prekeyManager.loadOrInitialize();

      this.sessionManager = new SessionManager(
        this.identity,
        this.storage,
        prekeyManager
      );
    }

    switch (url.pathname) {
      case '/session/initiate':
        return this.initiateSession(request);

      case '/session/accept':
        return this.acceptSession(request);

      case '/message/encrypt':
        return this.encryptMessage(request);

      case '/message/decrypt':
        return this.decryptMessage(request);

      default:
        return new Response('Not found', { status: 404 });
    }
  }

  private async initiateSession(request: Request): Promise<Response> {
    const { peerAmid, peerBundle, peerSigningKey } = await request.json();

    const { sessionId, x3dhMessage } = await this.sessionManager!.initiateSession(
      peerAmid,
      peerBundle,
      new Uint8Array(peerSigningKey)
    );

    return Response.json({
      sessionId,
      x3dhMessage: this.serializeX3DHMessage(x3dhMessage),
    });
  }

  private async acceptSession(request: Request): Promise<Response> {
    const { peerAmid, x3dhMessage } = await request.json();

    const sessionId = await this.sessionManager!.acceptSession(
      peerAmid,
      this.deserializeX3DHMessage(x3dhMessage)
    );

    const ratchetKey = this.sessionManager!.getRatchetPublicKey(sessionId);

    return Response.json({
      sessionId,
      ratchetKey: Array.from(ratchetKey!),
    });
  }

  private async encryptMessage(request: Request): Promise<Response> {
    const { sessionId, plaintext } = await request.json();

    const envelope = await this.sessionManager!.encryptMessage(sessionId, plaintext);

    return Response.json({ envelope });
  }

  private async decryptMessage(request: Request): Promise<Response> {
    const { sessionId, envelope } = await request.json();

    const plaintext = await this.sessionManager!.decryptMessage(sessionId, envelope);

    return Response.json({ plaintext });
  }

  // Serialization helpers
  private serializeX3DHMessage(msg: any): any {
    return {
      ...msg,
      identityKey: Array.from(msg.identityKey),
      ephemeralKey: Array.from(msg.ephemeralKey),
    };
  }

  private deserializeX3DHMessage(msg: any): any {
    return {
      ...msg,
      identityKey: new Uint8Array(msg.identityKey),
      ephemeralKey: new Uint8Array(msg.ephemeralKey),
    };
  }
}
