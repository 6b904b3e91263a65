#include "ingest/upload_store.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caltime.h"

static const struct db_stmt NEXT_ID = {"upload.next_id", "SELECT nextval('upload_id_seq')"};
static const struct db_stmt ENSURE = {"upload.partition", "SELECT partition_ensure($1, $2)"};
static const struct db_stmt LOCK = {"upload.lock", "SELECT pg_advisory_xact_lock(1, u) FROM unnest($1::integer[]) u"};
/* A statement of its own: what the one that waits for the lock sees is older than the lock. The inner question hides
 * how many enterprises there are: the planner would else plan for each upload anew, which costs more than the answer.
 */
static const struct db_stmt VERSIONS = {
    "upload.versions", "SELECT id, config_version FROM unit WHERE id = ANY (ARRAY(SELECT unnest($1::integer[])))"};
static const struct db_stmt RECEIPT = {"upload.receipt",
                                       "INSERT INTO receipt (sender_id, message_hash, upload_id, received_at, digest) "
                                       "VALUES ($1, encode($2, 'hex')::uuid, $3, $4, $5) ON CONFLICT DO NOTHING"};
static const struct db_stmt NEW_FRAMES = {
    "upload.frames", "INSERT INTO reading_frame (unit_id, page, ts, value, flag) SELECT unit_id, page, ts, value, flag "
                     "FROM unnest($1::frame_in[]) ON CONFLICT DO NOTHING RETURNING unit_id, page, ts"};
static const struct db_stmt NEW_REPORTED = {
    "upload.reported", "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value, flag) "
                       "SELECT unit_id, page, stat_type, ts, value, flag "
                       "FROM unnest($1::reported_in[]) ON CONFLICT DO NOTHING RETURNING unit_id, page, ts, stat_type"};
static const struct db_stmt OLD_FRAMES = {
    "upload.old_frames",
    "SELECT k.at, f.value, f.flag FROM unnest($1::integer[], $2::integer[], $3::smallint[], $4::timestamptz[]) "
    "AS k(at, u, p, t), LATERAL (SELECT value, flag FROM reading_frame r WHERE r.unit_id = k.u AND r.page = k.p "
    "AND r.ts = k.t OFFSET 0) f"};
static const struct db_stmt OLD_REPORTED = {
    "upload.old_reported",
    "SELECT k.at, f.value, f.flag FROM unnest($1::integer[], $2::integer[], $3::smallint[], $4::timestamptz[], "
    "$5::smallint[]) AS k(at, u, p, t, s), LATERAL (SELECT value, flag FROM reported_frame r WHERE r.unit_id = k.u "
    "AND r.page = k.p AND r.stat_type = k.s AND r.ts = k.t OFFSET 0) f"};
/* ON CONFLICT always goes through the key's index; UPDATE … FROM could be planned as a join over partitions. */
static const struct db_stmt MERGED_FRAMES = {
    "upload.merged_frames",
    "INSERT INTO reading_frame (unit_id, page, ts, value, flag) SELECT unit_id, page, ts, value, flag "
    "FROM unnest($1::frame_in[]) ON CONFLICT (unit_id, page, ts) "
    "DO UPDATE SET value = excluded.value, flag = excluded.flag"};
static const struct db_stmt MERGED_REPORTED = {
    "upload.merged_reported",
    "INSERT INTO reported_frame (unit_id, page, stat_type, ts, value, flag) "
    "SELECT unit_id, page, stat_type, ts, value, flag FROM unnest($1::reported_in[]) "
    "ON CONFLICT (unit_id, page, stat_type, ts) DO UPDATE SET value = excluded.value, flag = excluded.flag"};
static const struct db_stmt PAYLOAD = {
    "upload.payload",
    "INSERT INTO upload_payload (sender_id, upload_id, received_at, encoding, cipher, digest, content, rejected) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"};
static const struct db_stmt MARKS = {"upload.marks",
                                     "INSERT INTO rollup_mark (unit_id, hour, upload_id) "
                                     "SELECT x.u, x.h, $3 FROM unnest($1::integer[], $2::timestamptz[]) x (u, h)"};
static const struct db_stmt COEFFICIENT_MARKS = {
    "upload.coefficient_marks",
    "INSERT INTO rollup_mark (unit_id, hour, upload_id) SELECT DISTINCT x.u, x.ts, $5::bigint "
    "FROM unnest($1::integer[], $2::smallint[], $3::smallint[], $4::timestamptz[]) x (u, p, s, ts) WHERE EXISTS "
    "(SELECT FROM "
    "collect_item i WHERE i.unit_id = x.u AND i.scope = 1 AND i.stat_type = x.s AND i.slot / 128 = x.p "
    "AND substr(i.data_code, 9, 2) IN ('01', '02', '03', '05', '06', '07') AND substr(i.data_code, 9, 2) > '04')"};
static const struct db_stmt OUTBOX = {
    "upload.outbox", "INSERT INTO outbox (destination_id, unit_id, kind, sender_id, upload_id, received_at) "
                     "SELECT d, u, 0, $3, $4, $5 FROM unnest($1::integer[]) u, unnest($2::integer[]) d"};
static const struct db_stmt RECORD = {
    "upload.record",
    "INSERT INTO upload (sender_id, upload_id, received_at, unit_id, device_id, message_id, via, response_code, "
    "received, stored, unchanged, corrected, suspect, rejected, findings) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"};
static const struct db_stmt FINDINGS = {
    "upload.findings",
    "INSERT INTO upload_finding (sender_id, upload_id, received_at, ordinal, code, severity, line, data_code, "
    "stat_type, stat_date, message) SELECT $1, $2, $3, f.* FROM unnest($4::finding_in[]) f"};
static const struct db_stmt CORRECTIONS = {
    "upload.corrections",
    "INSERT INTO correction (upload_id, received_at, unit_id, ordinal, slot, stat_type, ts, old_value, old_flag, "
    "new_value, new_flag) SELECT $1, $2, c.* FROM unnest($3::correction_in[]) c"};
static const struct db_stmt LOOKUP = {
    "upload.lookup",
    "SELECT r.upload_id, r.digest, r.received_at, u.response_code, u.received, u.stored, u.unchanged, u.corrected, "
    "u.suspect, u.rejected, u.findings FROM receipt r LEFT JOIN upload u ON u.sender_id = r.sender_id "
    "AND u.received_at = r.received_at AND u.upload_id = r.upload_id "
    "WHERE r.sender_id = $1 AND r.message_hash = encode($2, 'hex')::uuid"};
static const struct db_stmt LOOKUP_FINDINGS = {
    "upload.lookup_findings",
    "SELECT code, severity, line, data_code, stat_type, stat_date, message FROM upload_finding "
    "WHERE sender_id = $1 AND received_at = $2 AND upload_id = $3 ORDER BY ordinal"};

void upload_store_init(struct upload_store *s, struct db *db)
{
    *s = (struct upload_store){.db = db};
    db_params_init(&s->params);
}

void upload_store_free(struct upload_store *s)
{
    db_params_free(&s->params);
    composite_free(&s->composite);
}

RESULT upload_store_next_id(struct upload_store *s, int64_t *id)
{
    if (s->next_id == s->last_id) {
        struct db_rows *rows = NULL;
        TRY(db_query(s->db, &NEXT_ID, NULL, &rows));
        s->next_id = db_get_int(rows, 0, 0);
        s->last_id = s->next_id + 1000;
        db_rows_free(&rows);
    }
    *id = s->next_id++;
    return RESULT_OK;
}

/* ---- partitions ---- */

static int month_index(int64_t us)
{
    struct civil c = caltime_civil(us);
    return (c.year - 2010) * 12 + c.month - 1;
}

static RESULT ensure_month(struct upload_store *s, uint64_t *known, const char *kind, int64_t us)
{
    int m = month_index(us);
    if (m < 0 || m >= 8 * 64)
        return result_error(ERR_INTERNAL, 0, "no partition for an instant before 2010 or after 2052");
    uint64_t bit = UINT64_C(1) << (m % 64);
    if (known[m / 64] & bit)
        return RESULT_OK;
    db_params_reset(&s->params);
    db_bind_text(&s->params, kind);
    db_bind_time(&s->params, us);
    TRY(db_query(s->db, &ENSURE, &s->params, NULL));
    known[m / 64] |= bit;
    return RESULT_OK;
}

RESULT upload_store_partitions(struct upload_store *s, const struct frame_plan *plan, int64_t received_at)
{
    TRY(ensure_month(s, s->receipt_months, "receipt", received_at));
    for (size_t i = 0; i < plan->count; i++)
        if (i == 0 || plan->frames[i].ts != plan->frames[i - 1].ts)
            TRY(ensure_month(s, s->months, "reading", plan->frames[i].ts));
    return RESULT_OK;
}

void upload_store_forget_partitions(struct upload_store *s)
{
    memset(s->months, 0, sizeof s->months);
    memset(s->receipt_months, 0, sizeof s->receipt_months);
}

/* ---- frames ---- */

static void composite_frame(struct composite *c, const struct frame *f, bool reported)
{
    composite_row(c, reported ? 6 : 5);
    composite_int4(c, f->unit_id);
    composite_int2(c, f->page);
    if (reported)
        composite_int2(c, f->stat_type);
    composite_time(c, f->ts);
    composite_int8_array(c, f->now.value, f->now.missing, f->now.width);
    const int16_t *flags = frame_flags(f);
    if (flags)
        composite_int2_array(c, flags, f->now.missing, f->now.width);
    else
        composite_null(c, OID_INT2_ARRAY);
}

/* One statement for the frames [from, to) that are (or, wanted NULL, all are) in wanted. */
static RESULT add_frames(struct upload_store *s, const struct db_stmt *stmt, const struct frame_plan *plan, size_t from,
                         size_t to, const bool *wanted, bool reported)
{
    TRY(composite_begin(&s->composite, s->db, reported ? "reported_in" : "frame_in"));
    for (size_t i = from; i < to; i++)
        if (!wanted || wanted[i])
            composite_frame(&s->composite, &plan->frames[i], reported);
    db_params_reset(&s->params);
    composite_bind(&s->composite, &s->params);
    return db_pipe_add(s->db, stmt, &s->params);
}

static RESULT add_locks(struct upload_store *s, const struct stored_upload *u)
{
    db_params_reset(&s->params);
    db_bind_int4_array(&s->params, u->lock_units, NULL, u->lock_count);
    TRY(db_pipe_add(s->db, &LOCK, &s->params));
    return db_pipe_add(s->db, &VERSIONS, &s->params);
}

static RESULT add_receipt(struct upload_store *s, const struct stored_upload *u)
{
    db_params_reset(&s->params);
    db_bind_int4(&s->params, u->sender_id);
    db_bind_bytea(&s->params, u->message_hash, 16);
    db_bind_int8(&s->params, u->upload_id);
    db_bind_time(&s->params, u->received_at);
    db_bind_bytea(&s->params, u->digest, RECEIPT_DIGEST_LEN);
    return db_pipe_add(s->db, &RECEIPT, &s->params);
}

static RESULT send_frames(struct upload_store *s, const struct frame_plan *plan)
{
    if (plan->real_time > 0)
        TRY(add_frames(s, &NEW_FRAMES, plan, 0, plan->real_time, NULL, false));
    if (plan->real_time < plan->count)
        TRY(add_frames(s, &NEW_REPORTED, plan, plan->real_time, plan->count, NULL, true));
    return RESULT_OK;
}

static RESULT send_begin(struct upload_store *s, const struct stored_upload *u, const struct frame_plan *plan)
{
    TRY(db_pipe_add(s->db, &DB_BEGIN, NULL));
    TRY(add_locks(s, u));
    TRY(add_receipt(s, u));
    if (plan)
        TRY(send_frames(s, plan));
    return db_pipe_sync(s->db);
}

/* RETURNING gives the inserted keys in the order of the statement, which is the order of the plan. */
static void note_existing(const struct db_rows *rows, const struct frame_plan *plan, size_t from, size_t to,
                          bool reported, bool *exists)
{
    size_t row = 0;
    for (size_t i = from; i < to; i++) {
        const struct frame *f = &plan->frames[i];
        bool inserted = row < db_rows_count(rows) && db_get_int(rows, row, 0) == f->unit_id &&
                        db_get_int(rows, row, 1) == f->page && db_get_time(rows, row, 2) == f->ts &&
                        (!reported || db_get_int(rows, row, 3) == f->stat_type);
        exists[i] = !inserted;
        row += inserted;
    }
}

static RESULT read_frames(struct upload_store *s, const struct frame_plan *plan, size_t from, size_t to, bool reported,
                          bool *exists)
{
    if (from == to)
        return RESULT_OK;
    struct db_rows *rows = NULL;
    TRY(db_pipe_next(s->db, &rows));
    note_existing(rows, plan, from, to, reported, exists);
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT read_all_frames(struct upload_store *s, const struct frame_plan *plan, bool *exists)
{
    TRY(read_frames(s, plan, 0, plan->real_time, false, exists));
    return read_frames(s, plan, plan->real_time, plan->count, true, exists);
}

static int compare_int(const void *a, const void *b)
{
    return *(const int32_t *)a < *(const int32_t *)b ? -1 : *(const int32_t *)a > *(const int32_t *)b;
}

/* An enterprise's place in lock_units, -1: not among them. */
static ptrdiff_t lock_place(const struct stored_upload *u, int32_t unit_id)
{
    const int32_t *at = bsearch(&unit_id, u->lock_units, u->lock_count, sizeof unit_id, compare_int);
    return at ? at - u->lock_units : -1;
}

static RESULT read_versions(struct upload_store *s, const struct stored_upload *u, int32_t *version)
{
    struct db_rows *rows = NULL;
    for (size_t i = 0; i < u->lock_count; i++)
        version[i] = -1;
    TRY(db_pipe_next(s->db, &rows));
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        ptrdiff_t at = lock_place(u, (int32_t)db_get_int(rows, i, 0));
        if (at >= 0)
            version[at] = (int32_t)db_get_int(rows, i, 1);
    }
    db_rows_free(&rows);
    return RESULT_OK;
}

static RESULT read_begin(struct upload_store *s, const struct stored_upload *u, const struct frame_plan *plan,
                         struct upload_begun *begun, bool *exists)
{
    TRY(db_pipe_next(s->db, NULL)); /* BEGIN */
    TRY(db_pipe_next(s->db, NULL)); /* locks */
    TRY(read_versions(s, u, begun->version));
    struct db_rows *rows = NULL;
    TRY(db_pipe_next(s->db, &rows));
    begun->duplicate = db_rows_affected(rows) == 0;
    db_rows_free(&rows);
    return plan ? read_all_frames(s, plan, exists) : RESULT_OK;
}

/* Ends a pipeline whatever happened in it; the first error is the one that counts. */
static RESULT end_pipe(struct db *db, struct result r)
{
    struct result end = db_pipe_end(db);
    return result_ok(r) ? end : r;
}

/* Types are looked up before the pipeline opens: inside one a question has no answer yet. */
static RESULT know_types(struct upload_store *s)
{
    static const char *const types[] = {"frame_in", "reported_in", "correction_in", "finding_in"};
    uint32_t oid = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        TRY(db_type_oid(s->db, types[i], &oid));
    return RESULT_OK;
}

RESULT upload_store_begin(struct upload_store *s, const struct stored_upload *u, const struct frame_plan *plan,
                          struct upload_begun *begun, bool *exists)
{
    begun->duplicate = false;
    TRY(know_types(s));
    TRY(db_pipe_begin(s->db));
    struct result r = send_begin(s, u, plan);
    if (result_ok(r))
        r = read_begin(s, u, plan, begun, exists);
    return end_pipe(s->db, r);
}

RESULT upload_store_new_frames(struct upload_store *s, const struct frame_plan *plan, bool *exists)
{
    if (plan->count == 0)
        return RESULT_OK;
    TRY(db_pipe_begin(s->db));
    struct result r = send_frames(s, plan);
    if (result_ok(r))
        r = db_pipe_sync(s->db);
    if (result_ok(r))
        r = read_all_frames(s, plan, exists);
    return end_pipe(s->db, r);
}

/* ---- merging ---- */

static void bind_keys(struct upload_store *s, const struct frame_plan *plan, size_t from, size_t to, const bool *exists,
                      bool reported)
{
    struct arena *a = plan->arena;
    size_t n = 0;
    int32_t *at = arena_array(a, to - from, sizeof *at);
    int32_t *unit = arena_array(a, to - from, sizeof *unit);
    int16_t *page = arena_array(a, to - from, sizeof *page);
    int16_t *stat = arena_array(a, to - from, sizeof *stat);
    int64_t *ts = arena_array(a, to - from, sizeof *ts);
    for (size_t i = from; i < to; i++) {
        if (!exists[i])
            continue;
        at[n] = (int32_t)i;
        unit[n] = plan->frames[i].unit_id;
        page[n] = plan->frames[i].page;
        stat[n] = plan->frames[i].stat_type;
        ts[n++] = plan->frames[i].ts;
    }
    db_params_reset(&s->params);
    db_bind_int4_array(&s->params, at, NULL, n);
    db_bind_int4_array(&s->params, unit, NULL, n);
    db_bind_int2_array(&s->params, page, NULL, n);
    db_bind_time_array(&s->params, ts, n);
    if (reported)
        db_bind_int2_array(&s->params, stat, NULL, n);
}

static void merge_rows(struct frame_plan *plan, const struct db_rows *rows)
{
    for (size_t row = 0; row < db_rows_count(rows); row++) {
        struct frame_slots stored = {0};
        bool *nulls = NULL;
        size_t flags = 0;
        db_get_int8_array(rows, row, 1, plan->arena, &stored.value, &nulls, &stored.width);
        stored.missing = nulls;
        int16_t *flag = NULL;
        db_get_int2_array(rows, row, 2, plan->arena, &flag, &nulls, &flags);
        stored.flag = flags == stored.width ? flag : NULL;
        frame_merge(plan, &plan->frames[db_get_int(rows, row, 0)], &stored);
    }
}

static bool any_true(const bool *v, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (v[i])
            return true;
    return false;
}

static RESULT fetch_part(struct upload_store *s, struct frame_plan *plan, size_t from, size_t to, const bool *exists,
                         bool reported)
{
    if (!any_true(exists, from, to))
        return RESULT_OK;
    bind_keys(s, plan, from, to, exists, reported);
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, reported ? &OLD_REPORTED : &OLD_FRAMES, &s->params, &rows));
    merge_rows(plan, rows);
    db_rows_free(&rows);
    return RESULT_OK;
}

RESULT upload_store_fetch(struct upload_store *s, struct frame_plan *plan, const bool *exists)
{
    TRY(fetch_part(s, plan, 0, plan->real_time, exists, false));
    return fetch_part(s, plan, plan->real_time, plan->count, exists, true);
}

/* ---- the rest and COMMIT ---- */

static RESULT add_payload(struct upload_store *s, const struct stored_upload *u)
{
    db_params_reset(&s->params);
    db_bind_int4(&s->params, u->sender_id);
    db_bind_int8(&s->params, u->upload_id);
    db_bind_time(&s->params, u->received_at);
    db_bind_int2(&s->params, (int16_t)u->encoding);
    db_bind_int2(&s->params, (int16_t)u->cipher);
    db_bind_bytea(&s->params, u->digest, RECEIPT_DIGEST_LEN);
    db_bind_bytea(&s->params, u->content, u->content_len);
    if (u->rejected > 0)
        db_bind_int4_array(&s->params, u->rejected_ordinals, NULL, (size_t)u->rejected);
    else
        db_bind_null(&s->params, OID_INT4_ARRAY);
    return db_pipe_add(s->db, &PAYLOAD, &s->params);
}

/* A reported coefficient (classes 05-07) changes the accounts from its period on: the rollup must look at that day.
 * Other reported values change nothing that is rolled up. */
static RESULT add_coefficient_marks(struct upload_store *s, const struct frame_plan *plan, int64_t upload_id,
                                    bool *added)
{
    size_t reported = plan->count - plan->real_time, n = 0;
    int32_t *unit = arena_array(plan->arena, reported + 1, sizeof *unit);
    int16_t *page = arena_array(plan->arena, reported + 1, sizeof *page);
    int16_t *stat = arena_array(plan->arena, reported + 1, sizeof *stat);
    int64_t *ts = arena_array(plan->arena, reported + 1, sizeof *ts);
    for (size_t i = plan->real_time; i < plan->count; i++) {
        const struct frame *f = &plan->frames[i];
        if (f->counts.stored + f->counts.corrected == 0)
            continue;
        unit[n] = f->unit_id;
        page[n] = f->page;
        stat[n] = f->stat_type;
        ts[n++] = f->ts;
    }
    *added = n > 0;
    if (n == 0)
        return RESULT_OK;
    db_params_reset(&s->params);
    db_bind_int4_array(&s->params, unit, NULL, n);
    db_bind_int2_array(&s->params, page, NULL, n);
    db_bind_int2_array(&s->params, stat, NULL, n);
    db_bind_time_array(&s->params, ts, n);
    db_bind_int8(&s->params, upload_id);
    return db_pipe_add(s->db, &COEFFICIENT_MARKS, &s->params);
}

/* The hours that changed, each once per enterprise: frames are sorted by unit, page, time. */
static RESULT add_marks(struct upload_store *s, const struct frame_plan *plan, int64_t upload_id, bool *added)
{
    int32_t *unit = arena_array(plan->arena, plan->real_time + 1, sizeof *unit);
    int64_t *hour = arena_array(plan->arena, plan->real_time + 1, sizeof *hour);
    size_t n = 0;
    for (size_t i = 0; i < plan->real_time; i++) {
        const struct frame *f = &plan->frames[i];
        if (!frame_changes(f))
            continue;
        int64_t h = period_start(GRAN_HOUR, f->ts);
        if (n > 0 && unit[n - 1] == f->unit_id && hour[n - 1] == h)
            continue;
        unit[n] = f->unit_id;
        hour[n++] = h;
    }
    *added = n > 0;
    if (n == 0)
        return RESULT_OK;
    db_params_reset(&s->params);
    db_bind_int4_array(&s->params, unit, NULL, n);
    db_bind_time_array(&s->params, hour, n);
    db_bind_int8(&s->params, upload_id);
    return db_pipe_add(s->db, &MARKS, &s->params);
}

/* The enterprises whose readings changed, ascending: only they have something to forward. */
static size_t changed_units(const struct stored_upload *u, const struct frame_plan *plan, int32_t *unit)
{
    bool *changed = arena_array(plan->arena, u->lock_count + 1, sizeof *changed);
    for (size_t i = 0; i < plan->count; i++) {
        const struct frame *f = &plan->frames[i];
        ptrdiff_t at = lock_place(u, f->unit_id);
        if (at >= 0 && f->counts.stored + f->counts.corrected > 0)
            changed[at] = true;
    }
    size_t n = 0;
    for (size_t k = 0; k < u->lock_count; k++)
        if (changed[k])
            unit[n++] = u->lock_units[k];
    return n;
}

static RESULT add_outbox(struct upload_store *s, const struct stored_upload *u, const struct frame_plan *plan,
                         bool *added)
{
    int32_t *unit = arena_array(plan->arena, u->lock_count + 1, sizeof *unit);
    size_t n = changed_units(u, plan, unit);
    *added = n > 0 && u->destination_count > 0;
    if (!*added)
        return RESULT_OK;
    db_params_reset(&s->params);
    db_bind_int4_array(&s->params, unit, NULL, n);
    db_bind_int4_array(&s->params, u->destinations, NULL, (size_t)u->destination_count);
    db_bind_int4(&s->params, u->sender_id);
    db_bind_int8(&s->params, u->upload_id);
    db_bind_time(&s->params, u->received_at);
    return db_pipe_add(s->db, &OUTBOX, &s->params);
}

static RESULT add_record(struct upload_store *s, const struct stored_upload *u)
{
    const int numbers[] = {u->response_code,    u->received, u->counts.stored, u->counts.unchanged,
                           u->counts.corrected, u->suspect,  u->rejected};
    db_params_reset(&s->params);
    db_bind_int4(&s->params, u->sender_id);
    db_bind_int8(&s->params, u->upload_id);
    db_bind_time(&s->params, u->received_at);
    if (u->unit_id)
        db_bind_int4(&s->params, u->unit_id);
    else
        db_bind_null(&s->params, OID_INT4);
    db_bind_text(&s->params, u->device_id);
    db_bind_text(&s->params, u->message_id);
    db_bind_int2(&s->params, (int16_t)u->via);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        db_bind_int4(&s->params, numbers[i]);
    db_bind_int4(&s->params, (int32_t)(u->findings->count + u->findings->dropped));
    return db_pipe_add(s->db, &RECORD, &s->params);
}

static void composite_finding(struct composite *c, int32_t ordinal, const struct finding *f)
{
    composite_row(c, 8);
    composite_int4(c, ordinal);
    composite_int4(c, f->code);
    composite_int2(c, (int16_t)f->severity);
    composite_int8(c, f->line);
    composite_text(c, f->data_code);
    composite_int2(c, (int16_t)f->stat_type);
    composite_text(c, f->stat_date);
    composite_text(c, f->message);
}

static RESULT add_findings(struct upload_store *s, const struct stored_upload *u, bool *added)
{
    *added = u->findings->count > 0;
    if (!*added)
        return RESULT_OK;
    TRY(composite_begin(&s->composite, s->db, "finding_in"));
    for (size_t i = 0; i < u->findings->count; i++)
        composite_finding(&s->composite, (int32_t)i, &u->findings->at[i]);
    db_params_reset(&s->params);
    db_bind_int4(&s->params, u->sender_id);
    db_bind_int8(&s->params, u->upload_id);
    db_bind_time(&s->params, u->received_at);
    composite_bind(&s->composite, &s->params);
    return db_pipe_add(s->db, &FINDINGS, &s->params);
}

static void composite_correction(struct composite *c, int32_t ordinal, const struct plan_correction *k)
{
    composite_row(c, 9);
    composite_int4(c, k->unit_id);
    composite_int4(c, ordinal);
    composite_int4(c, k->slot);
    composite_int2(c, k->stat_type);
    composite_time(c, k->ts);
    composite_int8(c, k->old_value);
    composite_int2(c, k->old_flag);
    composite_int8(c, k->new_value);
    composite_int2(c, k->new_flag);
}

static RESULT add_corrections(struct upload_store *s, const struct stored_upload *u, const struct frame_plan *plan,
                              bool *added)
{
    *added = u->counts.corrected + u->counts.judged > 0;
    if (!*added)
        return RESULT_OK;
    TRY(composite_begin(&s->composite, s->db, "correction_in"));
    int32_t ordinal = 0;
    for (size_t i = 0; i < plan->count; i++)
        for (size_t k = 0; k < plan->frames[i].correction_count; k++)
            composite_correction(&s->composite, ordinal++, &plan->frames[i].corrections[k]);
    db_params_reset(&s->params);
    db_bind_int8(&s->params, u->upload_id);
    db_bind_time(&s->params, u->received_at);
    composite_bind(&s->composite, &s->params);
    return db_pipe_add(s->db, &CORRECTIONS, &s->params);
}

/* Frames that were merged with stored ones and differ from them. */
static RESULT add_merged(struct upload_store *s, const struct frame_plan *plan, const bool *exists, int *statements)
{
    bool *wanted = arena_array(plan->arena, plan->count + 1, sizeof *wanted);
    for (size_t i = 0; i < plan->count; i++)
        wanted[i] = exists[i] && frame_changes(&plan->frames[i]);
    if (any_true(wanted, 0, plan->real_time)) {
        TRY(add_frames(s, &MERGED_FRAMES, plan, 0, plan->real_time, wanted, false));
        ++*statements;
    }
    if (any_true(wanted, plan->real_time, plan->count)) {
        TRY(add_frames(s, &MERGED_REPORTED, plan, plan->real_time, plan->count, wanted, true));
        ++*statements;
    }
    return RESULT_OK;
}

static RESULT send_finish(struct upload_store *s, const struct stored_upload *u, const struct frame_plan *plan,
                          const bool *exists, int *statements)
{
    bool added = false;
    if (!u->merged)
        TRY(add_merged(s, plan, exists, statements));
    TRY(add_payload(s, u));
    TRY(add_record(s, u));
    *statements += 2;
    TRY(add_marks(s, plan, u->upload_id, &added));
    *statements += added;
    TRY(add_coefficient_marks(s, plan, u->upload_id, &added));
    *statements += added;
    TRY(add_outbox(s, u, plan, &added));
    *statements += added;
    TRY(add_findings(s, u, &added));
    *statements += added;
    TRY(add_corrections(s, u, plan, &added));
    *statements += added;
    TRY(db_pipe_add(s->db, &DB_COMMIT, NULL));
    ++*statements;
    return db_pipe_sync(s->db);
}

static RESULT send_merged(struct upload_store *s, const struct frame_plan *plan, const bool *exists, int *statements)
{
    TRY(add_merged(s, plan, exists, statements));
    return db_pipe_sync(s->db);
}

RESULT upload_store_merge(struct upload_store *s, struct stored_upload *u, const struct frame_plan *plan,
                          const bool *exists)
{
    u->merged = true;
    if (!any_true(exists, 0, plan->count))
        return RESULT_OK;
    TRY(db_pipe_begin(s->db));
    int statements = 0;
    struct result r = send_merged(s, plan, exists, &statements);
    for (int i = 0; i < statements && result_ok(r); i++)
        r = db_pipe_next(s->db, NULL);
    return end_pipe(s->db, r);
}

RESULT upload_store_finish(struct upload_store *s, const struct stored_upload *u, const struct frame_plan *plan,
                           const bool *exists, bool *commit_sent)
{
    *commit_sent = false;
    TRY(db_pipe_begin(s->db));
    int statements = 0;
    struct result r = send_finish(s, u, plan, exists, &statements);
    *commit_sent = true; /* libpq may have flushed any part of it */
    for (int i = 0; i < statements && result_ok(r); i++)
        r = db_pipe_next(s->db, NULL);
    return end_pipe(s->db, r);
}

/* ---- looking up again ---- */

static RESULT lookup_findings(struct upload_store *s, int32_t sender_id, const struct db_rows *receipt,
                              struct upload_answer *answer)
{
    db_params_reset(&s->params);
    db_bind_int4(&s->params, sender_id);
    db_bind_time(&s->params, db_get_time(receipt, 0, 2));
    db_bind_int8(&s->params, db_get_int(receipt, 0, 0));
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, &LOOKUP_FINDINGS, &s->params, &rows));
    struct findings *f = &answer->findings;
    for (size_t i = 0; i < db_rows_count(rows); i++)
        *ARENA_PUSH(f->arena, f->at, f->count, f->cap) = (struct finding){
            .code = (int)db_get_int(rows, i, 0),
            .severity = (enum finding_severity)db_get_int(rows, i, 1),
            .line = db_get_int(rows, i, 2),
            .data_code = db_is_null(rows, i, 3) ? NULL : arena_strdup(f->arena, db_get_text(rows, i, 3)),
            .stat_type = (int)db_get_int(rows, i, 4),
            .stat_date = db_is_null(rows, i, 5) ? NULL : arena_strdup(f->arena, db_get_text(rows, i, 5)),
            .message = arena_strdup(f->arena, db_get_text(rows, i, 6))};
    db_rows_free(&rows);
    return RESULT_OK;
}

static void answer_from_row(const struct db_rows *rows, struct upload_answer *answer)
{
    snprintf(answer->upload_id, sizeof answer->upload_id, "%lld", (long long)db_get_int(rows, 0, 0));
    answer->code = (int)db_get_int(rows, 0, 3);
    int *const numbers[] = {&answer->received,  &answer->stored,  &answer->unchanged,
                            &answer->corrected, &answer->suspect, &answer->rejected};
    for (int i = 0; i < 6; i++)
        *numbers[i] = (int)db_get_int(rows, 0, 4 + i);
}

RESULT upload_store_lookup(struct upload_store *s, int32_t sender_id, const unsigned char hash[16], struct arena *arena,
                           bool *found, unsigned char digest[RECEIPT_DIGEST_LEN], struct upload_answer *answer)
{
    *found = false;
    db_params_reset(&s->params);
    db_bind_int4(&s->params, sender_id);
    db_bind_bytea(&s->params, hash, 16);
    struct db_rows *rows = NULL;
    TRY(db_query(s->db, &LOOKUP, &s->params, &rows));
    struct result r = RESULT_OK;
    if (db_rows_count(rows) > 0) {
        size_t n = 0;
        const void *stored = db_get_bytea(rows, 0, 1, &n);
        *found = n == RECEIPT_DIGEST_LEN;
        if (*found)
            memcpy(digest, stored, n);
        findings_init(&answer->findings, arena);
        answer_from_row(rows, answer); /* an expired upload row answers with its id and code 0 */
        answer->duplicate = true;
        int64_t all = db_get_int(rows, 0, 10);
        if (all > 0)
            r = lookup_findings(s, sender_id, rows, answer);
        answer->findings_truncated = all > (int64_t)answer->findings.count;
    }
    db_rows_free(&rows);
    return r;
}
