// SPDX-License-Identifier: Apache-2.0
// Purpose: which classes and methods are probed. A class is looked up by its exact name when it is
// loaded, which costs every other class one hash. Classes that implement a probed interface are
// found in two steps: those that name it themselves at load; the others, when they have a method of
// that name and descriptor, once they are prepared and all their interfaces can be asked.
//
// The tables are built before the first class is looked up and never change: any thread.
#ifndef SONDE_JVM_MATCH_H
#define SONDE_JVM_MATCH_H

#include "agents/jvm/plugin.h"

// Takes in the plug-ins that the option allows ("": all; "a:b": these; "-a:b": all but these).
void match_init(const char *plugins);

// Whether a class may have probes: its name is one, or it is no interface and one of its methods is
// that of a probed interface.
enum match_interest {
    MATCH_NONE,
    MATCH_SURE,  // by name, or by an interface it names itself
    MATCH_MAYBE, // by a method: ask again when it is prepared
};
enum match_interest match_class(const struct class_file *c);

// Whether a class of this name (java/lang/String) is probed by name.
bool match_is_class(struct str name);

// What rewrite_class() asks. `ctx` is a struct match_class_ctx.
struct match_context {
    const struct str *interfaces; // beside those that the class names itself: all it implements
    size_t interface_count;
};
const struct probe *match_method(void *ctx, const struct class_file *c,
                                 const struct class_method *m);

#endif
