// A spare: the runtime up and the client loaded, waiting for a function to be. Descriptor 4 is the socket over which it is
// bound: it says R, then reads the length and the bytes of the function's whole environment, each `NAME=value` ended by
// a NUL. By then the function's code is at /var/task.
import fs from 'node:fs';
import Module from 'node:module';
import net from 'node:net';
import v8 from 'node:v8';
import { bundle, load } from './client.mjs';

const CONTROL = 4;
const EVENT = [
  'HTTP/1.1 200 OK',
  'content-type: application/json',
  'lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd',
  'lambda-runtime-deadline-ms: 1542409706888',
  'lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:rehearsal',
  'lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0',
  'content-length: 8',
  '',
  '{"a": 1}',
].join('\r\n');

const run = await load();
// Bytecode that has been idle for some collections would be compiled again.
v8.setFlagsFromString('--no-flush-bytecode');
await rehearse();
globalThis.gc?.();
v8.setFlagsFromString('--flush-bytecode');
fs.writeSync(CONTROL, 'R');
const variables = receive();
if (variables === null) process.exit(0);
fs.closeSync(CONTROL);
for (const name of Object.keys(process.env)) delete process.env[name];
for (const variable of variables) {
  const equals = variable.indexOf('=');
  process.env[variable.slice(0, equals)] = variable.slice(equals + 1);
}
process.chdir(process.env.LAMBDA_TASK_ROOT ?? '/var/task');
process.argv[1] = '/var/runtime/index.mjs';
await run();

/**
 * Goes once through what every start goes through, a whole invoke included, with a Runtime API of its own, so that
 * nothing of it is loaded or compiled for the first time while a caller waits. Leaves nothing else behind.
 */
async function rehearse() {
  const require = Module.createRequire('/var/runtime/');
  await import('./warm.mjs');
  require('./warm.cjs');
  require('node:http');
  if (bundle === null) return;
  const transport = require(`${bundle}/rapid-client.node`);
  if (transport.forget === undefined) return;
  const api = await startApi();
  process.env.AWS_LAMBDA_RUNTIME_API = `127.0.0.1:${api.server.address().port}`;
  process.env.LAMBDA_TASK_ROOT = '/var/runtime';
  process.env._HANDLER = 'warm.handler';
  await run();
  await api.isDone;
  transport.forget();
  api.server.close();
  for (const name of ['uncaughtException', 'unhandledRejection', 'beforeExit']) process.removeAllListeners(name);
}

/** Answers the first request for an event, accepts the result, and lets the second request wait. */
async function startApi() {
  let finish;
  const isDone = new Promise((resolve) => (finish = resolve));
  let asked = 0;
  const server = net.createServer((socket) => {
    socket.on('error', finish);
    socket.on('data', (data) => {
      const text = data.toString('latin1');
      if (text.includes('/response HTTP/1.1')) socket.write('HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n');
      if (!text.includes('/next HTTP/1.1')) return;
      asked += 1;
      if (asked > 1) finish();
      else socket.write(EVENT);
    });
  });
  await new Promise((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve));
  return { server, isDone };
}

function receive() {
  const head = read(4);
  const data = head === null ? null : read(head.readUInt32LE(0));
  return data === null ? null : data.toString('utf8').split('\0').slice(0, -1);
}

function read(length) {
  const data = Buffer.alloc(length);
  let have = 0;
  while (have < length) {
    const count = fs.readSync(CONTROL, data, have, length - have, null);
    if (count === 0) return null;
    have += count;
  }
  return data;
}
