/* uploader: the running device: collects slots into messages, keeps them in the spool, delivers them.
 *
 * States: REGISTER -> CONFIGURE -> DELIVER; a broken connection or "not now" repeats the step after a backoff, a
 * refusal ends the run. Collecting goes on meanwhile: it needs the deviceId only, which is kept beside the spool.
 * Window: as fast as possible means no more than a few messages ahead in the spool; with a clock (--speed) slots are
 *         collected when they fall due, however long the platform is away.
 * Beat:   with a clock a Heartbeat goes out now and then, and what the platform commands is done and reported.
 * Disk:   a full one is waited for; nothing that was read is lost, nothing unwritten is sent.
 * Thread: one at a time. uploader_stop from a signal handler. */
#ifndef NHJC_SIM_UPLOADER_H
#define NHJC_SIM_UPLOADER_H

#include "base/result.h"
#include "sim/sim_options.h"
#include "sim/source.h"
#include "sim/stats.h"

enum sim_exit { SIM_DONE = 0, SIM_REFUSED = 1, SIM_BROKEN = 2, SIM_UNFINISHED = 3 };

struct uploader;

/* Borrows options and source until uploader_close. */
RESULT uploader_open(const struct sim_options *options, struct sim_source *source, struct uploader **uploader);
void uploader_close(struct uploader **uploader);
/* Until everything is delivered, refused, or stopped. A failing disk is a RESULT. */
RESULT uploader_run(struct uploader *uploader, enum sim_exit *exit);
struct sim_stats *uploader_stats(struct uploader *uploader);
const char *uploader_device_id(const struct uploader *uploader);
void uploader_stop(void);

#endif
