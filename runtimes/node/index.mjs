// Starts AWS's Node.js runtime client, whichever generation the pack has.
import { existsSync } from 'node:fs';
import Module from 'node:module';

// /var/node_modules leads ES modules, which do not look at NODE_PATH, to the SDK. require() does look there,
// and layers come before the SDK in it, so for require() the shortcut must not exist.
const directories = Module._nodeModulePaths;
Module._nodeModulePaths = (from) => directories(from).filter((path) => path !== '/var/node_modules');

const client = '/var/runtime/aws-lambda-ric';
if (existsSync(`${client}/dist/index.mjs`)) {
  const { run } = await import(`${client}/dist/index.mjs`);
  await run(process.env.LAMBDA_TASK_ROOT ?? '/var/task', process.env._HANDLER);
} else {
  await import(`${client}/index.mjs`);
}
