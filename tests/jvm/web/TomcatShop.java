// SPDX-License-Identifier: Apache-2.0
// Purpose: the shop in an embedded Tomcat 10. Usage: TomcatShop JDBC-URL FOLDER; prints "port N".
import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import org.apache.catalina.Context;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.descriptor.web.FilterDef;
import org.apache.tomcat.util.descriptor.web.FilterMap;

public class TomcatShop {
    static void serve(Context context, String name, jakarta.servlet.Servlet servlet, String path) {
        Tomcat.addServlet(context, name, servlet).setAsyncSupported(true);
        context.addServletMappingDecoded(path, name);
    }

    static void filter(Context context, String name, Filter passed, DispatcherType... types) {
        FilterDef filter = new FilterDef();
        filter.setFilterName(name);
        filter.setFilter(passed);
        filter.setAsyncSupported("true");
        context.addFilterDef(filter);
        FilterMap map = new FilterMap();
        map.setFilterName(name);
        map.addURLPattern("/*");
        for (DispatcherType type : types) {
            map.setDispatcher(type.name());
        }
        context.addFilterMap(map);
    }

    public static void main(String[] args) throws Exception {
        Shop.url = args[0];
        Shop.fill();
        Shop.serveOddRequests();
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(args[1]);
        tomcat.setPort(0);
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        Context context = tomcat.addContext("/shop", args[1]);
        filter(context, "one", new Shop.Pass());
        filter(context, "two", new Shop.Pass());
        serve(context, "cart", new Shop.Cart(), "/cart");
        serve(context, "broken", new Shop.Broken(), "/broken/*");
        serve(context, "later", new Shop.Later(), "/later");
        serve(context, "again", new Shop.Again(), "/again");
        tomcat.start();
        System.out.println("port " + tomcat.getConnector().getLocalPort());
        tomcat.getServer().await();
    }
}
