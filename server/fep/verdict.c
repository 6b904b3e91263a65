#include "fep/verdict.h"

#include <stddef.h>

struct range {
    int first, last;
    enum verdict verdict;
};

/* The first line that fits counts. A code nobody promised is retried: nothing is dropped on a guess. */
static const struct range CODES[] = {
    {0, 0, VERDICT_ACCEPTED},       {2, 2, VERDICT_ACCEPTED},      {1101, 1102, VERDICT_LINK},
    {1103, 1104, VERDICT_DOUBTFUL}, {1105, 1105, VERDICT_LINK},    {1106, 1106, VERDICT_RETRY},
    {1107, 1107, VERDICT_REFUSED},  {1100, 1999, VERDICT_LINK},    {2108, 2108, VERDICT_REFRESH},
    {2112, 2112, VERDICT_LINK},     {2000, 3999, VERDICT_REFUSED},
};

/* What a failed call means when it names no code. Without the other side's own refusal nothing is parked. */
static const enum verdict KINDS[] = {
    [ERR_NONE] = VERDICT_RETRY,      [ERR_SENDER] = VERDICT_LINK,    [ERR_UNAUTHORISED] = VERDICT_LINK,
    [ERR_LIMIT] = VERDICT_RETRY,     [ERR_CONFLICT] = VERDICT_RETRY, [ERR_NOT_FOUND] = VERDICT_LINK,
    [ERR_TRANSIENT] = VERDICT_RETRY, [ERR_INTERNAL] = VERDICT_RETRY,
};

static const char *const NAMES[VERDICTS] = {"accepted", "retry", "refresh", "link", "doubtful", "refused"};

static enum verdict by_code(int code)
{
    for (size_t i = 0; i < sizeof CODES / sizeof CODES[0]; i++)
        if (code >= CODES[i].first && code <= CODES[i].last)
            return CODES[i].verdict;
    return VERDICT_RETRY;
}

enum verdict verdict_of(struct result r, int code)
{
    if (result_ok(r))
        return by_code(code);
    if (r.kind == ERR_TRANSIENT)
        return VERDICT_RETRY;
    return r.code ? by_code(r.code) : KINDS[r.kind];
}

bool verdict_not_served(struct result r, int code)
{
    return (result_ok(r) ? code : r.code) == 2112;
}

const char *verdict_name(enum verdict v)
{
    return NAMES[v];
}

int64_t fep_retry_delay_ms(int attempts, int64_t min_ms, int64_t max_ms, uint64_t random)
{
    int64_t delay = min_ms > 0 ? min_ms : 1;
    for (int i = 1; i < attempts && delay < max_ms; i++)
        delay *= 2;
    if (delay > max_ms)
        delay = max_ms;
    int64_t half = delay / 2;
    return delay - (half > 0 ? (int64_t)(random % (uint64_t)half) : 0);
}
