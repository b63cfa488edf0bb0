// SPDX-License-Identifier: Apache-2.0
// Purpose: what the shop's Java services share, as common.js and switches.js for the others: ports,
// switches, calls of another service, JSON texts. Nothing here knows of tracing; the agent is loaded
// beside it (-agentpath).
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

final class Common {
    private Common() {
    }

    // Where a service listens: the supervisor puts every port into the environment.
    static int portOf(String service) {
        return Integer.parseInt(System.getenv("SHOP_" + service.toUpperCase(Locale.ROOT) + "_PORT"));
    }

    static boolean isOn(String name) {
        return new File(System.getenv("SONDE_DEMO_DIR") + "/switches/" + name).exists();
    }

    // The body of an answer of another service; IOException when it is not there or answers an error.
    static String get(String service, String path, int timeoutMs) throws IOException {
        URL url = new URL("http://127.0.0.1:" + portOf(service) + path);
        HttpURLConnection connection = (HttpURLConnection) url.openConnection();
        connection.setConnectTimeout(timeoutMs);
        connection.setReadTimeout(timeoutMs);
        try (InputStream in = connection.getInputStream()) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    // The number behind `"name":` in a JSON text of our own services.
    static int numberOf(String json, String name) throws IOException {
        Matcher found = Pattern.compile("\"" + name + "\":(\\d{1,9})\\b").matcher(json);
        if (!found.find()) {
            throw new IOException("there is no " + name + " in " + json);
        }
        return Integer.parseInt(found.group(1));
    }

    static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            out.append(c == '"' || c == '\\' || c < ' ' ? String.format("\\u%04x", (int) c) : String.valueOf(c));
        }
        return out.append('"').toString();
    }

    static String errorJson(String message) {
        return "{\"error\":" + quoted(message) + "}";
    }
}
