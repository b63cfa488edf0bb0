// SPDX-License-Identifier: Apache-2.0
// Purpose: lines of Log4j 2; its configuration, with appenders of both kinds, is the test's.
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.apache.logging.log4j.ThreadContext;

public class Log4jLines {
    static void context(String key, String value) {
        if (value != null) {
            ThreadContext.put(key, value);
        } else {
            ThreadContext.remove(key);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Logger logger = LogManager.getLogger("lines");
        Logging.serve(logger::info, Log4jLines::context, ThreadContext::get);
        LogManager.shutdown();
    }
}
