/* workers: the threads that take whole requests from net, answer them, and hand the answers back.
 * Each has its own soap_worker (context, arena, connections). Start and stop: main thread.
 * Which request is next is what turns.h says. workers_stop lets each finish the request in hand and answers 503 to
 * those still waiting; call net_drain first. */
#ifndef NHJC_APP_WORKERS_H
#define NHJC_APP_WORKERS_H

#include "app/turns.h"
#include "net/net.h"
#include "soap/soap_server.h"

struct workers;

/* turns is the workers' from here on; it was made for count workers. */
RESULT workers_start(const struct soap_service *service, struct net_server *net, int count, struct turns *turns,
                     struct workers **workers);
void workers_stop(struct workers **workers);

#endif
