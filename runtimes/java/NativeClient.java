package com.amazonaws.services.lambda.runtime.api.client.runtimeapi;

import com.amazonaws.services.lambda.runtime.api.client.runtimeapi.dto.InvocationRequest;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The transport of AWS's Java runtime client, in plain Java.
 *
 * <p>The client has a class of this name whose methods are native: HTTP by libcurl, unpacked to /tmp at each start. This one
 * stands before it on the class path. It keeps one connection to the Runtime API, writes head and body at once, and does not
 * wait for the answer to a result before it asks for the next event: that answer is read first when next() reads, so a refused
 * result raises there. A large result, the kind that is refused, is waited for.
 */
class NativeClient {
    private static final int HEAD_BYTES_MAX = 1 << 20;
    /** Results above this are answered before the method returns. */
    private static final int UNWATCHED_BYTES_MAX = 1 << 20;

    /** Says that the answer may come together with the next event: until then it would wake this thread for nothing. */
    private static final String READ_WITH_NEXT = "Tindra-Answer-Is-Read-With-Next: 1\r\n";

    private static String address;

    /** A runtime that runs several events at once asks from several threads. */
    private static final ThreadLocal<NativeClient> CLIENT = new ThreadLocal<>();

    /** Connects at the first request. */
    static void init(String hostAndPort) {
        address = hostAndPort;
        CLIENT.remove();
    }

    static InvocationRequest next() {
        return client().ask();
    }

    static void postInvocationResponse(byte[] requestId, byte[] response) {
        client().post(new String(requestId, StandardCharsets.UTF_8), response);
    }

    private static NativeClient client() {
        NativeClient client = CLIENT.get();
        if (client == null) {
            client = new NativeClient();
            CLIENT.set(client);
        }
        return client;
    }

    private final String common =
            " HTTP/1.1\r\nHost: " + address + "\r\nAccept: */*\r\nUser-Agent: " + LambdaRuntimeApiClientImpl.USER_AGENT + "\r\n";
    private final byte[] request =
            ("GET /2018-06-01/runtime/invocation/next" + common + "\r\n").getBytes(StandardCharsets.UTF_8);
    private Socket socket;
    private InputStream input;
    private OutputStream output;
    /** Bytes read and not yet used: buffer[from, to). */
    private byte[] buffer = new byte[16 * 1024];
    private int from;
    private int to;
    /** The answer to a result is still to be read. */
    private boolean isUnanswered;
    /** What the last answer's head said. */
    private Answer answer;

    private InvocationRequest ask() {
        for (int attempt = 1; ; attempt++) {
            try {
                send(request);
                settle();
                Answer answer = read();
                if (answer.status != 200) {
                    throw new LambdaRuntimeClientException("Failed to get next invocation.", answer.status);
                }
                return answer.event;
            } catch (IOException error) {
                // An idle connection that the server has closed: ask again, once, on a new one.
                boolean isFresh = to > from || answer != null;
                close();
                isUnanswered = false;
                if (attempt == 2 || isFresh) {
                    throw new LambdaRuntimeClientException("Failed to get next invocation.", -1);
                }
            }
        }
    }

    private void post(String id, byte[] body) {
        boolean isWatched = body.length > UNWATCHED_BYTES_MAX;
        byte[] head = ("POST /2018-06-01/runtime/invocation/" + id + "/response" + common
                + (isWatched ? "" : READ_WITH_NEXT) + "Content-Type: application/json\r\nContent-Length: " + body.length + "\r\n\r\n")
                .getBytes(StandardCharsets.UTF_8);
        byte[] data = Arrays.copyOf(head, head.length + body.length);
        System.arraycopy(body, 0, data, head.length, body.length);
        try {
            try {
                send(data);
                // The answer to a result before, if nobody has read it, comes when this one is sent.
                try {
                    settle();
                } finally {
                    isUnanswered = true;
                }
            } catch (IOException error) {
                resend(data);
                isUnanswered = true;
            }
            if (isWatched) {
                settle();
            }
        } catch (IOException error) {
            close();
            isUnanswered = false;
            throw new LambdaRuntimeClientException("Failed to post invocation response.", -1);
        }
    }

    /** An answer sent before the body was read, such as 413, explains the broken pipe; else the connection was idle too long. */
    private void resend(byte[] data) throws IOException {
        isUnanswered = true;
        try {
            settle();
        } catch (IOException gone) {
            isUnanswered = false;
        }
        close();
        send(data);
    }

    /** Reads the answer to the result before, if it is still to come. */
    private void settle() throws IOException {
        if (!isUnanswered) {
            return;
        }
        isUnanswered = false;
        Answer answer = read();
        if (answer.status / 100 != 2) {
            throw new LambdaRuntimeClientException("Failed to post invocation response.", answer.status);
        }
    }

    private void send(byte[] data) throws IOException {
        if (socket == null) {
            int colon = address.lastIndexOf(':');
            String host = colon < 0 ? address : address.substring(0, colon);
            int port = colon < 0 ? 80 : Integer.parseInt(address.substring(colon + 1));
            Socket fresh = new Socket(java.net.Proxy.NO_PROXY);
            fresh.setTcpNoDelay(true);
            fresh.connect(new InetSocketAddress(host, port));
            socket = fresh;
            input = fresh.getInputStream();
            output = fresh.getOutputStream();
        }
        output.write(data);
    }

    private void close() {
        if (socket != null) {
            try {
                socket.close();
            } catch (IOException ignored) {
                // It is gone either way.
            }
        }
        socket = null;
        from = 0;
        to = 0;
    }

    private static final class Answer {
        int status;
        long length = -1;
        boolean isChunked;
        boolean isClosing;
        final InvocationRequest event = new InvocationRequest();
    }

    private Answer read() throws IOException {
        answer = null;
        int end = headEnd();
        Answer read = new Answer();
        answer = read;
        parse(read, new String(buffer, from, end - from, StandardCharsets.UTF_8));
        from = end + 4;
        if (read.status == 100) {
            return read();
        }
        byte[] body;
        if (read.status == 204 || read.status == 304) {
            body = new byte[0];
        } else if (read.isChunked) {
            body = chunks();
        } else if (read.length >= 0) {
            body = exactly((int) read.length);
        } else {
            body = rest();
            read.isClosing = true;
        }
        read.event.setContent(body);
        if (read.isClosing) {
            close();
        }
        answer = null;
        return read;
    }

    /** Where the empty line after the head begins. */
    private int headEnd() throws IOException {
        int looked = from;
        while (true) {
            for (int at = looked; at + 3 < to; at++) {
                if (buffer[at] == '\r' && buffer[at + 1] == '\n' && buffer[at + 2] == '\r' && buffer[at + 3] == '\n') {
                    return at;
                }
            }
            if (to - from > HEAD_BYTES_MAX) {
                throw new IOException("the head of an answer of the Runtime API is too long");
            }
            int seen = Math.max(0, to - from - 3);
            fill();
            looked = from + seen;
        }
    }

    private static void parse(Answer answer, String head) throws IOException {
        int end = head.indexOf("\r\n");
        String line = end < 0 ? head : head.substring(0, end);
        try {
            answer.status = Integer.parseInt(line.substring(9, 12));
        } catch (RuntimeException error) {
            throw new IOException("the Runtime API answered without a status", error);
        }
        answer.isClosing = line.startsWith("HTTP/1.0");
        InvocationRequest event = answer.event;
        while (end >= 0) {
            int start = end + 2;
            end = head.indexOf("\r\n", start);
            int stop = end < 0 ? head.length() : end;
            int colon = head.indexOf(':', start);
            if (colon < 0 || colon >= stop) {
                continue;
            }
            String value = head.substring(colon + 1, stop).trim();
            switch (lowerCase(head, start, colon)) {
                case "content-length":
                    answer.length = Long.parseLong(value);
                    break;
                case "transfer-encoding":
                    answer.isChunked = contains(value, "chunked");
                    break;
                case "connection":
                    answer.isClosing = contains(value, "close") || answer.isClosing && !contains(value, "keep-alive");
                    break;
                case "lambda-runtime-aws-request-id":
                    event.setId(value);
                    break;
                case "lambda-runtime-trace-id":
                    event.setXrayTraceId(value);
                    break;
                case "lambda-runtime-invoked-function-arn":
                    event.setInvokedFunctionArn(value);
                    break;
                case "lambda-runtime-deadline-ms":
                    event.setDeadlineTimeInMs(Long.parseLong(value));
                    break;
                case "lambda-runtime-client-context":
                    event.setClientContext(value);
                    break;
                case "lambda-runtime-cognito-identity":
                    event.setCognitoIdentity(value);
                    break;
                case "lambda-runtime-aws-tenant-id":
                    event.setTenantId(value);
                    break;
                default:
                    break;
            }
        }
    }

    /** ASCII only, so that no locale turns an I into something else. */
    private static String lowerCase(String text, int start, int stop) {
        char[] characters = new char[stop - start];
        for (int at = start; at < stop; at++) {
            char character = text.charAt(at);
            characters[at - start] = character >= 'A' && character <= 'Z' ? (char) (character + 32) : character;
        }
        return new String(characters);
    }

    private static boolean contains(String value, String word) {
        return lowerCase(value, 0, value.length()).contains(word);
    }

    /** Reads more, behind what is there. */
    private void fill() throws IOException {
        if (to == buffer.length) {
            byte[] next = from > 0 ? buffer : new byte[buffer.length * 2];
            System.arraycopy(buffer, from, next, 0, to - from);
            buffer = next;
            to -= from;
            from = 0;
        }
        int count = input.read(buffer, to, buffer.length - to);
        if (count < 0) {
            throw new EOFException("the Runtime API ended an answer too early");
        }
        to += count;
    }

    private byte[] exactly(int length) throws IOException {
        byte[] body = new byte[length];
        int have = Math.min(length, to - from);
        System.arraycopy(buffer, from, body, 0, have);
        from += have;
        if (from == to) {
            from = 0;
            to = 0;
        }
        while (have < length) {
            int count = input.read(body, have, length - have);
            if (count < 0) {
                throw new EOFException("the Runtime API ended an answer too early");
            }
            have += count;
        }
        return body;
    }

    private String line() throws IOException {
        while (true) {
            for (int at = from; at + 1 < to; at++) {
                if (buffer[at] == '\r' && buffer[at + 1] == '\n') {
                    String line = new String(buffer, from, at - from, StandardCharsets.ISO_8859_1);
                    from = at + 2;
                    return line;
                }
            }
            fill();
        }
    }

    private byte[] chunks() throws IOException {
        byte[] body = new byte[0];
        while (true) {
            String line = line();
            int extension = line.indexOf(';');
            int size = Integer.parseInt((extension < 0 ? line : line.substring(0, extension)).trim(), 16);
            if (size == 0) {
                break;
            }
            byte[] chunk = exactly(size);
            int have = body.length;
            body = Arrays.copyOf(body, have + size);
            System.arraycopy(chunk, 0, body, have, size);
            line();
        }
        while (!line().isEmpty()) {
            // Trailers.
        }
        return body;
    }

    private byte[] rest() throws IOException {
        try {
            while (true) {
                fill();
            }
        } catch (EOFException end) {
            byte[] body = Arrays.copyOfRange(buffer, from, to);
            from = to;
            return body;
        }
    }
}
