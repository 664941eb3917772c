npm install @agentmesh/sdk
