// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in logback: a diagnostic context that throws, within a request, and events that throw.
import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.classic.spi.ThrowableProxy;
import ch.qos.logback.classic.util.LogbackMDCAdapter;
import ch.qos.logback.core.AppenderBase;
import com.sun.net.httpserver.Filter;
import java.lang.reflect.Field;
import java.util.List;
import java.util.Map;
import org.slf4j.MDC;

public class LogbackCase implements Faults.Case {
    static class Diagnostic extends LogbackMDCAdapter {
        @Override
        public Map<String, String> getPropertyMap() {
            Fault.meet();
            return super.getPropertyMap();
        }
    }

    static ILoggingEvent event(String bad, Throwable thrown) {
        ThrowableProxy proxy = new ThrowableProxy(thrown);
        return Fault.object(ILoggingEvent.class, bad, (self, m, a) -> {
            switch (m.getName()) {
                case "getLevel": return Level.INFO;
                case "getLoggerName": return "records";
                case "getFormattedMessage": return "3 pears";
                case "getThreadName": return "mine";
                case "getThrowableProxy": return proxy;
                case "getTimeStamp": return 1700000000000L;
                default: return null;
            }
        });
    }

    // Of events that the application has made itself.
    private void records(Faults to, LoggerContext context) {
        StringBuilder seen = new StringBuilder();
        AppenderBase<ILoggingEvent> appender = new AppenderBase<>() {
            @Override
            protected void append(ILoggingEvent e) {
                seen.append(e.getLevel()).append(e.getFormattedMessage()).append(e.getThrowableProxy().getMessage());
            }
        };
        appender.setContext(context);
        appender.start();
        Logger logger = context.getLogger("records");
        logger.addAppender(appender);
        for (String bad : List.of("getLevel", "getLoggerName", "getFormattedMessage", "getThreadName",
            "getThrowableProxy", "getTimeStamp", "none but the exception's")) {
            to.logs("record " + bad, !bad.equals("getLevel"), () -> {
                seen.setLength(0);
                logger.callAppenders(event(bad, new Fault.Nasty()));
                return seen;
            });
        }
    }

    @Override
    public void run(Faults to) throws Exception {
        Field adapter = MDC.class.getDeclaredField("mdcAdapter");
        MDC.put("user", "before"); // the library's own adapter is there
        adapter.setAccessible(true);
        adapter.set(null, new Diagnostic());
        MDC.put("user", "mine");
        LoggerContext context = new LoggerContext();
        to.calls("logback", () -> {
            StringBuilder seen = new StringBuilder();
            new Filter.Chain(List.of(), x -> seen.append(new LoggingEvent("a", context.getLogger("b"), Level.INFO, "c",
                null, null).getMDCPropertyMap().get("user"))).doFilter(new Http.Exchange());
            return seen;
        }, "SERVER");
        records(to, context);
    }
}
