// SPDX-License-Identifier: Apache-2.0
// Purpose: every way of handing work to another thread, each taken by several requests at once. The
// server answers /case?NAME-ID by running the case NAME, whose tasks call /step?NAME-ID: those calls
// must be children of that request and of no other. What runs outside of any request calls /outside.
// Usage: Threads REQUESTS [late]     (of each case at once; prints "case NAME CALLS" for each case and
// "outside CALLS" at the end; "late": with every pool's threads there, prints "ready" and goes on
// after a line of standard input, by when the agent has come)
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URL;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RecursiveAction;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

public class Threads {
    interface Case {
        void run(String id) throws Exception;
    }

    static int port;
    static final AtomicInteger outside = new AtomicInteger();
    static final Map<String, Case> cases = new LinkedHashMap<>();
    static final Map<String, Integer> calls = new LinkedHashMap<>();
    static final ExecutorService pool = Executors.newFixedThreadPool(3);
    static final ExecutorService single = Executors.newSingleThreadExecutor();
    static final ScheduledExecutorService scheduled = Executors.newScheduledThreadPool(2);
    static final ForkJoinPool forkJoin = new ForkJoinPool(3);
    static final Timer timer = new Timer(true);

    static void call(String path) {
        try {
            HttpURLConnection c = (HttpURLConnection) new URL("http://127.0.0.1:" + port + path).openConnection();
            try (InputStream in = c.getInputStream()) {
                in.readAllBytes();
            }
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    static void step(String id) {
        call("/step?" + id);
    }

    static void outside() {
        outside.incrementAndGet();
        call("/outside");
    }

    static void add(String name, int steps, Case what) {
        cases.put(name, what);
        calls.put(name, steps);
    }

    static Runnable counted(CountDownLatch done, Runnable what) {
        return () -> {
            try {
                what.run();
            } finally {
                done.countDown();
            }
        };
    }

    // ---- Thread pools ------------------------------------------------------------------------

    static final Queue<String> shared = new ConcurrentLinkedQueue<>();
    static final Map<String, CountDownLatch> waiting = new java.util.concurrent.ConcurrentHashMap<>();
    // One object for everybody: only the order tells whose run it is.
    static final Runnable SHARED = () -> {
        String id = shared.remove();
        step(id);
        waiting.get(id).countDown();
    };

    static void sharedTask(String id) throws Exception {
        CountDownLatch done = new CountDownLatch(2);
        waiting.put(id, done);
        for (int i = 0; i < 2; i++) {
            synchronized (shared) {
                shared.add(id);
                single.execute(SHARED);
            }
        }
        done.await();
    }

    // A queue of one, whose policy drops the oldest: the shared object is dropped and stays exact.
    static void dropped(String id) throws Exception {
        ThreadPoolExecutor small = new ThreadPoolExecutor(1, 1, 0, TimeUnit.SECONDS, new LinkedBlockingQueue<>(1),
                                                          new ThreadPoolExecutor.DiscardOldestPolicy());
        CountDownLatch begin = new CountDownLatch(1);
        Semaphore ran = new Semaphore(0);
        Runnable task = () -> {
            step(id);
            ran.release();
        };
        small.execute(() -> {
            try {
                begin.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
        for (int i = 0; i < 3; i++) {
            small.execute(task);
        }
        begin.countDown();
        ran.acquire();
        small.execute(task);
        ran.acquire();
        small.shutdown();
    }

    static void invokeAll(ExecutorService to, String id) throws Exception {
        List<Callable<Void>> tasks = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            tasks.add(() -> {
                step(id);
                return null;
            });
        }
        for (Future<Void> f : to.invokeAll(tasks)) {
            f.get();
        }
    }

    // The first run belongs to the request, the others to nobody.
    static void periodic(String id) throws Exception {
        AtomicInteger runs = new AtomicInteger();
        CountDownLatch done = new CountDownLatch(3);
        Future<?> f = scheduled.scheduleWithFixedDelay(counted(done, () -> {
            int run = runs.getAndIncrement();
            if (run == 0) {
                step(id);
            } else if (run < 3) {
                outside();
            }
        }), 1, 1, TimeUnit.MILLISECONDS);
        done.await();
        f.cancel(false);
    }

    static void executors() {
        add("execute", 1, id -> {
            CountDownLatch done = new CountDownLatch(1);
            pool.execute(counted(done, () -> step(id)));
            done.await();
        });
        add("shared", 2, Threads::sharedTask);
        add("dropped", 2, Threads::dropped);
        add("submit", 1, id -> pool.submit(() -> step(id)).get());
        add("invokeAll", 3, id -> invokeAll(pool, id));
        add("schedule", 1, id -> scheduled.schedule(() -> step(id), 2, TimeUnit.MILLISECONDS).get());
        add("periodic", 1, Threads::periodic);
        add("nested", 1, id -> pool.submit(() -> scheduled.submit(() -> forkJoin.submit(() -> step(id)).get()).get()).get());
        add("freshPool", 1, id -> {
            ExecutorService fresh = Executors.newCachedThreadPool();
            fresh.submit(() -> step(id)).get();
            Thread plain = new Thread(() -> { // as something without a trace would use the pool
                try {
                    fresh.submit(() -> { }).get();
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            });
            plain.start();
            plain.join();
            fresh.shutdown();
        });
    }

    // ---- Fork and join -----------------------------------------------------------------------

    static class Split extends RecursiveAction {
        final String id;
        final int n;

        Split(String id, int n) {
            this.id = id;
            this.n = n;
        }

        @Override
        protected void compute() {
            if (n == 1) {
                step(id);
            } else {
                invokeAll(new Split(id, n / 2), new Split(id, n - n / 2));
            }
        }
    }

    static void forkJoins() {
        add("forkJoin", 1, id -> forkJoin.submit(() -> step(id)).get());
        add("forkJoinExecute", 1, id -> {
            CountDownLatch done = new CountDownLatch(1);
            forkJoin.execute(counted(done, () -> step(id)));
            done.await();
        });
        add("forkJoinInvokeAll", 3, id -> invokeAll(forkJoin, id));
        add("recursive", 5, id -> forkJoin.invoke(new Split(id, 5)));
        add("recursiveCommon", 4, id -> new Split(id, 4).invoke());
        add("parallelStream", 6, id -> IntStream.range(0, 6).parallel().forEach(i -> step(id)));
    }

    // ---- CompletableFuture -------------------------------------------------------------------

    static final Queue<CompletableFuture<String>> pending = new ConcurrentLinkedQueue<>();

    // One request completes the futures of all that wait: each action runs for its registrant.
    static void completedByAnother(String id) throws Exception {
        CompletableFuture<String> f = new CompletableFuture<>();
        CompletableFuture<Void> then = f.thenApply(x -> {
            step(id);
            return x;
        }).thenAccept(x -> step(id));
        CompletableFuture<Void> async = f.thenRunAsync(() -> step(id), pool);
        pending.add(f);
        barrier.await();
        for (CompletableFuture<String> p = pending.poll(); p != null; p = pending.poll()) {
            p.complete("");
        }
        CompletableFuture.allOf(then, async).get();
    }

    static CyclicBarrier barrier;

    static void completableFutures() {
        add("supplyAsync", 1, id -> CompletableFuture.runAsync(() -> step(id)).get());
        add("supplyAsyncPool", 1, id -> CompletableFuture.runAsync(() -> step(id), pool).get());
        add("perTask", 1, id -> CompletableFuture.runAsync(() -> step(id), r -> new Thread(r).start()).get());
        add("thenApplyAsync", 3, id -> CompletableFuture.runAsync(() -> step(id), pool)
            .thenRunAsync(() -> step(id)).thenRunAsync(() -> step(id), forkJoin).get());
        add("thenCompose", 3, id -> CompletableFuture.runAsync(() -> step(id), pool)
            .thenCompose(x -> CompletableFuture.runAsync(() -> step(id), forkJoin))
            .handle((x, e) -> {
                step(id);
                return x;
            }).get());
        add("combine", 3, id -> CompletableFuture.runAsync(() -> step(id), pool)
            .thenCombine(CompletableFuture.runAsync(() -> step(id), forkJoin), (a, b) -> {
                step(id);
                return a;
            }).get());
        add("exceptionally", 1, id -> CompletableFuture.supplyAsync(() -> {
            throw new IllegalStateException("meant");
        }, pool).exceptionally(e -> {
            step(id);
            return null;
        }).get());
        add("completedByAnother", 3, Threads::completedByAnother);
    }

    // ---- Threads -----------------------------------------------------------------------------

    static void timed(String id) throws Exception {
        AtomicInteger runs = new AtomicInteger();
        CountDownLatch done = new CountDownLatch(3);
        TimerTask task = new TimerTask() {
            @Override
            public void run() {
                int run = runs.getAndIncrement();
                if (run == 0) {
                    step(id);
                } else if (run < 3) {
                    outside();
                }
                done.countDown();
            }
        };
        timer.schedule(task, 1, 1);
        done.await();
        task.cancel();
    }

    static void threads() throws Exception {
        add("thread", 2, id -> {
            Thread outer = new Thread(() -> {
                step(id);
                Thread inner = new Thread(() -> step(id));
                inner.start();
                join(inner);
            });
            outer.start();
            outer.join();
        });
        add("timer", 1, id -> {
            CountDownLatch done = new CountDownLatch(1);
            timer.schedule(new TimerTask() {
                @Override
                public void run() {
                    counted(done, () -> step(id)).run();
                }
            }, 2);
            done.await();
        });
        add("timerPeriodic", 1, Threads::timed);
        if (Runtime.version().feature() >= 21) {
            virtualThreads();
        }
    }

    static void join(Thread t) {
        try {
            t.join();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    // By reflection: this file is compiled for JDK 11.
    static void virtualThreads() throws Exception {
        java.lang.reflect.Method start = Thread.class.getMethod("startVirtualThread", Runnable.class);
        ExecutorService each = (ExecutorService) Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
        add("virtual", 2, id -> join((Thread) start.invoke(null, (Runnable) () -> {
            step(id);
            try {
                Thread.sleep(1); // comes back on whichever carrier
                join((Thread) start.invoke(null, (Runnable) () -> step(id)));
            } catch (ReflectiveOperationException | InterruptedException e) {
                throw new IllegalStateException(e);
            }
        })));
        add("virtualExecutor", 3, id -> invokeAll(each, id));
        add("virtualToPool", 1, id -> each.submit(() -> pool.submit(() -> step(id)).get()).get());
    }

    // ---- All of it ---------------------------------------------------------------------------

    static final ExecutorService handlers = Executors.newCachedThreadPool();

    static void serve() throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.setExecutor(handlers);
        server.createContext("/case", x -> {
            String id = x.getRequestURI().getQuery();
            try {
                cases.get(id.substring(0, id.indexOf('-'))).run(id);
                x.sendResponseHeaders(200, -1);
            } catch (Exception e) {
                e.printStackTrace();
                x.sendResponseHeaders(500, -1);
            }
            x.close();
        });
        for (String path : new String[] {"/step", "/outside"}) {
            server.createContext(path, x -> {
                x.sendResponseHeaders(200, -1);
                x.close();
            });
        }
        server.start();
        port = server.getAddress().getPort();
    }

    // The pools after all that: none of their threads is still in somebody's trace.
    static void afterwards() throws Exception {
        for (ExecutorService e : new ExecutorService[] {pool, single, scheduled, forkJoin, ForkJoinPool.commonPool()}) {
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                all.add(e.submit(Threads::outside));
            }
            for (Future<?> f : all) {
                f.get();
            }
        }
        CompletableFuture.runAsync(Threads::outside).thenRunAsync(Threads::outside, pool).get();
        Thread plain = new Thread(Threads::outside);
        plain.start();
        plain.join();
    }

    // Every worker of every pool runs one task: the threads are there, and have come out of the code
    // they were waiting in.
    static void everyWorker() throws Exception {
        Map<ExecutorService, Integer> sizes = Map.of(pool, 3, single, 1, scheduled, 2, forkJoin, 3);
        for (Map.Entry<ExecutorService, Integer> e : sizes.entrySet()) {
            CyclicBarrier all = new CyclicBarrier(e.getValue());
            List<Future<?>> tasks = new ArrayList<>();
            for (int i = 0; i < e.getValue(); i++) {
                tasks.add(e.getKey().submit(() -> all.await()));
            }
            for (Future<?> f : tasks) {
                f.get();
            }
        }
    }

    static void run(String name, int requests) throws InterruptedException {
        List<Thread> clients = new ArrayList<>();
        for (int i = 0; i < requests; i++) {
            String id = name + "-" + i;
            Thread t = new Thread(() -> call("/case?" + id));
            t.start();
            clients.add(t);
        }
        for (Thread t : clients) {
            t.join();
        }
        System.out.println("case " + name + " " + calls.get(name));
    }

    // Right from the first task on, though the workers are in the code from before: what they share
    // by execute(), and what submit() makes.
    static final List<String> AT_ONCE = List.of("shared", "execute", "submit");

    static void late(int requests) throws Exception {
        everyWorker();
        timer.purge();
        System.out.println("ready");
        System.in.read();
        for (String name : AT_ONCE) {
            run(name, requests);
        }
    }

    public static void main(String[] args) throws Exception {
        int requests = Integer.parseInt(args[0]);
        barrier = new CyclicBarrier(requests);
        executors();
        forkJoins();
        completableFutures();
        threads();
        serve();
        Map<String, Case> todo = cases;
        if (args.length > 1) {
            late(requests);
            todo = new LinkedHashMap<>(cases);
            todo.keySet().removeAll(AT_ONCE);
        }
        for (String name : todo.keySet()) {
            run(name, requests);
        }
        afterwards();
        System.out.println("outside " + outside);
        Web.exitAfter(handlers);
    }
}
