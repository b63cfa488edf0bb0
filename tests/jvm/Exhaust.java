// SPDX-License-Identifier: Apache-2.0
// Purpose: runs out of heap, twice at once, and goes on. Run it with a small -Xmx.
import java.util.ArrayList;
import java.util.List;

public class Exhaust {
    static void fill(List<long[]> kept) {
        while (true) {
            kept.add(new long[1 << 16]);
        }
    }

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < 2; i++) {
            List<long[]> kept = new ArrayList<>();
            try {
                fill(kept);
            } catch (OutOfMemoryError e) {
                kept.clear();
            }
        }
        System.out.println("out");
        System.in.read();
    }
}
