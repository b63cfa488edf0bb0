// SPDX-License-Identifier: Apache-2.0
// Purpose: records of java.util.logging, written by the root logger's handler alone.
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

public class JulRecords {
    static Level level(String name) {
        switch (name) {
            case "debug": return Level.FINE;
            case "info": return Level.INFO;
            case "warn": return Level.WARNING;
            default: return Level.SEVERE;
        }
    }

    static void log(String logger, String level, String format, Object argument, Throwable thrown) {
        LogRecord record = new LogRecord(level(level), format.replace("{}", "{0}"));
        record.setParameters(new Object[] {argument});
        record.setThrown(thrown);
        record.setLoggerName(logger);
        Logger.getLogger(logger).log(record);
    }

    public static void main(String[] arguments) throws Exception {
        Logger root = Logger.getLogger("");
        Logger shop = Logger.getLogger("shop"); // held: loggers are collected
        shop.setLevel(Level.FINE);
        for (Handler handler : root.getHandlers()) {
            handler.setLevel(Level.ALL);
        }
        // Nobody writes these: they are not sent either.
        Logger unheard = Logger.getLogger("unheard");
        unheard.setUseParentHandlers(false);
        unheard.severe("unheard");
        LogRecords.serve(JulRecords::log);
    }
}
