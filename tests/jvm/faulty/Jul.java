// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in java-util-logging: records, loggers, handlers and formatters that throw, and what was
// thrown that tells nothing. Level's own methods are final.
import java.util.List;
import java.util.logging.Formatter;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

public class Jul implements Faults.Case {
    static class Record extends LogRecord {
        private static final long serialVersionUID = 1;
        final String bad;

        Record(String bad) {
            super(Level.WARNING, "{0} pears");
            this.bad = bad;
            setParameters(new Object[] {3});
            setLoggerName("jul");
        }

        @Override public Level getLevel() { Fault.meet("getLevel", bad); return super.getLevel(); }
        @Override public String getLoggerName() { Fault.meet("getLoggerName", bad); return super.getLoggerName(); }
        @Override public String getMessage() { Fault.meet("getMessage", bad); return super.getMessage(); }
        @Override public long getMillis() { Fault.meet("getMillis", bad); return super.getMillis(); }
        @Override public Throwable getThrown() { Fault.meet("getThrown", bad); return super.getThrown(); }
        @Override public Object[] getParameters() { Fault.meet("getParameters", bad); return super.getParameters(); }
    }

    static class Writer extends Handler {
        final StringBuilder seen = new StringBuilder();
        final String bad;

        Writer(String bad) {
            this.bad = bad;
            setFormatter(new Formatter() {
                @Override public String format(LogRecord r) { return formatMessage(r); }

                @Override
                public synchronized String formatMessage(LogRecord r) {
                    Fault.meet("formatMessage", bad);
                    return super.formatMessage(r);
                }
            });
        }

        @Override public Level getLevel() { Fault.meet("getHandlerLevel", bad); return super.getLevel(); }
        @Override public Formatter getFormatter() { Fault.meet("getFormatter", bad); return super.getFormatter(); }
        @Override public void flush() { }
        @Override public void close() { }

        @Override
        public void publish(LogRecord r) {
            seen.append(r.getLevel()).append(' ').append(getFormatter().format(r)).append(' ')
                .append(r.getThrown() != null);
        }
    }

    static class Named extends Logger {
        final String bad;

        Named(String bad) {
            super("jul", null);
            this.bad = bad;
        }

        @Override public boolean isLoggable(Level l) { Fault.meet("isLoggable", bad); return super.isLoggable(l); }
        @Override public Handler[] getHandlers() { Fault.meet("getHandlers", bad); return super.getHandlers(); }
        @Override public Logger getParent() { Fault.meet("getParent", bad); return super.getParent(); }

        @Override
        public boolean getUseParentHandlers() {
            Fault.meet("getUseParentHandlers", bad);
            return super.getUseParentHandlers();
        }
    }

    // With `above`, the handler is the parent's.
    private void log(Faults to, String bad, boolean comes, boolean above, Throwable thrown) {
        to.logs("jul " + bad, comes, () -> {
            Named logger = new Named(bad), parent = new Named(bad);
            Writer writer = new Writer(bad);
            (above ? parent : logger).addHandler(writer);
            logger.setParent(parent);
            LogRecord record = new Record(bad);
            record.setThrown(thrown);
            logger.log(record);
            return writer.seen;
        });
    }

    @Override
    public void run(Faults to) {
        for (String bad : List.of("getLoggerName", "getMessage", "getMillis", "getThrown", "getParameters",
            "formatMessage", "getFormatter")) {
            log(to, bad, true, false, null);
        }
        for (String bad : List.of("getLevel", "getHandlerLevel", "isLoggable", "getHandlers")) {
            log(to, bad, false, false, null);
        }
        for (String bad : List.of("getParent", "getUseParentHandlers")) {
            log(to, bad, false, true, null);
        }
        log(to, "getStackTrace", true, true, new Fault.Nasty());
    }
}
