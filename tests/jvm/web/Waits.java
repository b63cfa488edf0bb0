// SPDX-License-Identifier: Apache-2.0
// Purpose: an asynchronous servlet, for jakarta.servlet; the test turns the name into javax for
// containers of that age. Once three requests wait, and the agent has had so much to do meanwhile
// (Busy.java) that it rests, one is completed, one is dispatched to the servlet, and one is dispatched
// and answered by a filter.
// "begun"; "end" on standard input ends all; the answers are the client's; another line ends it
import jakarta.servlet.AsyncContext;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

public class Waits extends HttpServlet {
    static final BlockingQueue<AsyncContext> WAITING = new LinkedBlockingQueue<>();

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) {
        if (request.getAttribute("again") == null) {
            request.setAttribute("again", "yes");
            AsyncContext async = request.startAsync();
            async.setTimeout(0);
            WAITING.add(async);
        } else {
            response.setStatus(203);
        }
    }

    static boolean is(ServletRequest request, String query) {
        return query.equals(((HttpServletRequest) request).getQueryString());
    }

    public static class Answering extends Shop.Pass {
        @Override
        public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
                throws IOException, ServletException {
            if (is(request, "filter") && request.getDispatcherType() == DispatcherType.ASYNC) {
                ((HttpServletResponse) response).setStatus(204);
            } else {
                chain.doFilter(request, response);
            }
        }
    }

    static void end(AsyncContext async) {
        if (is(async.getRequest(), "complete")) {
            ((HttpServletResponse) async.getResponse()).setStatus(202);
            async.complete();
        } else {
            async.dispatch();
        }
    }

    static void holdThree() throws IOException, InterruptedException {
        List<AsyncContext> all = List.of(WAITING.take(), WAITING.take(), WAITING.take());
        Busy.begin();
        System.out.println("begun");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        in.readLine();
        Busy.end();
        all.forEach(Waits::end);
        in.readLine();
    }
}
