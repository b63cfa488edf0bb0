// SPDX-License-Identifier: Apache-2.0
// Purpose: the shop in an embedded Jetty 9. Usage: JettyShop JDBC-URL; prints "port N".
import java.net.InetSocketAddress;
import java.util.EnumSet;
import javax.servlet.DispatcherType;
import javax.servlet.Filter;
import javax.servlet.Servlet;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.servlet.FilterHolder;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

public class JettyShop {
    static void serve(ServletContextHandler context, Servlet servlet, String path) {
        ServletHolder holder = new ServletHolder(servlet);
        holder.setAsyncSupported(true);
        context.addServlet(holder, path);
    }

    static void filter(ServletContextHandler context, Filter passed) {
        FilterHolder holder = new FilterHolder(passed);
        holder.setAsyncSupported(true);
        context.addFilter(holder, "/*", EnumSet.of(DispatcherType.REQUEST, DispatcherType.ASYNC));
    }

    public static void main(String[] args) throws Exception {
        Shop.url = args[0];
        Shop.fill();
        Shop.serveOddRequests();
        Server server = new Server(new InetSocketAddress("127.0.0.1", 0));
        ServletContextHandler context = new ServletContextHandler();
        context.setContextPath("/shop");
        filter(context, new Shop.Pass());
        filter(context, new Shop.Pass());
        serve(context, new Shop.Cart(), "/cart");
        serve(context, new Shop.Broken(), "/broken/*");
        serve(context, new Shop.Later(), "/later");
        serve(context, new Shop.Again(), "/again");
        server.setHandler(context);
        server.start();
        System.out.println("port " + ((ServerConnector) server.getConnectors()[0]).getLocalPort());
        server.join();
    }
}
