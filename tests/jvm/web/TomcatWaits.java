// SPDX-License-Identifier: Apache-2.0
// Purpose: requests that wait (Waits.java) in an embedded Tomcat 10. Usage: TomcatWaits FOLDER; prints "port N".
import jakarta.servlet.DispatcherType;
import org.apache.catalina.Context;
import org.apache.catalina.startup.Tomcat;

public class TomcatWaits {
    public static void main(String[] args) throws Exception {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(args[0]);
        tomcat.setPort(0);
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        Context context = tomcat.addContext("/shop", args[0]);
        TomcatShop.filter(context, "answering", new Waits.Answering(), DispatcherType.REQUEST, DispatcherType.ASYNC);
        TomcatShop.serve(context, "waits", new Waits(), "/waits");
        tomcat.start();
        System.out.println("port " + tomcat.getConnector().getLocalPort());
        Waits.holdThree();
        tomcat.stop();
        System.exit(0);
    }
}
