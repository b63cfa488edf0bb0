// SPDX-License-Identifier: Apache-2.0
// Purpose: what handing over a task costs: TASKS empty ones through an executor and a fork-join pool,
// in a request and outside of one. Prints nanoseconds of CPU a task, of all
// threads together, over 100 rounds (the clock ticks every 10 ms).
// Usage: Handover TASKS
import com.sun.net.httpserver.HttpServer;
import java.lang.management.ManagementFactory;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URL;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

public class Handover {
    static final int WARM_UP = 20, ROUNDS = 100;
    static int tasks;

    static long cpu() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    static long round(Executor to, boolean future) throws Exception {
        CountDownLatch done = new CountDownLatch(tasks);
        long begin = cpu();
        for (int i = 0; i < tasks; i++) {
            to.execute(future ? new FutureTask<Void>(() -> {
                done.countDown();
                return null;
            }) : new Runnable() {
                @Override
                public void run() {
                    done.countDown();
                }
            });
        }
        done.await();
        return cpu() - begin;
    }

    static void measure(String where) throws Exception {
        ThreadPoolExecutor pool = new ThreadPoolExecutor(1, 1, 0, TimeUnit.SECONDS, new LinkedBlockingQueue<>());
        ForkJoinPool forkJoin = new ForkJoinPool(1);
        long[] sums = new long[3];
        for (int i = 0; i < WARM_UP + ROUNDS; i++) {
            long[] now = {round(pool, false), round(pool, true), round(forkJoin, false)};
            for (int k = 0; k < 3 && i >= WARM_UP; k++) {
                sums[k] += now[k];
            }
        }
        System.out.println(where + ": Runnable " + sums[0] / ROUNDS / tasks + " FutureTask " + sums[1] / ROUNDS / tasks + " fork-join " + sums[2] / ROUNDS / tasks + " ns");
        pool.shutdown();
        forkJoin.shutdown();
    }

    public static void main(String[] args) throws Exception {
        tasks = Integer.parseInt(args[0]);
        measure("outside");
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", x -> {
            try {
                measure("in a request");
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
            x.sendResponseHeaders(200, -1);
            x.close();
        });
        server.start();
        ((HttpURLConnection) new URL("http://127.0.0.1:" + server.getAddress().getPort() + "/").openConnection()).getResponseCode();
        server.stop(0);
    }
}
