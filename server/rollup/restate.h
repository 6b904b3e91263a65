/* restate: which periods that were over have another value after a slice than before it.
 *
 * For:    an operator who asks why a figure of last month changed (`nhjcctl restated`); table restatement.
 * Over:   a day after the period's end: what arrives within it is the end of the period, not a restatement.
 * Bound:  RESTATED_PER_SLICE, years first, then months, then days; the number left out is logged.
 * Pure but for the clock and the log. */
#ifndef NHJC_ROLLUP_RESTATE_H
#define NHJC_ROLLUP_RESTATE_H

#include "rollup/calc.h"
#include "rollup/cause.h"

enum { RESTATED_PER_SLICE = 4096 };

/* stored: hours, days, months around, as they were; fresh: hours to years as they are now; years: those that fresh
 * holds; causes: of the slice, finished. Sorted lists. */
void restate_rows(const struct calc *calc, const struct cause_list *causes, const struct key_set *years,
                  const struct row_list stored[3], const struct row_list fresh[4], struct restatement_list *out);

#endif
