// SPDX-License-Identifier: Apache-2.0
// Purpose: moments and durations, read and written.
#include "when.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "core/clock.h"
#include "core/must.h"
#include "core/str.h"

// The end of the first of these forms that the text begins with; NULL for none.
static const char *parse_date(const char *text, struct tm *ret_date)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm date = {.tm_isdst = -1};
        const char *end = strptime(text, forms[i], &date);
        if (end != NULL) {
            *ret_date = date;
            return end;
        }
    }
    return NULL;
}

static bool is_of_the_calendar(const struct tm *date)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = date->tm_year + 1900;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    ASSERT(date->tm_mon >= 0 && date->tm_mon < 12);
    return date->tm_mday <= days[date->tm_mon] + (leap && date->tm_mon == 1 ? 1 : 0);
}

enum err when_parse(const char *text, uint64_t now_ms, uint64_t *ret_ms)
{
    struct tm date;
    uint64_t back = 0;
    ASSERT(text != NULL && ret_ms != NULL);
    if (strcmp(text, "now") == 0 ||
        (strncmp(text, "now-", 4) == 0 && config_parse_duration(text + 4, &back) == ERR_OK)) {
        *ret_ms = now_ms > back ? now_ms - back : 0;
        return ERR_OK;
    }
    if (str_to_u64(str_of(text), ret_ms) == ERR_OK) {
        return ERR_OK;
    }
    const char *end = parse_date(text, &date);
    if (end == NULL || (strcmp(end, "Z") != 0 && *end != 0)) {
        return ERR_INVALID;
    }
    if (!is_of_the_calendar(&date)) { // else it would silently be a day of the next month
        return ERR_LIMIT;
    }
    time_t seconds = *end == 'Z' ? timegm(&date) : mktime(&date);
    if (seconds < 0) {
        return ERR_INVALID;
    }
    *ret_ms = (uint64_t)seconds * 1000;
    return ERR_OK;
}

void when_print_duration(char out[WHEN_MAX], uint64_t ns)
{
    if (ns < 1000) {
        (void)snprintf(out, WHEN_MAX, "%" PRIu64 " ns", ns);
    } else if (ns < NS_PER_MS) {
        (void)snprintf(out, WHEN_MAX, "%.1f us", (double)ns / 1e3);
    } else if (ns < NS_PER_S) {
        (void)snprintf(out, WHEN_MAX, "%.1f ms", (double)ns / 1e6);
    } else {
        double seconds = (double)ns / 1e9;
        (void)snprintf(out, WHEN_MAX, "%.*f s", seconds < 1000 ? 2 : 0, seconds);
    }
}

void when_print_local(char out[WHEN_MAX], uint64_t ns)
{
    time_t seconds = (time_t)(ns / NS_PER_S);
    struct tm local;
    localtime_r(&seconds, &local);
    size_t n = strftime(out, WHEN_MAX, "%m-%d %H:%M:%S", &local);
    (void)snprintf(out + n, WHEN_MAX - n, ".%03u", (unsigned)(ns / NS_PER_MS % 1000));
}

// A moment beyond the calendar as epoch milliseconds.
void when_print_second(char out[WHEN_MAX], uint64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm local;
    if (localtime_r(&seconds, &local) == NULL ||
        strftime(out, WHEN_MAX, "%Y-%m-%d %H:%M:%S", &local) == 0) {
        (void)snprintf(out, WHEN_MAX, "%" PRIu64, ms);
    }
}
