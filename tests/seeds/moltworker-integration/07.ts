export class RelayConnection implements DurableObject {
  private ws: WebSocket | null = null;
  private identity: Identity | null = null;

  constructor(private state: DurableObjectState, private env: Env) {}

  async fetch(request: Request): Promise<Response> {
    // Handle WebSocket upgrade
    if (request.headers.get('Upgrade') === 'websocket') {
      return this.handleWebSocket(request);
    }

    return new Response('Expected WebSocket', { status: 400 });
  }

  private async handleWebSocket(request: Request): Promise<Response> {
    const pair = new WebSocketPair();
    const [client, server] = Object.values(pair);

    // Accept the WebSocket
    server.accept();

    // Connect to relay
    await this.connectToRelay(server);

    return new Response(null, {
      status: 101,
      webSocket: client,
    });
  }

  private async connectToRelay(clientWs: WebSocket): Promise<void> {
    // Load identity
    const storage = new R2Storage(this.env.AGENT_STORAGE);
    this.identity = await Identity.load(storage, 'relay-identity');

    // Connect to AgentMesh relay
    const relayUrl = this.env.AGENTMESH_RELAY_URL;
    this.ws = new WebSocket(relayUrl);

    this.ws.addEventListener('open', async () => {
      // Authenticate with relay
      const [timestamp, signature] = await this.identity!.signTimestamp();

      this.ws!.send(JSON.stringify({
        type: 'connect',
        protocol: 'agentmesh/0.2',
        amid: this.identity!.amid,
        public_key: this.identity!.signingPublicKeyB64Raw,
        signature,
        timestamp,
      }));
    });

    this.ws.addEventListener('message', (event) => {
      // Forward messages to client
      clientWs.send(event.data);
    });

    clientWs.addEventListener('message', (event) => {
      // Forward messages to relay
      if (this.ws?.readyState === WebSocket.OPEN) {
        this.ws.send(event.data);
      }
    });

    clientWs.addEventListener('close', () => {
      this.ws?.close();
    });
  }
}
