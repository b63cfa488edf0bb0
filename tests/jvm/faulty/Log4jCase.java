// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in log4j: context data that throws when it is copied, within a request, and
// messages and events that throw.
import com.sun.net.httpserver.Filter;
import java.util.List;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.impl.DefaultLogEventFactory;
import org.apache.logging.log4j.core.impl.Log4jLogEvent;
import org.apache.logging.log4j.core.impl.MutableLogEvent;
import org.apache.logging.log4j.message.Message;
import org.apache.logging.log4j.message.SimpleMessage;
import org.apache.logging.log4j.util.ReadOnlyStringMap;
import org.apache.logging.log4j.util.SortedArrayStringMap;

public class Log4jCase implements Faults.Case {
    public static class Data extends SortedArrayStringMap {
        private static final long serialVersionUID = 1;

        @Override public void putAll(ReadOnlyStringMap source) { Fault.meet(); super.putAll(source); }
        @Override public void putValue(String key, Object value) { Fault.meet(); super.putValue(key, value); }
        @Override public boolean containsKey(String key) { Fault.meet(); return super.containsKey(key); }
    }

    // One that is used again and again.
    static class Event extends MutableLogEvent {
        private static final long serialVersionUID = 1;
        final String bad;

        Event(String bad) {
            this.bad = bad;
            setLoggerName("records");
            setLevel(Level.INFO);
            setMessage(new SimpleMessage("3 pears"));
            setThrown(new Fault.Nasty());
        }

        @Override public Level getLevel() { Fault.meet("getLevel", bad); return super.getLevel(); }
        @Override public String getLoggerName() { Fault.meet("getLoggerName", bad); return super.getLoggerName(); }
        @Override public Message getMessage() { Fault.meet("getMessage", bad); return super.getMessage(); }
        @Override public long getTimeMillis() { Fault.meet("getTimeMillis", bad); return super.getTimeMillis(); }
        @Override public String getThreadName() { Fault.meet("getThreadName", bad); return super.getThreadName(); }
        @Override public Throwable getThrown() { Fault.meet("getThrown", bad); return super.getThrown(); }
    }

    private void records(Faults to) {
        for (String bad : List.of("getLevel", "getLoggerName", "getMessage", "getTimeMillis", "getThreadName",
            "getThrown", "none but the exception's")) {
            to.logs("record " + bad, !bad.equals("getLevel"), () -> {
                Event e = new Event(bad);
                e.setContextData(new SortedArrayStringMap());
                return e.getLevel() + e.getMessage().getFormattedMessage() + e.getThrown().getMessage();
            });
        }
        Message message = Fault.object(Message.class, (self, m, a) ->
            m.getName().equals("getFormattedMessage") ? "3 pears" : null);
        DefaultLogEventFactory factory = new DefaultLogEventFactory();
        to.logs("message", true, () -> factory.createEvent("records", null, "Log4jCase", Level.INFO, message, null,
            new Fault.Nasty()).getMessage().getFormattedMessage());
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
        records(to);
    }
}
