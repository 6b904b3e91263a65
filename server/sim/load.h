/* load: many devices in one process, for the benchmark: as many acknowledged uploads as the platform takes.
 *
 * Cheap:  a request is a prepared template whose dates, values, digest and messageId are patched in place, so that what
 *         is measured is the platform. Answers are only searched for their responseCode.
 * Shape:  a device is an enterprise with its own certificate and kept connection; K threads each serve their share of
 *         the devices in turn, so K requests are in flight.
 * Thread: load_run from main; it starts and joins its threads. */
#ifndef NHJC_SIM_LOAD_H
#define NHJC_SIM_LOAD_H

#include "base/buf.h"
#include "base/result.h"
#include "sim/sim_options.h"

/* *json: one object. The RESULT says what kept the load from starting; refused uploads are counted in the object. */
RESULT load_run(const struct sim_options *options, struct buf *json);
void load_stop(void); /* from a signal handler */

/* The n-th enterprise (from 1) of the load: a valid unified social credit code, always the same. */
void load_enterprise(unsigned n, char code[19]);

#endif
