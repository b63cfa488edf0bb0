// SPDX-License-Identifier: Apache-2.0
// Purpose: more databases than the agent has numbers for, and one that does not tell its URL: a
// connection to each, ROUNDS statements on each by turns.
// Usage: Databases COUNT     "asked N": how often a URL was asked for; then waits for a line
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

public class Databases {
    static final int ROUNDS = 3;
    static final AtomicInteger ASKED = new AtomicInteger();

    static <T> T object(Class<T> type, InvocationHandler handler) {
        return type.cast(Proxy.newProxyInstance(Databases.class.getClassLoader(), new Class<?>[] {type}, handler));
    }

    static Connection connection(String url) {
        Connection[] self = new Connection[1];
        DatabaseMetaData meta = object(DatabaseMetaData.class, (o, m, a) -> {
            ASKED.incrementAndGet();
            return url;
        });
        self[0] = object(Connection.class, (o, m, a) -> {
            switch (m.getName()) {
                case "getMetaData": return meta;
                case "createStatement": return object(Statement.class, (s, n, b) -> n.getName().equals("getConnection") ? self[0] : n.getName().equals("execute") ? true : null);
                default: return null;
            }
        });
        return self[0];
    }

    public static void main(String[] args) throws Exception {
        List<Connection> all = new ArrayList<>();
        all.add(connection(null));
        for (int i = 0; i < Integer.parseInt(args[0]); i++) {
            all.add(connection("jdbc:postgresql://host/" + i));
        }
        for (int round = 0; round < ROUNDS; round++) {
            for (Connection c : all) {
                c.createStatement().execute("select 1");
            }
        }
        System.out.println("asked " + ASKED.get());
        System.in.read();
    }
}
