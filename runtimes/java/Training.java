package tindra;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * Runs the client while the pack is made, against a Runtime API of its own, so that the archive of classes holds what functions
 * need: a handler of each kind, results, an error, log lines in both formats.
 */
public final class Training {
    private static final String CLIENT = "com.amazonaws.services.lambda.runtime.api.client.";
    /** Used by functions that log in JSON, or not always. */
    private static final String[] MORE_CLASSES = {
        CLIENT + "logging.JsonLogFormatter",
        CLIENT + "logging.StructuredLogMessage",
        CLIENT + "logging.StdOutLogSink",
        "tindra.Native",
        "tindra.Spare",
        "tindra.Warmth",
    };
    private static final String[][] RUNS = {
        {"tindra.Sample", "{\"name\":\"x\",\"count\":1}", "{\"list\":[1.5,null,true]}", "{\"fail\":true}"},
        {"tindra.Sample$Orders", "{\"name\":\"x\",\"count\":1}"},
        {"tindra.Sample$Text::greet", "\"x\""},
        {"tindra.Sample$Stream::handleRequest", "{}"},
    };

    /** The events of the present run; the clients of runs before wait at theirs for ever. */
    private static volatile LinkedBlockingQueue<String> events;
    /** Says that a client asks for its next event: its handler is loaded, or has answered. */
    private static final LinkedBlockingQueue<String> ASKED = new LinkedBlockingQueue<>();

    private Training() {
    }

    public static void main(String[] arguments) throws Throwable {
        ServerSocket listener = new ServerSocket(0, 8, InetAddress.getByName("127.0.0.1"));
        start("runtime-api", () -> serve(listener));
        for (String[] run : RUNS) {
            events = new LinkedBlockingQueue<>();
            replaceEnvironment(listener.getLocalPort(), run[0]);
            start("client", Training::runClient);
            for (int event = 1; event < run.length; event++) {
                ASKED.take();
                events.put(run[event]);
            }
            ASKED.take();
        }
        for (String name : MORE_CLASSES) {
            Class.forName(name);
        }
        Warmth.make();
        System.exit(0);
    }

    private static void replaceEnvironment(int port, String handler) throws ReflectiveOperationException {
        List<String> entries = new ArrayList<>(Arrays.asList(
                "AWS_LAMBDA_RUNTIME_API=127.0.0.1:" + port,
                "_HANDLER=" + handler,
                "AWS_LAMBDA_FUNCTION_NAME=training",
                "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
                "_LAMBDA_TELEMETRY_LOG_FD=2"));
        Environment.replace(entries);
    }

    private static void runClient() {
        try {
            Start.main(new String[0]);
        } catch (Throwable error) {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    private static void start(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        thread.start();
    }

    private static void serve(ServerSocket listener) {
        try {
            while (true) {
                Socket socket = listener.accept();
                start("connection", () -> converse(socket));
            }
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    private static void converse(Socket socket) {
        LinkedBlockingQueue<String> own = events;
        try {
            BufferedReader input = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1));
            OutputStream output = socket.getOutputStream();
            for (String line; (line = input.readLine()) != null; ) {
                int length = 0;
                for (String header; !(header = input.readLine()).isEmpty(); ) {
                    if (header.toLowerCase().startsWith("content-length:")) {
                        length = Integer.parseInt(header.substring(15).trim());
                    }
                }
                while (length-- > 0) {
                    input.read();
                }
                output.write((line.startsWith("GET ") ? nextEvent(own) : ACCEPTED).getBytes(StandardCharsets.UTF_8));
            }
        } catch (IOException | InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    private static final String ACCEPTED = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";

    private static String nextEvent(LinkedBlockingQueue<String> own) throws InterruptedException {
        ASKED.put("next");
        String event = own.take();
        return "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r1\r\nLambda-Runtime-Trace-Id: Root=1\r\n"
                + "Lambda-Runtime-Invoked-Function-Arn: arn\r\nLambda-Runtime-Deadline-Ms: 4102444800000\r\n"
                + "Lambda-Runtime-Client-Context: {\"client\":{\"app_title\":\"t\"},\"custom\":{\"k\":\"v\"},\"env\":{\"e\":\"f\"}}\r\n"
                + "Lambda-Runtime-Cognito-Identity: {\"cognitoIdentityId\":\"i\",\"cognitoIdentityPoolId\":\"p\"}\r\n"
                + "Content-Type: application/json\r\nContent-Length: " + event.length() + "\r\n\r\n" + event;
    }
}
