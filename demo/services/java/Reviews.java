// SPDX-License-Identifier: Apache-2.0
// Purpose: what customers think of a product, in PostgreSQL, and from shipping, how soon it arrives.
// Servlets in an embedded Tomcat, JDBC. Runs with the JVM agent. Usage: Reviews FOLDER
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.apache.catalina.Context;
import org.apache.catalina.LifecycleException;
import org.apache.catalina.startup.Tomcat;

public final class Reviews {
    private static final int THREADS = 8; // each has a connection of its own
    private static final int SHOWN = 5;
    private static final int TIMEOUT_MS = 2500;
    private static final ThreadLocal<Connection> connections = new ThreadLocal<>();

    private Reviews() {
    }

    private static Connection connection() throws SQLException {
        Connection c = connections.get();
        if (c == null || c.isClosed()) {
            c = DriverManager.getConnection(System.getenv("SHOP_REVIEWS_DATABASE"));
            connections.set(c);
        }
        return c;
    }

    private static PreparedStatement prepare(String sql, int... values) throws SQLException {
        PreparedStatement statement = connection().prepareStatement(sql);
        for (int i = 0; i < values.length; i++) {
            statement.setInt(i + 1, values[i]);
        }
        return statement;
    }

    private static void addAll(List<String> out, PreparedStatement statement) throws SQLException {
        try (statement; ResultSet r = statement.executeQuery()) {
            while (r.next()) {
                out.add("{\"stars\":" + r.getInt("stars") + ",\"text\":" + Common.quoted(r.getString("text")) + "}");
            }
        }
    }

    // The newest ones; with the switch n-plus-one, each by a statement of its own.
    private static List<String> newest(int product) throws SQLException {
        List<String> out = new ArrayList<>();
        if (!Common.isOn("n-plus-one")) {
            addAll(out, prepare("SELECT stars, text FROM reviews WHERE product = ? AND text <> ''"
                    + " ORDER BY id DESC LIMIT ?", product, SHOWN));
            return out;
        }
        List<Integer> ids = new ArrayList<>();
        try (PreparedStatement p = prepare("SELECT id FROM reviews WHERE product = ? AND text <> ''"
                + " ORDER BY id DESC LIMIT ?", product, SHOWN); ResultSet r = p.executeQuery()) {
            while (r.next()) {
                ids.add(r.getInt(1));
            }
        }
        for (int id : ids) {
            addAll(out, prepare("SELECT stars, text FROM reviews WHERE id = ?", id));
        }
        return out;
    }

    private static String summary(int product) throws SQLException {
        try (PreparedStatement p = prepare(
                "SELECT count(*), coalesce(round(avg(stars) * 10), 0) FROM reviews WHERE product = ?", product);
             ResultSet r = p.executeQuery()) {
            r.next();
            return "\"count\":" + r.getInt(1) + ",\"stars\":" + r.getInt(2) / 10.0;
        }
    }

    // A review is worth reading without the date of delivery.
    private static String deliveryDays(int product) {
        try {
            return String.valueOf(Common.numberOf(
                    Common.get("shipping", "/delivery?products=" + product, TIMEOUT_MS), "days"));
        } catch (IOException e) {
            System.err.println(e.getMessage());
            return "null";
        }
    }

    private static int number(HttpServletRequest request, String name, int most) {
        String text = request.getParameter(name);
        int value = text != null && text.matches("\\d{1,9}") ? Integer.parseInt(text) : 0;
        if (value < 1 || value > most) {
            throw new IllegalArgumentException(name + " is '" + text + "', expected 1 to " + most);
        }
        return value;
    }

    // GET ?product=N; POST ?product=N&stars=N
    static final class Product extends HttpServlet {
        private static final long serialVersionUID = 1;

        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            answer(response, 200, () -> {
                int product = number(request, "product", Integer.MAX_VALUE);
                return "{" + summary(product) + ",\"newest\":[" + String.join(",", newest(product)) + "],"
                        + "\"delivery_days\":" + deliveryDays(product) + "}";
            });
        }

        @Override
        protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
            answer(response, 201, () -> {
                int product = number(request, "product", Integer.MAX_VALUE);
                int stars = number(request, "stars", 5);
                try (PreparedStatement p = prepare("INSERT INTO reviews (product, stars) VALUES (?, ?)",
                        product, stars)) {
                    p.executeUpdate();
                }
                return "{" + summary(product) + "}";
            });
        }
    }

    private interface Work {
        String run() throws SQLException;
    }

    private static void answer(HttpServletResponse response, int status, Work work) throws IOException {
        String json;
        try {
            json = work.run();
            response.setStatus(status);
        } catch (IllegalArgumentException e) {
            json = Common.errorJson(e.getMessage());
            response.setStatus(400);
        } catch (SQLException e) {
            System.err.println(e.getMessage());
            json = Common.errorJson(e.getMessage());
            response.setStatus(500);
        }
        response.setContentType("application/json");
        response.setCharacterEncoding("UTF-8");
        response.getWriter().print(json);
    }

    public static void main(String[] args) throws LifecycleException {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(args[0]);
        tomcat.setPort(Common.portOf("reviews"));
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        tomcat.getConnector().setProperty("maxThreads", String.valueOf(THREADS));
        Context context = tomcat.addContext("", args[0]);
        Tomcat.addServlet(context, "reviews", new Product());
        context.addServletMappingDecoded("/reviews", "reviews");
        tomcat.start();
        System.out.println("ready");
        tomcat.getServer().await();
    }
}
