// The openai package, unchanged, against the built-in demo provider.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI, { APIError, AuthenticationError, NotFoundError } from 'openai';
import { startDaemon, until } from './lib/daemon.mjs';

let daemon;
let client;
before(async () => {
  daemon = await startDaemon(
    (digest) => `
providers: {demo: {kind: demo}}
models:
  demo/echo: {deployments: [{provider: demo, model: echo, price: {input: 1, output: 2}}]}
  plain-name: {deployments: [{provider: demo, model: echo, price: {input: 1, output: 2}}]}
  demo/long: {deployments: [{provider: demo, model: long-50, price: {input: 1, output: 2}}]}
  demo/slow: {deployments: [{provider: demo, model: drip-20ms, price: {input: 1, output: 2}}]}
  demo/tool-call: {deployments: [{provider: demo, model: tool-call, price: {input: 1, output: 2}}]}
  demo/secret: {deployments: [{provider: demo, model: secret, price: {input: 1, output: 2}}]}
  demo/cut: {deployments: [{provider: demo, model: drop-mid-stream, price: {input: 1, output: 2}}]}
  demo/dead: {deployments: [{provider: demo, model: fail-503, price: {input: 1, output: 2}}]}
  demo/reliable: {deployments: [{provider: demo, model: fail-503, priority: 0, price: {input: 1, output: 2}}, {provider: demo, model: echo, priority: 1, price: {input: 1, output: 2}}]}
agents: {coder: {}}
keys:
  - {id: k1, digest: "${digest()}", agent: coder, budgets: [{limit: 5, window: day}]}
  - {id: poor, digest: "${digest('poor')}", budgets: [{name: tiny, limit: 0.0000001, window: day}]}
default_guardrails: [default]
`,
  );
  client = new OpenAI({ baseURL: daemon.url + '/v1', apiKey: daemon.key() });
});
after(async () => assert.equal(await daemon.stop(), 0));

const ask = (content, model = 'demo/echo', more = {}) => ({
  model,
  messages: [{ role: 'user', content }],
  ...more,
});

test('chat completion', async () => {
  const { data, response } = await client.chat.completions.create(ask('hello there')).withResponse();
  assert.match(data.choices[0].message.content, /hello there/);
  assert.ok(data.usage.total_tokens > 0);
  const id = response.headers.get('x-request-id');
  const rows = await daemon.rows(1);
  const row = rows.find((one) => one.request_id === id);
  assert.equal(row.agent, 'coder');
  assert.equal(row.outcome, 'ok');
  assert.equal(row.input_tokens, data.usage.prompt_tokens);
  assert.equal(row.cost_nusd, data.usage.prompt_tokens * 1000 + data.usage.completion_tokens * 2000);
});

test('stream, without and with usage', async () => {
  let text = '';
  for await (const chunk of await client.chat.completions.create(ask('x', 'demo/long', { stream: true }))) {
    assert.equal(chunk.choices.length, 1, 'no usage chunk for a client that did not ask');
    text += chunk.choices[0].delta.content ?? '';
  }
  assert.equal(text.trim().split(/\s+/).length, 50);
  let usage;
  for await (const chunk of await client.chat.completions.create(
    ask('x', 'demo/long', { stream: true, stream_options: { include_usage: true } }),
  )) {
    usage = chunk.usage ?? usage;
  }
  assert.ok(usage.completion_tokens > 0);
});

test('stream helper gathers tool calls', async () => {
  const tools = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
  const stream = client.chat.completions.stream(ask('weather?', 'demo/tool-call', { tools }));
  const message = (await stream.finalChatCompletion()).choices[0].message;
  assert.equal(message.tool_calls[0].function.name, 'get_weather');
  JSON.parse(message.tool_calls[0].function.arguments);
  const next = await client.chat.completions.create({
    model: 'demo/tool-call',
    tools,
    messages: [{ role: 'user', content: 'weather?' }, message, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'sunny' }],
  });
  assert.match(next.choices[0].message.content, /sunny/);
});

test('a secret in an answer is masked, streamed or not', async () => {
  const whole = await client.chat.completions.create(ask('x', 'demo/secret'));
  let streamed = '';
  for await (const chunk of await client.chat.completions.create(ask('x', 'demo/secret', { stream: true }))) {
    streamed += chunk.choices[0]?.delta.content ?? '';
  }
  for (const text of [whole.choices[0].message.content, streamed]) {
    assert.match(text, /\[REDACTED:api_key\]/);
    assert.doesNotMatch(text, /AKIA[A-Z0-9]{16}/);
  }
});

test('failover is invisible, a broken stream is not', async () => {
  const answer = await client.chat.completions.create(ask('anyone?', 'demo/reliable'));
  assert.match(answer.choices[0].message.content, /anyone/);
  await assert.rejects(async () => {
    for await (const _ of await client.chat.completions.create(ask('x '.repeat(200), 'demo/cut', { stream: true })));
  }, APIError);
});

test('errors have their SDK classes and are not retried in vain', async () => {
  await assert.rejects(client.chat.completions.create(ask('x', 'no-such-model')), (error) => {
    assert.ok(error instanceof NotFoundError);
    assert.equal(error.code, 'model_not_found');
    return true;
  });
  const stranger = new OpenAI({ baseURL: daemon.url + '/v1', apiKey: 'tg-nobody' });
  await assert.rejects(stranger.chat.completions.create(ask('x')), AuthenticationError);
  const poor = new OpenAI({ baseURL: daemon.url + '/v1', apiKey: daemon.key('poor') });
  await assert.rejects(poor.chat.completions.create(ask('x')), (error) => {
    assert.equal(error.status, 402);
    assert.equal(error.code, 'budget_exceeded');
    return true;
  });
  const refusals = () => daemon.query("SELECT * FROM audit WHERE error_code='budget_exceeded'");
  await until('the refusal on record', async () => (await refusals()).length > 0);
  // A retry would have come after the SDK's pause of half a second.
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.equal((await refusals()).length, 1, 'x-should-retry: false was obeyed');
});

test('embeddings and models', async () => {
  const { data } = await client.embeddings.create({ model: 'demo/echo', input: ['a', 'b'] });
  assert.equal(data.length, 2);
  assert.ok(data[0].embedding.length > 0);
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes('demo/echo'));
  assert.equal((await client.models.retrieve('plain-name')).id, 'plain-name');
});

test('an aborted stream is settled and on record', async () => {
  const left = () => daemon.query("SELECT * FROM audit WHERE outcome='client_closed'");
  // A word every 20 ms: it cannot be over when the loop is left.
  const slow = await client.chat.completions.create(ask('one '.repeat(200), 'demo/slow', { stream: true }));
  for await (const _ of slow) break;  // the SDK aborts the request
  const rows = await until('the row', async () => {
    const all = await left();
    return all.length > 0 && all;
  });
  assert.equal(rows.length, 1);
  assert.equal(rows[0].estimated, 1);
  assert.ok(rows[0].cost_nusd > 0);
});
