// A site for a browser: pages with their parts, a form, cookies, redirects, and answers that come in pieces. All links are
// relative, so that it works below any path.
import { deflateSync, crc32 as crcOfZlib } from 'node:zlib';
import { Hono } from 'hono';
import { handle, streamHandle } from 'hono/aws-lambda';
import { getCookie, setCookie } from 'hono/cookie';
import { stream, streamSSE } from 'hono/streaming';
import { untilTold } from './told.mjs';

const app = new Hono();
const context = (c) => c.env.lambdaContext ?? c.env.context;
const page = (body, head = '') => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Größe</title>${head}</head><body>${body}</body></html>`;

/** A red PNG of this many pixels each way. */
function png(side) {
  const chunk = (kind, data) => {
    const named = Buffer.concat([Buffer.from(kind), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crcOfZlib(named), 4);
    return Buffer.concat([ends.subarray(0, 4), named, ends.subarray(4)]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.set([8, 2], 8);
  const rows = Buffer.concat(Array(side).fill(Buffer.from([0, ...Array(side).fill([255, 0, 0]).flat()])));
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0)),
  ]);
}

app.get('/', (c) => c.html(page(
  '<h1>hello</h1><img id="image" src="image.png"><form method="post" action="sent" enctype="multipart/form-data">'
  + '<input name="word"><input name="file" type="file"><button>send</button></form>',
  '<link rel="icon" href="data:,"><link rel="stylesheet" href="style.css"><script defer src="script.js"></script>',
)));
app.get('/style.css', (c) => c.text('h1 { color: rgb(1, 2, 3) }', 200, { 'Content-Type': 'text/css' }));
app.get('/script.js', (c) => c.text('document.body.dataset.script = "ran";', 200, { 'Content-Type': 'text/javascript' }));
app.get('/image.png', (c) => c.body(png(3), 200, { 'Content-Type': 'image/png' }));

app.get('/enter', (c) => {
  setCookie(c, 'session', 'secret one', { httpOnly: true, sameSite: 'Strict' });
  setCookie(c, 'theme', 'dark');
  return c.redirect('inside?from=enter');
});
app.get('/inside', (c) => c.html(page(`<p>${JSON.stringify({ ...getCookie(c), ...c.req.query() })}</p>`)));

app.post('/sent', async (c) => {
  const { word, file } = await c.req.parseBody();
  return c.redirect(`inside?word=${encodeURIComponent(word)}&file=${file.name},${(await file.arrayBuffer()).byteLength}`, 303);
});

// What comes after the first part waits until the function has a tag.
app.get('/slow', (c) => {
  c.header('Content-Type', 'text/html; charset=utf-8');
  return stream(c, async (body) => {
    await body.write('<!doctype html><title>slow</title><p id="first">first</p>');
    await untilTold(context(c));
    await body.write('<p id="last">last</p>');
  });
});
app.get('/events', (c) => streamSSE(c, async (events) => {
  if (c.req.header('last-event-id') === '2') {
    await events.writeSSE({ id: '3', data: 'after the connection ended' });
    return;
  }
  await events.writeSSE({ id: '1', data: 'first', retry: 50 });
  await untilTold(context(c));
  await events.writeSSE({ id: '2', event: 'named', data: 'two\nlines' });
}));

export const handler = handle(app);
export const streaming = globalThis.awslambda && streamHandle(app);
