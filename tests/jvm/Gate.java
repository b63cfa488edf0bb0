// SPDX-License-Identifier: Apache-2.0
// Purpose: links every class of the JDK it runs on, or of the jars named as arguments, so that the
// verifier sees each. Prints "NAME: linked N, absent N, verify errors N" for the JDK or for each jar,
// behind it the packages that absent classes would have needed, and at last the sums; exits with 1
// when there is a verify error. Runs under the gate's agent (gate_agent.c), which knows what is
// linked.
import java.io.File;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarFile;
import java.util.stream.Collectors;

public class Gate {
    static int linked, absent, errors, allLinked, allAbsent, allErrors;
    static Map<String, Integer> missing = new TreeMap<>();

    /** Whether the verifier has passed it: its methods' types may be absent all the same. */
    static native boolean isLinked(Class<?> c);

    static void link(String name, ClassLoader loader) {
        Class<?> c = null;
        try {
            c = Class.forName(name, false, loader);
            // Asking for the methods links the class and initializes nothing.
            c.getDeclaredMethods();
            linked++;
        } catch (VerifyError | ClassFormatError e) {
            if (errors++ < 10) {
                System.out.println(name + ": " + e);
            }
        } catch (Throwable e) {
            if (c != null && isLinked(c)) {
                linked++;
            } else {
                absent++; // an optional dependency that is not there
                missing.merge(packageOf(e), 1, Integer::sum);
            }
        }
    }

    /** Of the class that was not found; of anything else, what it was. */
    static String packageOf(Throwable e) {
        String text = String.valueOf(e.getMessage()).replace('/', '.');
        boolean isName = (e instanceof NoClassDefFoundError || e instanceof ClassNotFoundException)
            && text.matches("[\\w.$]+");
        return !isName ? e.toString() : text.contains(".") ? text.substring(0, text.lastIndexOf('.')) : text;
    }

    static void told(String name) {
        System.out.println(name + ": linked " + linked + ", absent " + absent + ", verify errors " + errors
            + (missing.isEmpty() ? "" : " " + missing));
        allLinked += linked;
        allAbsent += absent;
        allErrors += errors;
        linked = absent = errors = 0;
        missing.clear();
    }

    static boolean isClass(String file) {
        return file.endsWith(".class") && !file.endsWith("module-info.class")
            && !file.startsWith("META-INF/");
    }

    static void linkJdk() throws Exception {
        Path modules = FileSystems.getFileSystem(URI.create("jrt:/")).getPath("/modules");
        List<Path> files;
        try (var walk = Files.walk(modules)) {
            files = walk.collect(Collectors.toList());
        }
        for (Path file : files) {
            if (file.getNameCount() > 2 && isClass(file.toString())) {
                String name = file.subpath(2, file.getNameCount()).toString();
                link(name.substring(0, name.length() - 6).replace('/', '.'),
                     ClassLoader.getSystemClassLoader());
            }
        }
        told("JDK");
    }

    static void linkJars(String[] jars) throws Exception {
        List<URL> urls = new ArrayList<>();
        for (String jar : jars) {
            urls.add(new File(jar).toURI().toURL());
        }
        URLClassLoader loader = new URLClassLoader(urls.toArray(new URL[0]));
        for (String jar : jars) {
            try (JarFile file = new JarFile(jar)) {
                file.stream().map(e -> e.getName()).filter(Gate::isClass).forEach(
                    n -> link(n.substring(0, n.length() - 6).replace('/', '.'), loader));
            }
            told(new File(jar).getName());
        }
    }

    public static void main(String[] args) throws Exception {
        if (args.length == 0) {
            linkJdk();
        } else {
            linkJars(args);
        }
        System.out.println("linked " + allLinked + ", absent " + allAbsent + ", verify errors " + allErrors);
        System.exit(allErrors == 0 ? 0 : 1);
    }
}
