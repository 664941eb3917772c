function setupWebSocketHandlers(socket) {
  // Generate a unique session ID for this connection
  const sessionId = crypto.randomUUID();
  
  // Store the socket in the active sessions map
  activeSessions.set(sessionId, {
    socket,
    lastActivity: Date.now(),
    messageHistory: []
  });
  
  // Handle incoming messages
  socket.onmessage = async (event) => {
    try {
      // Parse the message
      const message = JSON.parse(event.data);
      
      // Update last activity timestamp
      const session = activeSessions.get(sessionId);
      if (session) {
        session.lastActivity = Date.now();
      }
      
      // Process the message
      await handleMessage(sessionId, message);
    } catch (error) {
      console.error(`Error processing message for session ${sessionId}:`, error);
      sendErrorResponse(socket, error.message);
    }
  };
  
  // Handle connection close
  socket.onclose = () => {
    console.log(`WebSocket connection closed for session ${sessionId}`);
    activeSessions.delete(sessionId);
  };
  
  // Handle errors
  socket.onerror = (error) => {
    console.error(`WebSocket error for session ${sessionId}:`, error);
    activeSessions.delete(sessionId);
  };
  
  // Send welcome message
  socket.send(JSON.stringify({
    type: MessageType.NOTIFICATION,
    content: `Connected to Agent WebSocket. Session ID: ${sessionId}`,
    timestamp: new Date().toISOString()
  }));
  
  console.log(`New WebSocket connection established. Session ID: ${sessionId}`);
}
