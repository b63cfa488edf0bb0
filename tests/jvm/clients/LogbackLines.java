// SPDX-License-Identifier: Apache-2.0
// Purpose: lines of Logback, by an appender of the caller's thread and one of a thread of its own.
import ch.qos.logback.classic.AsyncAppender;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

public class LogbackLines {
    static ConsoleAppender<ILoggingEvent> console(LoggerContext in, String pattern) {
        PatternLayoutEncoder encoder = new PatternLayoutEncoder();
        encoder.setContext(in);
        encoder.setPattern(pattern + " %msg [%X{trace_id}|%X{span_id}|%X{baggage}|%X{user}]%n");
        encoder.start();
        ConsoleAppender<ILoggingEvent> console = new ConsoleAppender<>();
        console.setContext(in);
        console.setEncoder(encoder);
        console.start();
        return console;
    }

    static void context(String key, String value) {
        if (value != null) {
            MDC.put(key, value);
        } else {
            MDC.remove(key);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Logger logger = (Logger) LoggerFactory.getLogger("ROOT");
        LoggerContext in = logger.getLoggerContext();
        in.reset();
        AsyncAppender later = new AsyncAppender();
        later.setContext(in);
        later.addAppender(console(in, "later"));
        later.start();
        logger.addAppender(console(in, "now"));
        logger.addAppender(later);
        Logging.serve(logger::info, LogbackLines::context, MDC::get);
        in.stop();
    }
}
