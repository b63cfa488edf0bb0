// SPDX-License-Identifier: Apache-2.0
// Purpose: the web application that bench/jvm measures: an embedded Tomcat 10, and for each request
// two prepared statements on PostgreSQL over a connection that the thread keeps. /state says, as JSON,
// how many requests were answered, how many bytes all threads have allocated, and how many
// milliseconds the JVM has compiled. Usage: JvmShop PORT JDBC-URL FOLDER
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.catalina.Context;
import org.apache.catalina.startup.Tomcat;

public class JvmShop {
    static final int THREADS = 16;
    static String url;
    static final AtomicLong answered = new AtomicLong();
    static final ThreadLocal<Connection> connections = new ThreadLocal<>();

    static Connection connection() throws SQLException {
        Connection c = connections.get();
        if (c == null) {
            c = DriverManager.getConnection(url);
            connections.set(c);
        }
        return c;
    }

    static int number(String sql, int id) throws SQLException {
        try (PreparedStatement p = connection().prepareStatement(sql)) {
            p.setInt(1, id);
            try (ResultSet r = p.executeQuery()) {
                return r.next() ? r.getInt(1) : 0;
            }
        }
    }

    public static class Cart extends HttpServlet {
        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response)
                throws IOException, ServletException {
            int item = Integer.parseInt(request.getParameter("item"));
            try {
                int amount = number("select amount from stock where item = ?", item);
                int price = number("select cents from prices where item = ?", item);
                response.setContentType("application/json");
                response.getWriter().print("{\"amount\":" + amount + ",\"price\":" + price + "}");
                answered.incrementAndGet();
            } catch (SQLException e) {
                throw new ServletException(e);
            }
        }
    }

    public static class State extends HttpServlet {
        static long allocated() throws ServletException {
            com.sun.management.ThreadMXBean threads =
                    (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
            try { // JDK 21 and later count ended threads too
                return (Long) com.sun.management.ThreadMXBean.class
                        .getMethod("getTotalThreadAllocatedBytes").invoke(threads);
            } catch (NoSuchMethodException e) {
                return Arrays.stream(threads.getThreadAllocatedBytes(threads.getAllThreadIds())).sum();
            } catch (ReflectiveOperationException e) {
                throw new ServletException(e);
            }
        }

        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response)
                throws IOException, ServletException {
            response.getWriter().print("{\"answered\":" + answered.get() + ",\"allocated\":" + allocated()
                    + ",\"compiled_ms\":" + ManagementFactory.getCompilationMXBean().getTotalCompilationTime()
                    + "}");
        }
    }

    static void fill() throws SQLException {
        try (Connection c = DriverManager.getConnection(url); Statement s = c.createStatement()) {
            s.execute("create table if not exists stock as select item, item % 90 as amount from"
                    + " generate_series(1, 1000) item");
            s.execute("create unique index if not exists stock_item on stock (item)");
            s.execute("create table if not exists prices as select item, item * 7 as cents from"
                    + " generate_series(1, 1000) item");
            s.execute("create unique index if not exists prices_item on prices (item)");
        }
    }

    public static void main(String[] args) throws Exception {
        url = args[1];
        fill();
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(args[2]);
        tomcat.setPort(Integer.parseInt(args[0]));
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        tomcat.getConnector().setProperty("maxThreads", String.valueOf(THREADS));
        tomcat.getConnector().setProperty("maxKeepAliveRequests", "-1");
        Context context = tomcat.addContext("", args[2]);
        Tomcat.addServlet(context, "cart", new Cart());
        context.addServletMappingDecoded("/cart", "cart");
        Tomcat.addServlet(context, "state", new State());
        context.addServletMappingDecoded("/state", "state");
        tomcat.start();
        tomcat.getServer().await();
    }
}
