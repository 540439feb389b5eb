// A page on Hono that counts: `/events` sends a number at a time while the function runs, which needs a function URL with
// the invoke mode RESPONSE_STREAM.
import { Hono } from 'hono';
import { streamHandle } from 'hono/aws-lambda';
import { streamSSE } from 'hono/streaming';

const app = new Hono();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

app.get('/', (c) => c.html(`<!doctype html>
<title>Counting</title>
<p id="count">…</p>
<script>
  const source = new EventSource('events?to=10');
  source.onmessage = ({ data }) => { document.querySelector('#count').textContent = data; };
  source.addEventListener('end', () => source.close());
</script>`));

app.get('/events', (c) => streamSSE(c, async (stream) => {
  const last = Math.min(Number(c.req.query('to') ?? 3), 60);
  for (let count = 1; count <= last; count += 1) {
    await stream.writeSSE({ data: String(count) });
    await pause(Number(c.req.query('pause_ms') ?? 1000));
  }
  await stream.writeSSE({ event: 'end', data: '' });
}));

export const handler = streamHandle(app);
