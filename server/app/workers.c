#include "app/workers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/mem.h"

#define TAKE_MS 200
#define STACK_BYTES ((size_t)8 << 20) /* whatever ulimit -s says (U3) */

struct worker {
    pthread_t thread;
    struct workers *all;
    struct soap_worker *soap;
};

struct workers {
    struct net_server *net;
    struct turns *turns;
    atomic_bool stopping;
    int started;
    struct worker at[];
};

static void serve(struct worker *w, struct net_request *request)
{
    struct soap_answer answer = {0};
    soap_worker_serve(w->soap, request, &answer);
    turns_done(w->all->turns, request);
    net_reply(w->all->net, &request, answer.status, answer.content_type, answer.headers, &answer.body, answer.close);
    buf_free(&answer.body);
}

static void put_off(struct workers *all, struct net_request *request)
{
    struct buf body = BUF_INIT;
    buf_append_str(&body, "503 busy: 平台繁忙，请稍后原样重发 / busy, send the same again later\n");
    net_reply(all->net, &request, 503, "text/plain; charset=utf-8", "Retry-After: 5\r\n", &body, false);
}

/* NULL: nothing came, or nothing whose turn it is. Whoever ends a request looks here next; a second one that the same
 * end set free waits for the next look of another worker, TAKE_MS at most. */
static struct net_request *take(struct workers *all)
{
    struct net_request *request = turns_next(all->turns);
    if (request) {
        return request;
    }
    request = net_take(all->net, TAKE_MS);
    if (!request) {
        usleep(1000); /* during a drain net_take answers at once: do not spin */
        return NULL;
    }
    enum turn turn = turns_ask(all->turns, request);
    if (turn == TURN_REFUSED) {
        put_off(all, request);
    }
    return turn == TURN_NOW ? request : NULL;
}

static void *body(void *arg)
{
    struct worker *w = arg;
    while (!atomic_load(&w->all->stopping)) {
        struct net_request *request = take(w->all);
        if (request) {
            serve(w, request);
        }
    }
    return NULL;
}

static bool start_thread(struct worker *w)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    bool ok = pthread_create(&w->thread, &attr, body, w) == 0;
    pthread_attr_destroy(&attr);
    return ok;
}

static RESULT start(struct worker *w, const struct soap_service *service)
{
    TRY(soap_worker_new(service, &w->soap));
    if (!start_thread(w)) {
        soap_worker_free(&w->soap);
        return result_error(ERR_INTERNAL, 0, "cannot start a worker thread");
    }
    return RESULT_OK;
}

RESULT workers_start(const struct soap_service *service, struct net_server *net, int count, struct turns *turns,
                     struct workers **workers)
{
    struct workers *all = mem_alloc(sizeof *all + (size_t)count * sizeof all->at[0]);
    all->net = net;
    all->turns = turns;
    for (; all->started < count; all->started++) {
        struct worker *w = &all->at[all->started];
        w->all = all;
        struct result r = start(w, service);
        if (!result_ok(r)) {
            workers_stop(&all);
            return r;
        }
    }
    *workers = all;
    return RESULT_OK;
}

void workers_stop(struct workers **workers)
{
    struct workers *all = *workers;
    if (!all) {
        return;
    }
    atomic_store(&all->stopping, true);
    for (int i = 0; i < all->started; i++) {
        pthread_join(all->at[i].thread, NULL);
        soap_worker_free(&all->at[i].soap);
    }
    for (struct net_request *request; (request = turns_drop(all->turns));) {
        put_off(all, request);
    }
    turns_free(&all->turns);
    mem_free(all);
    *workers = NULL;
}
