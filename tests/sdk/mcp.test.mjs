// The official MCP client through the gateway to the official MCP server.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { startDaemon, until } from './lib/daemon.mjs';
import { startMcpServer } from './lib/mcp_server.mjs';

let daemon, streaming, plain;
before(async () => {
  streaming = await startMcpServer();
  plain = await startMcpServer({ json: true });
  daemon = await startDaemon(
    (digest) => `
mcp_servers:
  streaming: {url: "${streaming.url}/mcp", proxy: none, headers: {Authorization: "Bearer upstream-credential"}, price_per_call: 0.01}
  plain: {url: "${plain.url}/mcp", proxy: none, price_per_call: 0.01}
agents: {coder: {}}
keys:
  - {id: k1, digest: "${digest()}", agent: coder, allow: {mcp: {streaming: [add, count, leak], plain: ["*"]}}, budgets: [{limit: 0.10, window: day}]}
  - {id: none, digest: "${digest('none')}"}
default_guardrails: [default]
`,
  );
});
after(async () => {
  await streaming.close();
  await plain.close();
  assert.equal(await daemon.stop(), 0);
});

async function connect(server, key = daemon.key()) {
  const client = new Client({ name: 'sdk-test', version: '1.0.0' });
  const transport = new StreamableHTTPClientTransport(new URL(`${daemon.url}/mcp/${server}`), {
    requestInit: { headers: { authorization: `Bearer ${key}` } },
  });
  await client.connect(transport);
  return { client, transport };
}

for (const name of ['streaming', 'plain']) {
  test(`a session: initialize, list, call, resource, end (${name})`, async () => {
    const upstream = name === 'plain' ? plain : streaming;
    const { client, transport } = await connect(name);
    assert.equal(client.getServerVersion().name, 'calculator');
    const names = (await client.listTools()).tools.map((tool) => tool.name);
    assert.deepEqual(names, name === 'plain' ? ['add', 'count', 'erase', 'leak'] : ['add', 'count', 'leak']);
    const sum = await client.callTool({ name: 'add', arguments: { a: 19, b: 23 } });
    assert.equal(sum.content[0].text, '42');
    assert.equal((await client.readResource({ uri: 'memo://readme' })).contents[0].text, 'hello from a resource');
    assert.ok(transport.sessionId);
    await transport.terminateSession();
    assert.equal(upstream.sessions.size, 0, 'the DELETE reached the server');
    await client.close();
    for (const seen of upstream.seen) {
      assert.ok(!JSON.stringify(seen.headers).includes(daemon.key()), 'the virtual key stays here');
    }
  });
}

test('progress arrives while the call runs', async () => {
  const { client } = await connect('streaming');
  const seen = [];
  const result = await client.callTool({ name: 'count', arguments: { to: 5 } }, undefined, {
    onprogress: ({ progress }) => seen.push(progress),
  });
  assert.equal(result.content[0].text, 'counted to 5');
  assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  await client.close();
});

test('a tool outside the list cannot be called, a secret in a result is masked', async () => {
  const { client } = await connect('streaming');
  await assert.rejects(client.callTool({ name: 'erase', arguments: {} }));
  const leaked = await client.callTool({ name: 'leak', arguments: {} });
  assert.equal(leaked.content[0].text, 'the key is [REDACTED:api_key]');
  await client.close();
  assert.ok(!streaming.seen.some((one) => one.body?.params?.name === 'erase'));
});

test('a key without the server cannot connect', async () => {
  await assert.rejects(connect('streaming', daemon.key('none')));
  await assert.rejects(connect('nowhere'));
});

test('calls are paid for, listed on record, and refused over budget as JSON-RPC errors', async () => {
  const { client } = await connect('plain');
  let refused;
  for (let i = 0; i < 12 && !refused; ++i) {
    await client.callTool({ name: 'add', arguments: { a: 1, b: i } }).catch((error) => (refused = error));
  }
  assert.match(String(refused), /budget/i);
  await client.close();
  await until('the refusal on record', async () => {
    return (await daemon.query("SELECT 1 FROM audit WHERE error_code='budget_exceeded'")).length > 0;
  }, 5_000);
  const paid = await daemon.query("SELECT count(*) AS n, sum(cost_nusd) AS s FROM audit WHERE rpc_method='tools/call' AND outcome='ok'");
  assert.equal(paid[0].n, 10);
  assert.equal(paid[0].s, 100_000_000);
  const tools = await daemon.query("SELECT DISTINCT tool FROM audit WHERE rpc_method='tools/call' ORDER BY tool");
  assert.deepEqual(tools.map((row) => row.tool), ['add', 'count', 'erase', 'leak']);
});
