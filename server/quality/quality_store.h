/* quality_store: the statements behind the figures. Inside quality only.
 * Thread: as the connection. Rows live in the arena. Errors: those of db. */
#ifndef NHJC_QUALITY_QUALITY_STORE_H
#define NHJC_QUALITY_QUALITY_STORE_H

#include "quality/quality.h"

struct quality_units {
    struct quality_unit *at;
    size_t count, cap;
};
RESULT quality_store_units(struct db *db, const struct quality_question *q, struct arena *a, struct quality_units *out);

struct quality_items {
    struct quality_item *at;
    size_t count, cap;
};
RESULT quality_store_items(struct db *db, int32_t unit, struct arena *a, struct quality_items *out);
/* Moves `since` to the first reading where that was on an earlier day. Only days before `since` need it. */
RESULT quality_store_history(struct db *db, int32_t unit, struct quality_items *items);

struct slot_counts {
    int32_t valid, invalid, late, suspect;
};
struct page_counts { /* one page of one day */
    int64_t day;
    int16_t page;
    int stat_type; /* 0 rolled up readings, 1 reported day values */
    size_t width;
    struct slot_counts *slots;
};
struct page_list {
    struct page_counts *at;
    size_t count, cap;
};
enum page_wish { PAGES_BRIEF = 1 /* without late and suspect */, PAGES_REPORTED = 2 /* reported day values too */ };
/* Rolled up pages, then reported ones, each in order of day. */
RESULT quality_store_pages(struct db *db, int32_t unit, int64_t from, int64_t to, unsigned wish, struct arena *a,
                           struct page_list *out);

struct refused_records { /* so many records refused on a day */
    int64_t day;
    const char *data_code;
    int stat_type;
    int64_t count;
};
struct refused_list {
    struct refused_records *at;
    size_t count, cap;
};
/* Refused records of the enterprise's own uploads by the day they were meant for. */
RESULT quality_store_refused(struct db *db, int32_t unit, int64_t from, int64_t to, struct arena *a,
                             struct refused_list *out);

#endif
