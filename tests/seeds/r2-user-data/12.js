const socket = io('wss://your-worker.workers.dev/ws?sessionId=session-abc');

socket.on('connect', () => {
  console.log('Connected to agent');

  socket.emit('start', {
    maxTurns: 50,
    model: 'claude-sonnet-4-5-20250929'
  });
});

socket.on('message', (data) => {
  console.log('Agent message:', data);
});

// Send user message
socket.emit('message', {
  prompt: 'Help me debug this issue',
  options: {}
});
