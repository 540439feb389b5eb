// A spare: the runtime up and the client loaded, waiting for a function to be. Descriptor 4 is the socket over which it is
// bound: it says R, then reads the length and the bytes of the function's whole environment, each `NAME=value` ended by
// a NUL. By then the function's code is at /var/task.
import fs from 'node:fs';
import Module from 'node:module';
import net from 'node:net';
import util from 'node:util';
import { bundle, load } from './client.mjs';

const CONTROL = 4;

const run = await load();
await warm();
globalThis.gc?.();
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

/** Goes once through what every start goes through, so that nothing of it is compiled for the first time later. */
async function warm() {
  const require = Module.createRequire('/var/runtime/');
  if (bundle !== null) require(`${bundle}/rapid-client.node`);
  await import('./warm.mjs');
  require('./warm.cjs');
  util.format('%s %o', JSON.stringify({ a: [1, 'b'] }), new Error('none').stack);
  await exchange();
}

/** One connection over the loopback interface, to ourselves. */
async function exchange() {
  await new Promise((resolve) => {
    const server = net.createServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'));
    server.on('error', resolve);
    server.listen(0, '127.0.0.1', () => {
      const socket = net.connect(server.address().port, '127.0.0.1');
      socket.setNoDelay(true);
      socket.on('error', resolve);
      socket.on('data', (data) => data.toString('utf8'));
      socket.on('close', () => server.close(resolve));
    });
  });
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
