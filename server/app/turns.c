#include "app/turns.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"

static struct metric waiting_now = METRIC(METRIC_GAUGE, "nhjc_turns_waiting", NULL,
                                          "requests that wait because their caller has enough of them running");
static struct metric refused =
    METRIC(METRIC_COUNTER, "nhjc_turns_refused_total", NULL, "requests answered 503 because too many waited");

struct turns {
    pthread_mutex_t lock;
    int of_one, questions;
    struct net_request *waiting[TURNS_WAITING]; /* in order of arrival */
    int waiting_count;
    int running_count;
    const struct net_request *running[]; /* one per worker at most */
};

static int share(int configured, int otherwise)
{
    int n = configured > 0 ? configured : otherwise;
    return n > 0 ? n : 1;
}

struct turns *turns_new(int workers, int of_one, int questions)
{
    struct turns *t = mem_alloc(sizeof *t + (size_t)workers * sizeof(struct net_request *));
    pthread_mutex_init(&t->lock, NULL);
    t->of_one = share(of_one, workers / 2);
    t->questions = share(questions, workers - 1);
    return t;
}

void turns_free(struct turns **turns)
{
    if (!*turns) {
        return;
    }
    pthread_mutex_destroy(&(*turns)->lock);
    mem_free(*turns);
    *turns = NULL;
}

static bool same_caller(const struct net_request *a, const struct net_request *b)
{
    return strcmp(a->cert->fingerprint, b->cert->fingerprint) == 0;
}

static bool is_question(const struct net_request *r)
{
    return strcmp(r->path, "/services/query") == 0;
}

static bool may_run(const struct turns *t, const struct net_request *r)
{
    int of_one = 0, questions = 0;
    for (int i = 0; i < t->running_count; i++) {
        of_one += same_caller(t->running[i], r);
        questions += is_question(t->running[i]);
    }
    return of_one < t->of_one && (!is_question(r) || questions < t->questions);
}

static bool may_wait(const struct turns *t, const struct net_request *r)
{
    int of_one = 0;
    for (int i = 0; i < t->waiting_count; i++) {
        of_one += same_caller(t->waiting[i], r);
    }
    return t->waiting_count < TURNS_WAITING && of_one < TURNS_OF_ONE;
}

static struct net_request *take_waiting(struct turns *t, int i)
{
    struct net_request *r = t->waiting[i];
    t->waiting_count--;
    memmove(&t->waiting[i], &t->waiting[i + 1], (size_t)(t->waiting_count - i) * sizeof t->waiting[0]);
    metric_set(&waiting_now, t->waiting_count);
    return r;
}

enum turn turns_ask(struct turns *t, struct net_request *request)
{
    enum turn turn = TURN_REFUSED;
    pthread_mutex_lock(&t->lock);
    if (may_run(t, request)) {
        t->running[t->running_count++] = request;
        turn = TURN_NOW;
    } else if (may_wait(t, request)) {
        t->waiting[t->waiting_count++] = request;
        metric_set(&waiting_now, t->waiting_count);
        turn = TURN_LATER;
    } else {
        metric_add(&refused, 1);
    }
    pthread_mutex_unlock(&t->lock);
    return turn;
}

struct net_request *turns_next(struct turns *t)
{
    struct net_request *found = NULL;
    pthread_mutex_lock(&t->lock);
    for (int i = 0; i < t->waiting_count && !found; i++) {
        if (may_run(t, t->waiting[i])) {
            found = take_waiting(t, i);
            t->running[t->running_count++] = found;
        }
    }
    pthread_mutex_unlock(&t->lock);
    return found;
}

void turns_done(struct turns *t, const struct net_request *request)
{
    pthread_mutex_lock(&t->lock);
    for (int i = 0; i < t->running_count; i++) {
        if (t->running[i] == request) {
            t->running[i] = t->running[--t->running_count];
            break;
        }
    }
    pthread_mutex_unlock(&t->lock);
}

struct net_request *turns_drop(struct turns *t)
{
    pthread_mutex_lock(&t->lock);
    struct net_request *r = t->waiting_count > 0 ? take_waiting(t, 0) : NULL;
    pthread_mutex_unlock(&t->lock);
    return r;
}
