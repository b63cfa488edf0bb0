// SPDX-License-Identifier: Apache-2.0
// Purpose: requests that wait (Waits.java) in an embedded Jetty 9. Prints "port N".
import java.net.InetSocketAddress;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.servlet.ServletContextHandler;

public class JettyWaits {
    public static void main(String[] args) throws Exception {
        Server server = new Server(new InetSocketAddress("127.0.0.1", 0));
        ServletContextHandler context = new ServletContextHandler();
        context.setContextPath("/shop");
        JettyShop.filter(context, new Waits.Answering());
        JettyShop.serve(context, new Waits(), "/waits");
        server.setHandler(context);
        server.start();
        System.out.println("port " + ((ServerConnector) server.getConnectors()[0]).getLocalPort());
        Waits.holdThree();
        server.stop();
        System.exit(0);
    }
}
