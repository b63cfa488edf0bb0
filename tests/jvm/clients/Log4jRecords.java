// SPDX-License-Identifier: Apache-2.0
// Purpose: records of Log4j 2; its configuration, with appenders of both kinds, is the test's.
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

public class Log4jRecords {
    static void log(String logger, String level, String format, Object argument, Throwable thrown) {
        Logger to = LogManager.getLogger(logger);
        if (thrown == null) {
            to.log(Level.valueOf(level), format, argument);
        } else {
            to.log(Level.valueOf(level), format, argument, thrown);
        }
    }

    public static void main(String[] arguments) throws Exception {
        LogRecords.serve(Log4jRecords::log);
        LogManager.shutdown();
    }
}
