// The official A2A clients (1.0 and 0.3) through the gateway to agents of the official SDKs.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { message10, startAgent03, startAgent10 } from './lib/a2a_agents.mjs';
import { startDaemon, until } from './lib/daemon.mjs';

let daemon, planner, greeter;
before(async () => {
  planner = await startAgent10();
  greeter = await startAgent03();
  daemon = await startDaemon(
    (digest) => `
a2a_agents:
  planner: {url: "${planner.url}/rpc", proxy: none, price_per_call: 0.02}
  greeter: {url: "${greeter.url}/rpc", proxy: none, price_per_call: 0.02}
agents: {coder: {}}
keys:
  - {id: k1, digest: "${digest()}", agent: coder, allow: {a2a: {planner: ["SendMessage", "SendStreamingMessage", "GetTask"], greeter: ["message/*", "tasks/get"]}}, budgets: [{limit: 1, window: day}]}
  - {id: none, digest: "${digest('none')}"}
`,
  );
});
after(async () => {
  await planner.close();
  await greeter.close();
  assert.equal(await daemon.stop(), 0);
});

/** fetch with the agent's key, as the SDKs' own authentication examples do it. */
const withKey = (key) => (url, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${key}`);
  return fetch(url, { ...init, headers });
};

async function connect(sdk, agent, key = daemon.key()) {
  const { ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory } = await import(sdk + '/client');
  const fetchImpl = withKey(key);
  const factory = new ClientFactory({
    transports: [new JsonRpcTransportFactory({ fetchImpl })],
    cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
  });
  return factory.createFromUrl(`${daemon.url}/a2a/${agent}/`);
}

test('1.0: card, message, task, stream', async () => {
  const { Role } = await import('@a2a-js/sdk');
  const client = await connect('@a2a-js/sdk', 'planner');
  const task = await client.sendMessage(message10(Role, 'a trip'));
  assert.equal(task.artifacts[0].parts.map((part) => part.content.value).join(''), 'plan for: a trip');
  const again = await client.getTask({ tenant: '', id: task.id });
  assert.equal(again.id, task.id);
  const kinds = [];
  for await (const event of client.sendMessageStream(message10(Role, 'a walk'))) kinds.push(event.payload.$case);
  assert.deepEqual(kinds, ['task', 'artifactUpdate', 'artifactUpdate', 'statusUpdate']);
  const rows = await until('three rows', async () => {
    const all = await daemon.query("SELECT rpc_method, task_id, cost_nusd FROM audit WHERE rpc_target='planner' AND rpc_method IS NOT NULL ORDER BY seq");
    return all.length >= 3 && all;
  }, 5_000);
  assert.deepEqual(rows.map((row) => row.rpc_method), ['SendMessage', 'GetTask', 'SendStreamingMessage']);
  assert.equal(rows[0].task_id, task.id);
  assert.deepEqual(rows.map((row) => row.cost_nusd), [20_000_000, 0, 20_000_000]);
});

const message03 = (text) => ({
  message: { kind: 'message', messageId: randomUUID(), role: 'user', parts: [{ kind: 'text', text }] },
});

test('0.3: card, message, task, stream', async () => {
  const client = await connect('a2a-sdk-0.3', 'greeter');
  const answer = await client.sendMessage(message03('you'));
  assert.equal(answer.parts[0].text, 'hello, you');
  const kinds = [];
  let id;
  let text = '';
  for await (const event of client.sendMessageStream(message03('task one'))) {
    kinds.push(event.kind);
    id ??= event.id;
    if (event.kind !== 'artifact-update') continue;
    const piece = event.artifact.parts.map((part) => part.text).join('');
    text = event.append ? text + piece : piece;
  }
  // The agent does not say that the artifact is complete, so its unfinished last word waits for
  // more text, and comes as an update of its own before the task's end.
  assert.deepEqual(kinds, ['task', 'artifact-update', 'artifact-update', 'status-update']);
  assert.equal(text, 'made task one');
  const task = await client.getTask({ id });
  assert.equal(task.status.state, 'completed');
  assert.equal(task.artifacts[0].parts[0].text, 'made task one');
});

test('the card leads to the gateway, not past it', async () => {
  for (const agent of ['planner', 'greeter']) {
    const response = await withKey(daemon.key())(`${daemon.url}/a2a/${agent}/.well-known/agent-card.json`);
    const text = await response.text();
    assert.equal(response.status, 200, text);
    assert.ok(!text.includes(planner.url) && !text.includes(greeter.url), text);
    assert.ok(text.includes(`/a2a/${agent}`), text);
  }
});

test('methods and agents outside the list are refused', async () => {
  const { Role } = await import('@a2a-js/sdk');
  const client = await connect('@a2a-js/sdk', 'planner');
  await assert.rejects(client.cancelTask({ tenant: '', id: 'x', metadata: undefined }));
  await assert.rejects(connect('@a2a-js/sdk', 'planner', daemon.key('none')));
  await assert.rejects(connect('@a2a-js/sdk', 'nobody'));
  void Role;
});
