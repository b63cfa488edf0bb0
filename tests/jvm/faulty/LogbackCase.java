// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in logback: a diagnostic context that throws, within a request.
import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.classic.util.LogbackMDCAdapter;
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
    }
}
