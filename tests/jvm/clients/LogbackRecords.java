// SPDX-License-Identifier: Apache-2.0
// Purpose: records of Logback, written by an appender of the caller's thread and one of its own.
import ch.qos.logback.classic.AsyncAppender;
import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import org.slf4j.LoggerFactory;

public class LogbackRecords {
    static void log(String logger, String level, String format, Object argument, Throwable thrown) {
        org.slf4j.Logger to = LoggerFactory.getLogger(logger);
        Object[] arguments = thrown == null ? new Object[] {argument} : new Object[] {argument, thrown};
        switch (level) {
            case "debug": to.debug(format, arguments); break;
            case "info": to.info(format, arguments); break;
            case "warn": to.warn(format, arguments); break;
            default: to.error(format, arguments);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Logger root = (Logger) LoggerFactory.getLogger("ROOT");
        LoggerContext in = root.getLoggerContext();
        in.reset();
        root.setLevel(Level.DEBUG);
        AsyncAppender later = new AsyncAppender();
        later.setContext(in);
        later.addAppender(LogbackLines.console(in, "later"));
        later.start();
        root.addAppender(LogbackLines.console(in, "now"));
        root.addAppender(later);
        LogRecords.serve(LogbackRecords::log);
        in.stop();
    }
}
