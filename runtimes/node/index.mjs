// Starts AWS's Node.js runtime client.
import { load } from './client.mjs';

const run = await load();
await run();
