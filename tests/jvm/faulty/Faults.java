// SPDX-License-Identifier: Apache-2.0
// Purpose: runs cases, each of a plug-in of the agent, whose objects throw when the agent asks them
// (Fault). Says "answer ..." for what the application sees, which must be the same with and without the
// agent; "asked CASE N", how often the agent was thrown at; and "spans KIND N" and "records N" of what
// should come.
// Usage: Faults CASE ...     (classes that implement Faults.Case)
import java.util.Map;
import java.util.TreeMap;

public class Faults {
    interface Case {
        void run(Faults to) throws Throwable;
    }

    interface Call {
        Object get() throws Throwable;
    }

    private final Map<String, Integer> spans = new TreeMap<>();
    private int records;

    void span(String kind) {
        spans.merge(kind, 1, Integer::sum);
    }

    void say(Object what) {
        System.out.println("answer " + what);
    }

    /** What a call gives or throws, for each kind of fault. */
    void calls(String what, Call call, String... kinds) {
        for (int i = 0; i < 2 * Fault.KINDS; i++) {
            for (String kind : kinds) {
                span(kind);
            }
            String said;
            try {
                said = String.valueOf(call.get());
            } catch (Throwable e) {
                said = "throws " + e.getClass().getName() + ": " + e.getMessage();
            }
            say(what + " " + said);
        }
    }

    /** The same for a call that logs a record, which comes or not. */
    void logs(String what, boolean comes, Call call) {
        records += comes ? 2 * Fault.KINDS : 0;
        calls(what, call);
    }

    /** The same for a call that must end with this very exception. */
    void throwsIt(String what, Call call, Throwable e, String... kinds) {
        calls(what, () -> {
            try {
                return call.get();
            } catch (Throwable t) {
                return "throws the same: " + (t == e);
            }
        }, kinds);
    }

    public static void main(String[] args) throws Throwable {
        Faults to = new Faults();
        for (String name : args) {
            int before = Fault.count();
            ((Case) Class.forName(name).getDeclaredConstructor().newInstance()).run(to);
            System.out.println("asked " + name + " " + (Fault.count() - before));
        }
        to.spans.forEach((kind, n) -> System.out.println("spans " + kind + " " + n));
        System.out.println("records " + to.records);
        System.out.println("done");
        System.in.read();
        System.exit(0);
    }
}
