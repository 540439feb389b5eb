package tindra;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * A process that is ready before anybody knows for which function.
 *
 * <p>Loads the client and what it needs, writes one byte to descriptor 4, and waits there for the function's environment: four
 * bytes of length, little-endian, then NAME=value entries that each end with a NUL. Nothing before may call System.getenv(),
 * because Java copies the environment at the first call.
 */
public final class Spare {
    private static final int CONTROL = 4;
    private static final String LIBRARY = "/var/runtime/lib/libtindra.so";
    private static final String TASK = "/var/task";

    /** Holds the environment, into which the C library points, as long as the process lives. */
    private static ByteBuffer environment;

    private Spare() {
    }

    public static void main(String[] arguments) throws Throwable {
        System.load(Start.ROOT + LIBRARY);
        Warmth.make();
        if (!receive(descriptor(CONTROL))) {
            Runtime.getRuntime().halt(0);
        }
        replaceEnvironment();
        enterTask();
        Start.main(arguments);
    }

    private static FileDescriptor descriptor(int number) throws ReflectiveOperationException {
        Constructor<FileDescriptor> constructor = FileDescriptor.class.getDeclaredConstructor(int.class);
        constructor.setAccessible(true);
        return constructor.newInstance(number);
    }

    /** False when nobody needs this process. */
    private static boolean receive(FileDescriptor control) throws IOException {
        try (OutputStream output = new FileOutputStream(control); InputStream input = new FileInputStream(control)) {
            output.write('R');
            byte[] head = new byte[4];
            if (!fill(input, head)) {
                return false;
            }
            int length = (head[0] & 0xff) | (head[1] & 0xff) << 8 | (head[2] & 0xff) << 16 | (head[3] & 0xff) << 24;
            byte[] message = new byte[length];
            if (!fill(input, message)) {
                return false;
            }
            environment = ByteBuffer.allocateDirect(length + 1);
            environment.put(message);
            return true;
        }
    }

    private static boolean fill(InputStream input, byte[] bytes) throws IOException {
        for (int have = 0; have < bytes.length; ) {
            int count = input.read(bytes, have, bytes.length - have);
            if (count < 0) {
                return false;
            }
            have += count;
        }
        return true;
    }

    private static void replaceEnvironment() {
        long start = Native.address(environment);
        Native.clearenv();
        int end = environment.position();
        for (int entry = 0, at = 0; at < end; at++) {
            if (environment.get(at) == 0) {
                Native.putenv(start + entry);
                entry = at + 1;
            }
        }
    }

    /** From the empty directory in which the process started to the code that lies over it now. */
    private static void enterTask() throws IOException {
        byte[] task = (Start.ROOT + TASK).getBytes(StandardCharsets.UTF_8);
        ByteBuffer path = ByteBuffer.allocateDirect(task.length + 1);
        path.put(task);
        if (Native.chdir(Native.address(path)) != 0) {
            throw new IOException("/var/task cannot be entered");
        }
    }
}
