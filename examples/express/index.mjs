// A list of notes on Express. The adapter turns what a function URL or an API sends into requests to it, and back.
import serverlessExpress from '@codegenie/serverless-express';
import express from 'express';

const app = express();
const notes = []; // as long as this environment lives; other environments have their own
app.use(express.json());

app.get('/notes', (request, response) => response.json(notes));
app.post('/notes', (request, response) => {
  if (typeof request.body?.text !== 'string') {
    response.status(400).json({ error: 'send {"text": "…"} as application/json' });
    return;
  }
  const id = notes.push({ text: request.body.text });
  response.status(201).location(`/notes/${id}`).json({ id });
});
app.get('/notes/:id', (request, response) => {
  const note = notes[Number(request.params.id) - 1];
  response.status(note ? 200 : 404).json(note ?? { error: 'there is no such note' });
});

const adapter = serverlessExpress({ app });
// Two parameters, because Node.js 24 refuses handlers with a callback, which is the adapter's third.
export const handler = (event, context) => adapter(event, context);
