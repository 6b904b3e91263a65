/* The forwarder against a real database and an upper platform that counts, fails, forgets to answer and refuses. */
#include "dbtest.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "db/migrate.h"
#include "fep/fep_binding.h"
#include "fep/outbox_store.h"
#include "payload/envelope.h"
#include "payload/payload.h"

#define DEVICE "0123456789abcdef0123456789abcdef"

enum { UNITS = 8, MESSAGES = 4000, VALUES = 20000, DEADLINE_S = 60 };

/* ---- the upper platform ---- */

struct taken { /* a message as it was first seen */
    char id[80], digest[65];
    bool accepted;
    int calls;
};

struct upper {
    pthread_mutex_t lock;
    struct taken at[MESSAGES];
    int count, calls, registers, heartbeats, changed; /* changed: an id came back with other bytes */
    int values[UNITS + 1][VALUES]; /* what was accepted, per enterprise, in order; -n: configuration n */
    int value_count[UNITS + 1];
    int doubled; /* effects of a message beyond its first */
    int64_t last_pending;
    char last_reg[64], last_dic[64];
    /* how it behaves */
    bool down;
    int fail_every, forget_every, busy_every; /* each n-th call: no connection; accepted but no answer; 9101 */
    int answer;                               /* every message: this code */
    int register_answer, version;
    const char *refuse_text, *refuse_also; /* a message that holds one of them is refused with refuse_code */
    int refuse_code;
    int slow_ms;
};

static struct upper upper;
static char nation[] = "nation", sister[] = "sister", none[] = "", province[] = "420000";

static void nap(int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static struct taken *find_message(const struct fep_message *m)
{
    for (int i = 0; i < upper.count; i++)
        if (strcmp(upper.at[i].id, m->message_id) == 0)
            return &upper.at[i];
    if (upper.count == MESSAGES)
        return NULL;
    struct taken *t = &upper.at[upper.count++];
    snprintf(t->id, sizeof t->id, "%s", m->message_id);
    snprintf(t->digest, sizeof t->digest, "%s", m->digest);
    return t;
}

static int unit_of(const char *code)
{
    return atoi(code + 12);
}

static void note(int unit, int value)
{
    if (unit >= 1 && unit <= UNITS && upper.value_count[unit] < VALUES)
        upper.values[unit][upper.value_count[unit]++] = value;
}

static void note_data(const struct buf *xml, struct arena *a)
{
    struct findings f;
    struct energy_data_set set = {0};
    findings_init(&f, a);
    if (!result_ok(
            payload_read_data(xml->data, xml->len, PAYLOAD_ENERGY_DATA_SET, &PAYLOAD_LIMITS_DEFAULT, a, &f, &set)))
        return;
    for (size_t i = 0; i < set.count; i++)
        for (size_t k = 0; k < set.at[i].count; k++)
            note(unit_of(set.at[i].enterprise_code), atoi(set.at[i].records[k].data_value));
}

static void note_config(const struct buf *xml, struct arena *a)
{
    struct findings f;
    struct enterprise_config_set set = {0};
    findings_init(&f, a);
    if (!result_ok(payload_read_config(xml->data, xml->len, PAYLOAD_CONFIG_SET, &PAYLOAD_LIMITS_DEFAULT, a, &f, &set)))
        return;
    for (size_t i = 0; i < set.count; i++)
        note(unit_of(config_attribute(set.at[i].objects, "code")), -atoi(config_attribute(set.at[i].objects, "n")));
}

/* The digest that came with it, and the one of the bytes that came. */
static bool bytes_match(const struct fep_message *m, const struct taken *t, const struct buf *xml)
{
    unsigned char sum[32];
    char hex[65];
    if (!result_ok(envelope_digest(DIGEST_SHA_256, xml->data, xml->len, sum)))
        return false;
    hex_encode(sum, sizeof sum, hex);
    return strcmp(hex, m->digest) == 0 && strcmp(hex, t->digest) == 0;
}

static void take_effect(const struct fep_message *m, struct taken *t, const struct buf *xml, struct fep_reply *reply)
{
    reply->duplicate = t->accepted;
    if (t->accepted)
        return;
    t->accepted = true;
    struct arena *a = arena_new(0);
    if (m->kind == PACK_CONFIG)
        note_config(xml, a);
    else
        note_data(xml, a);
    arena_free(&a);
}

static bool every(int n)
{
    return n > 0 && upper.calls % n == 0;
}

static struct result refused(int code)
{
    return result_error(code < 2000 ? ERR_UNAUTHORISED : ERR_SENDER, code, "refused by the test");
}

static bool holds(const struct buf *xml, const char *text)
{
    return text && strstr(buf_str(xml), text);
}

static struct result judge(const struct fep_message *m, const struct buf *xml, struct fep_reply *reply)
{
    struct taken *t = find_message(m);
    upper.calls++;
    if (!t || upper.down || every(upper.fail_every))
        return result_error(ERR_TRANSIENT, 0, "connection refused");
    t->calls++;
    upper.changed += !bytes_match(m, t, xml);
    if (upper.answer >= 1000 && upper.answer < 2000)
        return refused(upper.answer);
    if (holds(xml, upper.refuse_text) || holds(xml, upper.refuse_also))
        return refused(upper.refuse_code);
    reply->code = every(upper.busy_every) ? 9101 : upper.answer;
    reply->rejected = reply->code == 2;
    snprintf(reply->text, sizeof reply->text, "答复 \xff answer");
    snprintf(reply->upload_id, sizeof reply->upload_id, "u%d", upper.count);
    if (reply->code != 0 && reply->code != 2)
        return RESULT_OK;
    take_effect(m, t, xml, reply);
    return every(upper.forget_every) ? result_error(ERR_TRANSIENT, 0, "timed out") : RESULT_OK;
}

static struct result upper_send(const struct fep_message *m, struct fep_reply *reply)
{
    struct buf xml = BUF_INIT;
    struct result r = envelope_gunzip(m->content.data, m->content.len, 1 << 28, &xml);
    pthread_mutex_lock(&upper.lock);
    int slow = upper.slow_ms;
    if (result_ok(r))
        r = judge(m, &xml, reply);
    pthread_mutex_unlock(&upper.lock);
    buf_free(&xml);
    if (slow)
        nap(slow);
    return r;
}

static struct result upper_data(void *self, const struct fep_message *m, const struct fep_versions *v,
                                struct fep_reply *reply)
{
    (void)self;
    pthread_mutex_lock(&upper.lock);
    snprintf(upper.last_reg, sizeof upper.last_reg, "%s", v->reg_version);
    snprintf(upper.last_dic, sizeof upper.last_dic, "%s", v->dic_version);
    bool old = atoi(v->dic_version) != upper.version;
    pthread_mutex_unlock(&upper.lock);
    return old ? refused(2108) : upper_send(m, reply);
}

static struct result upper_config(void *self, const struct fep_message *m, struct fep_reply *reply)
{
    (void)self;
    return upper_send(m, reply);
}

static struct result upper_register(void *self, struct fep_reply *reply)
{
    (void)self;
    struct result r = RESULT_OK;
    pthread_mutex_lock(&upper.lock);
    upper.registers++;
    if (upper.down)
        r = result_error(ERR_TRANSIENT, 0, "connection refused");
    else if (upper.register_answer)
        r = refused(upper.register_answer);
    snprintf(reply->reg_version, sizeof reply->reg_version, "1");
    snprintf(reply->dic_version, sizeof reply->dic_version, "%d", upper.version);
    pthread_mutex_unlock(&upper.lock);
    return r;
}

static struct result upper_heartbeat(void *self, int64_t pending, int64_t oldest, struct fep_reply *reply)
{
    (void)self;
    (void)oldest;
    reply->code = 0;
    pthread_mutex_lock(&upper.lock);
    upper.heartbeats++;
    upper.last_pending = pending;
    pthread_mutex_unlock(&upper.lock);
    return RESULT_OK;
}

static void upper_free(void *self)
{
    (void)self;
}

static struct result upper_make(const struct fep_destination *d, void *arg, struct fep_binding *b)
{
    (void)d;
    (void)arg;
    *b = (struct fep_binding){.register_platform = upper_register,
                              .send_data = upper_data,
                              .send_config = upper_config,
                              .heartbeat = upper_heartbeat,
                              .free = upper_free,
                              .timeout_ms = 1000};
    return RESULT_OK;
}

#define UPPER(expr)                                                                                                    \
    ({                                                                                                                 \
        pthread_mutex_lock(&upper.lock);                                                                               \
        __auto_type upper_value_ = (expr);                                                                             \
        pthread_mutex_unlock(&upper.lock);                                                                             \
        upper_value_;                                                                                                  \
    })
#define SET_UPPER(...)                                                                                                 \
    do {                                                                                                               \
        pthread_mutex_lock(&upper.lock);                                                                               \
        __VA_ARGS__;                                                                                                   \
        pthread_mutex_unlock(&upper.lock);                                                                             \
    } while (0)

/* ---- what is to be forwarded ---- */

static void quiet(const char *line, void *arg)
{
    (void)line;
    (void)arg;
}

static struct db *db;
static int destination;
static int64_t now_us;

static void before(void)
{
    OK(caltime_set_zone("Asia/Shanghai"));
    payload_init();
    log_capture(quiet, NULL);
    memset(&upper, 0, sizeof upper);
    pthread_mutex_init(&upper.lock, NULL);
    db = open_db();
    now_us = clock_now();
    OK(db_exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    OK(db_migrate(db, NULL, NULL));
    OK(db_exec(db, "SELECT partition_ensure('receipt', now())"));
    OK(db_exec(db, "INSERT INTO unit (code, name, region_code, state) "
                   "SELECT '420000000000' || lpad(i::text, 6, '0'), 'w', '420100', 'accepted' "
                   "FROM generate_series(1, 8) i"));
    struct fep_destination d = {.name = nation, .active = true};
    OK(fep_destinations(db, &d, 1, &destination));
}

static void finish(void)
{
    db_close(&db);
    log_capture(NULL, NULL);
}

static const struct db_stmt PUT_PAYLOAD = {
    "t.payload", "INSERT INTO upload_payload (sender_id, upload_id, received_at, encoding, cipher, digest, content, "
                 "rejected) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"};
static const struct db_stmt PUT_OUTBOX = {
    "t.outbox", "INSERT INTO outbox (destination_id, unit_id, kind, sender_id, upload_id, received_at) "
                "VALUES ($1, $2, $3, $4, $5, $6)"};

static int64_t next_upload = 1;

struct stored {
    int sender;
    int cipher;
    const unsigned char *key;
    const int32_t *rejected;
    size_t rejected_count;
};

static int64_t put_payload(const char *xml, const struct stored *s)
{
    struct db_params p;
    struct buf packed = BUF_INIT, sealed = BUF_INIT;
    unsigned char digest[33] = {DIGEST_SHA_256};
    OK(envelope_digest(DIGEST_SHA_256, xml, strlen(xml), digest + 1));
    OK(envelope_gzip(xml, strlen(xml), &packed));
    if (s->cipher)
        OK(envelope_encrypt((enum content_cipher)s->cipher, s->key, 16, packed.data, packed.len, &sealed));
    db_params_init(&p);
    db_bind_int4(&p, s->sender);
    db_bind_int8(&p, next_upload);
    db_bind_time(&p, now_us);
    db_bind_int2(&p, ENCODING_GZIP);
    db_bind_int2(&p, (int16_t)s->cipher);
    db_bind_bytea(&p, digest, sizeof digest);
    db_bind_bytea(&p, s->cipher ? sealed.data : packed.data, s->cipher ? sealed.len : packed.len);
    db_bind_int4_array(&p, s->rejected, NULL, s->rejected_count);
    OK(db_query(db, &PUT_PAYLOAD, &p, NULL));
    db_params_free(&p);
    buf_free(&packed);
    buf_free(&sealed);
    return next_upload++;
}

static void put_outbox(int unit, int kind, int sender, int64_t upload)
{
    struct db_params p;
    db_params_init(&p);
    db_bind_int2(&p, (int16_t)destination);
    db_bind_int4(&p, unit);
    db_bind_int2(&p, (int16_t)kind);
    db_bind_int4(&p, sender);
    db_bind_int8(&p, upload);
    db_bind_time(&p, now_us);
    OK(db_query(db, &PUT_OUTBOX, &p, NULL));
    db_params_free(&p);
}

static void put_block(struct buf *b, int unit, int first, int count, const char *ns)
{
    buf_printf(b,
               "<energyData %senterpriseCode=\"420000000000%06d\" deviceId=\"" DEVICE
               "\" uploadDate=\"2026-11-20 10:16:02\">",
               ns, unit);
    for (int i = 0; i < count; i++)
        buf_printf(b,
                   "<data dataCode=\"0000000002330011\" statType=\"0\" statDate=\"2026-11-20 10:00:00\" "
                   "dataValue=\"%d\" inputType=\"4\" scope=\"1\"/>",
                   first + i);
    buf_append_str(b, "</energyData>");
}

#define NS "xmlns=\"urn:nhjc:data:v1\" "

/* Readings first … first + count - 1 of one enterprise, as its device would have sent them. */
static void put_upload(int unit, int first, int count)
{
    struct buf b = BUF_INIT;
    put_block(&b, unit, first, count, NS);
    put_outbox(unit, 0, unit, put_payload(buf_str(&b), &(struct stored){.sender = unit}));
    buf_free(&b);
}

static void put_config(int unit, int version)
{
    static const struct db_stmt PUT = {"t.config",
                                       "INSERT INTO config_document (unit_id, version, message_id, digest, content) "
                                       "VALUES ($1, $2, 'm', '', $3)"};
    struct db_params p;
    char *xml = mem_printf("<?xml version=\"1.0\"?><enterpriseConfig xmlns=\"urn:nhjc:config:v1\"><enterprise "
                           "code=\"420000000000%06d\" n=\"%d\"/></enterpriseConfig>",
                           unit, version);
    db_params_init(&p);
    db_bind_int4(&p, unit);
    db_bind_int4(&p, version);
    db_bind_bytea(&p, xml, strlen(xml));
    OK(db_query(db, &PUT, &p, NULL));
    db_params_free(&p);
    mem_free(xml);
    put_outbox(unit, 1, unit, version);
}

/* ---- running ---- */

static struct fep *start_with(int64_t batch)
{
    static const struct fep_binding_maker maker = {.make = upper_make};
    static const struct db_config config = {
        .conninfo = "", .application = "nhjc-test-fep", .statement_timeout_ms = 20000};
    struct fep_destination d = {.name = nation,
                                .url = none,
                                .platform_code = province,
                                .batch_records = batch,
                                .retry_min_ms = 10,
                                .retry_max_ms = 30,
                                .active = true};
    struct fep *f = NULL;
    OK(fep_start_over(&d, destination, &config, &maker, &f));
    return f;
}

static struct fep *start(void)
{
    return start_with(50);
}

static int64_t unsent(void)
{
    return NUMBER(db, "SELECT count(*) FROM outbox o LEFT JOIN fep_message m ON m.id = o.message "
                      "WHERE m.state IS DISTINCT FROM 'sent' AND m.state IS DISTINCT FROM 'parked'");
}

static int64_t in_state(const char *state)
{
    static const struct db_stmt COUNT = {"t.count", "SELECT count(*) FROM fep_message WHERE state = $1"};
    struct db_params p;
    struct db_rows *rows = NULL;
    db_params_init(&p);
    db_bind_text(&p, state);
    OK(db_query(db, &COUNT, &p, &rows));
    int64_t n = db_get_int(rows, 0, 0);
    db_rows_free(&rows);
    db_params_free(&p);
    return n;
}

/* Waits for a condition, not for a time. Once is enough: a state of milliseconds may be over when it is looked at
 * again. */
#define EVENTUALLY(condition)                                                                                          \
    do {                                                                                                               \
        int64_t until_ = clock_monotonic() + (int64_t)DEADLINE_S * 1000000000;                                         \
        bool met_;                                                                                                     \
        while (!(met_ = (condition)) && clock_monotonic() < until_)                                                    \
            nap(5);                                                                                                    \
        ck_assert_msg(met_, "%s within %d s", #condition, DEADLINE_S);                                                 \
    } while (0)

static void expect_sequence(int unit, int first, int last)
{
    pthread_mutex_lock(&upper.lock);
    ENSURE_MSG(upper.value_count[unit] == last - first + 1, "enterprise %d: %d values instead of %d", unit,
               upper.value_count[unit], last - first + 1);
    for (int i = 0; i < upper.value_count[unit]; i++)
        ENSURE_MSG(upper.values[unit][i] == first + i, "enterprise %d: value %d in place of %d", unit,
                   upper.values[unit][i], first + i);
    pthread_mutex_unlock(&upper.lock);
}

static void expect_values(int unit, const int *expected, int count)
{
    pthread_mutex_lock(&upper.lock);
    for (int i = 0; i < upper.value_count[unit] || i < count; i++)
        ENSURE_MSG(i < count && i < upper.value_count[unit] && upper.values[unit][i] == expected[i],
                   "enterprise %d: value %d at %d of %d", unit, upper.values[unit][i], i, upper.value_count[unit]);
    pthread_mutex_unlock(&upper.lock);
}

/* ---- the claims ---- */

#define VALUE_OF(unit, value)                                                                                          \
    "42000000000000000" unit "\" deviceId=\"" DEVICE "\" uploadDate=\"2026-11-20 10:16:02\">\n<data "                  \
    "dataCode=\"0000000002330011\" statType=\"0\" statDate=\"2026-11-20 10:00:00\" dataValue=\"" value "\""

START_TEST(each_reading_arrives_once_and_in_order_whatever_the_link_does)
{
    for (int round = 0; round < 40; round++)
        for (int unit = 1; unit <= UNITS; unit++)
            put_upload(unit, 1 + 7 * round, 7);
    SET_UPPER(upper.fail_every = 5, upper.forget_every = 3, upper.busy_every = 7);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    for (int unit = 1; unit <= UNITS; unit++)
        expect_sequence(unit, 1, 280);
    ck_assert_int_eq(UPPER(upper.changed), 0);
    ck_assert_int_gt(UPPER(upper.calls), UPPER(upper.count));
    ck_assert_int_eq(in_state("parked"), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM fep_message WHERE records > 50"), 0);
    ck_assert_int_eq(NUMBER(db, "SELECT sum(records) FROM fep_message"), INT64_C(280) * UNITS);
    finish();
}
END_TEST

START_TEST(live_uploads_go_on_while_it_runs)
{
    struct fep *f = start();
    for (int round = 0; round < 20; round++) {
        for (int unit = 1; unit <= 3; unit++)
            put_upload(unit, 1 + round, 1);
        fep_hint(f);
        nap(20);
    }
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    for (int unit = 1; unit <= 3; unit++)
        expect_sequence(unit, 1, 20);
    ck_assert_int_lt(UPPER(upper.count), 60); /* gathered, not one by one */
    finish();
}
END_TEST

START_TEST(one_enterprises_history_does_not_hold_up_the_others)
{
    for (int i = 0; i < 200; i++)
        put_upload(1, 1 + 50 * i, 50);
    SET_UPPER(upper.slow_ms = 20);
    struct fep *f = start();
    EVENTUALLY(UPPER(upper.value_count[1]) >= 500);
    SET_UPPER(upper.slow_ms = 300); /* much is left when the others come, also on a busy machine */
    for (int unit = 2; unit <= UNITS; unit++)
        put_upload(unit, 1, 1);
    fep_hint(f);
    for (int unit = 2; unit <= UNITS; unit++) /* in no order */
        EVENTUALLY(UPPER(upper.value_count[unit]) == 1);
    ck_assert_int_lt(UPPER(upper.value_count[1]), 5000);
    SET_UPPER(upper.slow_ms = 0);
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    expect_sequence(1, 1, 10000);
    finish();
}
END_TEST

START_TEST(a_lease_of_a_former_process_is_taken_up_with_the_same_id_and_bytes)
{
    put_upload(1, 1, 10);
    put_upload(1, 11, 10);
    SET_UPPER(upper.forget_every = 1); /* accepted, but nobody here knows */
    struct fep *f = start();
    EVENTUALLY(UPPER(upper.value_count[1]) == 20);
    fep_stop(&f);
    OK(db_exec(db, "UPDATE fep_message SET state = 'leased', next_at = NULL, lease_until = now() + interval '1 hour'"));
    put_upload(1, 21, 10);
    SET_UPPER(upper.forget_every = 0);
    f = start();
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    expect_sequence(1, 1, 30);
    ck_assert_int_eq(UPPER(upper.count), 2);
    ck_assert_int_eq(UPPER(upper.changed), 0);
    finish();
}
END_TEST

START_TEST(a_refused_upload_is_parked_alone_and_the_rest_goes_on)
{
    for (int round = 0; round < 5; round++)
        for (int unit = 1; unit <= 4; unit++)
            put_upload(unit, 1 + 3 * round, 3);
    SET_UPPER(upper.refuse_text = VALUE_OF("2", "7"), upper.refuse_code = 2103);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    expect_sequence(1, 1, 15);
    expect_sequence(3, 1, 15);
    expect_sequence(4, 1, 15);
    ck_assert_int_eq(UPPER(upper.value_count[2]), 12);
    ck_assert_int_eq(in_state("parked"), 1);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM outbox o JOIN fep_message m ON m.id = o.message "
                                "WHERE m.state = 'parked' AND o.unit_id = 2 AND m.response_code = 2103 "
                                "AND m.response_text = 'refused by the test' AND m.records = 3"),
                     1);
    finish();
}
END_TEST

START_TEST(a_requeued_message_goes_out_with_its_own_id_and_bytes)
{
    put_upload(1, 1, 3);
    SET_UPPER(upper.answer = 3501);
    struct fep *f = start();
    EVENTUALLY(in_state("parked") == 1);
    int64_t id = NUMBER(db, "SELECT id FROM fep_message");
    int64_t count = 0;
    ck_assert_int_eq(outbox_requeue(db, id + 1, NULL, clock_now(), &count).kind, ERR_NOT_FOUND);
    ck_assert_int_eq(outbox_requeue(db, 0, "elsewhere", clock_now(), &count).kind, ERR_NOT_FOUND);
    SET_UPPER(upper.answer = 0);
    OK(outbox_requeue(db, id, "nation", clock_now(), &count));
    ck_assert_int_eq(count, 1);
    fep_hint(f);
    EVENTUALLY(in_state("sent") == 1);
    fep_stop(&f);
    expect_sequence(1, 1, 3);
    ck_assert_int_eq(UPPER(upper.count), 1);
    ck_assert_int_eq(UPPER(upper.at[0].calls), 2);
    ck_assert_int_eq(UPPER(upper.changed), 0);
    OK(outbox_requeue(db, 0, NULL, clock_now(), &count));
    ck_assert_int_eq(count, 0);
    finish();
}
END_TEST

START_TEST(data_that_went_before_a_requeued_message_follow_it_once_more)
{
    for (int i = 1; i <= 6; i++) {
        put_upload(1, i, 1);
        put_upload(2, i, 1);
    }
    SET_UPPER(upper.refuse_text = VALUE_OF("1", "2"), upper.refuse_code = 2103);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    int64_t second = NUMBER(db, "SELECT id FROM fep_message WHERE state = 'parked'"), count = 0;
    SET_UPPER(upper.refuse_text = NULL);
    OK(outbox_requeue(db, second, NULL, clock_now(), &count));
    fep_hint(f);
    EVENTUALLY(unsent() == 0);
    static const int expected[] = {1, 3, 4, 5, 6, 2, 3, 4, 5, 6};
    expect_values(1, expected, 10);
    expect_sequence(2, 1, 6);
    fep_stop(&f);
    finish();
}
END_TEST

START_TEST(several_requeued_messages_end_in_the_order_of_the_uploads)
{
    for (int i = 1; i <= 9; i++)
        put_upload(1, i, 1);
    SET_UPPER(upper.refuse_text = "dataValue=\"2\"", upper.refuse_also = "dataValue=\"5\"", upper.refuse_code = 2103);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    ck_assert_int_eq(in_state("parked"), 2);
    SET_UPPER(upper.refuse_text = NULL, upper.refuse_also = NULL, upper.fail_every = 3);
    int64_t count = 0;
    OK(outbox_requeue(db, 0, NULL, clock_now(), &count));
    put_upload(1, 10, 1);
    fep_hint(f);
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    int n = UPPER(upper.value_count[1]);
    for (int i = 0; i < 9; i++) /* the last word is that of the latest upload, and so on backwards */
        ck_assert_int_eq(UPPER(upper.values[1][n - 1 - i]), 10 - i);
    ck_assert_int_eq(in_state("parked"), 0);
    finish();
}
END_TEST

START_TEST(a_refused_link_parks_nothing)
{
    static const int codes[] = {1101, 1102, 1105, 1103};
    struct fep *f = start();
    for (int i = 0; i < 4; i++) {
        SET_UPPER(upper.answer = codes[i], upper.register_answer = codes[i] == 1103 ? 1103 : 0);
        put_upload(1, 1 + i, 1);
        put_upload(2, 1 + i, 1);
        int calls = UPPER(upper.calls);
        fep_hint(f);
        EVENTUALLY(UPPER(upper.calls) >= calls + (codes[i] == 1103 ? 1 : 3));
        ck_assert_int_eq(in_state("parked"), 0);
        SET_UPPER(upper.answer = 0, upper.register_answer = 0);
        EVENTUALLY(unsent() == 0);
    }
    fep_stop(&f);
    expect_sequence(1, 1, 4);
    expect_sequence(2, 1, 4);
    ck_assert_int_eq(in_state("parked"), 0);
    finish();
}
END_TEST

START_TEST(an_enterprise_that_is_not_admitted_there_does_not_stop_the_others)
{
    for (int round = 0; round < 6; round++)
        for (int unit = 1; unit <= 5; unit++)
            put_upload(unit, 1 + round, 1);
    SET_UPPER(upper.refuse_text = "420000000000000003", upper.refuse_code = 1104);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    put_upload(3, 7, 1);
    put_upload(4, 7, 1);
    fep_hint(f);
    EVENTUALLY(unsent() == 0);
    ck_assert_int_eq(UPPER(upper.value_count[3]), 0);
    expect_sequence(4, 1, 7);
    ck_assert_int_eq(in_state("parked"), 7);
    SET_UPPER(upper.refuse_text = NULL);
    int64_t count = 0;
    OK(outbox_requeue(db, 0, NULL, clock_now(), &count));
    ck_assert_int_eq(count, 7);
    put_upload(3, 8, 1); /* behind what was parked */
    fep_hint(f);
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    expect_sequence(3, 1, 8);
    finish();
}
END_TEST

START_TEST(a_message_that_always_fails_holds_up_only_its_own_enterprises)
{
    put_upload(1, 1, 50); /* a message of its own */
    SET_UPPER(upper.refuse_text = "dataValue=\"1\"", upper.refuse_code = 9102);
    struct fep *f = start();
    EVENTUALLY(in_state("waiting") == 1);
    for (int round = 0; round < 10; round++) {
        put_upload(1, 51 + round, 1);
        put_upload(2, 2 + round, 1);
        fep_hint(f);
        EVENTUALLY(UPPER(upper.value_count[2]) == round + 1);
    }
    ck_assert_int_eq(UPPER(upper.value_count[1]), 0);
    ck_assert_int_eq(in_state("parked"), 0);
    SET_UPPER(upper.refuse_text = NULL);
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    expect_sequence(1, 1, 60);
    expect_sequence(2, 2, 11);
    finish();
}
END_TEST

START_TEST(configurations_keep_their_place_between_the_data)
{
    for (int unit = 1; unit <= 4; unit++) {
        put_config(unit, 1);
        put_upload(unit, 1, 2);
        put_upload(unit, 3, 2);
        put_config(unit, 2);
        put_config(unit, 3);
        put_upload(unit, 5, 1);
    }
    SET_UPPER(upper.fail_every = 4, upper.forget_every = 3);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    static const int expected[] = {-1, 1, 2, 3, 4, -2, -3, 5};
    for (int unit = 1; unit <= 4; unit++) {
        ck_assert_int_eq(UPPER(upper.value_count[unit]), 8);
        for (int i = 0; i < 8; i++)
            ck_assert_int_eq(UPPER(upper.values[unit][i]), expected[i]);
    }
    finish();
}
END_TEST

START_TEST(a_lower_platforms_set_is_divided_by_enterprise)
{
    OK(db_exec(db, "INSERT INTO platform (code, platform_id, name) VALUES ('420100', 'p', 'city')"));
    int platform = (int)NUMBER(db, "SELECT id FROM platform");
    static const int32_t rejected[] = {1, 4};
    for (int round = 0; round < 3; round++) {
        struct buf b = BUF_INIT;
        buf_append_str(&b, "<energyDataSet " NS "platformCode=\"420100\" uploadDate=\"2026-11-20 10:16:02\">");
        for (int unit = 1; unit <= 3; unit++)
            put_block(&b, unit, 1 + 2 * round, 2, "");
        buf_append_str(&b, "</energyDataSet>");
        struct stored s = {.sender = platform, .rejected = rejected, .rejected_count = round == 2 ? 2 : 0};
        int64_t upload = put_payload(buf_str(&b), &s);
        for (int unit = 1; unit <= 3; unit++)
            put_outbox(unit, 0, platform, upload);
        buf_free(&b);
    }
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    expect_sequence(1, 1, 5);
    expect_sequence(2, 1, 6);
    ck_assert_int_eq(UPPER(upper.value_count[3]), 5);
    ck_assert_int_eq(UPPER(upper.values[3][4]), 6);
    finish();
}
END_TEST

START_TEST(sealed_uploads_are_opened_with_the_devices_key)
{
    static const unsigned char key[16] = "0123456789abcdef";
    OK(db_exec(db, "INSERT INTO device (unit_id, serial, device_id, secret_key) VALUES (1, 's', '" DEVICE
                   "', '0123456789abcdef'), (1, 't', 'other', 'fedcba9876543210')"));
    struct buf b = BUF_INIT;
    put_block(&b, 1, 1, 3, NS);
    int64_t upload = put_payload(buf_str(&b), &(struct stored){.sender = 1, .cipher = CIPHER_AES_256_GCM, .key = key});
    struct db_params p;
    static const struct db_stmt PUT = {
        "t.upload", "INSERT INTO upload (sender_id, upload_id, received_at, unit_id, device_id, message_id, "
                    "response_code, received, stored, unchanged, corrected, suspect, rejected) "
                    "VALUES (1, $1, $2, 1, '" DEVICE "', 'm', 0, 3, 3, 0, 0, 0, 0)"};
    db_params_init(&p);
    db_bind_int8(&p, upload);
    db_bind_time(&p, now_us);
    OK(db_query(db, &PUT, &p, NULL));
    db_params_free(&p);
    buf_free(&b);
    put_outbox(1, 0, 1, upload);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    expect_sequence(1, 1, 3);
    finish();
}
END_TEST

START_TEST(an_upload_gone_from_the_archive_is_parked_and_packed_anew_when_it_is_back)
{
    put_upload(1, 1, 1);
    put_upload(1, 2, 1);
    put_upload(1, 3, 1);
    put_upload(2, 1, 1);
    OK(db_exec(db, "CREATE TABLE away AS SELECT * FROM upload_payload WHERE upload_id = "
                   "(SELECT upload_id FROM outbox WHERE unit_id = 1 ORDER BY id OFFSET 1 LIMIT 1);"
                   "DELETE FROM upload_payload p USING away a WHERE p.upload_id = a.upload_id"));
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    ck_assert_int_eq(in_state("parked"), 1);
    ck_assert_int_eq(UPPER(upper.value_count[1]), 2);
    expect_sequence(2, 1, 1);
    OK(db_exec(db, "INSERT INTO upload_payload SELECT * FROM away"));
    int64_t count = 0;
    OK(outbox_requeue(db, 0, NULL, clock_now(), &count));
    ck_assert_int_eq(count, 1);
    fep_hint(f);
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    static const int expected[] = {1, 3, 2, 3}; /* what had overtaken it is sent again */
    expect_values(1, expected, 4);
    ck_assert_int_eq(in_state("parked"), 0);
    finish();
}
END_TEST

START_TEST(what_was_refused_at_intake_is_settled_without_a_call)
{
    static const int32_t rejected[] = {0, 1};
    struct buf b = BUF_INIT;
    put_block(&b, 1, 1, 2, NS);
    struct stored s = {.sender = 1, .rejected = rejected, .rejected_count = 2};
    put_outbox(1, 0, 1, put_payload(buf_str(&b), &s));
    buf_free(&b);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    ck_assert_int_eq(UPPER(upper.calls), 0);
    ck_assert_int_eq(in_state("sent"), 1);
    finish();
}
END_TEST

START_TEST(an_outage_keeps_what_waits_and_drains_afterwards)
{
    SET_UPPER(upper.down = true);
    struct fep *f = start();
    for (int round = 0; round < 30; round++)
        for (int unit = 1; unit <= UNITS; unit++)
            put_upload(unit, 1 + 10 * round, 10);
    fep_hint(f);
    EVENTUALLY(UPPER(upper.registers) >= 5);
    ck_assert_int_eq(UPPER(upper.calls), 0); /* the way is probed, no message is tried in vain */
    ck_assert_int_eq(unsent(), INT64_C(30) * UNITS);
    SET_UPPER(upper.down = false);
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    for (int unit = 1; unit <= UNITS; unit++)
        expect_sequence(unit, 1, 300);
    finish();
}
END_TEST

START_TEST(new_base_data_there_is_learned_and_the_same_message_sent_again)
{
    struct fep *f = start();
    put_upload(1, 1, 1);
    fep_hint(f);
    EVENTUALLY(unsent() == 0);
    ck_assert_str_eq(upper.last_dic, "0");
    SET_UPPER(upper.version = 7);
    put_upload(1, 2, 1);
    fep_hint(f);
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    expect_sequence(1, 1, 2);
    ck_assert_str_eq(upper.last_dic, "7");
    ck_assert_str_eq(upper.last_reg, "1");
    finish();
}
END_TEST

START_TEST(partly_accepted_is_sent_and_keeps_the_words)
{
    put_upload(1, 1, 2);
    SET_UPPER(upper.answer = 2);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM fep_message WHERE state = 'sent' AND response_code = 2 "
                                "AND response_text = '答复 ? answer' AND remote_upload_id = 'u1'"),
                     1);
    finish();
}
END_TEST

static int64_t metric(const char *series)
{
    struct buf b = BUF_INIT;
    metrics_print(&b);
    const char *at = strstr(buf_str(&b), series);
    int64_t n = at ? strtoll(at + strlen(series), NULL, 10) : 0;
    buf_free(&b);
    return n;
}

START_TEST(readings_refused_one_by_one_are_counted_and_may_be_sent_again)
{
    static const char rejected[] = "nhjc_fep_records_total{destination=\"nation\",result=\"rejected\"} ";
    int64_t before = metric(rejected), count = 0;
    put_upload(1, 1, 2);
    SET_UPPER(upper.answer = 2);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    ck_assert_int_eq(metric(rejected), before + 1);
    SET_UPPER(upper.answer = 0);
    int64_t partly = NUMBER(db, "SELECT id FROM fep_message");
    put_upload(1, 3, 1);
    fep_hint(f);
    EVENTUALLY(unsent() == 0);
    ck_assert_int_eq(outbox_requeue(db, NUMBER(db, "SELECT max(id) FROM fep_message"), NULL, clock_now(), &count).kind,
                     ERR_NOT_FOUND); /* taken whole */
    OK(outbox_requeue(db, 0, NULL, clock_now(), &count));
    ck_assert_int_eq(count, 0);
    OK(outbox_requeue(db, partly, NULL, clock_now(), &count));
    ck_assert_int_eq(count, 1);
    fep_hint(f);
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    expect_values(1, (const int[]){1, 2, 3, 1, 2, 3}, 6); /* under a new id; the other side counts them as unchanged */
    ck_assert_int_eq(UPPER(upper.changed), 0);
    finish();
}
END_TEST

START_TEST(a_lease_that_ran_out_is_taken_up_while_its_owner_lives)
{
    put_upload(1, 1, 3);
    SET_UPPER(upper.forget_every = 1);
    struct fep *f = start();
    EVENTUALLY(UPPER(upper.value_count[1]) == 3);
    SET_UPPER(upper.down = true, upper.forget_every = 0);
    int registers = UPPER(upper.registers);
    EVENTUALLY(UPPER(upper.registers) > registers + 2 && in_state("waiting") == 1);
    OK(db_exec(db, "UPDATE fep_message SET state = 'leased', next_at = NULL, lease_until = now() - interval '1 s'"));
    SET_UPPER(upper.down = false);
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    expect_sequence(1, 1, 3);
    ck_assert_int_eq(UPPER(upper.count), 1);
    finish();
}
END_TEST

START_TEST(a_message_that_is_put_off_for_ever_is_divided)
{
    for (int unit = 1; unit <= 4; unit++)
        put_upload(unit, 1, 1);
    SET_UPPER(upper.refuse_text = VALUE_OF("2", "1"), upper.refuse_code = 9102);
    struct fep *f = start();
    for (int unit = 1; unit <= 4; unit++)
        EVENTUALLY(unit == 2 || UPPER(upper.value_count[unit]) == 1);
    struct outbox_lag lag;
    EVENTUALLY(result_ok(outbox_lag(db, destination, &lag)) && lag.stuck == 1);
    ck_assert_int_eq(lag.pending, 1);
    ck_assert_int_eq(in_state("parked"), 0);
    SET_UPPER(upper.refuse_text = NULL);
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    expect_sequence(2, 1, 1);
    finish();
}
END_TEST

/* What had no answer may have been taken: it keeps its id as long as it is not put off eight times itself. */
START_TEST(broken_connections_do_not_divide_a_message)
{
    for (int unit = 1; unit <= 4; unit++)
        put_upload(unit, 1, 1);
    SET_UPPER(upper.forget_every = 1);
    struct fep *f = start();
    EVENTUALLY(NUMBER(db, "SELECT max(attempts) FROM fep_message") > OUTBOX_STUCK_TRIES);
    SET_UPPER(upper.forget_every = 0, upper.busy_every = upper.calls + 1); /* the next one, and no other soon */
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    for (int unit = 1; unit <= 4; unit++)
        expect_sequence(unit, 1, 1);
    ck_assert_int_eq(UPPER(upper.count), 1);
    finish();
}
END_TEST

START_TEST(a_second_forwarder_waits_until_the_first_is_gone)
{
    struct fep *first = start();
    put_upload(1, 1, 1);
    fep_hint(first);
    EVENTUALLY(unsent() == 0);
    struct fep *second = start();
    int registers = UPPER(upper.registers);
    put_upload(1, 2, 1);
    fep_hint(first);
    EVENTUALLY(unsent() == 0);
    ck_assert_int_eq(UPPER(upper.registers), registers);
    fep_stop(&first);
    put_upload(1, 3, 1);
    EVENTUALLY(unsent() == 0);
    fep_stop(&second);
    expect_sequence(1, 1, 3);
    finish();
}
END_TEST

START_TEST(a_lost_database_connection_loses_nothing)
{
    for (int round = 0; round < 60; round++)
        for (int unit = 1; unit <= 4; unit++)
            put_upload(unit, 1 + 20 * round, 20);
    SET_UPPER(upper.slow_ms = 5);
    struct fep *f = start();
    for (int i = 0; i < 8; i++) {
        int calls = UPPER(upper.calls);
        EVENTUALLY(UPPER(upper.calls) > calls + 3 || unsent() == 0);
        OK(db_exec(db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
                       "'nhjc-test-fep'"));
    }
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    for (int unit = 1; unit <= 4; unit++)
        expect_sequence(unit, 1, 1200);
    ck_assert_int_eq(UPPER(upper.changed), 0);
    finish();
}
END_TEST

START_TEST(stopping_is_quick_while_nothing_answers)
{
    put_upload(1, 1, 1);
    SET_UPPER(upper.down = true);
    struct fep *f = start();
    EVENTUALLY(UPPER(upper.registers) > 0);
    fep_stop(&f);
    ck_assert_ptr_null(f);
    fep_stop(&f);
    fep_hint(f);
    finish();
}
END_TEST

START_TEST(an_inactive_destination_sends_nothing)
{
    struct fep_destination d = {.name = nation, .active = false};
    struct db_config config = {.conninfo = "", .application = "nhjc-test-fep", .statement_timeout_ms = 20000};
    struct fep *f = NULL;
    OK(fep_start_over(&d, destination, &config, &(struct fep_binding_maker){.make = upper_make}, &f));
    ck_assert_ptr_null(f);
    finish();
}
END_TEST

START_TEST(destinations_keep_their_ids)
{
    struct fep_destination d[] = {{.name = sister, .active = true}, {.name = nation, .active = false}};
    int ids[2], again[2];
    OK(fep_destinations(db, d, 2, ids));
    OK(fep_destinations(db, d, 2, again));
    ck_assert_int_eq(ids[1], destination);
    ck_assert_int_ne(ids[0], ids[1]);
    ck_assert_int_eq(ids[0], again[0]);
    ck_assert_int_eq(ids[1], again[1]);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM destination WHERE active"), 1);
    finish();
}
END_TEST

#define CONFIGURATIONS_FOR(name)                                                                                       \
    NUMBER(db, "SELECT count(*) FROM outbox o JOIN destination d ON d.id = o.destination_id "                          \
               "WHERE d.name = '" name "' AND o.kind = 1")

START_TEST(a_destination_that_becomes_active_gets_every_configuration_first)
{
    struct fep_destination d[] = {{.name = nation, .active = true}, {.name = sister, .active = false}};
    int ids[2];
    put_config(1, 1);
    put_config(1, 2);
    put_config(3, 1);
    OK(db_exec(db, "UPDATE unit SET config_version = (SELECT coalesce(max(version), 0) FROM config_document c "
                   "WHERE c.unit_id = unit.id)"));
    int64_t before = CONFIGURATIONS_FOR("nation");
    OK(fep_destinations(db, d, 2, ids));
    ck_assert_int_eq(CONFIGURATIONS_FOR("nation"), before); /* was active all the time */
    ck_assert_int_eq(CONFIGURATIONS_FOR("sister"), 0);
    d[1].active = true;
    OK(fep_destinations(db, d, 2, ids));
    ck_assert_int_eq(CONFIGURATIONS_FOR("sister"), 2);
    OK(fep_destinations(db, d, 2, ids));
    ck_assert_int_eq(CONFIGURATIONS_FOR("sister"), 2);
    ck_assert_int_eq(CONFIGURATIONS_FOR("nation"), before);
    destination = ids[1];
    put_upload(1, 1, 1);
    put_upload(3, 1, 1);
    struct fep *f = start();
    EVENTUALLY(
        NUMBER(db, "SELECT count(*) FROM outbox o JOIN fep_message m ON m.id = o.message AND m.state = 'sent'") == 4);
    fep_stop(&f);
    expect_values(1, (const int[]){-2, 1}, 2);
    expect_values(3, (const int[]){-1, 1}, 2);
    finish();
}
END_TEST

/* Its row in the table of uploads; unit 0: of several enterprises. */
static void put_record(int sender, int unit)
{
    static const struct db_stmt PUT = {
        "t.record",
        "INSERT INTO upload (sender_id, upload_id, received_at, unit_id, message_id, response_code, received, "
        "stored, unchanged, corrected, suspect, rejected) "
        "VALUES ($1, $2, $3, nullif($4, 0), 'm', 0, 1, 1, 0, 0, 0, 0)"};
    struct db_params p;
    db_params_init(&p);
    db_bind_int4(&p, sender);
    db_bind_int8(&p, next_upload - 1);
    db_bind_time(&p, now_us);
    db_bind_int4(&p, unit);
    OK(db_query(db, &PUT, &p, NULL));
    db_params_free(&p);
}

static void put_set_of_two(int platform, int value)
{
    struct buf b = BUF_INIT;
    buf_append_str(&b, "<energyDataSet " NS "platformCode=\"420100\" uploadDate=\"2026-11-20 10:16:02\">");
    for (int unit = 1; unit <= 2; unit++)
        put_block(&b, unit, value, 1, "");
    buf_append_str(&b, "</energyDataSet>");
    put_payload(buf_str(&b), &(struct stored){.sender = platform});
    put_record(platform, 0);
    buf_free(&b);
}

static void put_recorded(int unit, int value)
{
    put_upload(unit, value, 1);
    put_record(unit, unit);
}

/* Two enterprises with a configuration; an upload of each, and a set of both by the platform, which is given. */
static int put_history_of_two(void)
{
    OK(db_exec(db, "INSERT INTO platform (code, platform_id, name) VALUES ('420100', 'p', 'city')"));
    int platform = (int)NUMBER(db, "SELECT id FROM platform");
    put_config(1, 1);
    put_config(2, 1);
    OK(db_exec(db, "UPDATE unit SET config_version = 1 WHERE id IN (1, 2)"));
    put_recorded(1, 1);
    put_recorded(2, 1);
    put_set_of_two(platform, 2);
    return platform;
}

START_TEST(a_destination_is_filled_with_what_was_uploaded_before_it_was_there)
{
    struct fep_destination d[] = {{.name = nation, .active = true}, {.name = sister, .active = true}};
    struct outbox_filled filled;
    int ids[2];
    int64_t from = now_us - 3600 * USEC_PER_SEC;
    put_history_of_two();
    put_recorded(1, 3);
    OK(fep_destinations(db, d, 2, ids));
    destination = ids[1];
    put_recorded(1, 4); /* live, before anybody thought of the rest */
    ck_assert_int_eq(outbox_fill(db, "nowhere", NULL, from, &filled).kind, ERR_NOT_FOUND);
    ck_assert_int_eq(outbox_fill(db, sister, "nobody", from, &filled).kind, ERR_NOT_FOUND);
    OK(outbox_fill(db, sister, NULL, from, &filled));
    ck_assert_int_eq(filled.enterprises, 2);
    ck_assert_int_eq(filled.uploads, 6);
    ck_assert_int_eq(filled.unreadable, 0);
    struct fep *f = start();
    EVENTUALLY(UPPER(upper.value_count[1]) == 6 && UPPER(upper.value_count[2]) == 4);
    expect_values(1, (const int[]){-1, -1, 1, 2, 3, 4}, 6);
    expect_values(2, (const int[]){-1, -1, 1, 2}, 4);
    OK(outbox_fill(db, sister, "420000000000000001", from, &filled));
    ck_assert_int_eq(filled.uploads, 4);
    fep_hint(f);
    EVENTUALLY(UPPER(upper.value_count[1]) == 11);
    fep_stop(&f);
    expect_values(1, (const int[]){-1, -1, 1, 2, 3, 4, -1, 1, 2, 3, 4}, 11);
    OK(outbox_fill(db, sister, NULL, clock_now() + USEC_PER_SEC, &filled));
    ck_assert_int_eq(filled.uploads, 0);
    ck_assert_int_eq(filled.unreadable, 0);
    finish();
}
END_TEST

START_TEST(a_fill_tells_which_uploads_the_archive_does_not_hold_any_more)
{
    struct outbox_filled filled;
    int64_t from = now_us - 3600 * USEC_PER_SEC;
    int platform = put_history_of_two();
    put_upload(1, 3, 1);
    put_record(platform, 1); /* a set with one enterprise alone */
    OK(db_exec(db, "DELETE FROM upload_payload"));
    put_recorded(1, 4);
    OK(outbox_fill(db, nation, NULL, from, &filled));
    ck_assert_int_eq(filled.uploads, 1);
    ck_assert_int_eq(filled.unreadable, 4);
    OK(outbox_fill(db, nation, "420000000000000001", from, &filled));
    ck_assert_int_eq(filled.uploads, 1);
    ck_assert_int_eq(filled.unreadable, 3);
    finish();
}
END_TEST

START_TEST(a_destination_that_is_not_configured_any_more_becomes_inactive)
{
    struct fep_destination d[] = {{.name = nation, .active = true}, {.name = sister, .active = true}};
    int ids[2];
    OK(fep_destinations(db, d, 2, ids));
    OK(fep_destinations(db, d, 1, ids));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM destination WHERE active AND name = 'nation'"), 1);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM destination WHERE active"), 1);
    OK(fep_destinations(db, d, 0, ids));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM destination WHERE active"), 0);
    finish();
}
END_TEST

/* ---- the operator's side ---- */

struct seen {
    int count, stop_at;
    char states[64][10];
    int64_t last_id;
};

static bool see(const struct outbox_entry *e, void *arg)
{
    struct seen *s = arg;
    snprintf(s->states[s->count % 64], 10, "%s", e->state);
    s->last_id = e->id;
    return ++s->count != s->stop_at;
}

static int listed(const char *unit, const char *state, int64_t limit)
{
    struct seen s = {0};
    struct outbox_filter filter = {.unit_code = unit, .state = state, .limit = limit};
    OK(outbox_list(db, &filter, see, &s));
    for (int i = 0; i < s.count && i < 64 && state && strcmp(state, "open") != 0; i++)
        ck_assert_str_eq(s.states[i], state);
    return s.count;
}

START_TEST(the_list_shows_every_row_with_its_state)
{
    for (int unit = 1; unit <= 4; unit++)
        put_upload(unit, 1, 1);
    SET_UPPER(upper.refuse_text = "420000000000000002", upper.refuse_code = 2103);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    for (int i = 0; i < 1100; i++)
        put_upload(5, 1 + i, 1);
    ck_assert_int_eq(listed(NULL, NULL, 0), 1104);
    ck_assert_int_eq(listed(NULL, "ready", 0), 1100);
    ck_assert_int_eq(listed(NULL, "sent", 0), 3);
    ck_assert_int_eq(listed(NULL, "parked", 0), 1);
    ck_assert_int_eq(listed(NULL, "open", 0), 1101);
    ck_assert_int_eq(listed(NULL, "waiting", 0), 0);
    ck_assert_int_eq(listed("420000000000000001", NULL, 0), 1);
    ck_assert_int_eq(listed("420000000000000005", "ready", 7), 7);
    struct seen s = {.stop_at = 5};
    OK(outbox_list(db, &(struct outbox_filter){.upload_id = 0}, see, &s));
    ck_assert_int_eq(s.count, 5);
    ck_assert_int_eq(outbox_list(db, &(struct outbox_filter){.state = "lost"}, see, &s).kind, ERR_SENDER);
    ck_assert_int_eq(outbox_list(db, &(struct outbox_filter){.unit_code = "nobody"}, see, &s).kind, ERR_NOT_FOUND);
    ck_assert_int_eq(outbox_list(db, &(struct outbox_filter){.destination = "nowhere"}, see, &s).kind, ERR_NOT_FOUND);
    finish();
}
END_TEST

START_TEST(pruning_takes_bytes_then_rows_of_what_was_sent_and_nothing_else)
{
    for (int i = 0; i < 3; i++)
        put_upload(1, 1 + i, 1);
    put_upload(2, 1, 1);
    SET_UPPER(upper.refuse_text = "420000000000000002", upper.refuse_code = 2103);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    put_upload(3, 1, 1);
    int64_t removed = 0, far = clock_now() + 3600 * USEC_PER_SEC, past = clock_now() - 3600 * USEC_PER_SEC;
    bool more = true;
    OK(outbox_prune(db, past, past, &removed, &more));
    ck_assert_int_eq(removed, 0);
    ck_assert(!more);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM fep_message WHERE content IS NULL"), 0);
    OK(outbox_prune(db, far, past, &removed, &more));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM fep_message WHERE content IS NULL AND state = 'sent'"),
                     in_state("sent"));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM fep_message WHERE content IS NULL AND state <> 'sent'"), 0);
    int64_t sent = in_state("sent");
    OK(outbox_prune(db, far, far, &removed, &more));
    ck_assert_int_eq(removed, sent);
    ck_assert_int_eq(in_state("sent"), 0);
    ck_assert_int_eq(in_state("parked"), 1);
    ck_assert_int_eq(listed(NULL, NULL, 0), 2);
    finish();
}
END_TEST

START_TEST(what_went_before_a_parked_message_follows_it_however_late)
{
    for (int i = 1; i <= 4; i++) {
        put_upload(1, i, 1);
        put_upload(2, i, 1);
    }
    SET_UPPER(upper.refuse_text = VALUE_OF("1", "2"), upper.refuse_code = 2103);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    int64_t removed = 0, count = 0, far = clock_now() + 3600 * USEC_PER_SEC;
    bool more = true;
    OK(outbox_prune(db, far, far, &removed, &more));
    ck_assert_int_gt(removed, 0);
    ck_assert_int_eq(in_state("sent"), 0);
    SET_UPPER(upper.refuse_text = NULL);
    OK(outbox_requeue(db, 0, NULL, clock_now(), &count));
    ck_assert_int_eq(count, 1);
    fep_hint(f);
    EVENTUALLY(unsent() == 0);
    expect_values(1, (const int[]){1, 3, 4, 2, 3, 4}, 6);
    expect_sequence(2, 1, 4);
    fep_stop(&f);
    OK(outbox_prune(db, far, far, &removed, &more));
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM outbox"), 0);
    finish();
}
END_TEST

START_TEST(rows_kept_for_a_parked_message_go_when_it_is_settled)
{
    for (int i = 1; i <= 3; i++)
        put_upload(1, i, 1);
    SET_UPPER(upper.refuse_text = VALUE_OF("1", "2"), upper.refuse_code = 2103);
    struct fep *f = start();
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    int64_t removed = 0, far = clock_now() + 3600 * USEC_PER_SEC;
    bool more = true;
    OK(outbox_prune(db, far, far, &removed, &more));
    ck_assert_int_eq(listed(NULL, NULL, 0), 2);
    struct outbox_lag lag;
    OK(outbox_lag(db, destination, &lag));
    ck_assert_int_eq(lag.parked_oldest, now_us);
    enum fep_state to;
    struct outbox_outcome o = {.event = FEP_RECEIPT, .now = now_us, .code = 0, .text = "after all"};
    int64_t id = NUMBER(db, "SELECT id FROM fep_message");
    OK(outbox_settle(db, id, &o, &to));
    OK(outbox_prune(db, far, far, &removed, &more));
    ck_assert(!more);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM outbox"), 0);
    OK(outbox_lag(db, destination, &lag));
    ck_assert_int_eq(lag.parked_oldest, 0);
    finish();
}
END_TEST

START_TEST(heartbeat_and_gauges_tell_what_waits)
{
    for (int i = 0; i < 5; i++)
        put_upload(1, 1 + i, 1);
    SET_UPPER(upper.answer = 9101);
    struct fep *f = start();
    EVENTUALLY(UPPER(upper.heartbeats) > 0);
    ck_assert_int_eq(UPPER(upper.last_pending), 5);
    struct outbox_lag lag;
    OK(outbox_lag(db, destination, &lag));
    ck_assert_int_eq(lag.pending, 5);
    ck_assert_int_eq(lag.parked, 0);
    ck_assert_int_eq(lag.oldest, now_us);
    struct buf b = BUF_INIT;
    metrics_print(&b);
    ck_assert_ptr_nonnull(strstr(buf_str(&b), "nhjc_fep_pending_rows{destination=\"nation\"} 5"));
    buf_free(&b);
    SET_UPPER(upper.answer = 0);
    EVENTUALLY(unsent() == 0);
    fep_stop(&f);
    OK(outbox_lag(db, destination, &lag));
    ck_assert_int_eq(lag.pending, 0);
    ck_assert_int_eq(lag.oldest, 0);
    finish();
}
END_TEST

START_TEST(a_receipt_that_comes_late_is_taken_and_a_late_timeout_is_not)
{
    put_upload(1, 1, 1);
    SET_UPPER(upper.answer = 3501);
    struct fep *f = start();
    EVENTUALLY(in_state("parked") == 1);
    fep_stop(&f);
    int64_t id = NUMBER(db, "SELECT id FROM fep_message");
    enum fep_state to;
    struct outbox_outcome o = {.event = FEP_FAIL, .now = now_us, .next_at = now_us, .code = -1, .text = "timed out"};
    OK(outbox_settle(db, id, &o, &to));
    ck_assert_int_eq(to, FEP_PARKED);
    o.event = FEP_RECEIPT;
    o.code = 0;
    OK(outbox_settle(db, id, &o, &to));
    ck_assert_int_eq(to, FEP_SENT);
    static const enum fep_event late[] = {FEP_FAIL, FEP_REFUSE, FEP_SPLIT, FEP_ORPHAN, FEP_REQUEUE};
    for (int i = 0; i < 5; i++) {
        o.event = late[i];
        OK(outbox_settle(db, id, &o, &to));
        ck_assert_int_eq(to, FEP_SENT);
    }
    OK(outbox_settle(db, id + 1000, &o, &to)); /* gone */
    ck_assert_int_eq(to, FEP_READY);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM fep_message WHERE state = 'sent' AND response_code = 0"), 1);
    finish();
}
END_TEST

/* Of one row, its lease over at once. */
static struct outbox_claim claim_of(const struct outbox_row *row, struct buf *content)
{
    return (struct outbox_claim){.destination = destination,
                                 .prefix = "p",
                                 .digest = "d",
                                 .content = content,
                                 .rows = row,
                                 .row_count = 1,
                                 .now = now_us,
                                 .lease_until = now_us};
}

START_TEST(rows_that_somebody_else_took_are_not_claimed_twice)
{
    put_upload(1, 1, 1);
    put_upload(1, 2, 1);
    static const int32_t unit = 1;
    struct outbox_row *rows = NULL;
    size_t count = 0;
    OK(outbox_rows(db, destination, &unit, 1, 10, &rows, &count));
    ck_assert_uint_eq(count, 2);
    struct buf content = BUF_INIT;
    buf_append_str(&content, "x");
    struct outbox_claim c = claim_of(rows, &content);
    int64_t id = 0;
    char message_id[FEP_MESSAGE_ID];
    OK(outbox_claim(db, &c, &id, message_id));
    ck_assert_int_gt(id, 0);
    c.row_count = 2;
    OK(outbox_claim(db, &c, &id, message_id));
    ck_assert_int_eq(id, 0);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM fep_message"), 1);
    ck_assert_int_eq(NUMBER(db, "SELECT count(*) FROM outbox WHERE message IS NULL"), 1);
    int32_t units[4];
    OK(outbox_units(db, destination, 0, NULL, 0, 4, units, &count)); /* open message: its enterprise waits */
    ck_assert_uint_eq(count, 0);
    mem_free(rows);
    buf_free(&content);
    finish();
}
END_TEST

static int64_t claim_one(const struct outbox_row *row)
{
    struct buf content = BUF_INIT;
    buf_append_str(&content, "x");
    struct outbox_claim c = claim_of(row, &content);
    int64_t id = 0;
    char message_id[FEP_MESSAGE_ID];
    OK(outbox_claim(db, &c, &id, message_id));
    ck_assert_int_gt(id, 0);
    buf_free(&content);
    return id;
}

static void settle_as(int64_t id, enum fep_event event, int64_t next_at, enum fep_state expected)
{
    struct outbox_outcome o = {.event = event, .now = now_us, .next_at = next_at, .code = -1, .text = "t"};
    enum fep_state to;
    OK(outbox_settle(db, id, &o, &to));
    ck_assert_int_eq(to, expected);
}

START_TEST(an_enterprises_older_message_goes_first_even_when_a_later_one_is_due)
{
    put_upload(1, 1, 1);
    put_upload(1, 2, 1);
    static const int32_t unit = 1;
    struct outbox_row *rows = NULL;
    size_t count = 0;
    OK(outbox_rows(db, destination, &unit, 1, 10, &rows, &count));
    int64_t first = claim_one(&rows[0]), second = claim_one(&rows[1]);
    settle_as(first, FEP_FAIL, now_us + 3600 * USEC_PER_SEC, FEP_WAITING);
    settle_as(second, FEP_FAIL, now_us, FEP_WAITING);
    struct fep_message m = {0};
    OK(outbox_take(db, destination, now_us, now_us, &m));
    ck_assert_int_eq(m.id, 0);
    OK(outbox_hasten(db, destination, now_us)); /* after an outage both are due */
    OK(outbox_take(db, destination, now_us, now_us, &m));
    ck_assert_int_eq(m.id, first);
    ck_assert_int_eq(m.attempts, 2);
    struct fep_message other = {0};
    OK(outbox_take(db, destination, now_us, now_us, &other));
    ck_assert_int_eq(other.id, 0);
    settle_as(first, FEP_RECEIPT, 0, FEP_SENT);
    OK(outbox_take(db, destination, now_us, now_us, &other));
    ck_assert_int_eq(other.id, second);
    fep_message_free(&m);
    fep_message_free(&other);
    mem_free(rows);
    finish();
}
END_TEST

DBTEST_MAIN("fep", before, each_reading_arrives_once_and_in_order_whatever_the_link_does,
            live_uploads_go_on_while_it_runs, one_enterprises_history_does_not_hold_up_the_others,
            a_lease_of_a_former_process_is_taken_up_with_the_same_id_and_bytes,
            a_refused_upload_is_parked_alone_and_the_rest_goes_on,
            a_requeued_message_goes_out_with_its_own_id_and_bytes,
            data_that_went_before_a_requeued_message_follow_it_once_more,
            several_requeued_messages_end_in_the_order_of_the_uploads, a_refused_link_parks_nothing,
            an_enterprise_that_is_not_admitted_there_does_not_stop_the_others,
            a_message_that_always_fails_holds_up_only_its_own_enterprises,
            configurations_keep_their_place_between_the_data, a_lower_platforms_set_is_divided_by_enterprise,
            sealed_uploads_are_opened_with_the_devices_key,
            an_upload_gone_from_the_archive_is_parked_and_packed_anew_when_it_is_back,
            what_was_refused_at_intake_is_settled_without_a_call, an_outage_keeps_what_waits_and_drains_afterwards,
            new_base_data_there_is_learned_and_the_same_message_sent_again, partly_accepted_is_sent_and_keeps_the_words,
            readings_refused_one_by_one_are_counted_and_may_be_sent_again,
            a_lease_that_ran_out_is_taken_up_while_its_owner_lives, a_message_that_is_put_off_for_ever_is_divided,
            broken_connections_do_not_divide_a_message, what_went_before_a_parked_message_follows_it_however_late,
            rows_kept_for_a_parked_message_go_when_it_is_settled, a_second_forwarder_waits_until_the_first_is_gone,
            a_lost_database_connection_loses_nothing, stopping_is_quick_while_nothing_answers,
            an_inactive_destination_sends_nothing, destinations_keep_their_ids,
            a_destination_that_becomes_active_gets_every_configuration_first,
            a_destination_is_filled_with_what_was_uploaded_before_it_was_there,
            a_fill_tells_which_uploads_the_archive_does_not_hold_any_more,
            a_destination_that_is_not_configured_any_more_becomes_inactive, the_list_shows_every_row_with_its_state,
            pruning_takes_bytes_then_rows_of_what_was_sent_and_nothing_else, heartbeat_and_gauges_tell_what_waits,
            a_receipt_that_comes_late_is_taken_and_a_late_timeout_is_not,
            rows_that_somebody_else_took_are_not_claimed_twice,
            an_enterprises_older_message_goes_first_even_when_a_later_one_is_due)
