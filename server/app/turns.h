/* turns: whose request a worker may serve now, so that one caller's slow requests do not take every worker.
 *
 * For:    at most so many requests of one certificate run at once, and at most so many questions (/services/query) of
 * all together. A request beyond waits aside, in order of arrival, while the workers go on with those of others; where
 *         too many wait it is refused (503). Nobody is slower for it than the others are fast: who comes alone never
 * waits. Owner:  a waiting request is the turns' until turns_next gives it back; a running one is its worker's, who
 * says turns_done before the answer. Thread: any thread (one short lock). */
#ifndef NHJC_APP_TURNS_H
#define NHJC_APP_TURNS_H

#include "net/net.h"

#define TURNS_WAITING 256                /* requests aside */
#define TURNS_OF_ONE (TURNS_WAITING / 2) /* … of one certificate */

struct turns;

enum turn {
    TURN_NOW,   /* serve it; turns_done afterwards */
    TURN_LATER, /* taken, turns_next gives it back */
    TURN_REFUSED
};

/* of_one, questions: 0 for half of the workers, and for all but one of them; one at least. */
struct turns *turns_new(int workers, int of_one, int questions);
void turns_free(struct turns **turns); /* nothing waits any more */
enum turn turns_ask(struct turns *turns, struct net_request *request);
/* The first that waited and may be served now: its turn has begun. NULL: none. */
struct net_request *turns_next(struct turns *turns);
void turns_done(struct turns *turns, const struct net_request *request);
/* At the end: the next that waits, whether its turn has come or not. */
struct net_request *turns_drop(struct turns *turns);

#endif
