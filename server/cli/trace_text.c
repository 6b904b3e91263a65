#include <inttypes.h>
#include <string.h>

#include "base/caltime.h"
#include "base/decimal.h"
#include "cli/trace.h"
#include "validate/flags.h"

bool trace_flag(int flag, size_t *at, const char **key, const char **words)
{
    static const struct {
        int bit;
        const char *key, *words;
    } names[] = {{FLAG_INVALID, "invalid", "valid=false"},     {FLAG_JUMP, "jump", "3204 突变 jump"},
                 {FLAG_STUCK, "stuck", "3205 不变 stuck"},     {FLAG_BACKWARDS, "backwards", "3207 倒走 backwards"},
                 {FLAG_PARTS, "parts", "3401 分项超总 parts"}, {FLAG_LATE, "late", "补传 late"}};
    for (; *at < ARRAY_LEN(names); (*at)++)
        if (flag & names[*at].bit) {
            *key = names[*at].key;
            *words = names[(*at)++].words;
            return true;
        }
    return false;
}

bool trace_found(const struct trace_story *s)
{
    for (size_t i = 0; i < s->carrier_count; i++)
        if (!s->carriers[i].unreadable)
            return true;
    return s->configured;
}

/* ---- value, history, rows ---- */

static void tell_stored(const struct trace_story *s, struct buf *out)
{
    char value[DECIMAL_TEXT];
    const char *key, *words;
    buf_printf(out, "现值 value now: %s", s->has_value ? decimal_format(s->value, value) : "(无 none)");
    for (size_t at = 0; s->has_value && trace_flag(s->flag, &at, &key, &words);)
        buf_printf(out, "  %s", words);
    buf_append_char(out, '\n');
}

/* A row of the log that changed neither value nor validity: the reading's neighbours became others. */
static bool is_verdict(const struct trace_correction *c)
{
    return c->old_value == c->new_value && ((c->old_flag ^ c->new_flag) & FLAG_INVALID) == 0;
}

static void tell_verdict(const struct trace_correction *c, struct buf *out)
{
    const char *key, *words;
    buf_append_str(out, "  因前面的读数变化重新判定 judged again, for readings before it changed:");
    int doubts = c->new_flag & FLAG_SERIES_MASK;
    if (doubts == 0)
        buf_append_str(out, " 不再可疑 doubted no more");
    for (size_t at = 0; trace_flag(doubts, &at, &key, &words);)
        buf_printf(out, "  %s", words);
    buf_append_char(out, '\n');
}

static void tell_corrections(const struct trace_story *s, struct buf *out)
{
    char before[DECIMAL_TEXT], after[DECIMAL_TEXT], when[CALTIME_TEXT];
    buf_printf(out, "更正 corrections: %zu\n", s->correction_count);
    for (size_t i = 0; i < s->correction_count; i++) {
        const struct trace_correction *c = &s->corrections[i];
        buf_printf(out, "  %s  上传 upload %" PRId64, caltime_format(c->received_at, when), c->upload_id);
        if (is_verdict(c)) {
            tell_verdict(c, out);
            continue;
        }
        buf_printf(out, "  %s%s → %s%s\n", decimal_format(c->old_value, before),
                   c->old_flag & FLAG_INVALID ? " (valid=false)" : "", decimal_format(c->new_value, after),
                   c->new_flag & FLAG_INVALID ? " (valid=false)" : "");
    }
}

static void tell_rows(const struct trace_story *s, struct buf *out)
{
    char when[CALTIME_TEXT];
    buf_append_str(out, "汇总 rows it is in:\n");
    for (size_t i = 0; i < s->row_count; i++) {
        const struct trace_row *r = &s->rows[i];
        buf_printf(out, "  %-5s %s  值 value %s  个数 count %" PRId64 "/%" PRId64 "  完整率 completeness %s  %s\n",
                   r->granularity, caltime_format(r->stat_date, when), r->value ? r->value : "", r->count, r->expected,
                   r->completeness ? r->completeness : "", r->source);
    }
}

const char *restated_words(const char *reason)
{
    static const struct {
        const char *reason, *words;
    } words[] = {{"late", "补传 late"},           {"correction", "更正 correction"},
                 {"meter", "换表 meter"},         {"configuration", "配置变更 configuration"},
                 {"repair", "修复 repair"},       {"own_coefficient", "自有系数 own_coefficient"},
                 {"measure", "计量单位 measure"}, {"base_data", "基础信息 base_data"}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i].reason, reason) == 0)
            return words[i].words;
    return reason;
}

static void tell_change(struct buf *out, const char *what, const char *was, const char *is)
{
    if (was || is)
        buf_printf(out, "  %s %s → %s", what, was ? was : "-", is ? is : "-");
}

static void tell_restated(const struct trace_story *s, struct buf *out)
{
    char at[CALTIME_TEXT], when[CALTIME_TEXT];
    if (s->restated_count > 0)
        buf_append_str(out, "重述 restated:\n");
    for (size_t i = 0; i < s->restated_count; i++) {
        const struct trace_restated *r = &s->restated[i];
        buf_printf(out, "  %s  %-5s %s", caltime_format(r->restated_at, at), r->granularity,
                   caltime_format(r->stat_date, when));
        tell_change(out, "值 value", r->old_value, r->new_value);
        tell_change(out, "tce", r->old_tce, r->new_tce);
        tell_change(out, "co2", r->old_co2, r->new_co2);
        buf_printf(out, "  %s", restated_words(r->reason));
        if (r->upload_id)
            buf_printf(out, "  上传 upload %" PRId64, r->upload_id);
        buf_append_char(out, '\n');
    }
}

static void tell_value(const struct trace_story *s, struct buf *out)
{
    if (!s->configured) {
        buf_printf(out, "采集项 item: %s 未配置 not configured\n", s->code);
        return;
    }
    buf_printf(out, "采集项 item: %s %s  %s  %s  %" PRId64 " s%s\n", s->code, s->name, s->unit, s->aggregation,
               s->period, s->active ? "" : "  已停用 retired");
    tell_stored(s, out);
    tell_corrections(s, out);
    tell_rows(s, out);
    tell_restated(s, out);
}

/* ---- uploads ---- */

static void tell_forwarded(const struct trace_forwarded *f, struct buf *out)
{
    buf_printf(out, "    转发 to %s: %s  %s  次数 attempts %" PRId64, f->destination, f->state, f->message_id,
               f->attempts);
    if (f->answered)
        buf_printf(out, "  答复 answer %" PRId64 " upload %s %s", f->response_code, f->remote_upload_id,
                   f->response_text);
    buf_append_char(out, '\n');
}

static void tell_carrier(const struct trace_carrier *c, struct buf *out)
{
    char when[CALTIME_TEXT];
    if (c->unreadable) {
        buf_printf(out, "  %" PRId64 ": 归档内容无法打开 the archived content cannot be opened: %s\n", c->upload_id,
                   c->unreadable);
        return;
    }
    buf_printf(out, "  %s  上传 upload %" PRId64 "  消息 message %s\n", caltime_format(c->received_at, when),
               c->upload_id, c->message_id);
    for (size_t i = 0; i < c->record_count; i++) {
        const struct trace_record *r = &c->records[i];
        buf_printf(out, "    行 line %" PRId64 ": %s  inputType %d  scope %d%s\n", r->line, r->value, r->input_type,
                   r->scope, r->valid ? "" : "  valid=false");
    }
    for (size_t i = 0; i < c->finding_count; i++) {
        const struct trace_finding *f = &c->findings[i];
        buf_printf(out, "      %" PRId64 " %s  行 line %" PRId64 "  %s\n", f->code, f->words, f->line, f->message);
    }
    for (size_t i = 0; i < c->forwarded_count; i++)
        tell_forwarded(&c->forwarded[i], out);
}

static void tell_refused(const struct trace_story *s, struct buf *out)
{
    char when[CALTIME_TEXT];
    if (s->refused_count > 0)
        buf_printf(
            out,
            "期间整体拒绝的上传（内容不保存） uploads refused whole meanwhile, their content is not kept: %" PRId64
            "\n",
            s->refused_total);
    for (size_t i = 0; i < s->refused_count; i++) {
        const struct trace_refused *r = &s->refused[i];
        buf_printf(out, "  %s  %s  消息 message %s  %" PRId64 " %s\n", caltime_format(r->received_at, when),
                   r->operation, r->message_id, r->code, r->message);
    }
}

void trace_text(const struct trace_story *s, struct buf *out)
{
    tell_value(s, out);
    buf_append_str(out, "上传 uploads that carried it:\n");
    for (size_t i = 0; i < s->carrier_count; i++)
        tell_carrier(&s->carriers[i], out);
    if (s->expired > 0)
        buf_printf(out,
                   "  归档已过期、未能查看的上传 uploads whose archive has expired, not looked into: %" PRId64 "\n",
                   s->expired);
    if (!s->carrier_count && s->expired == 0)
        buf_append_str(out, "  (无 none)\n");
    tell_refused(s, out);
}
