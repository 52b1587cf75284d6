// Two agents of the official SDKs: one speaks A2A 1.0, one 0.3.
import { randomUUID } from 'node:crypto';
import express from 'express';
import { listen } from './daemon.mjs';

const text10 = (value) => ({
  content: { $case: 'text', value },
  metadata: undefined,
  filename: '',
  mediaType: 'text/plain',
});

/** A2A 1.0: a task with an artifact in two pieces. */
export async function startAgent10() {
  const { AGENT_CARD_PATH, Role, TaskState } = await import('@a2a-js/sdk');
  const { AgentEvent, DefaultRequestHandler, InMemoryTaskStore } = await import('@a2a-js/sdk/server');
  const { UserBuilder, agentCardHandler, jsonRpcHandler } = await import('@a2a-js/sdk/server/express');
  const app = express();
  const server = await listen(app);
  const card = {
    name: 'Planner',
    description: 'Plans things',
    version: '1.0.0',
    supportedInterfaces: [
      { url: server.url + '/rpc', protocolBinding: 'JSONRPC', tenant: '', protocolVersion: '1.0' },
    ],
    provider: undefined,
    capabilities: { streaming: true, pushNotifications: false, extensions: [] },
    securitySchemes: {},
    securityRequirements: [],
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [{ id: 'plan', name: 'Plan', description: 'Plans', tags: ['plan'], examples: [], inputModes: [], outputModes: [], securityRequirements: [] }],
    signatures: [],
  };
  const status = (state) => ({ state, message: undefined, timestamp: new Date().toISOString() });
  const executor = {
    async execute({ taskId, contextId, userMessage }, bus) {
      const asked = userMessage.parts.map((part) => part.content?.value ?? '').join(' ');
      bus.publish(AgentEvent.task({ id: taskId, contextId, status: status(TaskState.TASK_STATE_SUBMITTED), artifacts: [], history: [userMessage], metadata: undefined }));
      for (const [index, piece] of ['plan for: ', asked].entries()) {
        bus.publish(
          AgentEvent.artifactUpdate({ taskId, contextId, append: index > 0, lastChunk: index === 1, metadata: undefined,
            artifact: { artifactId: 'plan', name: 'plan', description: '', parts: [text10(piece)], metadata: undefined, extensions: [] } }),
        );
      }
      bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: status(TaskState.TASK_STATE_COMPLETED), metadata: undefined }));
      bus.finished();
    },
    cancelTask: async () => {},
  };
  const handler = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor);
  app.use('/' + AGENT_CARD_PATH, agentCardHandler({ agentCardProvider: handler }));
  app.use('/rpc', jsonRpcHandler({ requestHandler: handler, userBuilder: UserBuilder.noAuthentication }));
  return server;
}

export const message10 = (Role, value) => ({
  tenant: '',
  message: { messageId: randomUUID(), contextId: '', taskId: '', role: Role.ROLE_USER, parts: [text10(value)], metadata: undefined, extensions: [], referenceTaskIds: [] },
  configuration: undefined,
  metadata: undefined,
});

/** A2A 0.3: a direct message, or a task when asked for one. */
export async function startAgent03() {
  const { AGENT_CARD_PATH } = await import('a2a-sdk-0.3');
  const { DefaultRequestHandler, InMemoryTaskStore } = await import('a2a-sdk-0.3/server');
  const { UserBuilder, agentCardHandler, jsonRpcHandler } = await import('a2a-sdk-0.3/server/express');
  const app = express();
  const server = await listen(app);
  const card = {
    name: 'Greeter',
    description: 'Says hello',
    protocolVersion: '0.3.0',
    version: '0.1.0',
    url: server.url + '/rpc',
    skills: [{ id: 'chat', name: 'Chat', description: 'Say hello', tags: ['chat'] }],
    capabilities: { streaming: true, pushNotifications: false },
    defaultInputModes: ['text'],
    defaultOutputModes: ['text'],
    additionalInterfaces: [{ url: server.url + '/rpc', transport: 'JSONRPC' }],
  };
  const executor = {
    async execute({ taskId, contextId, userMessage }, bus) {
      const asked = userMessage.parts.map((part) => part.text).join(' ');
      if (asked.startsWith('task')) {
        const at = () => new Date().toISOString();
        bus.publish({ kind: 'task', id: taskId, contextId, status: { state: 'submitted', timestamp: at() }, history: [userMessage] });
        bus.publish({ kind: 'artifact-update', taskId, contextId, artifact: { artifactId: 'a', parts: [{ kind: 'text', text: 'made ' + asked }] } });
        bus.publish({ kind: 'status-update', taskId, contextId, final: true, status: { state: 'completed', timestamp: at() } });
      } else {
        bus.publish({ kind: 'message', messageId: randomUUID(), role: 'agent', contextId, parts: [{ kind: 'text', text: 'hello, ' + asked }] });
      }
      bus.finished();
    },
    cancelTask: async () => {},
  };
  const handler = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor);
  app.use('/' + AGENT_CARD_PATH, agentCardHandler({ agentCardProvider: handler }));
  app.use('/rpc', jsonRpcHandler({ requestHandler: handler, userBuilder: UserBuilder.noAuthentication }));
  return server;
}
