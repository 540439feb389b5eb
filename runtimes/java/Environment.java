package tindra;

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** Replaces what System.getenv() answers, for the training run. Needs java.lang to be open, which it is for no function. */
final class Environment {
    private Environment() {
    }

    /** Each entry is NAME=value. */
    static void replace(Iterable<String> entries) throws ReflectiveOperationException {
        Class<?> environment = Class.forName("java.lang.ProcessEnvironment");
        Method name = valueOf("java.lang.ProcessEnvironment$Variable");
        Method value = valueOf("java.lang.ProcessEnvironment$Value");
        Field field = environment.getDeclaredField("theEnvironment");
        field.setAccessible(true);
        @SuppressWarnings("unchecked")
        Map<Object, Object> map = (Map<Object, Object>) field.get(null);
        map.clear();
        for (String entry : entries) {
            int equals = entry.indexOf('=');
            if (equals > 0) {
                map.put(name.invoke(null, (Object) bytes(entry.substring(0, equals))),
                        value.invoke(null, (Object) bytes(entry.substring(equals + 1))));
            }
        }
    }

    private static Method valueOf(String type) throws ReflectiveOperationException {
        Method method = Class.forName(type).getMethod("valueOf", byte[].class);
        method.setAccessible(true);
        return method;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
