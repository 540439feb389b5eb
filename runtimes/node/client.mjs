// Loads AWS's Node.js runtime client, whichever generation the pack has.
import { existsSync } from 'node:fs';
import Module from 'node:module';

// /var/node_modules leads ES modules, which do not look at NODE_PATH, to the SDK. require() does look there,
// and layers come before the SDK in it, so for require() the shortcut must not exist.
const directories = Module._nodeModulePaths;
Module._nodeModulePaths = (from) => directories(from).filter((path) => path !== '/var/node_modules');

// Functions on managed instances have a client of their own where the other one knows nothing of several invokes at once.
// A spare is never one of them.
const ofSeveral = '/var/runtime/aws-lambda-ric-of-several';
const isOfSeveral = process.env.AWS_LAMBDA_MAX_CONCURRENCY !== undefined && existsSync(ofSeveral);
const client = isOfSeveral ? ofSeveral : '/var/runtime/aws-lambda-ric';
/** Where the client's bundle is, of the generation that can be loaded without being run. */
export const bundle = existsSync(`${client}/dist/index.mjs`) ? `${client}/dist` : null;

/** Loads the client; the function that is returned runs the function named by the environment. */
export async function load() {
  // The other generation runs when it is loaded.
  if (bundle === null) return () => import(`${client}/index.mjs`);
  const { run } = await import(`${bundle}/index.mjs`);
  return () => run(process.env.LAMBDA_TASK_ROOT ?? '/var/task', process.env._HANDLER);
}
