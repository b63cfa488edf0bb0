// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde config check` and `sonde completion`.
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "config.h"

static const char check_help[] =
    "Usage: sonde config check [FILE] [--json]\n"
    "\n"
    "Checks a configuration file (and the environment) as `sonde server --config FILE` would read "
    "it, and\n"
    "prints what would be in force and where it comes from. Exit code 2 when something is wrong.\n";

static void print_json_text(const char *text)
{
    putchar('"');
    for (const char *c = text; *c != 0; c++) {
        if (*c == '"' || *c == '\\') {
            putchar('\\');
        }
        printf((unsigned char)*c < 0x20 ? "\\u%04x" : "%c", (unsigned char)*c);
    }
    putchar('"');
}

static void print_setting(const struct config *c, enum setting s, bool table, bool first)
{
    static const char *const sources[] = {"default", "file", "environment", "flag"};
    const struct setting_info *info = setting_info(s);
    const char *value = c->text[s];
    if (info->kind == KIND_OF_SECRET && value[0] != 0) {
        value = "(set)";
    }
    if (table) {
        printf("%-26s %-20s %s\n", info->key, value[0] != 0 ? value : "-", sources[c->source[s]]);
        return;
    }
    printf("%s\"%s\":{\"value\":", first ? "" : ",", info->key);
    print_json_text(value);
    printf(",\"source\":\"%s\"}", sources[c->source[s]]);
}

int command_config(int argc, char **argv)
{
    const char *words[2] = {NULL, NULL};
    bool json = false, help = false;
    int count;
    struct config c;
    struct err_at at = {0};
    const struct flag flags[] = {
        {"--json", NULL, &json}, {"--help", NULL, &help}, {NULL, NULL, NULL}};
    if (!flags_parse(argc, argv, flags, words, 2, &count)) {
        return EXIT_USAGE;
    }
    if (help || count == 0 || strcmp(words[0], "check") != 0) {
        fputs(check_help, help ? stdout : stderr);
        return help ? EXIT_DONE : EXIT_USAGE;
    }
    enum err e = config_load(&c, words[1], &at);
    e = e == ERR_OK ? config_check(&c, &at) : e;
    if (e != ERR_OK) {
        fprintf(stderr, "sonde: %s\n", at.text);
    } else {
        bool table = wants_table(json);
        if (!table) {
            putchar('{');
        }
        for (unsigned i = 0; i < SETTING_COUNT; i++) {
            print_setting(&c, (enum setting)i, table, i == 0);
        }
        if (!table) {
            puts("}");
        }
    }
    config_done(&c);
    return e == ERR_OK ? EXIT_DONE : EXIT_USAGE;
}

#define COMMANDS "server trace trace-id store config completion version"

static const char bash_script[] =
    "_sonde() {\n"
    "  local cur=${COMP_WORDS[COMP_CWORD]} words='" COMMANDS "'\n"
    "  case ${COMP_WORDS[1]} in\n"
    "  server) words='--config --data --http --otlp-grpc --otlp-http --help' ;;\n"
    "  trace) [ \"$COMP_CWORD\" = 2 ] && words='search get' ||\n"
    "    words='--since --from --to --limit --server --token --json --help' ;;\n"
    "  trace-id) words='--json --help' ;;\n"
    "  store) [ \"$COMP_CWORD\" = 2 ] && words='stats inspect verify' ||\n"
    "    words='--data --json --help' ;;\n"
    "  config) [ \"$COMP_CWORD\" = 2 ] && words='check' || words='--json --help' ;;\n"
    "  completion) words='bash zsh fish' ;;\n"
    "  esac\n"
    "  [ \"$COMP_CWORD\" = 1 ] && words='" COMMANDS "'\n"
    "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
    "  [ ${#COMPREPLY[@]} = 0 ] && COMPREPLY=($(compgen -f -- \"$cur\"))\n"
    "}\n"
    "complete -F _sonde sonde\n";

static const char fish_script[] =
    "complete -c sonde -n __fish_use_subcommand -f -a '" COMMANDS "'\n"
    "complete -c sonde -n '__fish_seen_subcommand_from trace' -f -a 'search get'\n"
    "complete -c sonde -n '__fish_seen_subcommand_from store' -a 'stats inspect verify'\n"
    "complete -c sonde -n '__fish_seen_subcommand_from config' -a 'check'\n"
    "complete -c sonde -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n"
    "for flag in config data http otlp-grpc otlp-http\n"
    "  complete -c sonde -n '__fish_seen_subcommand_from server' -r -l $flag\n"
    "end\n"
    "for flag in since from to limit server token\n"
    "  complete -c sonde -n '__fish_seen_subcommand_from trace' -x -l $flag\n"
    "end\n"
    "complete -c sonde -l json -d 'print JSON'\n"
    "complete -c sonde -l help -d 'explain the command'\n";

int command_completion(int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "bash") == 0) {
        fputs(bash_script, stdout);
    } else if (argc == 1 && strcmp(argv[0], "zsh") == 0) {
        printf("autoload -U +X bashcompinit && bashcompinit\n%s", bash_script);
    } else if (argc == 1 && strcmp(argv[0], "fish") == 0) {
        fputs(fish_script, stdout);
    } else {
        bool wanted = argc == 1 && strcmp(argv[0], "--help") == 0;
        fputs("Usage: sonde completion bash|zsh|fish\n"
              "\n"
              "  bash   source <(sonde completion bash)\n"
              "  zsh    source <(sonde completion zsh)\n"
              "  fish   sonde completion fish | source\n",
              wanted ? stdout : stderr);
        return wanted ? EXIT_DONE : EXIT_USAGE;
    }
    return EXIT_DONE;
}
