// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-ins executors, fork-join, completable-future and threads: tasks whose own methods throw at
// the agent and whose work fails.
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RecursiveTask;

public class Tasks implements Faults.Case {
    static class Work implements Runnable {
        final RuntimeException failure;

        Work(RuntimeException failure) {
            this.failure = failure;
        }

        @Override
        public void run() {
            throw failure;
        }

        @Override
        public int hashCode() {
            Fault.meet();
            return 7;
        }

        @Override
        public boolean equals(Object other) {
            Fault.meet();
            return this == other;
        }

        @Override
        public String toString() {
            Fault.meet();
            return "work";
        }
    }

    static class Half extends RecursiveTask<Integer> {
        private static final long serialVersionUID = 1;
        final RuntimeException failure;

        Half(RuntimeException failure) {
            this.failure = failure;
        }

        @Override
        protected Integer compute() {
            throw failure;
        }

        @Override
        public String toString() {
            Fault.meet();
            return "half";
        }
    }

    static Object cause(Faults.Call call, Throwable e) throws Throwable {
        try {
            return call.get();
        } catch (ExecutionException | java.util.concurrent.CompletionException wrapped) {
            return "throws the same: " + (wrapped.getCause() == e);
        }
    }

    @Override
    public void run(Faults to) throws Exception {
        Fault.Nasty nasty = new Fault.Nasty();
        ExecutorService pool = Executors.newFixedThreadPool(2);
        to.calls("submit", () -> cause(() -> pool.submit(new Work(nasty)).get(), nasty));
        to.calls("runAsync", () -> cause(() -> CompletableFuture.runAsync(new Work(nasty), pool)
            .thenApply(x -> "never").join(), nasty));
        to.calls("thenCompose", () -> cause(() -> CompletableFuture.supplyAsync(() -> "a", pool)
            .thenCompose(x -> {
                throw nasty;
            }).join(), nasty));
        ForkJoinPool fork = new ForkJoinPool(2);
        to.calls("fork", () -> {
            try {
                return fork.invoke(new Half(nasty));
            } catch (Fault.Nasty e) {
                return "throws a nasty one";
            }
        });
        to.calls("timer", () -> {
            CountDownLatch ran = new CountDownLatch(1);
            Timer timer = new Timer(true);
            timer.schedule(new TimerTask() {
                @Override
                public void run() {
                    ran.countDown();
                }

                @Override
                public String toString() {
                    Fault.meet();
                    return "task";
                }
            }, 0);
            ran.await();
            timer.cancel();
            return "ran";
        });
        pool.shutdown();
        fork.shutdown();
    }
}
