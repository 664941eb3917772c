serve(async (req) => {
  // Check if it's a WebSocket request
  if (req.headers.get("upgrade") !== "websocket") {
    return new Response("Expected WebSocket request", { status: 400 });
  }

  try {
    // Create the WebSocket pair
    const { socket, response } = Deno.upgradeWebSocket(req);
    
    // Set up WebSocket event handlers
    setupWebSocketHandlers(socket);
    
    // Return the WebSocket response
    return response;
  } catch (error) {
    console.error("WebSocket setup error:", error);
    return new Response(`WebSocket setup error: ${error.message}`, { status: 500 });
  }
});
