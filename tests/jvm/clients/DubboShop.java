// SPDX-License-Identifier: Apache-2.0
// Purpose: a web service and a Dubbo service, Stock, that it asks in every way there is. Arguments:
// the protocol, a port for it, a port where nobody listens.
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.registry.NotifyListener;
import org.apache.dubbo.registry.Registry;
import org.apache.dubbo.registry.RegistryFactory;
import org.apache.dubbo.registry.support.AbstractRegistryFactory;
import org.apache.dubbo.registry.support.FailbackRegistry;
import org.apache.dubbo.rpc.RpcContext;
import org.apache.dubbo.rpc.RpcException;
import org.apache.dubbo.rpc.model.ApplicationModel;
import org.apache.dubbo.rpc.model.FrameworkModel;
import org.apache.dubbo.rpc.service.GenericService;

public class DubboShop {
    static Entries entries;
    static final CountDownLatch late = new CountDownLatch(1), first = new CountDownLatch(1);
    static final AtomicInteger tries = new AtomicInteger();

    static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    public static class Shelf implements Stock {
        @Override
        public String check(String what) {
            switch (what) {
                case "broken":
                    throw new IllegalStateException("bad pears");
                case "late":
                    await(late);
                    break;
                case "flaky":
                    if (tries.incrementAndGet() == 1) {
                        await(first);
                    }
                    break;
                default:
            }
            entries.leaf();
            return "3 " + what;
        }

        @Override
        public CompletableFuture<String> later(String what) {
            return CompletableFuture.supplyAsync(() -> {
                if (what.equals("broken")) {
                    throw new IllegalArgumentException("bad plums");
                }
                entries.leaf();
                return "3 " + what;
            });
        }
    }

    // A registry where nobody has registered.
    public static class EmptyRegistryFactory extends AbstractRegistryFactory {
        @Override
        protected Registry createRegistry(org.apache.dubbo.common.URL url) {
            return new FailbackRegistry(url) {
                @Override
                public void doRegister(org.apache.dubbo.common.URL one) {}

                @Override
                public void doUnregister(org.apache.dubbo.common.URL one) {}

                @Override
                public void doSubscribe(org.apache.dubbo.common.URL one, NotifyListener listener) {
                    notify(one, listener, List.of(one.setProtocol("empty").addParameter("category", "providers")));
                }

                @Override
                public void doUnsubscribe(org.apache.dubbo.common.URL one, NotifyListener listener) {}

                @Override
                public boolean isAvailable() {
                    return true;
                }
            };
        }
    }

    static void configure() {
        ApplicationConfig application = new ApplicationConfig("shop");
        application.setQosEnable(false);
        ApplicationModel.defaultModel().getApplicationConfigManager().setApplication(application);
    }

    static void export(String protocol, int port) {
        ServiceConfig<Stock> service = new ServiceConfig<>();
        ProtocolConfig by = new ProtocolConfig(protocol, port);
        by.setHost("127.0.0.1");
        service.setProtocol(by);
        service.setRegistry(new RegistryConfig("N/A"));
        service.setInterface(Stock.class);
        service.setRef(new Shelf());
        service.export();
    }

    static <T> ReferenceConfig<T> reference(String url, int timeout_ms, int retries) {
        ReferenceConfig<T> r = new ReferenceConfig<>();
        r.setInterface(Stock.class);
        r.setUrl(url);
        r.setTimeout(timeout_ms);
        r.setRetries(retries);
        r.setCheck(false);
        return r;
    }

    static GenericService generic(String url) {
        ReferenceConfig<GenericService> r = reference(url, 60000, 0);
        r.setInterface(Stock.class.getName());
        r.setGeneric("true");
        return r.get();
    }

    static Stock local() {
        ReferenceConfig<Stock> r = reference(null, 60000, 0);
        r.setScope("local");
        return r.get();
    }

    static Stock nobody() {
        ApplicationModel.defaultModel().getExtensionLoader(RegistryFactory.class)
            .addExtension("nobody", EmptyRegistryFactory.class);
        RegistryConfig registry = new RegistryConfig("nobody://127.0.0.1:1");
        registry.setRegisterMode("interface");
        ReferenceConfig<Stock> r = reference(null, 60000, 0);
        r.setRegistry(registry);
        r.setScope("remote");
        return r.get();
    }

    static void expect_failure(Entries.Work work) {
        try {
            work.run();
            throw new AssertionError("nothing was thrown");
        } catch (Exception e) {
            System.out.println("failed " + e.getClass().getName()
                               + (e instanceof RpcException ? " " + ((RpcException) e).getCode() : ""));
        }
    }

    static void add_paths(Entries server, String url, String gone_url) {
        Stock stock = DubboShop.<Stock>reference(url, 60000, 0).get(), local = local(), nobody = nobody();
        Stock hasty = DubboShop.<Stock>reference(url, 3000, 0).get();
        Stock stubborn = DubboShop.<Stock>reference(url, 3000, 2).get();
        Stock gone = DubboShop.<Stock>reference(gone_url, 60000, 0).get();
        GenericService generic = generic(url);
        server.serve("/sync", () -> stock.check("pears"));
        server.serve("/later", () -> stock.later("pears").thenAccept(s -> entries.leaf()).get());
        server.serve("/future", () -> RpcContext.getServiceContext().asyncCall(() -> stock.check("pears")).get());
        server.serve("/generic",
              () -> generic.$invoke("check", new String[] {"java.lang.String"}, new Object[] {"pears"}));
        server.serve("/local", () -> local.check("pears"));
        server.serve("/broken", () -> expect_failure(() -> stock.check("broken")));
        server.serve("/broken-later", () -> expect_failure(() -> stock.later("broken").get()));
        server.serve("/late", () -> {
            expect_failure(() -> hasty.check("late"));
            late.countDown();
        });
        server.serve("/retried", () -> {
            stubborn.check("flaky");
            first.countDown();
        });
        server.serve("/gone", () -> expect_failure(() -> gone.check("pears")));
        server.serve("/nobody", () -> expect_failure(() -> nobody.check("pears")));
    }

    public static void main(String[] arguments) throws Exception {
        String protocol = arguments[0];
        configure();
        export(protocol, Integer.parseInt(arguments[1]));
        entries = new Entries();
        add_paths(entries, protocol + "://127.0.0.1:" + arguments[1], protocol + "://127.0.0.1:" + arguments[2]);
        entries.serveUntilTold();
        FrameworkModel.destroyAll();
        entries.stop();
    }
}
