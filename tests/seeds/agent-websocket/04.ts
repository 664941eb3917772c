async function handleMessage(sessionId, message) {
  const session = activeSessions.get(sessionId);
  if (!session) {
    console.error(`Session ${sessionId} not found`);
    return;
  }
  
  const { socket, messageHistory } = session;
  
  // Validate the message
  if (!message.content) {
    sendErrorResponse(socket, "Message content is required");
    return;
  }
  
  // Add user message to history
  messageHistory.push({
    role: "user",
    content: message.content,
    timestamp: new Date().toISOString()
  });
  
  // Prepare messages for the LLM
  const messages = [
    { role: "system", content: "You are Agent WebSocket, an AI assistant communicating via WebSocket." },
    ...messageHistory.map(msg => ({ role: msg.role, content: msg.content }))
  ];
  
  try {
    // Send a "thinking" notification
    socket.send(JSON.stringify({
      type: MessageType.STATUS,
      content: "Thinking...",
      timestamp: new Date().toISOString()
    }));
    
    // Call the OpenRouter API
    const response = await callOpenRouter(messages);
    
    // Add assistant response to history
    messageHistory.push({
      role: "assistant",
      content: response,
      timestamp: new Date().toISOString()
    });
    
    // Send the response
    socket.send(JSON.stringify({
      type: MessageType.RESPONSE,
      content: response,
      timestamp: new Date().toISOString()
    }));
  } catch (error) {
    console.error(`Error generating response for session ${sessionId}:`, error);
    sendErrorResponse(socket, `Failed to generate response: ${error.message}`);
  }
}
