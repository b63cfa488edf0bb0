// SPDX-License-Identifier: Apache-2.0
// Purpose: statements of a driver that does nothing, as many as all CPUs can make: an agent that may
// take but little rests then.
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

public class Busy {
    private static final List<Thread> threads = new ArrayList<>();
    private static volatile boolean isOver;

    private static void work() {
        ClassLoader loader = Busy.class.getClassLoader();
        Connection connection = (Connection) Proxy.newProxyInstance(loader, new Class<?>[] {Connection.class}, (o, m, a) -> null);
        Statement statement = (Statement) Proxy.newProxyInstance(loader, new Class<?>[] {Statement.class},
            (o, m, a) -> m.getName().equals("getConnection") ? connection : m.getName().equals("execute") ? true : null);
        try {
            while (!isOver) {
                statement.execute("select 1");
            }
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    public static void begin() {
        for (int i = 0; i < Runtime.getRuntime().availableProcessors(); i++) {
            threads.add(new Thread(Busy::work));
            threads.get(i).start();
        }
    }

    public static void end() throws InterruptedException {
        isOver = true;
        for (Thread thread : threads) {
            thread.join();
        }
    }
}
