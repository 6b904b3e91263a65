/* finding: one thing found wrong with an upload, and the public table of codes.
 *
 * A code is a promise (contract section 5): numbers never change their meaning.
 * Owner:  lists live in an arena. Thread: one at a time; the table any thread.
 * Lives in payload because readers, validators and operations all report findings. */
#ifndef NHJC_PAYLOAD_FINDING_H
#define NHJC_PAYLOAD_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/result.h"

enum finding_level { LEVEL_NETWORK, LEVEL_COMMUNICATION, LEVEL_BUSINESS, LEVEL_PLATFORM };
enum finding_severity { SEVERITY_WARNING, SEVERITY_SUSPECT, SEVERITY_ERROR };

struct code_row { /* one row of contract section 5 */
    int code;
    enum finding_level level;
    enum finding_severity severity; /* usual one */
    bool retryable;                 /* send the same messageId again later */
    const char *zh, *en;            /* what it means */
    const char *zh_do, *en_do;      /* what to do */
};

const struct code_row *code_find(int code); /* NULL: not a public code */
const struct code_row *code_table(size_t *count);
const char *finding_level_name(enum finding_level level);           /* "network" … */
const char *finding_severity_name(enum finding_severity severity);  /* "warning", "suspect", "error" */
const char *finding_severity_words(enum finding_severity severity); /* for people: "警告 warning" */

struct finding {
    int code;
    enum finding_severity severity;
    int64_t line;          /* of the plain XML, from 1; 0: none */
    const char *data_code; /* NULL: none */
    int stat_type;         /* -1: none */
    const char *stat_date; /* as sent; NULL: none */
    const char *message;   /* Chinese first, then English: what, where, what to do */
};

#define FINDINGS_MAX 1000 /* reported per upload; more are counted only (findingsTruncated) */

struct findings {
    struct arena *arena;
    struct finding *at;
    size_t count, cap;
    size_t dropped;                    /* beyond FINDINGS_MAX */
    size_t errors, suspects, warnings; /* all, dropped ones included */
    struct finding *scratch;           /* what finding_add returns beyond the maximum */
};

void findings_init(struct findings *f, struct arena *arena);
/* True: the next one is counted only, so its details need not be put into words. */
bool findings_full(const struct findings *f);
/* Adds with the table's words, "zh：detail_zh；处理… / en: detail_en; do …". detail may be NULL.
 * Returns the finding to fill in line, data_code …; a scratch one when beyond the maximum. */
struct finding *finding_add(struct findings *f, int code, const char *detail_zh, const char *detail_en);
/* With a result's text as the detail: "中文 / English", or English alone. */
struct finding *finding_add_text(struct findings *f, int code, const char *text);
/* Text of the sender for use in a message: cut at 40 bytes between characters. Arena text. */
char *finding_excerpt(struct arena *a, const char *text);
/* The bilingual words of a code with an optional detail, for responseMessage and faults. Arena text. */
char *code_message(struct arena *a, int code, const char *detail_zh, const char *detail_en);
/* The same for a result's text: "中文 / English" is taken apart, English alone stays alone. */
char *code_message_of(struct arena *a, int code, const char *text);
/* A result for people, in Chinese, then English: as it is when it has Chinese already; otherwise the words of its code,
 * or of its kind, go before its own. What a device is to do about a 9xxx is left out: this is for operators. */
char *result_message(struct arena *a, struct result r);

#endif
