// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in dubbo: invokers, invocations, results and their futures that throw, in the library's
// own invokers and filter; nothing is sent.
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import org.apache.dubbo.common.URL;
import org.apache.dubbo.rpc.AppResponse;
import org.apache.dubbo.rpc.AsyncRpcResult;
import org.apache.dubbo.rpc.Invocation;
import org.apache.dubbo.rpc.InvokeMode;
import org.apache.dubbo.rpc.Invoker;
import org.apache.dubbo.rpc.Result;
import org.apache.dubbo.rpc.RpcInvocation;
import org.apache.dubbo.rpc.cluster.Directory;
import org.apache.dubbo.rpc.cluster.LoadBalance;
import org.apache.dubbo.rpc.cluster.support.AbstractClusterInvoker;
import org.apache.dubbo.rpc.filter.ContextFilter;
import org.apache.dubbo.rpc.model.ApplicationModel;
import org.apache.dubbo.rpc.protocol.AbstractInvoker;

public class DubboCase implements Faults.Case {
    interface Stock {
    }

    static final URL PLACE = URL.valueOf("injvm://127.0.0.1:1/Stock?interface=Stock");

    static class Asked extends RpcInvocation {
        private static final long serialVersionUID = 1;
        final String bad;

        Asked(String bad, InvokeMode mode) {
            this.bad = bad;
            setInvokeMode(mode);
            setArguments(new Object[] {new Object() {
                @Override
                public String toString() {
                    Fault.meet("toString", bad);
                    return "check";
                }
            }});
        }

        @Override
        public String getMethodName() {
            Fault.meet("getMethodName", bad);
            return "$invoke";
        }

        @Override
        public Object[] getArguments() {
            Fault.meet("getArguments", bad);
            return super.getArguments();
        }

        @Override
        public void setAttachment(String key, String value) {
            Fault.meet("setAttachment", bad);
            super.setAttachment(key, value);
        }

        @Override
        public Object getObjectAttachment(String key) {
            Fault.meet("getObjectAttachment", bad);
            return super.getObjectAttachment(key);
        }
    }

    static class Answer extends AppResponse {
        private static final long serialVersionUID = 1;
        final String bad;

        Answer(String bad) {
            super("3 pears");
            this.bad = bad;
        }

        @Override
        public Throwable getException() {
            Fault.meet("getException", bad);
            return super.getException();
        }
    }

    static class Future extends CompletableFuture<AppResponse> {
        final String bad;

        Future(String bad) {
            this.bad = bad;
        }

        @Override public boolean isDone() { Fault.meet("isDone", bad); return super.isDone(); }

        @Override
        public boolean isCompletedExceptionally() {
            Fault.meet("isCompletedExceptionally", bad);
            return super.isCompletedExceptionally();
        }

        @Override
        public AppResponse getNow(AppResponse otherwise) {
            Fault.meet("getNow", bad);
            return super.getNow(otherwise);
        }

        @Override
        public CompletableFuture<AppResponse> whenComplete(BiConsumer<? super AppResponse, ? super Throwable> then) {
            Fault.meet("whenComplete", bad);
            return super.whenComplete(then);
        }
    }

    static class Answers extends AsyncRpcResult {
        final String bad;

        Answers(String bad, Future future, Invocation of) {
            super(future, of);
            this.bad = bad;
        }

        @Override
        public CompletableFuture<AppResponse> getResponseFuture() {
            Fault.meet("getResponseFuture", bad);
            return super.getResponseFuture();
        }
    }

    static class Attempt extends AbstractInvoker<Stock> {
        final String bad;
        final Future future;

        Attempt(String bad, Future future) {
            super(Stock.class, PLACE);
            this.bad = bad;
            this.future = future;
        }

        @Override
        public URL getUrl() {
            Fault.meet("getUrl", bad);
            return super.getUrl();
        }

        @Override
        protected Result doInvoke(Invocation of) {
            return new Answers(bad, future, of);
        }
    }

    static final List<String> ASKED = List.of("getUrl", "getMethodName", "getArguments", "toString");
    static final List<String> ANSWERED = List.of("getException", "isDone", "isCompletedExceptionally", "getNow",
        "whenComplete", "getResponseFuture");

    // What has ended when the invoker gives it, and what ends later.
    private void attempts(Faults to, String bad, Throwable failure) {
        for (boolean late : new boolean[] {false, true}) {
            to.calls("attempt " + bad + " " + late, () -> {
                Future future = new Future(bad);
                Runnable end = () -> {
                    AppResponse answer = new Answer(bad);
                    answer.setException(failure);
                    future.complete(answer);
                };
                if (!late) {
                    end.run();
                }
                InvokeMode mode = late ? InvokeMode.FUTURE : InvokeMode.SYNC;
                Result got = new Attempt(bad, future).invoke(new Asked(bad, mode));
                if (late) {
                    end.run();
                }
                return got.getValue() + " " + (got.getException() == failure);
            }, "CLIENT");
        }
    }

    private void attemptsThatFail(Faults to, String bad, boolean late, Throwable failure) {
        to.calls("failed future " + bad + " " + late, () -> {
            Future future = new Future(bad);
            Runnable end = () -> future.completeExceptionally(failure);
            if (!late) {
                end.run();
            }
            new Attempt(bad, future).invoke(new Asked(bad, InvokeMode.FUTURE));
            if (late) {
                end.run();
            }
            return future.handle((answer, e) -> e == failure).join();
        }, "CLIENT");
    }

    private void served(Faults to, String bad, Throwable failure) {
        ContextFilter filter = new ContextFilter(ApplicationModel.defaultModel());
        to.calls("served " + bad, () -> {
            Result result = Fault.object(Result.class, bad,
                                         (self, m, a) -> m.getName().equals("getValue") ? "3 pears" : null);
            Invoker<?> invoker = Fault.object(Invoker.class, bad, (self, m, a) -> {
                switch (m.getName()) {
                    case "getUrl": return PLACE;
                    case "getInterface": return Stock.class;
                    case "invoke":
                        if (failure != null) {
                            throw failure;
                        }
                        return result;
                    default: return null;
                }
            });
            try {
                return filter.invoke(invoker, new Asked(bad, InvokeMode.SYNC)).getValue();
            } catch (Fault.Nasty e) {
                return "throws the same: " + (e == failure);
            }
        }, "SERVER");
    }

    private void clusters(Faults to, String bad, RuntimeException failure) {
        @SuppressWarnings("unchecked")
        Directory<Stock> directory = Fault.object(Directory.class, bad, (self, m, a) -> {
            switch (m.getName()) {
                case "getUrl":
                case "getConsumerUrl": return PLACE;
                case "getInterface": return Stock.class;
                case "list": return Collections.emptyList();
                default: return null;
            }
        });
        AbstractClusterInvoker<Stock> cluster = new AbstractClusterInvoker<>(directory) {
            @Override
            public URL getUrl() {
                Fault.meet("getUrl", bad);
                return PLACE;
            }

            @Override
            protected Result doInvoke(Invocation of, List<Invoker<Stock>> invokers, LoadBalance by) {
                throw failure;
            }
        };
        to.throwsIt("cluster " + bad, () -> cluster.invoke(new Asked(bad, InvokeMode.SYNC)), failure, "CLIENT");
    }

    @Override
    public void run(Faults to) {
        Fault.Nasty nasty = new Fault.Nasty();
        for (String bad : ASKED) {
            attempts(to, bad, null);
            served(to, bad, null);
            clusters(to, bad, nasty);
        }
        attempts(to, "setAttachment", null);
        for (String bad : ANSWERED) {
            attempts(to, bad, nasty);
            attemptsThatFail(to, bad, true, nasty);
        }
        attemptsThatFail(to, "getNow", false, nasty);
        for (String bad : List.of("getObjectAttachment", "getException")) {
            served(to, bad, null);
            served(to, bad, nasty);
        }
    }
}
