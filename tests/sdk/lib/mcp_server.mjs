// An MCP server of the official SDK: sessions, JSON and SSE answers, progress, a GET stream.
import { randomUUID } from 'node:crypto';
import express from 'express';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';
import { listen } from './daemon.mjs';

function build() {
  const server = new McpServer({ name: 'calculator', version: '1.0.0' });
  server.registerTool(
    'add',
    { description: 'Adds two numbers', inputSchema: { a: z.number(), b: z.number() } },
    async ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }),
  );
  server.registerTool(
    'count',
    { description: 'Counts with progress', inputSchema: { to: z.number() } },
    async ({ to }, extra) => {
      for (let i = 1; i <= to; ++i) {
        await extra.sendNotification({
          method: 'notifications/progress',
          params: { progressToken: extra._meta?.progressToken, progress: i, total: to },
        });
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return { content: [{ type: 'text', text: `counted to ${to}` }] };
    },
  );
  server.registerTool('erase', { description: 'Not for everybody' }, async () => ({
    content: [{ type: 'text', text: 'erased' }],
  }));
  server.registerTool('leak', { description: 'Answers with a key' }, async () => ({
    content: [{ type: 'text', text: 'the key is ' + 'AKIA' + 'IOSFODNN7EXAMPLE' }],
  }));
  server.registerResource('readme', 'memo://readme', { title: 'Readme' }, async (uri) => ({
    contents: [{ uri: uri.href, text: 'hello from a resource' }],
  }));
  return server;
}

/** @param {{json?: boolean}} options  json: answers are JSON documents instead of streams. */
export async function startMcpServer(options = {}) {
  const app = express();
  app.use(express.json());
  const transports = new Map();
  const seen = [];
  app.all('/mcp', async (request, response) => {
    seen.push({ method: request.method, headers: request.headers, body: request.body });
    const id = request.headers['mcp-session-id'];
    let transport = id && transports.get(id);
    if (!transport && id) return void response.status(404).json({ jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } });
    if (!transport) {
      transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => randomUUID(),
        enableJsonResponse: options.json ?? false,
        onsessioninitialized: (sid) => transports.set(sid, transport),
        onsessionclosed: (sid) => transports.delete(sid),
      });
      await build().connect(transport);
    }
    await transport.handleRequest(request, response, request.body);
  });
  const server = await listen(app);
  return { ...server, seen, sessions: transports };
}
