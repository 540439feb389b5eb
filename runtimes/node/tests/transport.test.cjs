'use strict';
// Tests of the transport. Run: `node --test runtimes/node/tests/`. To prove the common cases on the compiled
// addon, name it in TINDRA_TEST_OFFICIAL_CLIENT.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const net = require('node:net');
const path = require('node:path');
const { test } = require('node:test');

const TRANSPORT = process.env.TINDRA_TEST_OFFICIAL_CLIENT ?? path.join(__dirname, '..', 'rapid-client.cjs');
const CLOSE = Symbol('close');
const ACCEPTED = 'HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n';

function event(body = '{}', extra = '') {
  return (
    'HTTP/1.1 200 OK\r\nLAMBDA-Runtime-Aws-Request-Id: r1\r\nlambda-runtime-trace-id: Root=1\r\n' +
    'Lambda-Runtime-Invoked-Function-Arn: arn\r\nLambda-Runtime-Deadline-Ms: 1234\r\n' +
    `${extra}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

/** Serves the answers in order; resolves `done` when all are given. Runs `script` as the client's process. */
async function run(answers, script) {
  const requests = [];
  let connections = 0;
  const sockets = new Set();
  const server = net.createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.setNoDelay(true);
    let pending = Buffer.alloc(0);
    socket.on('error', () => {});
    let isClosing = false;
    socket.on('data', (data) => {
      if (isClosing) return;
      pending = Buffer.concat([pending, data]);
      for (;;) {
        const end = pending.indexOf('\r\n\r\n');
        if (end < 0) return;
        const head = pending.toString('utf8', 0, end);
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (pending.length < end + 4 + length) return;
        requests.push({ head, body: pending.toString('utf8', end + 4, end + 4 + length) });
        pending = pending.subarray(end + 4 + length);
        const answer = answers.shift();
        if (answer !== undefined) socket.write(answer);
        if (answers[0] === CLOSE) {
          answers.shift();
          isClosing = true;
          socket.end();
          return;
        }
      }
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const child = spawn(process.execPath, ['-e', `const client = require(${JSON.stringify(TRANSPORT)});\n(async () => {${script}\n})()`], {
    env: { ...process.env, AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${server.address().port}`, TINDRA_OFFICIAL_TRANSPORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (output += data));
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  // The client is gone; what it has sent may still be under way.
  await Promise.all([...sockets].map((socket) => socket.closed || new Promise((resolve) => socket.on('close', resolve))));
  await new Promise((resolve) => server.close(resolve));
  return { requests, connections, output, code };
}

test('an event with a length and its headers', async () => {
  const { output } = await run(
    [event('{"a":"ä"}', 'Lambda-Runtime-Aws-Tenant-Id: t\r\n')],
    'console.log(JSON.stringify(await client.next())); process.exit(0)',
  );
  assert.deepStrictEqual(JSON.parse(output), {
    bodyJson: '{"a":"ä"}',
    headers: {
      'lambda-runtime-deadline-ms': 1234,
      'lambda-runtime-aws-request-id': 'r1',
      'lambda-runtime-trace-id': 'Root=1',
      'lambda-runtime-invoked-function-arn': 'arn',
      'lambda-runtime-aws-tenant-id': 't',
    },
  });
});

test('an event in chunks, with trailers, and one after it', async () => {
  const head = event('', 'Transfer-Encoding: chunked\r\n').replace('Content-Length: 0\r\n', '');
  const chunks = ['{"a":"', 'x'.repeat(100_000), '"}'];
  const body = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
  const { output } = await run(
    [`${head}${body}0\r\nX-Trailer: 1\r\n\r\n`, event('{"n":2}')],
    'console.log((await client.next()).bodyJson.length, (await client.next()).bodyJson); process.exit(0)',
  );
  assert.strictEqual(output, `${100_008} {"n":2}\n`);
});

test('results and errors, on one connection', async () => {
  const { requests, connections } = await run(
    [event(), ACCEPTED, event(), ACCEPTED, event()],
    `await client.next(); client.done('r1', '"ä"'); await client.next();
     client.error('r2', '{"errorType":"E"}', '{"exceptions":[]}'); await client.next(); process.exit(0)`,
  );
  assert.strictEqual(connections, 1);
  assert.match(requests[1].head, /^POST \/2018-06-01\/runtime\/invocation\/r1\/response HTTP\/1.1\r\n/);
  assert.match(requests[1].head, /content-type: application\/json/i);
  assert.strictEqual(requests[1].body, '"ä"');
  assert.match(requests[3].head, /^POST \/2018-06-01\/runtime\/invocation\/r2\/error HTTP\/1.1\r\n/);
  assert.match(requests[3].head, /lambda-runtime-function-xray-error-cause: \{"exceptions":\[\]\}/i);
});

test('six megabytes both ways', async () => {
  const large = JSON.stringify('x'.repeat(6_291_454));
  const { requests } = await run(
    [event(large), ACCEPTED, event()],
    'const { bodyJson } = await client.next(); client.done("r1", bodyJson); await client.next(); process.exit(0)',
  );
  assert.strictEqual(requests[1].body, large);
});

test('an error is sent although the process exits at once', async () => {
  const large = 'x'.repeat(4_000_000);
  const { requests, code } = await run(
    [event(), ACCEPTED],
    `await client.next(); client.error('r1', 'x'.repeat(${large.length}), ''); process.exit(128)`,
  );
  assert.strictEqual(code, 128);
  assert.strictEqual(requests[1].body.length, large.length);
});

test('a connection between events does not keep the process alive', async () => {
  const { output, code } = await run(
    [event(), ACCEPTED],
    `process.on('beforeExit', () => { console.log('empty'); client.done('r1', '{}'); process.exit(0); });
     await client.next();`,
  );
  assert.strictEqual(code, 0);
  assert.strictEqual(output, 'empty\n');
});

test('the server closes between events', async () => {
  const { output, connections } = await run(
    [event(), CLOSE, event('{"n":2}')],
    'await client.next(); console.log((await client.next()).bodyJson); process.exit(0)',
  );
  assert.strictEqual(output, '{"n":2}\n');
  assert.strictEqual(connections, 2);
});

test('a refused result changes nothing', async () => {
  const { output } = await run(
    [event(), 'HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', CLOSE, event('{"n":2}')],
    'await client.next(); client.done("r1", "{}"); console.log((await client.next()).bodyJson); process.exit(0)',
  );
  assert.strictEqual(output, '{"n":2}\n');
});
