// SPDX-License-Identifier: Apache-2.0
// Purpose: prepared statements of a driver that does not show their texts, used in every way that
// there is: closed at once, kept while thousands of others come and go, handed to another thread,
// given again by a pool after they were closed.
// Usage: Prepared COUNT     prints "done", then waits for a line
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.util.ArrayList;
import java.util.List;

public class Prepared {
    static <T> T object(Class<T> type, InvocationHandler handler) {
        return type.cast(Proxy.newProxyInstance(Prepared.class.getClassLoader(), new Class<?>[] {type}, handler));
    }

    static PreparedStatement statement(Connection of) {
        return object(PreparedStatement.class, (o, m, a) -> {
            switch (m.getName()) {
                case "getConnection": return of;
                case "executeUpdate": return 1;
                default: return null;
            }
        });
    }

    /** Of a pool each connection gives the same statement again and again. */
    static Connection connection(boolean isPool) {
        Connection[] self = new Connection[1];
        PreparedStatement[] pooled = new PreparedStatement[1];
        DatabaseMetaData meta = object(DatabaseMetaData.class, (o, m, a) -> "jdbc:postgresql://host/shop");
        self[0] = object(Connection.class, (o, m, a) -> {
            switch (m.getName()) {
                case "getMetaData": return meta;
                case "prepareStatement": return isPool ? pooled[0] : statement(self[0]);
                default: return null;
            }
        });
        pooled[0] = statement(self[0]);
        return self[0];
    }

    static void on(Thread thread) throws InterruptedException {
        thread.start();
        thread.join();
    }

    static void use(PreparedStatement p) {
        try {
            p.executeUpdate();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    public static void main(String[] args) throws Exception {
        int count = Integer.parseInt(args[0]);
        Connection c = connection(false), pool = connection(true);
        PreparedStatement first = c.prepareStatement("update first set a = 1");
        List<PreparedStatement> kept = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            kept.add(c.prepareStatement("update kept set a = 1"));
            try (PreparedStatement p = c.prepareStatement("update closed set a = 1")) {
                use(p);
            }
            try (PreparedStatement p = pool.prepareStatement("update pooled set a = 1")) {
                use(p);
            }
        }
        use(first);
        on(new Thread(() -> kept.forEach(Prepared::use)));
        System.gc();
        kept.forEach(Prepared::use);
        System.out.println("done");
        System.in.read();
    }
}
