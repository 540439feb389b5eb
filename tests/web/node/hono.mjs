// One application on Hono: `handler` answers when it is done, `streaming` as it goes.
import { createHash } from 'node:crypto';
import { Hono } from 'hono';
import { handle, streamHandle } from 'hono/aws-lambda';
import { basicAuth } from 'hono/basic-auth';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { compress } from 'hono/compress';
import { cors } from 'hono/cors';
import { HTTPException } from 'hono/http-exception';
import { streamSSE, streamText } from 'hono/streaming';
import { untilTold } from './told.mjs';

const PIXEL = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
const app = new Hono();
const context = (c) => c.env.lambdaContext ?? c.env.context;

app.get('/hello/:name/of/:place', (c) => c.json(c.req.param()));
app.get('/query', (c) => c.json(c.req.queries()));
app.post('/orders', async (c) => c.json({ order: await c.req.json() }, 201, { Location: '/orders/7' }));
app.get('/cookies', (c) => {
  setCookie(c, 'session', 'a=b', { httpOnly: true, sameSite: 'Lax' });
  setCookie(c, 'theme', 'dark', { maxAge: 60 });
  deleteCookie(c, 'old');
  return c.json(getCookie(c));
});
app.get('/headers', (c) => c.json({ ...c.req.header(), url: c.req.url }, 200, { 'X-Answered': 'yes, here' }));
app.get('/image', (c) => c.body(PIXEL, 200, { 'Content-Type': 'image/gif' }));
app.post('/form', async (c) => c.json(await c.req.parseBody({ all: true })));
app.post('/upload', async (c) => {
  const { file, note } = await c.req.parseBody();
  const bytes = Buffer.from(await file.arrayBuffer());
  return c.json({ name: file.name, type: file.type, note, sha256: createHash('sha256').update(bytes).digest('hex') });
});
app.get('/compressed', compress({ threshold: 0 }), (c) => c.json(Array(1000).fill('again')));
app.use('/shared/*', cors({ origin: 'https://app.example.com', credentials: true, maxAge: 300 }));
app.get('/shared/word', (c) => c.text('shared'));
app.use('/private/*', basicAuth({ username: 'you', password: 'secret' }));
app.get('/private/word', (c) => c.text('private'));
app.get('/moved', (c) => c.redirect('/hello/again/of/home'));
app.delete('/nothing', (c) => c.body(null, 204));
app.get('/bad', () => { throw new HTTPException(418, { message: 'no tea' }); });
app.get('/fails', () => { throw new Error('a secret of the function\'s'); });

// Pieces: the second waits until the function has a tag, so that who reads the first knows that it came before.
app.get('/pieces', (c) => streamText(c, async (stream) => {
  await stream.writeln('first');
  await untilTold(context(c));
  await stream.write('last');
}));
app.get('/events', (c) => streamSSE(c, async (stream) => {
  await stream.writeSSE({ id: '1', event: 'count', data: 'one\nand more' });
  await untilTold(context(c));
  await stream.writeSSE({ id: '2', data: JSON.stringify({ count: 2 }) });
}));
app.get('/many/:count', (c) => streamText(c, async (stream) => {
  for (let left = Number(c.req.param('count')); left > 0; left -= 1) await stream.write('0123456789abcdef'.repeat(4096));
}));

export const handler = handle(app);
export const streaming = globalThis.awslambda && streamHandle(app);
