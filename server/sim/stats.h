/* stats: what a run has done so far, and its summary.
 * Owner: texts are copied; sim_stats_free. Thread: one at a time. */
#ifndef NHJC_SIM_STATS_H
#define NHJC_SIM_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define STATS_CODES 32

struct sim_stats {
    int64_t uploads, duplicates, readings; /* acknowledged */
    int64_t stored, unchanged, corrected, suspect, rejected;
    int64_t retries;
    int64_t spool_messages, spool_readings;
    int64_t started;  /* clock_monotonic */
    int64_t position; /* instant of the last slot acknowledged; INT64_MIN */
    int last_code;
    int64_t left;          /* readings the source still holds, about; -1: not known */
    int64_t dropped;       /* readings of a message that was given up by --drop-head */
    int64_t commands;      /* of the platform, obeyed or answered FAILED */
    char dic_version[40];  /* of the base data that uploads name */
    int64_t base_entries;  /* of the lists kept beside the spool; 0: none were downloaded */
    int64_t skipped_slots; /* read by earlier runs: the spool says so */
    int refused_code;      /* with refused_text: why the platform ended the run; 0: something here did */
    char *refused_text;
    struct {
        int code;
        int64_t count;
    } findings[STATS_CODES];
    size_t finding_count;
    bool complete; /* everything chosen was acknowledged */
};

void sim_stats_finding(struct sim_stats *stats, int code);
double sim_stats_seconds(const struct sim_stats *stats);
/* One line of progress, without its end: at most 79 columns, so that a terminal can rewrite it. */
void sim_stats_line(const struct sim_stats *stats, struct buf *out);
/* Why the run was ended, bilingual, for people. Only with refused_text. */
void sim_stats_refusal(const struct sim_stats *stats, struct buf *out);
void sim_stats_text(const struct sim_stats *stats, const char *enterprise, struct buf *out);
void sim_stats_json(const struct sim_stats *stats, const char *enterprise, const char *device_id, struct buf *out);
void sim_stats_free(struct sim_stats *stats);

#endif
