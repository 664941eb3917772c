async function withErrorHandling<T>(
  operation: () => Promise<T>,
  fallback: T
): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    console.error('AgentMesh error:', error);
    return fallback;
  }
}

// Usage
const sessions = await withErrorHandling(
  () => agent.getSessions(),
  []
);
