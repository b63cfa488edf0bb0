// SPDX-License-Identifier: Apache-2.0
// Purpose: which classes and methods are probed. A class is looked up by its exact name when it is
// loaded, which costs every other class one hash, and one for each of its methods: those that have
// a method of a probed interface's are asked for their supertypes later (classes.h).
//
// The tables are built before the first class is looked up, and stay as they are until the agent
// has left and comes again: any thread.
#ifndef SONDE_JVM_MATCH_H
#define SONDE_JVM_MATCH_H

#include "agents/jvm/plugin.h"

// After bridge_bind(). Takes in the plug-ins that the option allows ("": all; "a:b": these; "-a:b":
// all but these). `is_late`: the JVM runs already, which some methods are probed for alone.
void match_init(const char *plugins, bool is_late);

// How a class may come to probes; both may be set.
enum match_interest {
    MATCH_NONE = 0,
    MATCH_NAME = 1,  // by its name
    MATCH_MAYBE = 2, // by a method, if it implements the interface: a class, not an interface
};
enum match_interest match_class(const struct class_file *c);

// Whether a class of this name (java/lang/String) is probed by name.
bool match_is_class(struct str name);

#define MATCH_INTERFACES 16 // probed interfaces that one class may implement; more are left out

// The probed interfaces that a class implements. What rewrite_class() is given as `ctx`.
struct match_context {
    const char *interfaces[MATCH_INTERFACES]; // names held by the plug-ins' tables
    unsigned count;
};
// Adds the interface of this name if it is a probed one and not there yet.
void match_add_interface(struct match_context *x, struct str name);

const struct probe *match_method(void *ctx, const struct class_file *c,
                                 const struct class_method *m);

#endif
