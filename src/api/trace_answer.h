// SPDX-License-Identifier: Apache-2.0
// Purpose: what answers about one trace share: reading its ID, loading it, as much of it as there
// is memory for, and saying what it lacks. Internal to api/.
#ifndef SONDE_API_TRACE_ANSWER_H
#define SONDE_API_TRACE_ANSWER_H

#include "api/job.h"
#include "query/trace.h"

// False after answering with an error.
bool trace_read_id(struct job *j, struct str text, trace_id *ret_id);

// Answers with what loading a trace, or reading a span of it, failed by.
void trace_fail_load(struct job *j, enum err e);

// Loads a trace, or the earliest `rows_max` of it; NULL after answering with an error.
struct trace *trace_answer_load(struct job *j, trace_id id, enum trace_detail detail,
                                size_t rows_max);

// Answers with the trace that the path names: with as much of it as there is memory for, read and
// written. `put` gives false where there was too little for this much of it.
void trace_answer(struct job *j, enum trace_detail detail,
                  bool (*put)(struct job *j, struct trace *t));

// Members of the answer that say whether the trace may lack something: how many spans it has,
// whether it is cut, and which parts may have held more of it.
void trace_put_lack(struct job *j, struct json_writer *w, const struct trace *t);

#endif
