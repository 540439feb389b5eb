// How a test tells a function that runs to go on: it gives the function a tag.
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function untilTold({ invokedFunctionArn }, word = 'go on') {
  const url = `${process.env.AWS_ENDPOINT_URL}/2017-03-31/tags/${encodeURIComponent(invokedFunctionArn)}`;
  while (!(await (await fetch(url)).text()).includes(word)) await pause(20);
}
