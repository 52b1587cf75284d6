// A real Tollgate on free ports for the SDK tests, and its audit rows.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

function base62(number, digits) {
  let out = '';
  for (let i = 0; i < digits; ++i) {
    out = BASE62[Number(number % 62n)] + out;
    number /= 62n;
  }
  return out;
}

/** `tg-`, 43 base62 digits of 32 random bytes, 6 of the CRC-32 over all before. */
function newKey() {
  const body = 'tg-' + base62(BigInt('0x' + randomBytes(32).toString('hex')), 43);
  return body + base62(BigInt(crc32(body)), 6);
}

/** Polls until `condition` gives something true, and returns that. */
export async function until(what, condition, milliseconds = 30_000) {
  const end = Date.now() + milliseconds;
  while (Date.now() < end) {
    const value = await condition();
    if (value) return value;
    await sleep(20);
  }
  throw new Error(`${what}: not within ${milliseconds} ms`);
}

/**
 * Starts the binary named by TOLLGATE_BINARY. `yaml(digest)` gives providers, models, keys and peers;
 * `digest(name)` makes a virtual key on first use.
 */
export async function startDaemon(yaml) {
  const binary = process.env.TOLLGATE_BINARY;
  if (!binary) throw new Error('TOLLGATE_BINARY is not set');
  const directory = mkdtempSync(join(tmpdir(), 'tollgate-sdk-'));
  const keys = new Map();
  const key = (name = 'agent') => {
    if (!keys.has(name)) keys.set(name, newKey());
    return keys.get(name);
  };
  const digest = (name = 'agent') =>
    'sha256:' + createHash('sha256').update(key(name)).digest('hex');
  writeFileSync(
    join(directory, 'tollgate.yaml'),
    `version: 1
workers: 2
listeners: [{name: main, address: "127.0.0.1:0", port_file: main.port}]
admin: {address: "127.0.0.1:0", port_file: admin.port, token: admin-token-of-the-sdk-tests}
control_socket: tollgate.sock
prices: {file: ""}
audit: {path: audit.db}
` + yaml(digest),
  );
  const logFile = join(directory, 'daemon.log');
  const log = openSync(logFile, 'a');
  const child = spawn(binary, ['serve', '--config', join(directory, 'tollgate.yaml')], {
    cwd: directory,
    stdio: ['ignore', log, log],
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const port = async (name) => {
    const file = join(directory, name);
    const text = await until(file, () => {
      if (child.exitCode !== null) throw new Error('tollgate ended:\n' + readFileSync(logFile));
      return existsSync(file) && readFileSync(file, 'utf8').trim();
    });
    return Number(text);
  };
  const url = `http://127.0.0.1:${await port('main.port')}`;
  const admin = `http://127.0.0.1:${await port('admin.port')}`;
  await until('/readyz', () => fetch(admin + '/readyz').then((r) => r.ok, () => false));

  const query = async (sql) => {
    const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(join(directory, 'audit.db'), { readOnly: true });
    try {
      return db.prepare(sql).all();
    } finally {
      db.close();
    }
  };
  return {
    url,
    key,
    query,
    /** All audit rows, once there are at least `count`. */
    rows: (count) =>
      until(`${count} audit rows`, async () => {
        const all = await query('SELECT * FROM audit ORDER BY seq');
        return all.length >= count && all;
      }),
    log: () => readFileSync(logFile, 'utf8'),
    async stop() {
      child.kill('SIGTERM');
      const timer = globalThis.setTimeout(() => child.kill('SIGKILL'), 15_000);
      const code = await exited;
      clearTimeout(timer);
      rmSync(directory, { recursive: true, force: true });
      return code;
    },
  };
}


/** Listens on a free port of 127.0.0.1. */
export function listen(app) {
  return new Promise((resolve) => {
    const server = app.listen(0, '127.0.0.1', () => {
      resolve({
        url: `http://127.0.0.1:${server.address().port}`,
        close: () => {
          server.closeAllConnections();
          return new Promise((done) => server.close(done));
        },
      });
    });
  });
}
