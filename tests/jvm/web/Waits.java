// SPDX-License-Identifier: Apache-2.0
// Purpose: an asynchronous servlet, for jakarta.servlet; the test turns the name into javax for
// containers of that age. Once two requests wait, and the agent has had so much to do meanwhile
// (Busy.java) that it rests, one is completed and the other is dispatched.
// "begun"; "end" on standard input ends both; the answers are the client's; another line ends it
import jakarta.servlet.AsyncContext;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
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

    static void end(AsyncContext async) {
        boolean isCompleted = ((HttpServletRequest) async.getRequest()).getQueryString().equals("complete");
        if (isCompleted) {
            ((HttpServletResponse) async.getResponse()).setStatus(202);
            async.complete();
        } else {
            async.dispatch();
        }
    }

    static void holdTwo() throws IOException, InterruptedException {
        AsyncContext one = WAITING.take(), two = WAITING.take();
        Busy.begin();
        System.out.println("begun");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        in.readLine();
        Busy.end();
        end(one);
        end(two);
        in.readLine();
    }
}
