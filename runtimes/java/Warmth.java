package tindra;

import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import com.amazonaws.services.lambda.runtime.api.client.UserFault;
import com.amazonaws.services.lambda.runtime.api.client.logging.FramedTelemetryLogSink;
import com.amazonaws.services.lambda.runtime.api.client.logging.LambdaContextLogger;
import com.amazonaws.services.lambda.runtime.api.client.runtimeapi.DtoSerializers;
import com.amazonaws.services.lambda.runtime.api.client.runtimeapi.LambdaError;
import com.amazonaws.services.lambda.runtime.api.client.runtimeapi.LambdaRuntimeApiClientImpl;
import com.amazonaws.services.lambda.runtime.api.client.runtimeapi.RapidErrorType;
import com.amazonaws.services.lambda.runtime.api.client.runtimeapi.converters.LambdaErrorConverter;
import com.amazonaws.services.lambda.runtime.api.client.runtimeapi.converters.XRayErrorCauseConverter;
import com.amazonaws.services.lambda.runtime.api.client.runtimeapi.dto.ErrorRequest;
import com.amazonaws.services.lambda.runtime.logging.LogFormat;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import com.amazonaws.services.lambda.runtime.serialization.PojoSerializer;
import com.amazonaws.services.lambda.runtime.serialization.events.LambdaEventSerializers;
import com.amazonaws.services.lambda.runtime.serialization.factories.JacksonFactory;
import com.amazonaws.services.lambda.runtime.serialization.util.ReflectUtil;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.Security;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.concurrent.CountDownLatch;

/** Does ahead of need what the client does at its start and at its first event, without reading the environment. */
final class Warmth {
    private static final String RUNTIME = "com.amazonaws.services.lambda.runtime.";
    private static final String CLIENT = RUNTIME + "api.client.";
    /** Their constants are not read from the environment. */
    private static final String[] INITIALIZED = {
        "EventHandlerLoader",
        "EventHandlerLoader$2",
        "EventHandlerLoader$ClassContext",
        "EventHandlerLoader$PojoHandlerAsStreamHandler",
        "EventHandlerLoader$PojoMethodRequestHandler",
        "EventHandlerLoader$StreamMethodRequestHandler",
        "HandlerInfo",
        "LambdaRequestHandler",
        "LambdaRequestHandler$UserFaultHandler",
        "PojoSerializerLoader",
        "UserFault",
        "CustomerClassLoader",
        "api.LambdaContext",
        "api.LambdaClientContext",
        "api.LambdaCognitoIdentity",
        "logging.AbstractLambdaLogger",
        "logging.FramedTelemetryLogSink",
        "logging.FrameType",
        "logging.JsonLogFormatter",
        "logging.LambdaContextLogger",
        "logging.LogFiltering",
        "logging.TextLogFormatter",
        "runtimeapi.LambdaRuntimeApiClientImpl",
        "runtimeapi.NativeClient",
        "runtimeapi.dto.InvocationRequest",
        "util.ConcurrencyConfig",
        "util.EnvReader",
        "util.LambdaOutputStream",
        "util.UnsafeUtil",
    };
    /** Loaded only: their constants are. */
    private static final String[] LOADED = {"AWSLambda", "LambdaEnvironment"};
    /** So often that what an event runs through is compiled. */
    private static final int ROUNDS = 300;

    private static final byte[] ACCEPTED =
            "HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}".getBytes(StandardCharsets.UTF_8);
    private static final byte[] EVENT = ("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nLambda-Runtime-Trace-Id: t\r\n"
            + "Lambda-Runtime-Invoked-Function-Arn: arn\r\nLambda-Runtime-Deadline-Ms: 1\r\nContent-Type: application/json\r\n"
            + "Connection: close\r\nContent-Length: 2\r\n\r\n{}").getBytes(StandardCharsets.UTF_8);

    /** Sets what is there; the client sets it, and the first time takes long. */
    private static final String SECURITY = "jdk.tls.disabledAlgorithms";

    private Warmth() {
    }

    static void make() throws Exception {
        ClassLoader loader = ClassLoader.getSystemClassLoader();
        for (String name : INITIALIZED) {
            Class.forName(CLIENT + name, true, loader);
        }
        for (String name : LOADED) {
            Class.forName(CLIENT + name, false, loader);
        }
        Class.forName("tindra.Start", true, loader);
        Class.forName(RUNTIME + "LambdaRuntime", true, loader);
        Class.forName(RUNTIME + "LambdaRuntimeInternal", true, loader);
        Class.forName("software.amazon.awssdk.utilslite.SdkInternalThreadLocal", true, loader);
        Class.forName("tindra.Native", true, loader);
        LambdaEventSerializers.isLambdaSupportedEvent("tindra");
        ReflectUtil.loadClass(loader, RUNTIME + "LambdaRuntime");
        Security.setProperty(SECURITY, Security.getProperty(SECURITY));
        log();
        new File("/etc/pki/java/cacerts").exists();
        ByteBuffer.allocateDirect(1);
        lookForClass();
        talk();
        for (int round = 0; round < ROUNDS; round++) {
            serialize(round);
        }
        System.gc();
    }

    private static void log() throws IOException {
        try (FileOutputStream nowhere = new FileOutputStream("/dev/null")) {
            for (LogFormat format : LogFormat.values()) {
                new LambdaContextLogger(new FramedTelemetryLogSink(nowhere.getFD()), LogLevel.INFO, format).log("message", LogLevel.INFO);
            }
        }
    }

    private static void lookForClass() throws IOException {
        try (URLClassLoader task = new URLClassLoader(new URL[] {new File("/var/task/").toURI().toURL()})) {
            ServiceLoader.load(CustomPojoSerializer.class, task).iterator().hasNext();
            task.loadClass("Missing");
        } catch (ClassNotFoundException expected) {
            // Nothing is there yet.
        }
    }

    /**
     * Fetches one event from a Runtime API of its own and reports an error, for which the client makes a connection of its own.
     * Nothing is left of either, because they end by a reset.
     */
    private static void talk() throws IOException, InterruptedException {
        CountDownLatch isDone = new CountDownLatch(1);
        ServerSocket listener = new ServerSocket(0, 1, InetAddress.getByAddress(new byte[] {127, 0, 0, 1}));
        Thread server = new Thread(() -> answer(listener, isDone), "warmth");
        server.start();
        try {
            LambdaRuntimeApiClientImpl client = new LambdaRuntimeApiClientImpl("127.0.0.1:" + listener.getLocalPort());
            client.nextInvocation();
            Throwable fault = new IllegalStateException("warm");
            UserFault.makeUserFault(fault).reportableError();
            client.reportInvocationError("r", new LambdaError(
                    LambdaErrorConverter.fromThrowable(fault), XRayErrorCauseConverter.fromThrowable(fault), RapidErrorType.UserException));
        } finally {
            isDone.countDown();
            listener.close();
            server.join();
        }
    }

    private static void answer(ServerSocket listener, CountDownLatch isDone) {
        try (Socket first = listener.accept()) {
            first.setSoLinger(true, 0);
            first.getOutputStream().write(EVENT);
            try (Socket second = listener.accept()) {
                second.setSoLinger(true, 0);
                second.getOutputStream().write(ACCEPTED);
                isDone.await();
            }
        } catch (IOException | InterruptedException error) {
            // The other side says what is wrong.
        }
    }

    private static void serialize(int round) throws IOException {
        byte[] event = ("{\"name\":\"x\",\"count\":" + round + ",\"list\":[1.5,null,true,{\"k\":\"v\"}]}").getBytes(StandardCharsets.UTF_8);
        Map<?, ?> map = (Map<?, ?>) both(LinkedHashMap.class, event);
        both(Object.class, event);
        both(((ParameterizedType) Sample.class.getGenericInterfaces()[0]).getActualTypeArguments()[0], event);
        both(String.class, "\"text\"".getBytes(StandardCharsets.UTF_8));
        if (map.size() != 3) {
            throw new IllegalStateException("the client does not read its events");
        }
        DtoSerializers.serialize(new ErrorRequest("message", "type", new String[] {"frame"}));
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object both(Type type, byte[] event) throws IOException {
        PojoSerializer serializer = JacksonFactory.getInstance().getSerializer(type);
        Object value = serializer.fromJson(new ByteArrayInputStream(event));
        ByteArrayOutputStream output = new ByteArrayOutputStream(1024);
        serializer.toJson(value, output);
        return value;
    }
}
