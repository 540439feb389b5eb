package tindra;

import com.amazonaws.services.lambda.runtime.api.client.AWSLambda;
import com.amazonaws.services.lambda.runtime.api.client.runtimeapi.LambdaRuntimeApiClientImpl;
import java.io.File;
import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.util.Arrays;
import java.util.jar.JarFile;

/** Starts AWS's Java runtime client with our transport; TINDRA_OFFICIAL_TRANSPORT=1 leaves the client its own. */
public final class Start {
    private static final String TRANSPORT = "com.amazonaws.services.lambda.runtime.api.client.runtimeapi.NativeClient";
    /** Where the pack lies; tests run it without making it the root. */
    static final String ROOT = System.getProperty("tindra.root", "");
    private static final String LIBRARIES = ROOT + "/var/runtime/lib";

    private Start() {
    }

    public static void main(String[] arguments) throws Throwable {
        // The archive of classes wants the class path as it was when the pack was made; functions want it whole.
        showAbsoluteClassPath();
        String official = System.getenv("TINDRA_OFFICIAL_TRANSPORT");
        if (official != null && !official.isEmpty() && !official.equals("0") && !official.equals("false")) {
            useOfficialTransport();
        }
        AWSLambda.main(new String[] {System.getenv("_HANDLER")});
    }

    private static void showAbsoluteClassPath() {
        String relative = "../runtime/lib/";
        String path = System.getProperty("java.class.path");
        if (path.startsWith(relative)) {
            System.setProperty("java.class.path", path.replace(relative, LIBRARIES + "/"));
        }
    }

    /** Our class of that name comes first on the class path; defining the client's own before anybody asks hides ours. */
    private static void useOfficialTransport() throws Exception {
        for (String path : System.getProperty("java.class.path").split(":")) {
            if (!new File(path).getName().startsWith("aws-lambda-java-runtime-interface-client")) {
                continue;
            }
            try (JarFile jar = new JarFile(path);
                    InputStream stream = jar.getInputStream(jar.getEntry(TRANSPORT.replace('.', '/') + ".class"))) {
                byte[] bytes = new byte[1 << 16];
                int length = 0;
                for (int count; (count = stream.read(bytes, length, bytes.length - length)) > 0; ) {
                    length += count;
                }
                define(Arrays.copyOf(bytes, length));
            }
        }
    }

    private static void define(byte[] bytes) throws ReflectiveOperationException {
        MethodHandles.privateLookupIn(LambdaRuntimeApiClientImpl.class, MethodHandles.lookup()).defineClass(bytes);
    }
}
