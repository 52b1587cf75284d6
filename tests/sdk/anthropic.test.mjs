// The @anthropic-ai/sdk package, unchanged, against the built-in demo provider.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Anthropic, { APIError, AuthenticationError, NotFoundError } from '@anthropic-ai/sdk';
import { startDaemon } from './lib/daemon.mjs';

let daemon;
let client;
before(async () => {
  daemon = await startDaemon(
    (digest) => `
providers: {demo: {kind: demo}}
models:
  demo/echo: {deployments: [{provider: demo, model: echo, price: {input: 1, output: 2}}]}
  demo/tool-call: {deployments: [{provider: demo, model: tool-call, price: {input: 1, output: 2}}]}
  demo/secret: {deployments: [{provider: demo, model: secret, price: {input: 1, output: 2}}]}
  demo/cut: {deployments: [{provider: demo, model: drop-mid-stream, price: {input: 1, output: 2}}]}
keys:
  - {id: k1, digest: "${digest()}", budgets: [{limit: 5, window: day}]}
  - {id: poor, digest: "${digest('poor')}", budgets: [{name: tiny, limit: 0.0000001, window: day}]}
default_guardrails: [default]
`,
  );
  client = new Anthropic({ baseURL: daemon.url, apiKey: daemon.key() });
});
after(async () => assert.equal(await daemon.stop(), 0));

const ask = (content, model = 'demo/echo', more = {}) => ({
  model,
  max_tokens: 500,
  messages: [{ role: 'user', content }],
  ...more,
});

test('message', async () => {
  const { data, response } = await client.messages.create(ask('hello there')).withResponse();
  assert.match(data.content[0].text, /hello there/);
  assert.equal(data.stop_reason, 'end_turn');
  const row = (await daemon.rows(1)).find((one) => one.request_id === response.headers.get('x-request-id'));
  assert.equal(row.surface, 'messages');
  assert.equal(row.input_tokens, data.usage.input_tokens);
  assert.equal(row.cost_nusd, data.usage.input_tokens * 1000 + data.usage.output_tokens * 2000);
});

test('both places of the key', async () => {
  for (const options of [{ apiKey: daemon.key() }, { authToken: daemon.key(), apiKey: null }]) {
    const one = new Anthropic({ baseURL: daemon.url + '/anthropic', ...options });
    assert.match((await one.messages.create(ask('hi'))).content[0].text, /hi/);
  }
});

test('stream and its final message', async () => {
  const stream = client.messages.stream(ask('alpha beta gamma'));
  let text = '';
  stream.on('text', (delta) => (text += delta));
  const message = await stream.finalMessage();
  assert.match(text, /alpha beta gamma/);
  assert.equal(message.content[0].text, text);
  assert.ok(message.usage.output_tokens > 0);
});

test('tool use', async () => {
  const tools = [{ name: 'get_weather', description: 'w', input_schema: { type: 'object', properties: { city: { type: 'string' } } } }];
  const message = await client.messages.stream(ask('weather?', 'demo/tool-call', { tools })).finalMessage();
  const use = message.content.find((block) => block.type === 'tool_use');
  assert.equal(use.name, 'get_weather');
  assert.equal(typeof use.input, 'object');
});

test('count tokens is free', async () => {
  const { max_tokens: _, ...body } = ask('hello there');
  assert.ok((await client.messages.countTokens(body)).input_tokens > 0);
  const rows = await daemon.query("SELECT cost_nusd FROM audit WHERE surface='count_tokens'");
  assert.ok(rows.every((row) => row.cost_nusd === 0));
});

test('a secret is masked in a stream', async () => {
  let text = '';
  for await (const event of await client.messages.create(ask('x', 'demo/secret', { stream: true }))) {
    if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') text += event.delta.text;
  }
  assert.match(text, /\[REDACTED:api_key\]/);
});

test('a broken stream raises', async () => {
  await assert.rejects(client.messages.stream(ask('x '.repeat(200), 'demo/cut')).finalMessage(), APIError);
});

test('errors have their SDK classes', async () => {
  await assert.rejects(client.messages.create(ask('x', 'no-such-model')), NotFoundError);
  const stranger = new Anthropic({ baseURL: daemon.url, apiKey: 'tg-nobody' });
  await assert.rejects(stranger.messages.create(ask('x')), AuthenticationError);
  const poor = new Anthropic({ baseURL: daemon.url, apiKey: daemon.key('poor') });
  await assert.rejects(poor.messages.create(ask('x')), (error) => {
    assert.equal(error.status, 402);
    assert.equal(error.error.error.type, 'billing_error');
    return true;
  });
});

test('models are listed in the dialect', async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes('demo/echo'), ids.join());
});
