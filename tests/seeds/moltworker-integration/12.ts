import { createAuditLogger } from '@agentmesh/sdk';

const logger = createAuditLogger(agent.amid, {
  minSeverity: 'DEBUG',
});

// Log all events
agent.onMessage((msg) => {
  logger.log('MESSAGE_RECEIVED', 'DEBUG', 'Received message', {
    peerAmid: msg.from,
    sessionId: msg.sessionId,
  });
});
