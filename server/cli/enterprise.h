/* enterprise: what the commands about enterprises share. */
#ifndef NHJC_CLI_ENTERPRISE_H
#define NHJC_CLI_ENTERPRISE_H

#include "cli/cli.h"

struct application { /* 接入申请 */
    const char *code, *name, *region, *industry;
};
/* Whether the words can be right at all. SENDER otherwise. */
RESULT application_check(const struct application *a);
/* A note on standard error when the region is not under this platform's. */
void application_note_region(const struct cli *cli, const char *region);

/* upload_time spreads the devices over the night, the same way each time. $1: the code */
#define SPREAD_UPLOAD_TIME                                                                                             \
    "time '00:00' + (('x' || substr(md5($1), 1, 6))::bit(24)::integer % 21600) * interval '1 second'"

#endif
