/* Whose turn it is, without threads: requests are only names and paths here. */
#include "unit.h"

#include <string.h>

#include "app/turns.h"
#include "base/mem.h"

#define UPLOAD "/services/access"
#define QUESTION "/services/query"

static struct peer_cert certs[4] = {
    {.fingerprint = "aa"}, {.fingerprint = "bb"}, {.fingerprint = "cc"}, {.fingerprint = "dd"}};

static struct net_request request(int caller, const char *path)
{
    return (struct net_request){.cert = &certs[caller], .path = (char *)(uintptr_t)path};
}

START_TEST(one_caller_leaves_half_of_the_workers_to_the_others)
{
    struct turns *t = turns_new(4, 0, 0);
    struct net_request slow[4], other = request(1, UPLOAD);
    for (int i = 0; i < 4; i++) {
        slow[i] = request(0, UPLOAD);
        ck_assert_int_eq(turns_ask(t, &slow[i]), i < 2 ? TURN_NOW : TURN_LATER);
    }
    ck_assert_int_eq(turns_ask(t, &other), TURN_NOW);
    ck_assert_ptr_null(turns_next(t));
    turns_done(t, &other);
    ck_assert_ptr_null(turns_next(t)); /* another's end is not theirs */
    turns_done(t, &slow[0]);
    ck_assert_ptr_eq(turns_next(t), &slow[2]); /* in order of arrival */
    ck_assert_ptr_null(turns_next(t));
    turns_done(t, &slow[1]);
    turns_done(t, &slow[2]);
    ck_assert_ptr_eq(turns_next(t), &slow[3]);
    ck_assert_ptr_null(turns_drop(t));
    turns_free(&t);
    ck_assert_ptr_null(t);
}
END_TEST

START_TEST(questions_of_all_leave_one_worker_to_the_uploads)
{
    struct turns *t = turns_new(3, 0, 0);
    struct net_request questions[3], upload = request(3, UPLOAD);
    for (int i = 0; i < 3; i++) {
        questions[i] = request(i, QUESTION);
        ck_assert_int_eq(turns_ask(t, &questions[i]), i < 2 ? TURN_NOW : TURN_LATER);
    }
    ck_assert_int_eq(turns_ask(t, &upload), TURN_NOW);
    turns_done(t, &upload);
    ck_assert_ptr_null(turns_next(t));
    turns_done(t, &questions[1]);
    ck_assert_ptr_eq(turns_next(t), &questions[2]);
    turns_free(&t);
}
END_TEST

START_TEST(shares_may_be_configured_and_are_never_nothing)
{
    struct net_request a = request(0, QUESTION), b = request(0, QUESTION), c = request(0, QUESTION);
    struct turns *t = turns_new(1, 0, 0);
    ck_assert_int_eq(turns_ask(t, &a), TURN_NOW);
    turns_free(&t);
    t = turns_new(8, 2, 2);
    ck_assert_int_eq(turns_ask(t, &a), TURN_NOW);
    ck_assert_int_eq(turns_ask(t, &b), TURN_NOW);
    ck_assert_int_eq(turns_ask(t, &c), TURN_LATER);
    ck_assert_ptr_eq(turns_drop(t), &c);
    turns_free(&t);
}
END_TEST

START_TEST(who_sends_too_many_is_refused_and_the_others_still_wait_their_turn)
{
    struct turns *t = turns_new(2, 1, 1);
    struct net_request *many = mem_array(TURNS_OF_ONE + 2, sizeof *many), other = request(1, UPLOAD),
                       another = request(1, UPLOAD);
    for (int i = 0; i < TURNS_OF_ONE + 2; i++) {
        many[i] = request(0, UPLOAD);
        enum turn wanted = i == 0 ? TURN_NOW : i <= TURNS_OF_ONE ? TURN_LATER : TURN_REFUSED;
        ENSURE_MSG(turns_ask(t, &many[i]) == wanted, "%d", i);
    }
    ck_assert_int_eq(turns_ask(t, &other), TURN_NOW);
    ck_assert_int_eq(turns_ask(t, &another), TURN_LATER);
    turns_done(t, &other);
    ck_assert_ptr_eq(turns_next(t), &another); /* past all that may not run yet */
    while (turns_drop(t)) {
        ;
    }
    turns_free(&t);
    mem_free(many);
}
END_TEST

UNIT_MAIN("turns", one_caller_leaves_half_of_the_workers_to_the_others,
          questions_of_all_leave_one_worker_to_the_uploads, shares_may_be_configured_and_are_never_nothing,
          who_sends_too_many_is_refused_and_the_others_still_wait_their_turn)
