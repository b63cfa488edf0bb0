// SPDX-License-Identifier: Apache-2.0
// Purpose: `sonde config check`.
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "config.h"
#include "core/must.h"
#include "json_text.h"

#define LISTS_TEXT_MAX ((size_t)4 << 20) // 64 lines, 64 jobs, with what a file of 1 MiB can hold

static const char check_help[] =
    "Usage: sonde config check [FILE] [--json]\n"
    "\n"
    "Checks a configuration file and the environment as `sonde server --config FILE`\n"
    "would read them, and prints what would be in force and where it comes from.\n"
    "Exit code 2 when something is wrong.\n";

static void print_setting(const struct config *c, enum setting s, bool table, bool first)
{
    ASSERT((unsigned)s < SETTING_COUNT);
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
    json_text_put(value);
    printf(",\"source\":\"%s\"}", sources[c->source[s]]);
}

static void warn_unknown(void *ctx, const char *name, const char *meant)
{
    (void)ctx;
    fprintf(stderr, "sonde: warning: %s in the environment is no setting", name);
    if (meant != NULL) {
        fprintf(stderr, "; did you mean %s?", meant);
    }
    fputc('\n', stderr);
}

// What is a list and stands only in the file.
static void print_list(const struct config *c, const char *key, size_t count,
                       void (*print)(const struct config *c, struct buf *out), bool table)
{
    struct buf out;
    const char *source = count > 0 ? "file" : "default";
    buf_init(&out, LISTS_TEXT_MAX);
    print(c, &out);
    buf_add_byte(&out, 0);
    MUST(!out.failed);
    if (table) {
        printf("%-26s %-20s %s\n", key, out.p[0] != 0 ? out.p : "-", source);
    } else {
        printf(",\"%s\":{\"value\":", key);
        json_text_put(out.p);
        printf(",\"source\":\"%s\"}", source);
    }
    buf_done(&out);
}

static void print_config(const struct config *c, bool table)
{
    if (!table) {
        putchar('{');
    }
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        print_setting(c, (enum setting)i, table, i == 0);
    }
    print_list(c, "store.lines", c->line_count, config_print_lines, table);
    print_list(c, "scrape.jobs", c->job_count, config_print_jobs, table);
    if (!table) {
        puts("}");
    }
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
    if (count > 0 && strcmp(words[0], "check") != 0) {
        fprintf(stderr, "sonde: there is no command 'config %s', only `sonde config check`\n",
                words[0]);
        return EXIT_USAGE;
    }
    if (help || count == 0) {
        fputs(check_help, help ? stdout : stderr);
        return help ? EXIT_DONE : EXIT_USAGE;
    }
    config_each_unknown(warn_unknown, NULL);
    enum err e = config_load(&c, words[1], &at);
    e = e == ERR_OK ? config_check(&c, &at) : e;
    if (e != ERR_OK) {
        fprintf(stderr, "sonde: %s\n", at.text);
    } else {
        print_config(&c, wants_table(json));
    }
    config_done(&c);
    return e == ERR_OK ? EXIT_DONE : EXIT_USAGE;
}
