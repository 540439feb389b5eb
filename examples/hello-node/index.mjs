// The smallest useful function in Node.js: it greets whoever the event names.

// Code outside the handler runs once per execution environment.
let calls = 0;

export const handler = async (event, context) => {
  calls += 1;
  const name = event.name ?? "world";
  console.log(`greeting ${name}`);
  return {
    greeting: `Hello, ${name}!`,
    node: process.version,
    callsInThisEnvironment: calls,
    memoryLimitInMB: context.memoryLimitInMB,
    remainingMs: context.getRemainingTimeInMillis(),
  };
};
