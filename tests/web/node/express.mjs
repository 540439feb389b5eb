// One application on Express, behind @codegenie/serverless-express (`handler`) and serverless-http (`other`): the two
// libraries read the same events in different ways.
import { createHash } from 'node:crypto';
import serverlessExpress from '@codegenie/serverless-express';
import compression from 'compression';
import cookieParser from 'cookie-parser';
import express from 'express';
import serverlessHttp from 'serverless-http';

const PIXEL = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
const app = express();
app.set('trust proxy', true);
app.use(cookieParser('key of the tests'));
app.use(express.json({ limit: '6mb' }), express.urlencoded({ extended: true }));
app.use(express.text({ type: 'text/*', limit: '6mb' }), express.raw({ type: 'application/octet-stream', limit: '6mb' }));

app.get('/hello/:name/of/:place', (request, response) => response.json(request.params));
app.get('/query', (request, response) => response.json(request.query));
app.post('/orders', (request, response) => response.status(201).location('/orders/7').json({ order: request.body }));
app.get('/cookies', (request, response) => {
  response.cookie('session', 'a=b', { httpOnly: true, sameSite: 'lax' });
  response.cookie('count', '1', { signed: true });
  response.json([request.cookies, request.signedCookies]);
});
app.get('/headers', (request, response) => {
  response.set('X-Answered', ['yes', 'here']);
  const { ip, protocol, hostname, method, originalUrl } = request;
  response.json({ headers: request.headers, ip, protocol, hostname, method, originalUrl });
});
app.get('/image', (request, response) => response.type('gif').send(PIXEL));
app.post('/form', (request, response) => response.json(request.body));
app.put('/bytes', (request, response) => {
  const body = Buffer.from(request.body);
  response.json({ bytes: body.length, sha256: createHash('sha256').update(body).digest('hex') });
});
app.get('/bytes/:size', (request, response) => response.type('text').send('x'.repeat(Number(request.params.size))));
app.get('/compressed', compression({ threshold: 0 }), (request, response) => response.json(Array(1000).fill('again')));
app.get('/moved', (request, response) => response.redirect(303, '/hello/again/of/home?a=1'));
app.delete('/nothing', (request, response) => response.status(204).end());
app.get('/fails', () => { throw new Error('a secret of the function\'s'); });
app.get('/caught', async () => { throw Object.assign(new Error('no tea'), { status: 418 }); });
app.use((error, request, response, next) =>
  error.status === 418 ? response.status(418).type('text').send(error.message) : next(error));

const binary = ['image/*', 'application/octet-stream'];
export const handler = serverlessExpress({ app, binarySettings: { contentTypes: binary } });
export const other = serverlessHttp(app, { binary });
