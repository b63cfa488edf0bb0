// SPDX-License-Identifier: Apache-2.0
// Purpose: fuzzing the OTLP/JSON transcoder: what it accepts is a valid message of that signal.
#include "core/must.h"
#include "wire/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str json = {(const char *)data, size};
    for (int signal = OTLP_TRACES; signal <= OTLP_LOGS; signal++) {
        struct buf out;
        struct err_at at = {0};
        uint64_t records = 0;
        buf_init(&out, (size_t)16 << 20);
        enum err e = otlp_json_to_protobuf((enum otlp_signal)signal, json, &out, NULL, &at);
        if (e == ERR_OK) {
            e = otlp_count_records((enum otlp_signal)signal, buf_str(&out), &records, &at);
            MUST(e == ERR_OK);
        } else {
            MUST(e == ERR_INVALID && at.offset <= size && at.text[0] != 0);
        }
        buf_done(&out);
    }
    return 0;
}
