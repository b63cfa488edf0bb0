// SPDX-License-Identifier: Apache-2.0
// Purpose: methods of a gRPC service, Stock, that has no generated stubs: texts go over the wire.
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

class Texts implements MethodDescriptor.Marshaller<String> {
    @Override
    public InputStream stream(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public String parse(InputStream in) {
        try {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    static MethodDescriptor<String, String> method(String name, MethodType type) {
        return MethodDescriptor.<String, String>newBuilder()
            .setFullMethodName("shop.Stock/" + name).setType(type)
            .setRequestMarshaller(new Texts()).setResponseMarshaller(new Texts()).build();
    }
}
