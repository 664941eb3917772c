// Example of sending a notification to a WebSocket client from another function
async function notifyWebSocketClient(sessionId, message) {
  // This would require a shared session management system or database
  const response = await fetch("https://your-project-ref.supabase.co/functions/v1/notify_websocket", {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "Authorization": `Bearer ${supabaseAnonKey}`
    },
    body: JSON.stringify({
      sessionId,
      message
    })
  });
  
  return await response.json();
}
