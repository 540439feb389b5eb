// What is streamed, here behind Tindra and there by a bare server of the same Node.js: /first writes the mark at once and ends a
// little later, /much writes 5 MB as fast as they go.
const chunk = Buffer.alloc(65536, "x");

async function write(path, stream) {
  if (path === "/first") {
    stream.write("FIRST-BYTES");
    await new Promise((resolve) => setTimeout(resolve, 3));
  } else {
    for (let left = 5_000_000; left > 0; left -= chunk.length) {
      if (!stream.write(left < chunk.length ? chunk.subarray(0, left) : chunk)) {
        await new Promise((resolve) => stream.once("drain", resolve));
      }
    }
  }
  stream.end("LAST-BYTES");
}
