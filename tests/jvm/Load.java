// SPDX-License-Identifier: Apache-2.0
// Purpose: a program under load: CLIENTS threads send requests to a server of the JDK, which asks a
// second one, 200 times a second each, so that processors are left to others. Told on standard input, it
// answers a line each:
//   mark     "mark REQUESTS FAILURES SLOWEST_MS" since the last mark
//   rest     "resting REQUESTS FAILURES" of all that was sent, once every request has its answer
//   resume   "resumed": the clients go on
//   block    "blocked" once a request waits in its handler
//   release  "released STATUS" of that request, which may go on
//   end      ends
// Usage: Load CLIENTS
import com.sun.net.httpserver.HttpExchange;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantReadWriteLock;

public class Load {
    static final long PACE_NS = 5000000;
    static final AtomicLong requests = new AtomicLong(), failures = new AtomicLong(), slowest = new AtomicLong();
    static long allRequests, allFailures;
    static final ReentrantReadWriteLock resting = new ReentrantReadWriteLock(true); // to write: nobody sends
    static volatile CountDownLatch arrived, gate;

    static ExecutorService workers() {
        return Executors.newFixedThreadPool(6, task -> {
            Thread t = new Thread(task);
            t.setDaemon(true);
            return t;
        });
    }

    static void front(HttpExchange x, int back) throws IOException {
        if ("block".equals(x.getRequestURI().getQuery())) {
            arrived.countDown();
            try {
                gate.await();
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
        }
        Web.answer(x, Web.get("http://127.0.0.1:" + back + "/stock/1"));
    }

    static void load(String url) {
        for (long next = System.nanoTime();; next = Math.max(next + PACE_NS, System.nanoTime() - PACE_NS)) {
            while (System.nanoTime() - next < 0) {
                LockSupport.parkNanos(next - System.nanoTime());
            }
            resting.readLock().lock();
            long begin = System.nanoTime();
            int status = Web.get(url);
            long took = System.nanoTime() - begin;
            requests.incrementAndGet();
            if (status != 200) {
                failures.incrementAndGet();
            }
            slowest.accumulateAndGet(took, Math::max);
            resting.readLock().unlock();
        }
    }

    static String counts() {
        long r = requests.getAndSet(0), f = failures.getAndSet(0);
        allRequests += r;
        allFailures += f;
        return r + " " + f;
    }

    public static void main(String[] args) throws Exception {
        int back = Web.serve("/stock", workers(), x -> Web.answer(x, 200));
        int front = Web.serve("/shop", workers(), x -> front(x, back));
        String url = "http://127.0.0.1:" + front + "/shop";
        for (int i = 0; i < Integer.parseInt(args[0]); i++) {
            Thread t = new Thread(() -> load(url));
            t.setDaemon(true);
            t.start();
        }
        var one = Executors.newSingleThreadExecutor();
        Future<Integer> blocked = null;
        System.out.println("up");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null && !line.equals("end"); line = in.readLine()) {
            if (line.equals("mark")) {
                System.out.println("mark " + counts() + " " + slowest.getAndSet(0) / 1000000);
            } else if (line.equals("rest")) {
                resting.writeLock().lock();
                counts();
                System.out.println("resting " + allRequests + " " + allFailures);
            } else if (line.equals("resume")) {
                resting.writeLock().unlock();
                System.out.println("resumed");
            } else if (line.equals("block")) {
                arrived = new CountDownLatch(1);
                gate = new CountDownLatch(1);
                blocked = one.submit(() -> Web.get(url + "?block"));
                arrived.await();
                System.out.println("blocked");
            } else if (line.equals("release")) {
                gate.countDown();
                System.out.println("released " + blocked.get());
            }
        }
        System.exit(0);
    }
}
