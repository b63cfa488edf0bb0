// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in uncaught: threads that end by exceptions which tell the agent nothing; their handler
// gets them as ever.
public class Uncaught implements Faults.Case {
    @Override
    public void run(Faults to) {
        to.calls("thread", () -> {
            Fault.Nasty nasty = new Fault.Nasty();
            Throwable[] got = new Throwable[1];
            Thread thread = new Thread(() -> {
                throw nasty;
            });
            thread.setUncaughtExceptionHandler((t, e) -> got[0] = e);
            thread.start();
            thread.join();
            return got[0] == nasty;
        });
    }
}
