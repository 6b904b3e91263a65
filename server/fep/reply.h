/* reply: the other side's words about a message, for the operator: what it found, how often, where first.
 * Thread: any thread; pure. */
#ifndef NHJC_FEP_REPLY_H
#define NHJC_FEP_REPLY_H

#include "fep/fep_binding.h"

struct reply_finding {
    int code;
    long long line;
    const char *data_code, *stat_date; /* NULL: none */
};

/* Appends "; findings 3101×4 3202×1; first 3101 line 12 0000000002330011 2026-11-20 10:00:00, …" to reply->text, as
 * much as fits. Their words are left out: they quote values. */
void reply_note_findings(struct fep_reply *reply, const struct reply_finding *findings, size_t count);

#endif
