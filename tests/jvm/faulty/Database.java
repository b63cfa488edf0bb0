// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in jdbc: a driver of which everything that the agent asks for throws, and failures that
// do not tell their SQL state.
import java.lang.reflect.InvocationHandler;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;

public class Database implements Faults.Case {
    static class Failure extends SQLException {
        private static final long serialVersionUID = 1;

        @Override
        public String getSQLState() {
            Fault.meet();
            return "23505";
        }

        @Override
        public String getMessage() {
            Fault.meet();
            return "twice";
        }
    }

    static final Failure FAILURE = new Failure();

    static Connection connection() {
        Connection[] self = new Connection[1];
        InvocationHandler statement = (s, m, a) -> {
            switch (m.getName()) {
                case "executeUpdate": return 3;
                case "executeBatch": throw FAILURE;
                case "execute": return true;
                case "getConnection": return self[0];
                default: return null;
            }
        };
        self[0] = Fault.object(Connection.class, (s, m, a) -> {
            switch (m.getName()) {
                case "createStatement": return Fault.object(Statement.class, statement);
                case "prepareStatement": return Fault.object(PreparedStatement.class, statement);
                case "getMetaData": return Fault.object(DatabaseMetaData.class, (d, n, b) -> "jdbc:postgresql://h/d");
                default: return null;
            }
        });
        return self[0];
    }

    @Override
    public void run(Faults to) {
        to.calls("statement", () -> connection().createStatement().executeUpdate("update t set a = 1"), "CLIENT");
        to.calls("prepared", () -> connection().prepareStatement("select 1").execute(), "CLIENT");
        to.throwsIt("batch", () -> connection().createStatement().executeBatch(), FAILURE, "CLIENT");
    }
}
