'use strict';
// The transport of AWS's Node.js runtime client, in plain JavaScript.
//
// The client loads a compiled addon, `rapid-client.node`, with three functions: next() answers a promise,
// done() and error() return when the result has been sent. This module stands in its place (a directory of
// that name). It keeps one connection to the Runtime API and writes head and body at once; the answer to a
// result is read together with the next event. Between two events the connection does not keep the event
// loop alive, because the client takes an empty loop as the end of a callback-style handler.
//
// TINDRA_OFFICIAL_TRANSPORT=1 loads the compiled addon instead, when the pack has one.

const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const HEAD_BYTES_MAX = 1 << 20;
/** A longer cause for X-Ray is left out, as the Python client does, rather than have the whole result refused. */
const CAUSE_BYTES_MAX = 1 << 17;
/** Time that a result may wait for the server to read it before the write counts as failed. */
const WRITE_TIME_MAX_MS = 60_000;
/** Says that the answer may come together with the next event: until then it would wake this process for nothing. */
const READ_WITH_NEXT = 'Tindra-Answer-Is-Read-With-Next: 1\r\n';
const HEAD_END = Buffer.from('\r\n\r\n');

/** Reads answers from a stream of bytes: status, headers in lower case, body. */
class AnswerReader {
  constructor() {
    this.pending = null;
    this.answer = null;
    this.answers = [];
  }

  push(data) {
    this.pending = this.pending === null ? data : Buffer.concat([this.pending, data]);
    while (this.pending !== null && this.step());
  }

  /** Does one step with what is there; false when more bytes are needed. */
  step() {
    if (this.answer === null) return this.readHead();
    if (this.answer.chunked) return this.readChunks();
    return this.readBody();
  }

  readHead() {
    const end = this.pending.indexOf(HEAD_END);
    if (end < 0) {
      if (this.pending.length > HEAD_BYTES_MAX) throw new Error('the head of an answer of the Runtime API is too long');
      return false;
    }
    const lines = this.pending.toString('utf8', 0, end).split('\r\n');
    this.take(end + 4);
    const status = Number(lines[0].split(' ', 2)[1]);
    if (status === 100) return true;
    const headers = Object.create(null);
    for (let index = 1; index < lines.length; index++) {
      const colon = lines[index].indexOf(':');
      if (colon > 0) headers[lines[index].slice(0, colon).trim().toLowerCase()] = lines[index].slice(colon + 1).trim();
    }
    const length = headers['content-length'];
    this.answer = {
      status,
      headers,
      chunked: /chunked/i.test(headers['transfer-encoding'] ?? ''),
      // Without a length the body ends with the connection.
      left: status === 204 ? 0 : length === undefined ? Infinity : Number(length),
      closing: /close/i.test(headers.connection ?? '') || (length === undefined && status !== 204),
      parts: [],
    };
    if (this.answer.chunked) this.answer.closing = /close/i.test(headers.connection ?? '');
    if (this.answer.left === 0) this.finish();
    return true;
  }

  readBody() {
    const length = Math.min(this.pending.length, this.answer.left);
    this.answer.parts.push(this.pending.subarray(0, length));
    this.take(length);
    this.answer.left -= length;
    if (this.answer.left === 0) this.finish();
    return true;
  }

  readChunks() {
    if (this.answer.size === undefined) {
      const end = this.pending.indexOf('\r\n');
      if (end < 0) return false;
      this.answer.size = parseInt(this.pending.toString('latin1', 0, end), 16);
      this.take(end + 2);
      return true;
    }
    if (this.answer.size === 0) {
      // Trailers, if any, and the empty line.
      const end = this.pending.indexOf('\r\n');
      if (end < 0) return false;
      this.take(end + 2);
      if (end === 0) this.finish();
      return true;
    }
    if (this.pending.length < this.answer.size + 2) return false;
    this.answer.parts.push(this.pending.subarray(0, this.answer.size));
    this.take(this.answer.size + 2);
    this.answer.size = undefined;
    return true;
  }

  take(length) {
    this.pending = length < this.pending.length ? this.pending.subarray(length) : null;
  }

  finish() {
    const { parts } = this.answer;
    this.answer.body = parts.length === 1 ? parts[0] : Buffer.concat(parts);
    this.answers.push(this.answer);
    this.answer = null;
  }

  /** The connection has ended: a body without a length is whole now. */
  end() {
    if (this.answer !== null && this.answer.left === Infinity && !this.answer.chunked) this.finish();
  }
}

class Client {
  constructor(address) {
    const colon = address.lastIndexOf(':');
    this.host = colon < 0 ? address : address.slice(0, colon);
    this.port = colon < 0 ? 80 : Number(address.slice(colon + 1));
    this.common = `Host: ${address}\r\nAccept: */*\r\nUser-Agent: AWS_Lambda_Cpp/0.2.8\r\n`;
    this.request = Buffer.from(`GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n${this.common}\r\n`);
    this.socket = null;
    this.reader = null;
    /** Answers to results that come before the next event. */
    this.unanswered = 0;
    this.waiting = null;
  }

  next() {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject, attempts: 0 };
      this.ask();
    });
  }

  ask() {
    this.waiting.attempts += 1;
    const socket = this.connected();
    socket.ref();
    socket.write(this.request);
  }

  connected() {
    if (this.socket !== null && !this.socket.destroyed && this.socket.writable) return this.socket;
    const socket = net.connect(this.port, this.host);
    socket.setNoDelay(true);
    this.socket = socket;
    this.reader = new AnswerReader();
    this.unanswered = 0;
    socket.on('data', (data) => this.received(socket, data));
    socket.on('error', (error) => (socket.failure = error));
    socket.on('end', () => this.reader === socket.reader && this.reader.end());
    socket.on('close', () => this.closed(socket));
    socket.reader = this.reader;
    return socket;
  }

  received(socket, data) {
    if (socket !== this.socket) return;
    try {
      this.reader.push(data);
    } catch (error) {
      socket.destroy(error);
      return;
    }
    this.deliver(socket);
  }

  deliver(socket) {
    const answers = this.reader.answers;
    while (answers.length > 0) {
      const answer = answers.shift();
      if (answer.closing) {
        this.socket = null;
        socket.destroy();
      }
      if (this.unanswered > 0) {
        // What the server says to a result changes nothing here; the compiled addon ignores it too.
        this.unanswered -= 1;
        if (answer.closing && this.waiting !== null) this.ask();
      } else if (this.waiting !== null) {
        const { resolve, reject } = this.waiting;
        this.waiting = null;
        socket.unref();
        if (answer.status === 200) resolve(event(answer));
        else reject(new Error(`Failed to get next invocation, error ${answer.status}`));
      }
    }
  }

  closed(socket) {
    if (socket !== this.socket) return;
    this.deliver(socket);
    if (this.socket === socket) this.socket = null;
    if (this.waiting === null) return;
    // An idle connection that the server has closed: ask again, once, on a new one.
    if (this.waiting.attempts < 2 && this.reader.answer === null) {
      this.ask();
      return;
    }
    const { reject } = this.waiting;
    this.waiting = null;
    reject(socket.failure ?? new Error('Failed to get next invocation, error -1'));
  }

  /** Sends a result. Returns when the kernel has all of it, since the caller may exit right after. */
  post(target, head, body) {
    const text = `POST /2018-06-01/runtime/invocation/${target} HTTP/1.1\r\n${this.common}${head}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    const data = Buffer.from(text, 'utf8');
    const socket = this.connected();
    this.unanswered += 1;
    const descriptor = socket._handle?.fd;
    if (socket.connecting || socket.writableLength > 0 || !(descriptor >= 0)) {
      socket.write(data);
      return;
    }
    try {
      writeAll(descriptor, data);
    } catch (error) {
      this.unanswered -= 1;
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') throw error;
      socket.destroy();
      this.socket = null;
      // Not on the normal path: the server has closed an idle connection while the handler ran.
      const fresh = this.connected();
      this.unanswered += 1;
      fresh.write(data);
    }
  }
}

function writeAll(descriptor, data) {
  let written = 0;
  const end = Date.now() + WRITE_TIME_MAX_MS;
  while (written < data.length) {
    try {
      written += fs.writeSync(descriptor, data, written, data.length - written);
    } catch (error) {
      if (error.code !== 'EAGAIN' || Date.now() > end) throw error;
      // The socket's buffer is full: give the server a moment.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** What the compiled addon resolves with. */
function event({ headers, body }) {
  const shown = {
    'lambda-runtime-deadline-ms': Number(headers['lambda-runtime-deadline-ms'] ?? 0),
    'lambda-runtime-aws-request-id': headers['lambda-runtime-aws-request-id'] ?? '',
    'lambda-runtime-trace-id': headers['lambda-runtime-trace-id'] ?? '',
    'lambda-runtime-invoked-function-arn': headers['lambda-runtime-invoked-function-arn'] ?? '',
  };
  for (const name of [
    'lambda-runtime-client-context',
    'lambda-runtime-cognito-identity',
    'lambda-runtime-aws-tenant-id',
  ]) {
    if (headers[name]) shown[name] = headers[name];
  }
  return { bodyJson: body.toString('utf8'), headers: shown };
}

function official() {
  const addon = path.join(__dirname, 'official.node');
  if (fs.existsSync(addon)) return require(addon);
  throw new Error(
    `TINDRA_OFFICIAL_TRANSPORT is set, and this runtime pack has no compiled addon (${addon}); ` +
      'install the runtime with TINDRA_NODE_NATIVE_CLIENT=PATH to take one along',
  );
}

if (/^(1|true)$/.test(process.env.TINDRA_OFFICIAL_TRANSPORT ?? '')) {
  module.exports = official();
} else {
  let client = null;
  // Not before the first call: a spare loads this module before there is an address.
  const connected = () => (client ??= new Client(process.env.AWS_LAMBDA_RUNTIME_API));
  // A runtime that runs several events at once asks for the next one while it works. Its results go over a connection of their
  // own: behind the request that waits they would not be read.
  let reporter = null;
  const isOfSeveral = () => process.env.AWS_LAMBDA_MAX_CONCURRENCY !== undefined;
  const reporting = () =>
    isOfSeveral() ? (reporter ??= new Client(process.env.AWS_LAMBDA_RUNTIME_API)) : connected();
  const report = (target, head, body) => reporting().post(target, isOfSeveral() ? head : READ_WITH_NEXT + head, body);
  module.exports = {
    /** For a spare's rehearsal: lets go of the Runtime API, without an error for who waits for an event. */
    forget: () => {
      if (client === null) return;
      client.waiting = null;
      client.socket?.destroy();
      client = null;
    },
    next: () => connected().next(),
    done: (id, body) => report(`${id}/response`, '', body),
    error: (id, body, xray) =>
      report(`${id}/error`, xray && xray.length < CAUSE_BYTES_MAX ? `lambda-runtime-function-xray-error-cause: ${xray}\r\n` : '', body),
  };
}
