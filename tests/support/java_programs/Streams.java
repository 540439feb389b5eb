import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.client.config.ClientOverrideConfiguration;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.http.apache.ApacheHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.*;

/** Uses streams as programs in Java do, with the SDK's own choices: CBOR, and HTTP/2 for subscriptions. Tells what it sees. */
final class Streams {
    private static final ConcurrentSkipListSet<String> CONTENT_TYPES = new ConcurrentSkipListSet<>();
    private static final StaticCredentialsProvider KEYS =
        StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test"));

    /** Notes what goes over the wire. */
    private static final ClientOverrideConfiguration WATCHED =
        ClientOverrideConfiguration.builder().addExecutionInterceptor(new ExecutionInterceptor() {
            @Override
            public void beforeTransmission(Context.BeforeTransmission context, ExecutionAttributes attributes) {
                context.httpRequest().firstMatchingHeader("Content-Type").ifPresent(type -> note(context, "asks", type));
            }

            @Override
            public void afterTransmission(Context.AfterTransmission context, ExecutionAttributes attributes) {
                context.httpResponse().firstMatchingHeader("Content-Type").ifPresent(type -> note(context, "gets", type));
            }

            private void note(Context.BeforeTransmission context, String what, String type) {
                String operation = context.request().getClass().getSimpleName().replace("Request", "");
                CONTENT_TYPES.add(operation + " " + what + " " + type.replace("application/", ""));
            }
        }).build();

    public static void main(String[] arguments) throws Exception {
        URI endpoint = URI.create(arguments[0]);
        String stream = arguments[1];
        String consumer = put(endpoint, stream);
        subscribe(endpoint, stream, consumer);
        tell("content-types", CONTENT_TYPES);
    }

    private static String put(URI endpoint, String stream) throws Exception {
        try (KinesisClient kinesis = KinesisClient.builder().endpointOverride(endpoint).region(Region.US_EAST_1)
                .credentialsProvider(KEYS).overrideConfiguration(WATCHED).httpClient(ApacheHttpClient.create()).build()) {
            kinesis.createStream(request -> request.streamName(stream).shardCount(1));
            kinesis.waiter().waitUntilStreamExists(request -> request.streamName(stream));
            PutRecordsResponse put = kinesis.putRecords(request -> request.streamName(stream).records(
                entry("one", new byte[] {0, (byte) 0xff, 1}), entry("two", "grün".getBytes(StandardCharsets.UTF_8))));
            tell("failed", put.failedRecordCount());
            List<Shard> shards = kinesis.listShards(request -> request.streamName(stream)).shards();
            tell("shards", shards.stream().map(Shard::shardId).toList());
            tell("until", shards.get(0).hashKeyRange().endingHashKey());
            String iterator = kinesis.getShardIterator(request -> request.streamName(stream)
                .shardId(shards.get(0).shardId()).shardIteratorType(ShardIteratorType.TRIM_HORIZON)).shardIterator();
            GetRecordsResponse got = kinesis.getRecords(request -> request.shardIterator(iterator));
            for (int index = 0; index < got.records().size(); index++) {
                software.amazon.awssdk.services.kinesis.model.Record record = got.records().get(index);
                boolean isSame = record.sequenceNumber().equals(put.records().get(index).sequenceNumber());
                long age = Math.abs(System.currentTimeMillis() - record.approximateArrivalTimestamp().toEpochMilli());
                tell("record", record.partitionKey() + " " + hex(record.data()) + " " + isSame + " " + (age < 60_000));
            }
            tell("behind", got.millisBehindLatest());
            try {
                kinesis.describeStream(request -> request.streamName("nowhere"));
            } catch (ResourceNotFoundException error) {
                tell("missing", error.awsErrorDetails().errorMessage());
            }
            String arn = kinesis.describeStreamSummary(request -> request.streamName(stream))
                .streamDescriptionSummary().streamARN();
            return kinesis.registerStreamConsumer(request -> request.streamARN(arn).consumerName("java"))
                .consumer().consumerARN();
        }
    }

    private static void subscribe(URI endpoint, String stream, String consumer) throws Exception {
        try (KinesisAsyncClient kinesis = KinesisAsyncClient.builder().endpointOverride(endpoint)
                .region(Region.US_EAST_1).credentialsProvider(KEYS).overrideConfiguration(WATCHED)
                .httpClientBuilder(NettyNioAsyncHttpClient.builder()).build()) {
            AtomicBoolean isOver = new AtomicBoolean();
            CountDownLatch heard = new CountDownLatch(3);
            SubscribeToShardResponseHandler handler = SubscribeToShardResponseHandler.builder()
                .onError(error -> {
                    if (!isOver.get()) {
                        tell("error", error);
                    }
                })
                .subscriber(event -> event.accept(SubscribeToShardResponseHandler.Visitor.builder()
                    .onSubscribeToShardEvent(told -> told.records().forEach(record -> {
                        tell("event", record.partitionKey() + " " + hex(record.data()));
                        heard.countDown();
                    })).build()))
                .build();
            waitUntilActive(kinesis, consumer);
            CompletableFuture<Void> subscribed = kinesis.subscribeToShard(request -> request.consumerARN(consumer)
                .shardId("shardId-000000000000").startingPosition(at -> at.type(ShardIteratorType.TRIM_HORIZON)), handler);
            // While the subscription is open.
            kinesis.putRecord(request -> request.streamName(stream).partitionKey("three")
                .data(SdkBytes.fromUtf8String("late"))).get(30, TimeUnit.SECONDS);
            tell("heard", heard.await(60, TimeUnit.SECONDS));
            isOver.set(true);
            subscribed.cancel(true);
        }
    }

    private static void waitUntilActive(KinesisAsyncClient kinesis, String consumer) throws Exception {
        for (int look = 0; look < 1_000; look++) {
            ConsumerStatus status = kinesis.describeStreamConsumer(request -> request.consumerARN(consumer))
                .get(30, TimeUnit.SECONDS).consumerDescription().consumerStatus();
            if (status == ConsumerStatus.ACTIVE) {
                return;
            }
        }
        throw new IllegalStateException("the consumer is never active");
    }

    private static PutRecordsRequestEntry entry(String key, byte[] data) {
        return PutRecordsRequestEntry.builder().partitionKey(key).data(SdkBytes.fromByteArray(data)).build();
    }

    private static String hex(SdkBytes data) {
        return java.util.HexFormat.of().formatHex(data.asByteArray());
    }

    private static synchronized void tell(String name, Object value) {
        System.out.println(name + ": " + value);
    }
}
