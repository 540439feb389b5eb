// Drives the control plane with the AWS SDK for JavaScript: another serialiser than botocore's. Prints one line of
// JSON for each step: its name and what the test looks at.
import { createRequire } from 'node:module';

const require = createRequire(process.env.SDK_BASE);
const sdk = require('@aws-sdk/client-lambda');
const [endpoint, zipBase64, zip2Base64, layerBase64] = process.argv.slice(2);
const client = new sdk.LambdaClient({
  endpoint, region: 'us-east-1', maxAttempts: 1, credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
});
const FunctionName = 'from-javascript';
const Role = 'arn:aws:iam::000000000000:role/lambda';
const bytes = (base64) => Buffer.from(base64, 'base64');
const text = (payload) => Buffer.from(payload).toString();
const send = (name, input) => client.send(new sdk[`${name}Command`](input));
const tell = (step, seen) => console.log(JSON.stringify({ step, seen }));
const refusal = async (name, input) => {
  try {
    await send(name, input);
    return 'accepted';
  } catch (error) {
    return [error.name, error.$metadata?.httpStatusCode, error instanceof sdk.LambdaServiceException];
  }
};
const settled = () =>
  sdk.waitUntilFunctionUpdatedV2({ client, maxWaitTime: 30, minDelay: 1, maxDelay: 1 }, { FunctionName });

const created = await send('CreateFunction', {
  FunctionName, Runtime: 'python3.12', Handler: 'app.handler', Role, Code: { ZipFile: bytes(zipBase64) },
  Environment: { Variables: { WORD: 'one' } }, Tags: { team: 'green' }, Publish: true,
});
tell('create', [created.State, created.Version, created.$metadata.httpStatusCode]);
await sdk.waitUntilFunctionActiveV2({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { FunctionName });
const read = await send('GetFunction', { FunctionName });
tell('get', [read.Configuration.State, read.Tags, read.Configuration.Environment.Variables]);
const invoked = await send('Invoke', { FunctionName, Payload: '{"say": "hi"}', LogType: 'Tail' });
tell('invoke', [invoked.StatusCode, text(invoked.Payload), atob(invoked.LogResult).includes('END RequestId')]);
const failed = await send('Invoke', { FunctionName, Payload: '{"fail": true}' });
tell('function error', [failed.FunctionError, JSON.parse(text(failed.Payload)).errorType]);

await send('UpdateFunctionCode', { FunctionName, ZipFile: bytes(zip2Base64) });
await settled();
await send('UpdateFunctionConfiguration', { FunctionName, Environment: { Variables: { WORD: 'two' } }, MemorySize: 256 });
await settled();
const published = await send('PublishVersion', { FunctionName, Description: 'second' });
tell('publish', [published.Version, published.Description, published.MemorySize]);
const versions = [];
for await (const page of sdk.paginateListVersionsByFunction({ client, pageSize: 1 }, { FunctionName })) {
  versions.push(...page.Versions.map((version) => version.Version));
}
tell('versions', versions);
const alias = await send('CreateAlias', {
  FunctionName, Name: 'live', FunctionVersion: '1', RoutingConfig: { AdditionalVersionWeights: { 2: 1 } },
});
tell('alias', [alias.FunctionVersion, alias.RoutingConfig.AdditionalVersionWeights]);
const routed = await send('Invoke', { FunctionName, Qualifier: 'live', Payload: '{}' });
tell('routed', [routed.ExecutedVersion, text(routed.Payload)]);
const moved = await send('UpdateAlias', { FunctionName, Name: 'live', FunctionVersion: '2', RoutingConfig: { AdditionalVersionWeights: {} } });
tell('moved', [moved.FunctionVersion, moved.RoutingConfig ?? null, moved.RevisionId !== alias.RevisionId]);

const layer = await send('PublishLayerVersion', { LayerName: 'js-layer', Content: { ZipFile: bytes(layerBase64) }, CompatibleRuntimes: ['python3.12'] });
await send('AddLayerVersionPermission', { LayerName: 'js-layer', VersionNumber: 1, StatementId: 'all', Action: 'lambda:GetLayerVersion', Principal: '*' });
const byArn = await send('GetLayerVersionByArn', { Arn: layer.LayerVersionArn });
tell('layer', [layer.Version, byArn.LayerVersionArn === layer.LayerVersionArn, byArn.CompatibleRuntimes]);

const permission = await send('AddPermission', { FunctionName, StatementId: 's3', Action: 'lambda:InvokeFunction', Principal: 's3.amazonaws.com', SourceArn: 'arn:aws:s3:::b' });
const policy = JSON.parse((await send('GetPolicy', { FunctionName })).Policy);
tell('policy', [JSON.parse(permission.Statement).Sid, policy.Statement[0].Principal, policy.Statement[0].Condition]);

await send('PutFunctionConcurrency', { FunctionName, ReservedConcurrentExecutions: 5 });
const put = await send('PutProvisionedConcurrencyConfig', { FunctionName, Qualifier: '2', ProvisionedConcurrentExecutions: 1 });
const reserved = await send('GetFunctionConcurrency', { FunctionName });
tell('concurrency', [put.Status, put.$metadata.httpStatusCode, reserved.ReservedConcurrentExecutions]);
tell('not provisioned', await refusal('GetProvisionedConcurrencyConfig', { FunctionName, Qualifier: '1' }));

await send('PutFunctionEventInvokeConfig', { FunctionName, MaximumRetryAttempts: 0 });
const invokeConfig = await send('GetFunctionEventInvokeConfig', { FunctionName });
tell('event invoke config', [invokeConfig.MaximumRetryAttempts, invokeConfig.LastModified instanceof Date]);
const mapping = await send('CreateEventSourceMapping', { FunctionName, EventSourceArn: 'arn:aws:sqs:us-east-1:000000000000:q', BatchSize: 5 });
tell('mapping', [mapping.State, mapping.BatchSize, mapping.$metadata.httpStatusCode]);
const url = await send('CreateFunctionUrlConfig', { FunctionName, AuthType: 'NONE', Cors: { AllowOrigins: ['*'] } });
tell('url', [url.AuthType, url.Cors.AllowOrigins, url.FunctionUrl.includes('.lambda-url.us-east-1.')]);
await send('TagResource', { Resource: read.Configuration.FunctionArn, Tags: { more: 'é ü' } });
tell('tags', (await send('ListTags', { Resource: read.Configuration.FunctionArn })).Tags);
const signing = await send('CreateCodeSigningConfig', { AllowedPublishers: { SigningProfileVersionArns: ['arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/aaaaaaaaaa'] } });
tell('code signing', signing.CodeSigningConfig.CodeSigningPolicies.UntrustedArtifactOnDeployment);
const stream = await send('InvokeWithResponseStream', { FunctionName, Payload: '{"say": "streamed"}' });
let streamed = '';
for await (const event of stream.EventStream) {
  streamed += event.PayloadChunk ? text(event.PayloadChunk.Payload) : '';
}
tell('stream', streamed);

tell('missing', await refusal('GetFunction', { FunctionName: 'missing' }));
tell('taken', await refusal('CreateAlias', { FunctionName, Name: 'live', FunctionVersion: '1' }));
tell('stale', await refusal('UpdateAlias', { FunctionName, Name: 'live', RevisionId: 'stale' }));
tell('invalid', await refusal('UpdateFunctionConfiguration', { FunctionName, MemorySize: 1 }));
await send('DeleteFunctionConcurrency', { FunctionName });
const deleted = await send('DeleteFunction', { FunctionName });
tell('delete', deleted.$metadata.httpStatusCode);
await send('DeleteEventSourceMapping', { UUID: mapping.UUID });
