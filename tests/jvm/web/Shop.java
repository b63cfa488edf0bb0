// SPDX-License-Identifier: Apache-2.0
// Purpose: the servlets of a small shop, for jakarta.servlet; the test turns the name into javax for
// containers of that age. The database is java.sql's.
import jakarta.servlet.AsyncContext;
import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.FilterConfig;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;

public class Shop {
    static String url;

    static Connection connect() throws SQLException {
        return DriverManager.getConnection(url);
    }

    static void fill() throws SQLException {
        try (Connection c = connect(); Statement s = c.createStatement()) {
            s.execute("create table if not exists stock (item text primary key, amount int)");
            s.execute("insert into stock values ('apple', 12), ('pear', 7) on conflict do nothing");
        }
    }

    static class Nothing extends HttpServlet {
        protected void doGet(HttpServletRequest request, HttpServletResponse response) {
        }
    }

    static Object proxy(Class<?> type, InvocationHandler handler) {
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler);
    }

    // Requests with a path of 600 characters of two bytes: one throws when it is asked for some
    // things, one has a control character in its query.
    static void serveOddRequests() throws IOException, ServletException {
        serveOddRequest(true, null);
        serveOddRequest(false, "a=\u001fb");
    }

    static void serveOddRequest(boolean hasThrown, String query) throws IOException, ServletException {
        Map<Object, Object> attributes = new HashMap<>();
        StringBuilder path = new StringBuilder("/odd/");
        for (int i = 0; i < 600; i++) {
            path.append('\u00e4');
        }
        Object request = proxy(HttpServletRequest.class, (self, method, arguments) -> {
            switch (method.getName()) {
                case "getMethod": return "GET";
                case "getRequestURI": return path.toString();
                case "getServerName": return "odd.example";
                case "getServerPort": return 81;
                case "isAsyncStarted": return false;
                case "getQueryString": return query;
                case "getAttribute": return attributes.get(arguments[0]);
                case "setAttribute": attributes.put(arguments[0], arguments[1]); return null;
                case "getRemoteAddr":
                case "getContextPath":
                    if (hasThrown) {
                        throw new IllegalStateException("not now");
                    }
                    return "";
                default: return null;
            }
        });
        Object response = proxy(HttpServletResponse.class, (self, method, arguments) ->
                method.getName().equals("getStatus") ? 204 : null);
        new Nothing().service((ServletRequest) request, (ServletResponse) response);
    }

    // Every request passes two filters; neither is a span of its own.
    public static class Pass implements Filter {
        public void init(FilterConfig config) {
        }

        public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
                throws IOException, ServletException {
            chain.doFilter(request, response);
        }

        public void destroy() {
        }
    }

    public static class Cart extends HttpServlet {
        protected void doGet(HttpServletRequest request, HttpServletResponse response)
                throws IOException, ServletException {
            try (Connection c = connect();
                 PreparedStatement p = c.prepareStatement("select amount from stock where item = ? and amount > 3")) {
                p.setString(1, request.getParameter("item"));
                try (ResultSet r = p.executeQuery()) {
                    response.getWriter().print(r.next() ? r.getInt(1) : 0);
                }
                try (Statement s = c.createStatement()) {
                    s.executeUpdate("update stock set amount = amount + 1 where item = 'apple'");
                }
            } catch (SQLException e) {
                throw new ServletException(e);
            }
        }
    }

    public static class Broken extends HttpServlet {
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws ServletException {
            try (Connection c = connect(); Statement s = c.createStatement()) {
                s.executeQuery("select * from nothing_there where secret = 'hidden'");
            } catch (SQLException e) {
                throw new ServletException("no such luck", e);
            }
        }
    }

    // Answers from a thread of its own.
    public static class Later extends HttpServlet {
        protected void doGet(HttpServletRequest request, HttpServletResponse response) {
            AsyncContext async = request.startAsync();
            Thread thread = new Thread(() -> {
                try {
                    Thread.sleep(50);
                    ((HttpServletResponse) async.getResponse()).setStatus(202);
                    async.getResponse().getWriter().print("later");
                } catch (IOException | InterruptedException e) {
                    throw new IllegalStateException(e);
                }
                async.complete();
            });
            thread.setDaemon(true);
            thread.start();
        }
    }

    // Goes away and comes back to itself.
    public static class Again extends HttpServlet {
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            if (request.getAttribute("again") == null) {
                request.setAttribute("again", "yes");
                AsyncContext async = request.startAsync();
                async.start(async::dispatch);
            } else {
                response.getWriter().print("again");
            }
        }
    }
}
