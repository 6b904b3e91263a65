/* server/registry against a real PostgreSQL: loading, swapping under readers, unknown codes. */
#include "dbtest.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "db/migrate.h"
#include "registry/registry.h"

#define UNITS 1203 /* more than two batches, and not a whole number of them */

static const char ADMIT[] =
    "INSERT INTO unit (id, code, name, region_code, industry_code, state, next_slot, allow_from)"
    " SELECT g, 'U' || lpad(g::text, 17, '0'), '单位' || g, '420100', 'C31', 'trial', 3, '10.0.0.0/8'"
    " FROM generate_series(1, 1203) g;"
    "INSERT INTO collect_item (unit_id, slot, data_code, stat_type, name, unit, aggregation, period, scope, input_type,"
    " counter_max, value_min, active, config_version)"
    " SELECT u.id, s, lpad((9 - s)::text, 16, '0'), s % 2, '项' || s, 'kWh', s, 900, 1, 4, 1000 * s, NULL, s <> 2, 1"
    " FROM unit u, generate_series(0, 2) s WHERE u.id % 2 = 1;"
    "INSERT INTO device (unit_id, serial, device_id, secret_key) SELECT id, 'S' || d,"
    " md5(id::text || '-' || d), CASE d WHEN 1 THEN '\\x000102030405060708090a0b0c0d0e0f'::bytea END"
    " FROM unit, generate_series(1, 2) d WHERE id % 3 = 0";

static struct registry *open_registry(struct db *db)
{
    struct registry *r;
    OK(registry_open(db, &r));
    return r;
}

static struct unit *unit_of(struct registry *r, struct db *db, const char *code)
{
    struct unit *u;
    OK(registry_unit(r, db, code, &u));
    return u;
}

START_TEST(every_unit_is_loaded_with_its_own_items_and_devices)
{
    struct db *db = open_db();
    OK(db_exec(db, ADMIT));
    struct registry *r = open_registry(db);
    for (int id = 1; id <= UNITS; id++) {
        struct unit *u;
        OK(registry_unit_by_id(r, NULL, id, &u));
        ck_assert_ptr_nonnull(u);
        ck_assert_int_eq(u->id, id);
        ck_assert_uint_eq(u->item_count, id % 2 == 1 ? 3 : 0);
        ck_assert_uint_eq(u->device_count, id % 3 == 0 ? 2 : 0);
        ck_assert_int_eq(u->slot_count, 3);
        unit_release(&u);
    }
    registry_close(&r);
    db_close(&db);
}
END_TEST

START_TEST(a_unit_holds_what_the_database_says)
{
    struct db *db = open_db();
    OK(db_exec(db, ADMIT));
    OK(db_exec(db, "UPDATE unit SET device_certificates = true, digests = 'SM3' WHERE id = 3;"
                   "INSERT INTO device_binding (unit_id, serial, fingerprint, former, former_until) VALUES"
                   " (3, '网关 S9', 'aa', 'bb', '1970-01-01 00:00:01+00'), (3, 'S1', 'cc', '', NULL)"));
    struct registry *r = open_registry(db);
    struct unit *u = unit_of(r, NULL, "U00000000000000003");
    ck_assert_ptr_nonnull(u);
    ck_assert_str_eq(u->name, "单位3");
    ck_assert_str_eq(u->region, "420100");
    ck_assert_str_eq(u->industry, "C31");
    ck_assert_str_eq(u->allow, "10.0.0.0/8");
    ck_assert_int_eq(u->state, UNIT_TRIAL);
    ck_assert(unit_may_upload(u) && !u->from_platform);
    const struct item *it = unit_item(u, "0000000000000008", 1);
    ck_assert_ptr_nonnull(it);
    ck_assert_int_eq(it->slot, 1);
    ck_assert_int_eq(it->aggregation, AGG_MEAN);
    ck_assert_int_eq(it->counter_max, 1000);
    ck_assert(it->value_min == DECIMAL_UNSET && it->active);
    ck_assert_str_eq(it->name, "项1");
    ck_assert_ptr_eq(u->by_slot[1], it);
    ck_assert_ptr_null(unit_item(u, "0000000000000008", 0));
    ck_assert(unit_has_code(u, "0000000000000009"));
    ck_assert(!unit_has_code(u, "0000000000000007")); /* retired */
    ck_assert_ptr_nonnull(unit_item(u, "0000000000000007", 0));
    const struct device *d = &u->devices[0];
    ck_assert_str_eq(d->serial, "S1");
    ck_assert(d->has_key && d->secret_key[15] == 15 && !u->devices[1].has_key);
    ck_assert_ptr_eq(unit_device(u, d->id), d);
    char capitals[sizeof d->id] = "";
    for (size_t i = 0; d->id[i]; i++)
        capitals[i] = (char)toupper((unsigned char)d->id[i]);
    ck_assert_str_ne(capitals, d->id);
    ck_assert_ptr_eq(unit_device(u, capitals), d);
    ck_assert_ptr_null(unit_device(u, "00"));
    ck_assert(u->device_certificates && u->binding_count == 2);
    ck_assert_str_eq(u->digests, "SM3");
    const struct device_binding *b = unit_binding(u, "网关 S9");
    ck_assert_ptr_nonnull(b);
    ck_assert_str_eq(b->fingerprint, "aa");
    ck_assert_str_eq(b->former, "bb");
    ck_assert(b->former_until == 1000000 && unit_binding(u, "S1")->former_until == 0 && !unit_binding(u, "S2"));
    unit_release(&u);
    u = unit_of(r, NULL, "U00000000000000004");
    ck_assert(!u->device_certificates && u->binding_count == 0 && !*u->digests && !unit_binding(u, "S1"));
    unit_release(&u);
    registry_close(&r);
    db_close(&db);
}
END_TEST

START_TEST(a_reader_keeps_the_unit_it_holds_over_a_reload)
{
    struct db *db = open_db();
    OK(db_exec(db, ADMIT));
    struct registry *r = open_registry(db);
    struct unit *old = unit_of(r, db, "U00000000000000001");
    OK(db_exec(db, "UPDATE unit SET name = 'new', state = 'suspended' WHERE id = 1"));
    OK(registry_reload_unit(r, db, "U00000000000000001"));
    struct unit *now = unit_of(r, db, "U00000000000000001");
    ck_assert_str_eq(old->name, "单位1");
    ck_assert_str_eq(now->name, "new");
    ck_assert(!unit_may_upload(now));
    unit_release(&old);
    unit_release(&now);
    OK(db_exec(db, "DELETE FROM collect_item WHERE unit_id = 1; DELETE FROM unit WHERE id = 1"));
    OK(registry_reload_unit(r, db, "U00000000000000001"));
    ck_assert_ptr_null(unit_of(r, db, "U00000000000000001"));
    OK(registry_unit_by_id(r, db, 1, &now));
    ck_assert_ptr_null(now);
    registry_close(&r);
    db_close(&db);
}
END_TEST

START_TEST(reloading_everything_finds_new_units_and_drops_gone_ones)
{
    struct db *db = open_db();
    OK(db_exec(db, ADMIT));
    struct registry *r = open_registry(db);
    OK(db_exec(db, "DELETE FROM unit WHERE id = 2; INSERT INTO unit (id, code, name, region_code, state)"
                   " VALUES (5000, 'NEWCODE', 'n', '110000', 'applied')"));
    OK(registry_reload_all(r, db));
    struct unit *u = unit_of(r, NULL, "NEWCODE");
    ck_assert_int_eq(u->id, 5000);
    unit_release(&u);
    OK(registry_unit_by_id(r, NULL, 2, &u));
    ck_assert_ptr_null(u);
    ck_assert_ptr_null(unit_of(r, NULL, "U00000000000000002"));
    registry_close(&r);
    db_close(&db);
}
END_TEST

START_TEST(an_unknown_code_is_looked_up_once_until_told)
{
    struct db *db = open_db();
    struct registry *r = open_registry(db);
    ck_assert_ptr_null(unit_of(r, NULL, "LATE"));
    ck_assert_ptr_null(unit_of(r, db, "LATE"));
    OK(db_exec(db, "INSERT INTO unit (code, name, region_code, state) VALUES ('LATE', 'n', '110000', 'trial'),"
                   " ('ASKED', 'n', '110000', 'trial')"));
    ck_assert_ptr_null(unit_of(r, db, "LATE"));
    OK(registry_reload_unit(r, db, "LATE"));
    struct unit *u = unit_of(r, NULL, "LATE");
    ck_assert_ptr_nonnull(u);
    unit_release(&u);
    u = unit_of(r, db, "ASKED");
    ck_assert_ptr_nonnull(u);
    unit_release(&u);
    ck_assert_ptr_null(unit_of(r, db, "A-CODE-THAT-IS-TOO-LONG-FOR-ANY-UNIT"));
    registry_close(&r);
    db_close(&db);
}
END_TEST

struct reader {
    struct registry *registry;
    atomic_bool *stop;
    long seen;
};

/* A torn unit would show another name than its state says. */
static void *read_on(void *arg)
{
    struct reader *t = arg;
    while (!atomic_load(t->stop)) {
        struct unit *u;
        struct result r = registry_unit(t->registry, NULL, "U00000000000000001", &u);
        ck_assert(result_ok(r) && u);
        ck_assert_str_eq(u->name, u->state == UNIT_TRIAL ? "even" : "odd");
        unit_release(&u);
        t->seen++;
    }
    return NULL;
}

START_TEST(readers_in_other_threads_see_whole_units_while_they_are_swapped)
{
    struct db *db = open_db();
    OK(db_exec(db, "INSERT INTO unit (id, code, name, region_code, state) VALUES"
                   " (1, 'U00000000000000001', 'even', '110000', 'trial')"));
    struct registry *r = open_registry(db);
    atomic_bool stop = false;
    struct reader readers[2] = {{r, &stop, 0}, {r, &stop, 0}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    for (int i = 0; i < 200; i++) {
        OK(db_exec(db, i % 2 ? "UPDATE unit SET name = 'even', state = 'trial'"
                             : "UPDATE unit SET name = 'odd', state = 'testing'"));
        OK(registry_reload_unit(r, db, "U00000000000000001"));
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_gt(readers[i].seen, 0);
    }
    registry_close(&r);
    db_close(&db);
}
END_TEST

START_TEST(every_state_has_a_word_and_only_three_may_upload)
{
    int may = 0;
    for (int s = UNIT_APPLIED; s <= UNIT_RETIRED; s++) {
        enum unit_state back;
        struct unit u = {.state = (enum unit_state)s};
        ck_assert(unit_state_from_name(unit_state_name((enum unit_state)s), &back));
        ck_assert_int_eq(back, s);
        may += unit_may_upload(&u);
    }
    ck_assert_int_eq(may, 3);
    enum unit_state none;
    ck_assert(!unit_state_from_name("nonsense", &none));
}
END_TEST

static void fresh(void)
{
    log_set_level(LOG_ERROR);
    struct db *db = open_db();
    OK(db_exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    OK(db_migrate(db, NULL, NULL));
    db_close(&db);
}

DBTEST_MAIN("registry", fresh, every_unit_is_loaded_with_its_own_items_and_devices, a_unit_holds_what_the_database_says,
            a_reader_keeps_the_unit_it_holds_over_a_reload, reloading_everything_finds_new_units_and_drops_gone_ones,
            an_unknown_code_is_looked_up_once_until_told,
            readers_in_other_threads_see_whole_units_while_they_are_swapped,
            every_state_has_a_word_and_only_three_may_upload)
