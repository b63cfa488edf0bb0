// SPDX-License-Identifier: Apache-2.0
// Purpose: records of java.util.logging that SLF4J's bridge hands on to Logback.
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import org.slf4j.LoggerFactory;
import org.slf4j.bridge.SLF4JBridgeHandler;

public class BridgedRecords {
    public static void main(String[] arguments) {
        Logger root = (Logger) LoggerFactory.getLogger("ROOT");
        LoggerContext in = root.getLoggerContext();
        in.reset();
        root.addAppender(LogbackLines.console(in, "now"));
        SLF4JBridgeHandler.removeHandlersForRootLogger();
        SLF4JBridgeHandler.install();
        java.util.logging.Logger.getLogger("shop.Bridge").severe("handed on");
        in.stop();
    }
}
