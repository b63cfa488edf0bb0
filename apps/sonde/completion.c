// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde completion`: scripts for shells, written from one table of the commands.
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "core/must.h"
#include "core/str.h"

#define TOP_FLAGS "node service namespace by compare limit since from to server token ca"

// `flags` are those with a value; every command but `completion` knows --help too.
static const struct completed {
    const char *command, *sub, *flags, *switches, *help;
} table[] = {
    {"server", NULL, "config data http otlp-grpc otlp-http", "",
     "take, keep, search and show traces and metrics"},
    {"trace", "search", "since from to limit order server token ca", "json", "find traces"},
    {"trace", "get", "server token ca", "json", "show one trace as a tree of calls"},
    {"topology", NULL, "level since from to server token ca", "json", "who calls whom"},
    {"red", NULL, "endpoint instance by namespace step since from to server token ca", "json",
     "calls of a service over time"},
    {"entry", NULL, "namespace times load since from to server token ca", "json",
     "the tree of calls of an entry"},
    {"top", "db", TOP_FLAGS, "json", "what databases are sent, the most first"},
    {"top", "cache", TOP_FLAGS, "json", "what caches are sent, the most first"},
    {"top", "rpc", TOP_FLAGS, "json", "what is called by RPC, the most first"},
    {"top", "mq", TOP_FLAGS, "json", "what queues are sent, the most first"},
    {"findings", NULL, "since from to server token ca", "json",
     "repeated calls, unusual chains, dead endpoints"},
    {"metrics", NULL, "service namespace by as step since from to server token ca", "json",
     "what senders measure"},
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

static void put_bash(void)
{
    fputs("_sonde() {\n"
          "  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=\n"
          "  case $previous in\n"
          "  --config|--data|--ca|--library) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
          "  --http|--otlp-grpc|--otlp-http|--since|--from|--to|--limit|--server|--token|\\\n"
          "  --service|--endpoint|--options|--instance|--namespace|--step|--node|--compare)\n"
          "    COMPREPLY=(); return ;;\n"
          "  --level) COMPREPLY=($(compgen -W 'line service endpoint' -- \"$cur\")); return ;;\n"
          "  --by) words='endpoint instance'\n"
          "    [ \"${COMP_WORDS[1]}\" = top ] && words='total mean calls errors p99'\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); return ;;\n"
          "  --order) COMPREPLY=($(compgen -W 'newest slowest errors' -- \"$cur\")); return ;;\n"
          "  esac\n"
          "  case \"$COMP_CWORD ${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n"
          "  1\\ *) words='",
          stdout);
    put_bash_words(NULL);
    fputs("' ;;\n", stdout);
    for (size_t i = 0; i < COUNT; i++) {
        const struct completed *c = &table[i];
        if (c->sub != NULL && is_first_of_command(i)) {
            printf("  2\\ %s\\ *) words='", c->command);
            put_bash_words(c->command);
            fputs("' ;;\n", stdout);
        }
        printf("  *\\ %s\\ %s*) words='", c->command, c->sub != NULL ? c->sub : "");
        each_word(c->flags, put_bash_flag, NULL);
        each_word(c->switches, put_bash_flag, NULL);
        fputs(strcmp(c->command, "completion") == 0 ? "bash zsh fish' ;;\n" : "--help' ;;\n",
              stdout);
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
    if (c->sub != NULL) {
        printf("; and __fish_seen_subcommand_from %s", c->sub);
    }
    fputs("' ", stdout);
}

static void put_fish_flag(const char *word, int n, const void *ctx)
{
    ASSERT(n > 0);
    struct str flag = {word, (size_t)n};
    bool file = str_eq(flag, STR("config")) || str_eq(flag, STR("data")) ||
                str_eq(flag, STR("ca")) || str_eq(flag, STR("library"));
    const struct completed *c = ctx;
    bool is_top = str_eq(flag, STR("by")) && strcmp(c->command, "top") == 0;
    put_fish_condition(c);
    printf("%s -l %.*s\n",
           file                         ? "-r -F"
           : str_eq(flag, STR("order")) ? "-x -a 'newest slowest errors'"
           : str_eq(flag, STR("level")) ? "-x -a 'line service endpoint'"
           : is_top                     ? "-x -a 'total mean calls errors p99'"
           : str_eq(flag, STR("by"))    ? "-x -a 'endpoint instance'"
                                        : "-x",
           n, word);
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
        each_word(c->flags, put_fish_flag, c);
        each_word(c->switches, put_fish_switch, c);
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
