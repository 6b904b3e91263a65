/* plan: which ready rows may go into the next message together. Pure.
 *
 * Rules:  a message is all data or all configuration; configuration goes first, one document per enterprise
 *         and message; data that follows a configuration row waits for it. Enterprises take turns row by row, so
 *         a year of history of one does not hold up the live data of the others. A late row is the only one of
 *         its enterprise in the message.
 *         Rows of a message that was refused as a whole are packed alone until the one that is refused is
 *         found: first each enterprise alone, then each row; an enterprise with a refused row stays alone until
 *         something of it is accepted.
 * Thread: one at a time per struct aside. */
#ifndef NHJC_FEP_PLAN_H
#define NHJC_FEP_PLAN_H

#include "fep/outbox_store.h"

enum aside_how { ASIDE_UNIT, ASIDE_ROW };

struct aside_unit { /* an enterprise whose rows are not packed with those of others */
    int32_t unit_id;
    int64_t until_id; /* the last row this is for */
    enum aside_how how;
    bool refused; /* holds beyond until_id, by enterprise */
};

struct aside {
    struct aside_unit *at;
    size_t count, cap;
};

void aside_free(struct aside *a);
/* A message with these shares was refused as a whole: its rows go alone from now on. */
void aside_split(struct aside *a, const struct outbox_share *shares, size_t count);
/* A row of this enterprise was refused for good. */
void aside_refused(struct aside *a, int32_t unit_id);
/* Something of this enterprise was accepted. */
void aside_accepted(struct aside *a, int32_t unit_id);

/* How many of the enterprises, in turn from the first, may share the next message: one that goes alone is either
 * the first and only one, or ends the list before it. */
size_t plan_units(const struct aside *a, const int32_t *units, size_t count);
/* Keeps, in place and order, the rows (of the enterprises that plan_units left) that may go into one message;
 * *kind: of it. Gives their number. */
size_t plan_rows(struct aside *a, struct outbox_row *rows, size_t count, enum pack_kind *kind);

#endif
