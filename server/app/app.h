/* app: the server as a whole: start in order, run until told otherwise, stop in the opposite order.
 * Thread: main only. The threads it starts end before app_stop returns. */
#ifndef NHJC_APP_APP_H
#define NHJC_APP_APP_H

#include "base/result.h"

struct app;

/* Reads the configuration and starts everything; on error nothing is left running. config_path is borrowed. */
RESULT app_start(const char *config_path, struct app **app);
/* Until SIGTERM, SIGINT or `nhjcctl stop`. SIGHUP and `nhjcctl reload` read certificates, CRLs and options anew. */
void app_run(struct app *app);
void app_stop(struct app **app);

#endif
