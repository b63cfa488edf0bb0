// SPDX-License-Identifier: Apache-2.0
// Purpose: links every class of the JDK it runs on, or of the jars named as arguments, so that the
// verifier sees each. Prints "linked N, absent N, verify errors N" and exits with 1 when there is a
// verify error.
import java.io.File;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.JarFile;
import java.util.stream.Collectors;

public class Gate {
    static int linked, absent, errors;

    static void link(String name, ClassLoader loader) {
        try {
            // Asking for the methods links the class and initializes nothing.
            Class.forName(name, false, loader).getDeclaredMethods();
            linked++;
        } catch (VerifyError | ClassFormatError e) {
            if (errors++ < 10) {
                System.out.println(name + ": " + e);
            }
        } catch (Throwable e) {
            absent++; // an optional dependency that is not there
        }
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
        }
    }

    public static void main(String[] args) throws Exception {
        if (args.length == 0) {
            linkJdk();
        } else {
            linkJars(args);
        }
        System.out.println("linked " + linked + ", absent " + absent + ", verify errors " + errors);
        System.exit(errors == 0 ? 0 : 1);
    }
}
