#include "fep/reply.h"

#include <stdio.h>
#include <string.h>

enum { CODES = 16, PLACES = 3 };

struct tally {
    int code, count;
};

/* Distinct codes in order of appearance; those beyond CODES are not told apart. */
static size_t count_codes(const struct reply_finding *f, size_t count, struct tally tally[CODES])
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < n && tally[k].code != f[i].code)
            k++;
        if (k == CODES)
            continue;
        if (k == n)
            tally[n++] = (struct tally){f[i].code, 0};
        tally[k].count++;
    }
    return n;
}

/* Whole pieces only: what does not fit is left out. */
static void append(struct fep_reply *reply, const char *piece)
{
    size_t len = strlen(reply->text), more = strlen(piece);
    if (len + more < sizeof reply->text)
        memcpy(reply->text + len, piece, more + 1);
}

void reply_note_findings(struct fep_reply *reply, const struct reply_finding *findings, size_t count)
{
    struct tally tally[CODES];
    char piece[sizeof reply->text];
    size_t codes = count_codes(findings, count, tally);
    for (size_t i = 0; i < codes; i++) {
        snprintf(piece, sizeof piece, "%s%d×%d", i ? " " : "; findings ", tally[i].code, tally[i].count);
        append(reply, piece);
    }
    for (size_t i = 0; i < count && i < PLACES; i++) {
        const struct reply_finding *f = &findings[i];
        snprintf(piece, sizeof piece, "%s%d line %lld %s %s", i ? ", " : "; first ", f->code, f->line,
                 f->data_code ? f->data_code : "-", f->stat_date ? f->stat_date : "-");
        append(reply, piece);
    }
}
