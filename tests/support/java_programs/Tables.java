import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/** Starts DynamoDB Local on loopback only: its own command line listens everywhere, and tells AWS of it. */
final class Tables {
    public static void main(String[] arguments) throws Exception {
        DynamoDBProxyServer tables = ServerRunner.createServerFromCommandLineArgs(arguments);
        var field = DynamoDBProxyServer.class.getDeclaredField("server");
        field.setAccessible(true);
        for (var connector : ((Server) field.get(tables)).getConnectors()) {
            ((ServerConnector) connector).setHost("127.0.0.1");
        }
        tables.safeStart();
        tables.join();
    }
}
