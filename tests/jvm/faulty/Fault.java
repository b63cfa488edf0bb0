// SPDX-License-Identifier: Apache-2.0
// Purpose: objects that throw when the agent asks them, and serve the application as ever: who asks
// is seen on the stack. One after the other: an exception, an error, a checked exception, a stack that
// has overflowed, memory that is out.
import java.io.IOException;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;

public final class Fault {
    static final int KINDS = 5;
    private static final AtomicInteger thrown = new AtomicInteger();

    private Fault() {
    }

    static int count() {
        return thrown.get();
    }

    @SuppressWarnings("unchecked")
    private static <E extends Throwable> void sneak(Throwable e) throws E {
        throw (E) e;
    }

    /** Throws when it is the agent that asks. */
    static void meet() {
        boolean asks = StackWalker.getInstance().walk(frames -> frames.anyMatch(
            f -> f.getClassName().startsWith("java.lang.SondeBridge") || f.getClassName().equals("sonde.Waiter")));
        if (!asks) {
            return;
        }
        switch (thrown.getAndIncrement() % KINDS) {
            case 0: throw new IllegalStateException("not for the agent");
            case 1: throw new AssertionError("not for the agent");
            case 2: Fault.<RuntimeException>sneak(new IOException("not for the agent")); break;
            case 3: throw new StackOverflowError("not for the agent");
            default: throw new OutOfMemoryError("not for the agent");
        }
    }

    /** The same for an object of which one method is bad: the others are asked then. */
    static void meet(String asked, String bad) {
        if (asked.equals(bad)) {
            meet();
        }
    }

    /** What an interface is for the application; every method of it meets the fault first. */
    static <T> T object(Class<T> type, InvocationHandler real) {
        return object(type, null, real);
    }

    /** The same; the bad method alone meets the fault, or with null every one. */
    static <T> T object(Class<T> type, String bad, InvocationHandler real) {
        return type.cast(Proxy.newProxyInstance(Fault.class.getClassLoader(), new Class<?>[] {type}, (self, m, a) -> {
            meet(m.getName(), bad != null ? bad : m.getName());
            if (m.getDeclaringClass() == Object.class) {
                return m.getName().equals("toString") ? "an object" : m.getName().equals("hashCode") ? (Object) 7
                    : (Object) (self == a[0]);
            }
            Object value = real.invoke(self, m, a);
            Class<?> r = m.getReturnType();
            return value != null || !r.isPrimitive() || r == void.class ? value
                : r == boolean.class ? (Object) false : r == long.class ? (Object) 0L : (Object) 0;
        }));
    }

    /** Of the application's own: says nothing to the agent. */
    static final class Nasty extends RuntimeException {
        private static final long serialVersionUID = 1;

        @Override
        public String getMessage() {
            meet();
            return "the application's own";
        }

        @Override
        public synchronized Throwable getCause() {
            meet();
            return null;
        }

        @Override
        public StackTraceElement[] getStackTrace() {
            meet();
            return super.getStackTrace();
        }

        @Override
        public String toString() {
            meet();
            return "nasty";
        }
    }
}
