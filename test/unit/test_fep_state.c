#include <string.h>

#include "fep/fep_state.h"
#include "fep/reply.h"
#include "fep/verdict.h"
#include "unit.h"

/* A seed gives the same story each time; it is printed when a story goes wrong. */
static uint64_t random_step(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

START_TEST(every_pair_of_state_and_event_has_one_answer)
{
    for (int s = 0; s < FEP_STATES; s++) {
        for (int e = 0; e < FEP_EVENTS; e++) {
            const struct fep_move *m = outbox_next((enum fep_state)s, (enum fep_event)e);
            ck_assert_ptr_nonnull(m);
            ck_assert_int_eq(m->from, s);
            ck_assert((m->action == FEP_KEEP) == (m->to == m->from));
            ck_assert_int_gt((int)strlen(m->why), 0);
        }
    }
}
END_TEST

START_TEST(a_receipt_is_taken_in_every_state_a_message_can_be_in)
{
    static const enum fep_state states[] = {FEP_LEASED, FEP_WAITING, FEP_PARKED, FEP_SENT};
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(outbox_next(states[i], FEP_RECEIPT)->to, FEP_SENT);
}
END_TEST

START_TEST(nothing_but_an_operator_moves_a_sent_message)
{
    for (int e = 0; e < FEP_EVENTS; e++)
        ck_assert((outbox_next(FEP_SENT, (enum fep_event)e)->action == FEP_KEEP) == (e != FEP_RENEW));
    ck_assert_int_eq(outbox_next(FEP_SENT, FEP_RENEW)->action, FEP_REPACK); /* a new id: the old one is used up */
}
END_TEST

START_TEST(only_an_operator_brings_back_a_parked_message)
{
    for (int e = 0; e < FEP_EVENTS; e++) {
        bool allowed = e == FEP_REQUEUE || e == FEP_REMAKE || e == FEP_RECEIPT;
        ck_assert((outbox_next(FEP_PARKED, (enum fep_event)e)->action != FEP_KEEP) == allowed);
    }
}
END_TEST

START_TEST(a_message_is_sent_only_under_a_lease)
{
    for (int s = 0; s < FEP_STATES; s++) {
        for (int e = 0; e < FEP_EVENTS; e++) {
            const struct fep_move *m = outbox_next((enum fep_state)s, (enum fep_event)e);
            ck_assert((m->to == FEP_LEASED && m->from != FEP_LEASED) ==
                      (m->action == FEP_STORE || m->action == FEP_LEASE));
        }
    }
}
END_TEST

/* One message's story: tries are made whenever the state allows, the other side accepts or refuses or is silent,
 * and what it said arrives at once, late, in another order, or never. */
struct story {
    uint64_t seed;
    enum fep_state state;
    enum fep_event flying[64]; /* what is still on its way */
    int flying_count;
    bool receipt_arrived, ever_accepted;
    int overwritten; /* moves away from sent */
    int sends;
};

static void apply(struct story *t, enum fep_event event)
{
    const struct fep_move *m = outbox_next(t->state, event);
    if (t->state == FEP_SENT && m->to != FEP_SENT)
        t->overwritten++;
    if (event == FEP_RECEIPT && t->state != FEP_READY)
        t->receipt_arrived = true;
    t->sends += m->to == FEP_LEASED;
    t->state = m->to;
}

static void fly(struct story *t, enum fep_event event)
{
    if (t->flying_count < 64)
        t->flying[t->flying_count++] = event;
}

/* The other side is idempotent: once it has accepted, it accepts. */
static void try_once(struct story *t, uint64_t r)
{
    static const enum fep_event answers[] = {FEP_RECEIPT, FEP_FAIL, FEP_REFUSE, FEP_FAIL};
    enum fep_event answer = t->ever_accepted ? FEP_RECEIPT : answers[r % 4];
    t->ever_accepted |= answer == FEP_RECEIPT;
    if (r >> 8 & 1)
        fly(t, answer);
    else
        apply(t, answer);
    if (r >> 9 & 1)
        fly(t, FEP_FAIL); /* the time-out of this try, reported whenever it likes */
    if (r >> 10 & 1)
        fly(t, FEP_ORPHAN);
}

static void land_one(struct story *t, uint64_t r)
{
    if (t->flying_count == 0)
        return;
    int i = (int)(r % (uint64_t)t->flying_count);
    enum fep_event e = t->flying[i];
    t->flying[i] = t->flying[--t->flying_count];
    apply(t, e);
}

static void live(struct story *t, int steps)
{
    uint64_t random = t->seed;
    apply(t, FEP_CLAIM);
    for (int i = 0; i < steps; i++) {
        uint64_t r = random_step(&random);
        if (t->state == FEP_LEASED && r % 3 == 0)
            try_once(t, r >> 8);
        else if (t->state == FEP_WAITING && r % 3 == 1)
            apply(t, FEP_TAKE);
        else if (t->state == FEP_PARKED && r % 16 == 2)
            apply(t, FEP_REQUEUE);
        else
            land_one(t, r >> 8);
        ENSURE_MSG(!t->receipt_arrived || t->state == FEP_SENT, "seed %llu: a receipt was lost at step %d in state %s",
                   (unsigned long long)t->seed, i, fep_state_name(t->state));
        ENSURE_MSG(t->overwritten == 0, "seed %llu: a sent message moved", (unsigned long long)t->seed);
        ENSURE_MSG(t->state != FEP_READY, "seed %llu: a message alone was taken apart", (unsigned long long)t->seed);
    }
}

START_TEST(no_order_of_late_answers_and_timeouts_loses_a_receipt)
{
    int sent = 0;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        struct story t = {.seed = seed};
        live(&t, 200);
        while (t.flying_count)
            land_one(&t, seed);
        ENSURE_MSG(t.state == FEP_SENT || !t.ever_accepted, "seed %llu: accepted there, %s here",
                   (unsigned long long)seed, fep_state_name(t.state));
        sent += t.state == FEP_SENT;
    }
    ck_assert_int_gt(sent, 15000); /* the stories do reach the end */
}
END_TEST

START_TEST(names_of_states_are_those_of_the_database)
{
    enum fep_state s;
    static const char *const names[] = {"ready", "leased", "waiting", "sent", "parked"};
    for (int i = 0; i < FEP_STATES; i++) {
        ck_assert_str_eq(fep_state_name((enum fep_state)i), names[i]);
        ck_assert(fep_state_from_name(names[i], &s));
        ck_assert_int_eq(s, i);
    }
    ck_assert(!fep_state_from_name("lost", &s));
    for (int e = 0; e < FEP_EVENTS; e++)
        ck_assert_int_gt((int)strlen(fep_event_name((enum fep_event)e)), 0);
}
END_TEST

/* ---- verdicts ---- */

START_TEST(codes_are_judged_as_the_contract_says)
{
    static const struct {
        int code;
        enum verdict verdict;
    } rows[] = {
        {0, VERDICT_ACCEPTED},    {2, VERDICT_ACCEPTED},    {1101, VERDICT_LINK},    {1102, VERDICT_LINK},
        {1103, VERDICT_DOUBTFUL}, {1104, VERDICT_DOUBTFUL}, {1105, VERDICT_LINK},    {1106, VERDICT_RETRY},
        {1107, VERDICT_REFUSED},  {2101, VERDICT_REFUSED},  {2104, VERDICT_REFUSED}, {2107, VERDICT_REFUSED},
        {2108, VERDICT_REFRESH},  {2112, VERDICT_LINK},     {3101, VERDICT_REFUSED}, {3501, VERDICT_REFUSED},
        {9101, VERDICT_RETRY},    {9102, VERDICT_RETRY},    {1, VERDICT_RETRY},      {7777, VERDICT_RETRY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_msg(verdict_of(RESULT_OK, rows[i].code) == rows[i].verdict, "%d: %s", rows[i].code,
                      verdict_name(verdict_of(RESULT_OK, rows[i].code)));
        struct result fault = {ERR_SENDER, rows[i].code, ""};
        if (rows[i].code > 2)
            ck_assert_int_eq(verdict_of(fault, 0), rows[i].verdict);
    }
}
END_TEST

START_TEST(only_an_unknown_operation_ends_the_heartbeat)
{
    static const int passing[] = {0, 1103, 1104, 1106, 9101, 9102};
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
        ck_assert(!verdict_not_served(RESULT_OK, passing[i]));
        ck_assert(!verdict_not_served((struct result){ERR_UNAUTHORISED, passing[i], ""}, 0));
    }
    ck_assert(!verdict_not_served((struct result){ERR_TRANSIENT, 0, ""}, 0));
    ck_assert(verdict_not_served((struct result){ERR_SENDER, 2112, ""}, 0));
}
END_TEST

START_TEST(nothing_is_refused_for_good_without_the_other_sides_code)
{
    for (int kind = ERR_SENDER; kind <= ERR_INTERNAL; kind++) {
        enum verdict v = verdict_of((struct result){(enum err_kind)kind, 0, ""}, 0);
        ck_assert(v == VERDICT_RETRY || v == VERDICT_LINK);
    }
    ck_assert_int_eq(verdict_of((struct result){ERR_UNAUTHORISED, 0, ""}, 0), VERDICT_LINK);
    ck_assert_int_eq(verdict_of((struct result){ERR_TRANSIENT, 2103, ""}, 0), VERDICT_RETRY);
}
END_TEST

START_TEST(pauses_double_up_to_the_longest_and_never_vanish)
{
    for (int attempts = 1; attempts <= 70; attempts++) {
        int64_t full = attempts <= 9 ? 1000LL << (attempts - 1) : 300000;
        full = full > 300000 ? 300000 : full;
        for (uint64_t r = 0; r < 1000; r++) {
            int64_t ms = fep_retry_delay_ms(attempts, 1000, 300000, r * 7919);
            ENSURE(ms > full / 2 - 1 && ms <= full);
        }
    }
    ck_assert_int_eq(fep_retry_delay_ms(1, 0, 0, 5), 0);
    ck_assert_int_ge(fep_retry_delay_ms(1, 1, 1, 5), 1);
}
END_TEST

/* ---- findings ---- */

START_TEST(findings_are_told_by_code_and_first_places)
{
    struct fep_reply r = {.text = "partly"};
    static const struct reply_finding f[] = {{3101, 4, "0000000002330011", "2026-11-20 10:00:00"},
                                             {3202, 5, NULL, NULL},
                                             {3101, 6, "x", "y"},
                                             {3101, 7, "x", "y"}};
    reply_note_findings(&r, f, 4);
    ck_assert_str_eq(r.text, "partly; findings 3101×3 3202×1; first 3101 line 4 0000000002330011 2026-11-20 10:00:00, "
                             "3202 line 5 - -, 3101 line 6 x y");
    reply_note_findings(&r, NULL, 0);
    ck_assert_int_eq(r.text[strlen(r.text) - 1], 'y');
}
END_TEST

START_TEST(more_findings_than_fit_are_cut_at_a_piece)
{
    struct reply_finding f[200];
    char code[200];
    memset(code, 'c', sizeof code - 1);
    code[sizeof code - 1] = 0;
    for (int i = 0; i < 200; i++)
        f[i] = (struct reply_finding){3000 + i, i, code, code};
    struct fep_reply r = {.text = ""};
    reply_note_findings(&r, f, 200);
    ck_assert_uint_lt(strlen(r.text), sizeof r.text);
    ck_assert_ptr_nonnull(strstr(r.text, "3015×1; first 3000 line 0 c"));
    ck_assert_ptr_null(strstr(r.text, "3016"));
    ck_assert_ptr_null(strstr(r.text, "3001 line"));
}
END_TEST

UNIT_MAIN("fep_state", every_pair_of_state_and_event_has_one_answer,
          a_receipt_is_taken_in_every_state_a_message_can_be_in, nothing_but_an_operator_moves_a_sent_message,
          only_an_operator_brings_back_a_parked_message, a_message_is_sent_only_under_a_lease,
          no_order_of_late_answers_and_timeouts_loses_a_receipt, names_of_states_are_those_of_the_database,
          codes_are_judged_as_the_contract_says, only_an_unknown_operation_ends_the_heartbeat,
          nothing_is_refused_for_good_without_the_other_sides_code, pauses_double_up_to_the_longest_and_never_vanish,
          findings_are_told_by_code_and_first_places, more_findings_than_fit_are_cut_at_a_piece)
