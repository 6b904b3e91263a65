#include "quality/conformity.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"

#define DAY_US (INT64_C(86400) * USEC_PER_SEC)

bool conformity_spoiled(const struct quality_day *day)
{
    return !quality_good_day(&day->counts);
}

bool conformity_current(const struct conformity *c)
{
    for (size_t i = c->days.count; i > 0; i--)
        if (!conformity_spoiled(&c->days.at[i - 1]))
            return c->days.at[i - 1].day >= c->to - CONFORMITY_RECENT_DAYS * DAY_US;
    return false;
}

/* ---- the window ---- */

void conformity_choose_window(struct conformity *c)
{
    size_t run = 0;
    c->window_first = c->window_days = 0;
    c->window = c->period = (struct quality_counts){0};
    for (size_t i = 0; i < c->days.count; i++) {
        const struct quality_day *day = &c->days.at[i];
        bool next = run > 0 && day->day == c->days.at[i - 1].day + DAY_US;
        run = conformity_spoiled(day) ? 0 : next ? run + 1 : 1;
        if (run > 0 && run >= c->window_days) {
            c->window_days = run;
            c->window_first = i + 1 - run;
        }
        quality_add(&c->period, &day->counts);
    }
    for (size_t i = 0; i < c->window_days; i++)
        quality_add(&c->window, &c->days.at[c->window_first + i].counts);
}

/* ---- words ---- */

static const char *date_text(struct conformity *c, int64_t us)
{
    char text[CALTIME_TEXT];
    return arena_strndup(c->arena, caltime_format(us, text), 10);
}

static const char *time_text(struct conformity *c, int64_t us)
{
    char text[CALTIME_TEXT];
    return arena_strndup(c->arena, caltime_format(us, text), 16);
}

/* Two decimals, rounded down: what is shown never looks better than it is. */
static const char *percent(struct conformity *c, dec128 ratio)
{
    char text[DECIMAL_TEXT];
    dec128 share = ratio * 100;
    return arena_printf(c->arena, "%s %%", decimal_format(share - share % 10000, text));
}

static const char *tonnes(struct conformity *c, dec128 tce)
{
    char text[DECIMAL_TEXT];
    return arena_strdup(c->arena, decimal_format(tce, text));
}

static void say(struct conformity_result *r, bool passed, const char *zh, const char *en)
{
    r->passed = passed;
    r->reason_zh = zh;
    r->reason_en = en;
}

#define SAY(c, r, passed, zh, en, ...)                                                                                 \
    say(r, passed, arena_printf((c)->arena, zh, __VA_ARGS__), arena_printf((c)->arena, en, __VA_ARGS__))

/* ---- the rules ---- */

static void judge_certificate(struct conformity *c, struct conformity_result *r)
{
    if (c->certificate_count == 0 && *c->bound_certificate)
        say(r, false, "绑定的证书不存在、已吊销或已过期",
            "the certificate the enterprise is bound to is unknown, revoked or expired");
    else if (c->certificate_count == 0)
        say(r, false, "没有有效的证书：未签发、已吊销或已过期",
            "no valid certificate: none issued, or revoked, or expired");
    else
        SAY(c, r, true, "有效期至 %s，剩余 %lld 天", "valid until %s, %lld days left",
            date_text(c, c->certificate_until), (long long)((c->certificate_until - c->now) / DAY_US));
}

static void judge_configuration(struct conformity *c, struct conformity_result *r)
{
    if (c->config_version == 0)
        say(r, false, "尚未上传采集配置", "no configuration was uploaded yet");
    else
        SAY(c, r, c->active_items > 0, "第 %d 版，%lld 个采集数据项在用", "version %d with %lld collect items in use",
            (int)c->config_version, (long long)c->active_items);
}

static void list_spoiled(struct conformity *c, struct buf *zh, struct buf *en)
{
    enum { NAMED = 10 };
    size_t spoiled = 0;
    for (size_t i = 0; i < c->days.count; i++) {
        const struct quality_day *day = &c->days.at[i];
        if (!conformity_spoiled(day) || ++spoiled > NAMED)
            continue;
        const char *date = date_text(c, day->day), *share = percent(c, quality_completeness(&day->counts));
        buf_printf(zh, "%s%s（完整率 %s）", spoiled > 1 ? "、" : "；不合格日：", date, share);
        buf_printf(en, "%s%s (completeness %s)", spoiled > 1 ? ", " : "; spoiled: ", date, share);
    }
    if (spoiled > NAMED) {
        buf_printf(zh, " 等共 %zu 天", spoiled);
        buf_printf(en, " and others, %zu in all", spoiled);
    }
}

static void judge_continuous(struct conformity *c, struct conformity_result *r)
{
    struct buf zh = BUF_INIT, en = BUF_INIT;
    if (c->window_days == 0) {
        buf_append_str(&zh, "期间内没有完整率达标的日");
        buf_append_str(&en, "no good day in the period");
    } else {
        const char *first = date_text(c, c->days.at[c->window_first].day);
        const char *last = date_text(c, c->days.at[c->window_first + c->window_days - 1].day);
        buf_printf(&zh, "最长连续 %zu 天（%s 至 %s）", c->window_days, first, last);
        buf_printf(&en, "%zu days in a row (%s to %s)", c->window_days, first, last);
    }
    if (c->window_days < CONFORMITY_DAYS) {
        buf_printf(&zh, "，还差 %zu 天", CONFORMITY_DAYS - c->window_days);
        buf_printf(&en, ", %zu too few", CONFORMITY_DAYS - c->window_days);
    }
    list_spoiled(c, &zh, &en);
    say(r, c->window_days >= CONFORMITY_DAYS, arena_strdup(c->arena, buf_str(&zh)),
        arena_strdup(c->arena, buf_str(&en)));
    buf_free(&zh);
    buf_free(&en);
}

/* Compared as products, before any rounding. */
static bool reaches(int64_t part, int64_t whole, dec128 share)
{
    return whole > 0 && (dec128)part * DECIMAL_SCALE >= (dec128)whole * share;
}

static void judge_success(struct conformity *c, struct conformity_result *r)
{
    const struct quality_counts *w = &c->window;
    SAY(c, r, reaches(w->valid, quality_received(w), CONFORMITY_SUCCESS),
        "%s：收到 %lld 条，有效 %lld，标记无效 %lld，拒绝 %lld",
        "%s: %lld records received, %lld valid, %lld marked invalid, %lld rejected",
        percent(c, quality_success_rate(w)), (long long)quality_received(w), (long long)w->valid, (long long)w->invalid,
        (long long)w->rejected);
}

static void judge_completeness(struct conformity *c, struct conformity_result *r)
{
    const struct quality_counts *w = &c->window;
    SAY(c, r, reaches(w->covered, w->expected, CONFORMITY_COMPLETENESS), "%s：应收 %lld 条，缺 %lld 条",
        "%s: %lld readings expected, %lld missing", percent(c, quality_completeness(w)), (long long)w->expected,
        (long long)(w->expected - w->covered));
}

static void judge_on_time(struct conformity *c, struct conformity_result *r)
{
    const struct quality_counts *w = &c->window;
    SAY(c, r, reaches(quality_on_time(w), w->valid + w->invalid, CONFORMITY_ON_TIME), "%s：及时 %lld 条，迟到 %lld 条",
        "%s: %lld readings in time, %lld late", percent(c, quality_on_time_rate(w)), (long long)quality_on_time(w),
        (long long)w->late);
}

static const struct conformity_outage *best_outage(const struct conformity *c)
{
    const struct conformity_outage *best = NULL;
    for (size_t i = 0; i < c->outage_count; i++) {
        const struct conformity_outage *o = &c->outages[i];
        bool filled = reaches(o->arrived, o->expected, CONFORMITY_OUTAGE_FILL);
        if (filled && (!best || o->to - o->from >= best->to - best->from))
            best = o;
    }
    return best;
}

static void judge_make_up(struct conformity *c, struct conformity_result *r)
{
    const struct conformity_outage *o = best_outage(c);
    if (o)
        SAY(c, r, true, "%s 至 %s 中断，%lld 条数据此后补传", "outage from %s to %s, %lld readings made up afterwards",
            time_text(c, o->from), time_text(c, o->to), (long long)o->arrived);
    else if (c->outage_count > 0)
        say(r, false, "有中断，但缺少的数据未补齐", "there was an outage, but what was missing did not arrive in full");
    else
        say(r, false, "期间内没有中断后补传的记录，请断网一小时以上再恢复以验证",
            "no outage was made up in the period: disconnect the device for more than an hour to prove it");
}

static void judge_clock(struct conformity *c, struct conformity_result *r)
{
    int64_t size = c->clock_offset_ms < 0 ? -c->clock_offset_ms : c->clock_offset_ms;
    if (!c->has_device)
        say(r, false, "没有注册的端设备", "no end device is registered");
    else if (!c->has_heartbeat)
        say(r, false, "端设备未发送心跳，时钟偏差未知", "the end device sent no heartbeat: its clock is unknown");
    else if (c->heartbeat_at < c->to - CONFORMITY_SEEN_DAYS * DAY_US)
        SAY(c, r, false, "最近一次心跳在 %s，距期末超过 %d 天",
            "the last heartbeat was at %s, over %d days before the end", time_text(c, c->heartbeat_at),
            CONFORMITY_SEEN_DAYS);
    else
        SAY(c, r, size <= CONFORMITY_CLOCK_MS, "偏差 %lld.%03lld 秒（%s）", "off by %lld.%03lld s (%s)",
            (long long)(size / 1000), (long long)(size % 1000), time_text(c, c->heartbeat_at));
}

/* What the share rests on: the types that readings were sent with, or what the items are configured as. */
static void say_basis(struct conformity *c, const char **zh, const char **en)
{
    *zh = "均按采集配置的 inputType";
    *en = "all by the configured inputType";
    if (c->own_tce > 0) {
        *zh = arena_printf(c->arena, "其中 %s tce 按读数自带的 inputType，其余按采集配置", tonnes(c, c->own_tce));
        *en = arena_printf(c->arena, "%s tce of it by the readings' own inputType, the rest as configured",
                           tonnes(c, c->own_tce));
    }
    if (c->raw_from > c->from) {
        const char *date = date_text(c, c->raw_from);
        *zh = arena_printf(c->arena, "%s；%s 之前的读数已过期，按采集配置", *zh, date);
        *en = arena_printf(c->arena, "%s; all as configured before %s, whose readings have expired", *en, date);
    }
}

static void judge_metered(struct conformity *c, struct conformity_result *r)
{
    if (c->tce <= 0) {
        say(r, false, "期间内没有可折标准煤的全厂能源消费量",
            "no plant energy that converts to standard coal in the period");
        return;
    }
    const char *share = percent(c, decimal_div(c->metered_tce * DECIMAL_SCALE, c->tce));
    const char *metered = tonnes(c, c->metered_tce), *all = tonnes(c, c->tce), *zh, *en;
    say_basis(c, &zh, &en);
    say(r, c->metered_tce * DECIMAL_SCALE >= c->tce * CONFORMITY_METERED,
        arena_printf(c->arena, "%s：计量 %s tce，合计 %s tce；%s", share, metered, all, zh),
        arena_printf(c->arena, "%s: %s tce metered of %s tce; %s", share, metered, all, en));
}

static const struct rule {
    struct conformity_result words;
    void (*judge)(struct conformity *c, struct conformity_result *r);
} RULES[RULE_COUNT] = {
    [RULE_CERTIFICATE] = {{.key = "certificate",
                           .title_zh = "证书",
                           .title_en = "Certificate",
                           .asked_zh = "有效、未吊销",
                           .asked_en = "valid, not revoked"},
                          judge_certificate},
    [RULE_CONFIGURATION] = {{.key = "configuration",
                             .title_zh = "采集配置",
                             .title_en = "Configuration",
                             .asked_zh = "已上传，有在用的采集数据项",
                             .asked_en = "uploaded, with items in use"},
                            judge_configuration},
    [RULE_CONTINUOUS] = {{.key = "continuousDays",
                          .title_zh = "连续天数",
                          .title_en = "Continuous days",
                          .asked_zh = "≥ 15 天，每日完整率 ≥ 90 %",
                          .asked_en = "≥ 15 days, each ≥ 90 % complete"},
                         judge_continuous},
    [RULE_SUCCESS] = {{.key = "successRate",
                       .title_zh = "上传成功率",
                       .title_en = "Success rate",
                       .asked_zh = "≥ 99.9 %",
                       .asked_en = "≥ 99.9 %"},
                      judge_success},
    [RULE_COMPLETENESS] = {{.key = "completeness",
                            .title_zh = "数据完整率",
                            .title_en = "Completeness",
                            .asked_zh = "≥ 95 %",
                            .asked_en = "≥ 95 %"},
                           judge_completeness},
    [RULE_ON_TIME] = {{.key = "onTime",
                       .title_zh = "数据及时率",
                       .title_en = "On-time share",
                       .asked_zh = "≥ 90 %",
                       .asked_en = "≥ 90 %"},
                      judge_on_time},
    [RULE_MAKE_UP] = {{.key = "makeUp",
                       .title_zh = "断网补传",
                       .title_en = "Make-up upload",
                       .asked_zh = "中断一小时（无小时数据的一天）以上，恢复后补齐 ≥ 90 %",
                       .asked_en = "an outage of an hour (a day without hourly items) or more, ≥ 90 % made up"},
                      judge_make_up},
    [RULE_CLOCK] = {{.key = "clock",
                     .title_zh = "端设备时钟",
                     .title_en = "Device clock",
                     .asked_zh = "偏差 ≤ 300 秒，期末前 2 天内有心跳",
                     .asked_en = "off by ≤ 300 s, heard of in the last 2 days"},
                    judge_clock},
    [RULE_METERED] = {{.key = "metered",
                       .title_zh = "计量数据占比",
                       .title_en = "Metered energy",
                       .asked_zh = "≥ 80 %（按标准煤）",
                       .asked_en = "≥ 80 % (by standard coal)"},
                      judge_metered},
};

void conformity_judge(struct conformity *c)
{
    c->passed = true;
    for (size_t i = 0; i < RULE_COUNT; i++) {
        c->results[i] = RULES[i].words;
        RULES[i].judge(c, &c->results[i]);
        c->passed &= c->results[i].passed;
    }
}

RESULT conformity_test(struct db *db, const char *enterprise_code, int64_t from, int64_t to, struct arena *arena,
                       struct conformity *out)
{
    TRY(conformity_read(db, enterprise_code, from, to, arena, out));
    conformity_judge(out);
    return RESULT_OK;
}
