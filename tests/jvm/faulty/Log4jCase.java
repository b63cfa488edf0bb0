// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in log4j: context data that throws when it is copied, within a request.
import com.sun.net.httpserver.Filter;
import java.util.List;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.impl.Log4jLogEvent;
import org.apache.logging.log4j.util.ReadOnlyStringMap;
import org.apache.logging.log4j.util.SortedArrayStringMap;

public class Log4jCase implements Faults.Case {
    public static class Data extends SortedArrayStringMap {
        private static final long serialVersionUID = 1;

        @Override public void putAll(ReadOnlyStringMap source) { Fault.meet(); super.putAll(source); }
        @Override public void putValue(String key, Object value) { Fault.meet(); super.putValue(key, value); }
        @Override public boolean containsKey(String key) { Fault.meet(); return super.containsKey(key); }
    }

    @Override
    public void run(Faults to) {
        to.calls("log4j", () -> {
            StringBuilder seen = new StringBuilder();
            new Filter.Chain(List.of(), x -> {
                Data data = new Data();
                data.putValue("user", "mine");
                Object user = Log4jLogEvent.newBuilder().setLoggerName("a").setLevel(Level.INFO).setContextData(data)
                    .build().getContextData().getValue("user");
                seen.append(user);
            }).doFilter(new Http.Exchange());
            return seen;
        }, "SERVER");
    }
}
