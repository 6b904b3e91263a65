/* conformity: may the enterprise be accepted? (数据接入符合性) */
#ifndef NHJC_CLI_CONFORMITY_H
#define NHJC_CLI_CONFORMITY_H

#include "cli/cli.h"

/* The rules over the days of its trial. SENDER with the rules that do not hold. */
RESULT conformity_of_trial(struct cli *cli, const char *code);

#endif
