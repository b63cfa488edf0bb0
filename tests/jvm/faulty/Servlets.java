// SPDX-License-Identifier: Apache-2.0
// Purpose: plug-in servlet: requests and answers that throw, in javax and jakarta, a servlet and a filter.
import java.lang.reflect.InvocationHandler;
import java.util.HashMap;
import java.util.Map;

public class Servlets implements Faults.Case {
    static InvocationHandler request() {
        Map<Object, Object> attributes = new HashMap<>();
        return (self, m, a) -> {
            switch (m.getName()) {
                case "getMethod": return "GET";
                case "getRequestURI": return "/cart";
                case "getAttribute": return attributes.get(a[0]);
                case "setAttribute": return attributes.put(a[0], a[1]);
                default: return null;
            }
        };
    }

    static class Cart extends javax.servlet.GenericServlet {
        private static final long serialVersionUID = 1;
        RuntimeException failure;
        String served;

        @Override
        public void service(javax.servlet.ServletRequest q, javax.servlet.ServletResponse r) {
            served = ((javax.servlet.http.HttpServletRequest) q).getMethod();
            if (failure != null) {
                throw failure;
            }
        }
    }

    static class Gate implements jakarta.servlet.Filter {
        @Override
        public void doFilter(jakarta.servlet.ServletRequest q, jakarta.servlet.ServletResponse r,
                             jakarta.servlet.FilterChain next) throws java.io.IOException, jakarta.servlet.ServletException {
            next.doFilter(q, r);
        }
    }

    @Override
    public void run(Faults to) {
        Cart cart = new Cart();
        Faults.Call serve = () -> {
            cart.service(Fault.object(javax.servlet.http.HttpServletRequest.class, request()),
                         Fault.object(javax.servlet.http.HttpServletResponse.class, (self, m, a) -> null));
            return cart.served;
        };
        to.calls("servlet", serve, "SERVER");
        cart.failure = new Fault.Nasty();
        to.throwsIt("servlet", serve, cart.failure, "SERVER");
        to.calls("filter", () -> {
            StringBuilder seen = new StringBuilder();
            new Gate().doFilter(
                Fault.object(jakarta.servlet.http.HttpServletRequest.class, request()),
                Fault.object(jakarta.servlet.http.HttpServletResponse.class, (self, m, a) -> null),
                (q, r) -> seen.append(((jakarta.servlet.http.HttpServletRequest) q).getRequestURI()));
            return seen;
        }, "SERVER");
    }
}
