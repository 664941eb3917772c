// Map to store active WebSocket sessions
const activeSessions = new Map();

// Session cleanup interval (every 5 minutes)
setInterval(() => {
  const now = Date.now();
  const timeout = 30 * 60 * 1000; // 30 minutes
  
  for (const [sessionId, session] of activeSessions.entries()) {
    // Check if session has been inactive for too long
    if (now - session.lastActivity > timeout) {
      console.log(`Closing inactive session ${sessionId}`);
      
      try {
        // Send notification before closing
        session.socket.send(JSON.stringify({
          type: MessageType.NOTIFICATION,
          content: "Session closed due to inactivity",
          timestamp: new Date().toISOString()
        }));
        
        // Close the socket
        session.socket.close(1000, "Session timeout");
      } catch (error) {
        console.error(`Error closing session ${sessionId}:`, error);
      }
      
      // Remove from active sessions
      activeSessions.delete(sessionId);
    }
  }
}, 5 * 60 * 1000); // Run every 5 minutes
