package tindra;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.LinkedHashMap;
import java.util.Map;

/** Handlers of the usual kinds, for the training run that decides which classes the archive holds. */
public final class Sample implements RequestHandler<Map<String, Object>, Object> {
    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
        if (event.containsKey("fail")) {
            throw new IllegalStateException("as asked");
        }
        System.out.println("a line " + event);
        context.getLogger().log("a record\n");
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("event", event);
        answer.put("environment", System.getenv());
        answer.put("id", context.getAwsRequestId());
        answer.put("left", context.getRemainingTimeInMillis());
        answer.put("identity", String.valueOf(context.getIdentity()) + context.getClientContext());
        return answer;
    }

    /** Named by `Sample$Text::greet`: a method of a class that implements nothing. */
    public static final class Text {
        public String greet(String name, Context context) {
            return "hello " + name;
        }
    }

    /** A plain object in and out. */
    public static final class Order {
        private String name;
        private int count;

        public String getName() {
            return name;
        }

        public void setName(String name) {
            this.name = name;
        }

        public int getCount() {
            return count;
        }

        public void setCount(int count) {
            this.count = count;
        }
    }

    /** Takes and gives one. */
    public static final class Orders implements RequestHandler<Order, Order> {
        @Override
        public Order handleRequest(Order order, Context context) {
            order.setCount(order.getCount() + 1);
            return order;
        }
    }

    /** Copies its event. */
    public static final class Stream implements RequestStreamHandler {
        @Override
        public void handleRequest(InputStream input, OutputStream output, Context context) throws IOException {
            byte[] bytes = new byte[1024];
            for (int count; (count = input.read(bytes)) > 0; ) {
                output.write(bytes, 0, count);
            }
        }
    }
}
