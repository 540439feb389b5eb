// Puts, gets and links objects with the AWS SDK for JavaScript. Prints one line of JSON for each step.
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';

const require = createRequire(process.env.SDK_BASE);
const sdk = require('@aws-sdk/client-s3');
const { getSignedUrl } = require('@aws-sdk/s3-request-presigner');
const [endpoint] = process.argv.slice(2);
const client = new sdk.S3Client({
  endpoint, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1, credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
});
const send = (name, input) => client.send(new sdk[`${name}Command`](input));
const tell = (step, seen) => console.log(JSON.stringify({ step, seen }));
const Bucket = 'from-javascript';
const Key = 'a b/ü.txt';

await send('CreateBucket', { Bucket });
const put = await send('PutObject', { Bucket, Key, Body: 'hello', ContentType: 'text/plain', Metadata: { colour: 'red' } });
tell('put', [put.ETag, put.ServerSideEncryption]);
const got = await send('GetObject', { Bucket, Key });
tell('get', [await got.Body.transformToString(), got.ContentType, got.Metadata]);
// Of a stream the checksum comes after the bytes.
const streamed = Readable.from([Buffer.alloc(200000), Buffer.alloc(100000)]);
await send('PutObject', { Bucket, Key: 'stream', Body: streamed, ContentLength: 300000 });
tell('stream', (await send('HeadObject', { Bucket, Key: 'stream' })).ContentLength);
const listed = await send('ListObjectsV2', { Bucket });
tell('list', listed.Contents.map((entry) => [entry.Key, entry.Size]));
const link = await getSignedUrl(client, new sdk.GetObjectCommand({ Bucket, Key }), { expiresIn: 60 });
tell('link', await (await fetch(link)).text());
try {
  await send('GetObject', { Bucket, Key: 'none' });
} catch (error) {
  tell('refusal', [error.name, error.$metadata.httpStatusCode]);
}
await send('DeleteObjects', { Bucket, Delete: { Objects: [{ Key }, { Key: 'stream' }] } });
await send('DeleteBucket', { Bucket });
tell('delete', (await send('ListBuckets', {})).Buckets.map((bucket) => bucket.Name).includes(Bucket));
