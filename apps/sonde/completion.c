// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde completion`: scripts for shells, written from one table of the commands.
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "core/must.h"
#include "core/str.h"

#define TOP_FLAGS "node service namespace by compare limit since from to server token ca"

// `flags` are those with a value; every command but `completion` knows --help too. Where `sub` may
// be left out, all of the command's have the same flags.
static const struct completed {
    const char *command, *sub, *flags, *switches, *help;
    bool is_optional;
} table[] = {
    {"server", NULL, "config data http otlp-grpc otlp-http", "",
     "take, keep, search and show traces and metrics"},
    {"trace", "search", "since from to limit order server token ca", "json", "find traces"},
    {"trace", "get", "span server token ca", "json", "show one trace as a tree of calls"},
    {"services", NULL, "namespace since from to server token ca", "json",
     "calls, errors and durations of every service"},
    {"topology", NULL, "level since from to server token ca", "json", "who calls whom"},
    {"red", NULL, "endpoint instance by namespace step since from to server token ca", "json",
     "calls of a service over time"},
    {"entry", NULL, "namespace times load since from to server token ca", "json",
     "the tree of calls of an entry"},
    {"top", "db", TOP_FLAGS, "json", "what databases are sent, the most first", true},
    {"top", "cache", TOP_FLAGS, "json", "what caches are sent, the most first", true},
    {"top", "rpc", TOP_FLAGS, "json", "what is called by RPC, the most first", true},
    {"top", "mq", TOP_FLAGS, "json", "what queues are sent, the most first", true},
    {"findings", NULL, "since from to server token ca", "json",
     "repeated calls, unusual chains, dead endpoints"},
    {"metrics", NULL, "service namespace label by as step since from to server token ca",
     "json targets", "what senders measure"},
    {"alert", "import", "prometheus channel server token ca", "dry-run json",
     "take over rules and channels of a file"},
    {"alert", "templates", "channel", "", "print rules for the usual"},
    {"alert", "export", "server token ca", "", "print all rules and channels as such a file"},
    {"alert", "list", "server token ca", "json", "the rules in force"},
    {"alert", "channels", "test server token ca", "json", "who is told, and how that goes"},
    {"alert", "remove", "server token ca", "", "take a rule out"},
    {"alert", "on-call", "at server token ca", "json", "who is told for each group"},
    {"alert", "silences", "server token ca", "json", "what is not told, and until when"},
    {"alert", "silence", "for rule service reason server token ca", "json",
     "tell nobody for a while"},
    {"alert", "unsilence", "server token ca", "", "tell again"},
    {"alert", "test", "since file server token ca", "json", "when a rule would have fired"},
    {"alert", "incidents", "limit server token ca", "all json", "what fires, and what has"},
    {"trace-id", NULL, "", "json", "decode a trace ID"},
    {"store", "stats", "data", "json", "bytes by column of the parts on disk"},
    {"store", "inspect", "data", "json", "the parts on disk, one a line"},
    {"store", "verify", "data", "json", "check every checksum"},
    {"store", "rebuild", "data", "json", "make a new catalog from the parts"},
    {"config", "check", "", "json", "check a configuration file"},
    {"attach", NULL, "service endpoint options library", "json",
     "put the agent into a Java process"},
    {"detach", NULL, "", "json", "take the agent out of a Java process"},
    {"jvm", "list", "", "json", "the Java processes of this machine"},
    {"completion", NULL, "", "", "print shell completion"},
    {"version", NULL, "", "json", "print the version"},
};

#define COUNT (sizeof table / sizeof table[0])

// What a flag's value may be, of one command or (NULL) of all; words NULL: a file. The values of
// other flags are not known here.
static const struct valued {
    const char *command, *flag, *words;
} values[] = {
    {"top", "by", "total mean calls errors p99"},
    {"red", "by", "endpoint instance"},
    {"metrics", "by", "service instance scope"},
    {"metrics", "as", "value rate"},
    {NULL, "order", "newest slowest errors"},
    {NULL, "level", "line service endpoint host rack dc"},
    {NULL, "config", NULL},
    {NULL, "data", NULL},
    {NULL, "ca", NULL},
    {NULL, "library", NULL},
};

#define VALUES (sizeof values / sizeof values[0])

// Calls `each` with every word of a text of words.
static void each_word(const char *words, void (*each)(const char *word, int n, const void *ctx),
                      const void *ctx)
{
    ASSERT(words != NULL && each != NULL);
    while (*words != 0) {
        size_t n = strcspn(words, " ");
        each(words, (int)n, ctx);
        words += n + (words[n] == ' ' ? 1 : 0);
    }
}

static void put_bash_flag(const char *word, int n, const void *ctx)
{
    ASSERT(n > 0 && word[0] != '-');
    (void)ctx;
    printf("--%.*s ", n, word);
}

static bool is_first_of_command(size_t i)
{
    ASSERT(i < COUNT);
    return i == 0 || strcmp(table[i].command, table[i - 1].command) != 0;
}

// The commands; with `command`, what follows it.
static void put_bash_words(const char *command)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (command == NULL && is_first_of_command(i)) {
            printf("%s ", table[i].command);
        } else if (command != NULL && strcmp(table[i].command, command) == 0 &&
                   table[i].sub != NULL) {
            printf("%s ", table[i].sub);
        }
    }
}

static void put_bash_values(void)
{
    fputs("  case \"${COMP_WORDS[1]} $previous\" in\n", stdout);
    for (size_t i = 0; i < VALUES; i++) {
        const struct valued *v = &values[i];
        ASSERT(v->flag != NULL);
        printf("  %s\\ --%s) COMPREPLY=($(compgen ", v->command != NULL ? v->command : "*",
               v->flag);
        if (v->words != NULL) {
            printf("-W '%s'", v->words);
        } else {
            fputs("-f", stdout);
        }
        fputs(" -- \"$cur\")); return ;;\n", stdout);
    }
    fputs("  *\\ --json|*\\ --help) ;;\n"
          "  *\\ --*) COMPREPLY=(); return ;;\n"
          "  esac\n",
          stdout);
}

static void put_bash_flags(const struct completed *c)
{
    ASSERT(c >= table && c < table + COUNT);
    each_word(c->flags, put_bash_flag, NULL);
    each_word(c->switches, put_bash_flag, NULL);
    fputs(strcmp(c->command, "completion") == 0 ? "bash zsh fish" : "--help", stdout);
}

// The words where `pattern` fits: the place of the cursor, the command, and what follows it.
static void put_bash_case(const char *pattern, const struct completed *c, const char *sub)
{
    ASSERT(pattern != NULL && sub != NULL);
    printf("  %s\\ %s\\ %s*) words='", pattern, c->command, sub);
    put_bash_flags(c);
    fputs("' ;;\n", stdout);
}

static void put_bash_command(size_t i)
{
    const struct completed *c = &table[i];
    if (c->is_optional && is_first_of_command(i)) {
        put_bash_case("2", c, "-");
    }
    if (c->sub != NULL && is_first_of_command(i)) {
        printf("  2\\ %s\\ *) words='", c->command);
        put_bash_words(c->command);
        fputs("' ;;\n", stdout);
    }
    if (!c->is_optional || is_first_of_command(i)) {
        put_bash_case("*", c, c->sub != NULL && !c->is_optional ? c->sub : "");
    }
}

static void put_bash(void)
{
    fputs("_sonde() {\n"
          "  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=\n",
          stdout);
    put_bash_values();
    fputs("  case \"$COMP_CWORD ${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n"
          "  1\\ *) words='",
          stdout);
    put_bash_words(NULL);
    fputs("' ;;\n", stdout);
    for (size_t i = 0; i < COUNT; i++) {
        put_bash_command(i);
    }
    fputs("  esac\n"
          "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "  [ \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" = 'config check' ] && [ ${#COMPREPLY[@]} = 0 "
          "] &&\n"
          "    COMPREPLY=($(compgen -f -- \"$cur\"))\n"
          "  return 0\n"
          "}\n"
          "complete -o filenames -F _sonde sonde\n",
          stdout);
}

static void put_fish_condition(const struct completed *c)
{
    ASSERT(c >= table && c < table + COUNT);
    printf("complete -c sonde -n '__fish_seen_subcommand_from %s", c->command);
    if (c->sub != NULL && !c->is_optional) {
        printf("; and __fish_seen_subcommand_from %s", c->sub);
    }
    fputs("' ", stdout);
}

static const struct valued *value_of(const char *command, struct str flag)
{
    for (size_t i = 0; i < VALUES; i++) {
        const struct valued *v = &values[i];
        ASSERT(v->flag != NULL);
        if (str_eq(flag, str_of(v->flag)) &&
            (v->command == NULL || strcmp(v->command, command) == 0)) {
            return v;
        }
    }
    return NULL;
}

static void put_fish_flag(const char *word, int n, const void *ctx)
{
    const struct completed *c = ctx;
    const struct valued *v = value_of(c->command, (struct str){word, (size_t)n});
    ASSERT(n > 0);
    put_fish_condition(c);
    if (v != NULL && v->words == NULL) {
        fputs("-r -F", stdout);
    } else if (v != NULL) {
        printf("-x -a '%s'", v->words);
    } else {
        fputs("-x", stdout);
    }
    printf(" -l %.*s\n", n, word);
}

static void put_fish_switch(const char *word, int n, const void *ctx)
{
    ASSERT(n > 0);
    put_fish_condition(ctx);
    printf("-l %.*s -d 'print JSON'\n", n, word);
}

static void put_fish(void)
{
    fputs("complete -c sonde -f\n", stdout);
    for (size_t i = 0; i < COUNT; i++) {
        const struct completed *c = &table[i];
        if (is_first_of_command(i)) {
            printf("complete -c sonde -n __fish_use_subcommand -a %s -d '%s'\n", c->command,
                   c->sub == NULL ? c->help : "");
        }
        if (c->sub != NULL) {
            printf("complete -c sonde -n '__fish_seen_subcommand_from %s; and test (count "
                   "(commandline "
                   "-opc)) -eq 2' -a %s -d '%s'\n",
                   c->command, c->sub, c->help);
        }
        if (!c->is_optional || is_first_of_command(i)) {
            each_word(c->flags, put_fish_flag, c);
            each_word(c->switches, put_fish_switch, c);
        }
    }
    fputs("complete -c sonde -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n"
          "complete -c sonde -n '__fish_seen_subcommand_from check' -F\n"
          "complete -c sonde -l help -d 'explain the command'\n",
          stdout);
}

int command_completion(int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "bash") == 0) {
        put_bash();
    } else if (argc == 1 && strcmp(argv[0], "zsh") == 0) {
        fputs("autoload -U +X bashcompinit && bashcompinit\n", stdout);
        put_bash();
    } else if (argc == 1 && strcmp(argv[0], "fish") == 0) {
        put_fish();
    } else {
        bool wanted = argc == 1 && strcmp(argv[0], "--help") == 0;
        fputs("Usage: sonde completion bash|zsh|fish\n"
              "\n"
              "  bash   source <(sonde completion bash)\n"
              "  zsh    source <(sonde completion zsh)      after compinit\n"
              "  fish   sonde completion fish | source\n",
              wanted ? stdout : stderr);
        return wanted ? EXIT_DONE : EXIT_USAGE;
    }
    return EXIT_DONE;
}
