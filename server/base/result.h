/* result: what every fallible function of this program returns.
 *
 * For:     one error type instead of the four conventions of our libraries (gSOAP 0, libuv <0,
 *          OpenSSL 1, libpq enums). Each library's answer becomes a result in the file that calls it.
 * Kind:    decides alone what happens next: SOAP fault or response, HTTP status, retry, log level.
 * Code:    the public code of the contract (section 5), 0 when the error is not meant for a client.
 * Text:    "中文 / English" where somebody is to act on it, else English: a door puts the Chinese words of
 *          the code or kind before it (payload/finding.h). Never a payload, key or password.
 * Owner:   text lives in a ring of the calling thread: valid until that thread has made 16 further
 *          errors. Copy it to keep it.
 * Thread:  any thread. */
#ifndef NHJC_BASE_RESULT_H
#define NHJC_BASE_RESULT_H

#include <stdbool.h>

enum err_kind {
    ERR_NONE = 0,     /* success */
    ERR_SENDER,       /* the sender's fault; the same message will fail again */
    ERR_UNAUTHORISED, /* identity unknown, or may not do this */
    ERR_LIMIT,        /* a limit was exceeded */
    ERR_CONFLICT,     /* already there, with other content */
    ERR_NOT_FOUND,    /* no such thing */
    ERR_TRANSIENT,    /* not now; the same call may succeed later */
    ERR_INTERNAL      /* our fault, or the machine's */
};

struct result {
    enum err_kind kind;
    int code;
    const char *text;
};

#define RESULT __attribute__((warn_unused_result)) struct result
#define RESULT_OK ((struct result){ERR_NONE, 0, ""})

static inline bool result_ok(struct result r)
{
    return r.kind == ERR_NONE;
}

/* An error with a text made like printf. */
RESULT result_error(enum err_kind kind, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* "transient", "sender" …: the word used in logs and metrics. */
const char *err_kind_name(enum err_kind kind);

/* Return early with the callee's error; the success path reads straight down. */
#define TRY(expr)                                                                                                      \
    do {                                                                                                               \
        struct result try_result_ = (expr);                                                                            \
        if (!result_ok(try_result_)) {                                                                                 \
            return try_result_;                                                                                        \
        }                                                                                                              \
    } while (0)

#endif
