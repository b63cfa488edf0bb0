// SPDX-License-Identifier: Apache-2.0
// Purpose: a program whose threads end when it is told to. At each line on standard input it has the
// JVM collect its garbage, ends the COUNT threads that it has and starts as many others; it says
// "turned" then. It ends with its input.
// Usage: Ending COUNT
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;

public class Ending {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        List<Thread> threads = new ArrayList<>();
        CountDownLatch gate = new CountDownLatch(1);
        System.out.println("up");
        while (in.readLine() != null) {
            System.gc();
            gate.countDown();
            for (Thread t : threads) {
                t.join();
            }
            threads.clear();
            CountDownLatch next = new CountDownLatch(1);
            gate = next;
            for (int i = 0; i < Integer.parseInt(args[0]); i++) {
                Thread t = new Thread(() -> {
                    try {
                        next.await();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                });
                t.setDaemon(true);
                t.start();
                threads.add(t);
            }
            System.out.println("turned");
        }
    }
}
