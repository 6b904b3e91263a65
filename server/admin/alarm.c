#include "admin/alarm.h"

#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fep/fep_metrics.h"
#include "net/net.h"

#define FIRST_DAYS 60
#define SECOND_DAYS 30
#define LAST_DAYS 7
#define HORIZON_DAYS 30 /* partitions must reach a month ahead; not one for every day of a month */
#define DISK_WARN 70    /* percent in use */
#define DISK_ERROR 90

static struct metric WITHIN_60 =
    METRIC(METRIC_GAUGE, "nhjc_certificates_expiring", "days=\"60\"",
           "Identities and devices whose last certificate in force expires within so many days");
static struct metric WITHIN_30 =
    METRIC(METRIC_GAUGE, "nhjc_certificates_expiring", "days=\"30\"",
           "Identities and devices whose last certificate in force expires within so many days");
static struct metric WITHIN_7 =
    METRIC(METRIC_GAUGE, "nhjc_certificates_expiring", "days=\"7\"",
           "Identities and devices whose last certificate in force expires within so many days");
static struct metric DATABASE_BYTES = METRIC(METRIC_GAUGE, "nhjc_database_bytes", NULL, "Size of the database");
static struct metric DISK_FREE = METRIC(METRIC_GAUGE, "nhjc_database_disk_free_bytes", NULL,
                                        "Free where the database lies; -1: not on this machine, or not told");
static struct metric DAYS_AHEAD =
    METRIC(METRIC_GAUGE, "nhjc_partition_days_ahead", NULL, "Days that the partitions of every table reach ahead");
static struct metric ARCHIVE_FAILING =
    METRIC(METRIC_GAUGE, "nhjc_archive_failing", NULL, "1: the database's last attempt to archive its log failed");

/* A renewed identity, or device, has several: the one that lasts longest counts. One that names no device is not asked
 * about where the enterprise's certificates must name theirs. */
static const struct db_stmt EXPIRING = {
    "alarm_expiring", "SELECT c.identity, floor(extract(epoch FROM max(c.not_after) - $1) / 86400)::integer AS days, "
                      "c.device FROM certificate c LEFT JOIN unit u ON u.code = c.identity WHERE c.revoked_at IS NULL "
                      "AND NOT (c.device = '' AND coalesce(u.device_certificates, false)) GROUP BY 1, 3 "
                      "HAVING max(c.not_after) > $1 AND max(c.not_after) < $1 + $2 * interval '1 day' "
                      "ORDER BY 2, 1, 3"};
static const struct db_stmt STORAGE = {
    "alarm_storage", "SELECT pg_database_size(current_database()), (SELECT min(days_ahead) FROM storage_horizon($1)), "
                     "coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false), "
                     "coalesce(last_failed_wal, '') FROM pg_stat_archiver"};
/* At the end of a month what was made ahead by one reaches no month any more; of the first day's look it is too early
 * to judge. */
static const struct db_stmt DAYS_DUE = {
    "alarm_days_due", "SELECT least($3, extract(day FROM date_trunc('month', $1 - interval '1 day') + "
                      "($2 + 1) * interval '1 month' - $1)::integer)"};
/* The folder is asked for its size only when it is on this machine: the connection is no TCP connection. A database may
 * lie in a tablespace of its own, on another disk than the cluster. */
static const struct db_stmt FOLDER = {
    "alarm_folder", "SELECT CASE WHEN inet_server_addr() IS NULL THEN coalesce((SELECT "
                    "nullif(pg_tablespace_location(dattablespace), '') FROM pg_database WHERE datname = "
                    "current_database()), (SELECT setting FROM pg_settings WHERE name = 'data_directory')) END"};

static bool worth_a_line(int days)
{
    return days == FIRST_DAYS - 1 || days == SECOND_DAYS - 1 || days < LAST_DAYS;
}

RESULT alarm_destination(const struct fep_destination *destination, int *told)
{
    int64_t seconds;
    TRY(net_certificate_left(destination->cert_file, &seconds));
    fep_gauge(fep_metrics_of(destination->name), FEP_M_EXPIRY, seconds);
    int days = (int)(seconds / 86400) - (seconds < 0);
    if (worth_a_line(days) && days != *told) {
        log_write(days < LAST_DAYS ? LOG_ERROR : LOG_WARN, "admin", "certificate_expiring", "destination=%s days=%d",
                  log_quote(destination->name), days);
    }
    *told = days;
    return RESULT_OK;
}

static void tell_certificate(const char *identity, const char *device, int days)
{
    if (worth_a_line(days)) {
        log_write(days < LAST_DAYS ? LOG_ERROR : LOG_WARN, "admin", "certificate_expiring",
                  "identity=%s days=%d device=%s", log_quote(identity), days, log_quote(device));
    }
}

RESULT alarm_certificates(struct db *db)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_time(&p, clock_now());
    db_bind_int4(&p, FIRST_DAYS);
    TRY(db_ask(db, &EXPIRING, &p, &rows));
    long long within[3] = {0};
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        int days = (int)db_get_int(rows, i, 1);
        within[0]++;
        within[1] += days < SECOND_DAYS;
        within[2] += days < LAST_DAYS;
        tell_certificate(db_get_text(rows, i, 0), db_get_text(rows, i, 2), days);
    }
    db_rows_free(&rows);
    metric_set(&WITHIN_60, within[0]);
    metric_set(&WITHIN_30, within[1]);
    metric_set(&WITHIN_7, within[2]);
    if (within[0] > 0) {
        log_write(LOG_WARN, "admin", "certificates_expiring", "within_60=%lld within_30=%lld within_7=%lld", within[0],
                  within[1], within[2]);
    }
    return RESULT_OK;
}

RESULT alarm_disk(struct db *db, int64_t *free_bytes, int64_t *all_bytes)
{
    struct db_rows *rows = NULL;
    struct statvfs fs;
    *free_bytes = *all_bytes = -1;
    TRY(db_query(db, &FOLDER, NULL, &rows));
    const char *folder = db_get_text(rows, 0, 0);
    if (*folder && statvfs(folder, &fs) == 0) {
        *free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
        *all_bytes = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT look_at_disk(struct db *db)
{
    int64_t left, all;
    TRY(alarm_disk(db, &left, &all));
    metric_set(&DISK_FREE, left);
    int used = all > 0 ? (int)(100 - left / (all / 100 + 1)) : 0;
    if (used >= DISK_WARN) {
        log_write(used >= DISK_ERROR ? LOG_ERROR : LOG_WARN, "admin", "disk_filling",
                  "used_percent=%d free_bytes=%lld database_bytes=%lld", used, (long long)left,
                  metric_value(&DATABASE_BYTES));
    }
    return RESULT_OK;
}

RESULT alarm_days_due(struct db *db, int ahead, int *days)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_time(&p, clock_now());
    db_bind_int4(&p, ahead);
    db_bind_int4(&p, HORIZON_DAYS);
    TRY(db_ask(db, &DAYS_DUE, &p, &rows));
    *days = (int)db_get_int(rows, 0, 0);
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT alarm_storage(struct db *db, int ahead)
{
    struct db_params p;
    struct db_rows *rows = NULL;
    int due = 0;
    TRY(alarm_days_due(db, ahead, &due));
    db_params_init(&p);
    db_bind_time(&p, clock_now());
    TRY(db_ask(db, &STORAGE, &p, &rows));
    metric_set(&DATABASE_BYTES, db_get_int(rows, 0, 0));
    metric_set(&DAYS_AHEAD, db_get_int(rows, 0, 1));
    metric_set(&ARCHIVE_FAILING, db_get_bool(rows, 0, 2));
    if (metric_value(&DAYS_AHEAD) < due) {
        log_write(LOG_ERROR, "admin", "partitions_end", "days_ahead=%lld", metric_value(&DAYS_AHEAD));
    }
    if (metric_value(&ARCHIVE_FAILING)) {
        log_write(LOG_ERROR, "admin", "archive_failing", "wal=%s", log_quote(db_get_text(rows, 0, 3)));
    }
    db_rows_free(&rows);
    return look_at_disk(db);
}
