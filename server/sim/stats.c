#include "sim/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/caltime.h"
#include "base/clock.h"
#include "base/mem.h"

void sim_stats_finding(struct sim_stats *stats, int code)
{
    for (size_t i = 0; i < stats->finding_count; i++) {
        if (stats->findings[i].code == code) {
            stats->findings[i].count++;
            return;
        }
    }
    if (stats->finding_count < STATS_CODES) {
        stats->findings[stats->finding_count].code = code;
        stats->findings[stats->finding_count++].count = 1;
    }
}

double sim_stats_seconds(const struct sim_stats *stats)
{
    return (double)(clock_monotonic() - stats->started) / 1e9;
}

static double rate(const struct sim_stats *stats)
{
    double s = sim_stats_seconds(stats);
    return s > 0 ? (double)stats->readings / s : 0;
}

/* 1234567 -> 1,234,567 */
static const char *grouped(int64_t n, char out[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n), w = 0;
    for (int i = 0; i < len; i++) {
        if (i && digits[i - 1] != '-' && (len - i) % 3 == 0) {
            out[w++] = ',';
        }
        out[w++] = digits[i];
    }
    out[w] = '\0';
    return out;
}

/* Of all readings this run has to deliver; 0..100. */
static int percent(const struct sim_stats *stats)
{
    int64_t all = stats->readings + stats->spool_readings + stats->left;
    return all > 0 ? (int)(stats->readings * 100 / all) : 0;
}

void sim_stats_line(const struct sim_stats *stats, struct buf *out)
{
    char date[CALTIME_TEXT] = "-", readings[32], per_second[32], spool[32];
    if (stats->position != INT64_MIN) {
        caltime_format(stats->position, date);
        date[16] = '\0';
    }
    buf_printf(out, "%s %3d%%", date, percent(stats));
    if (stats->last_code != 0 && stats->last_code != 2) {
        buf_printf(out, "  读数 %s  重试 %" PRId64 "  代码 %d", grouped(stats->readings, readings), stats->retries,
                   stats->last_code);
    } else {
        buf_printf(out, "  读数 readings %s  %s/s", grouped(stats->readings, readings),
                   grouped((int64_t)rate(stats), per_second));
    }
    buf_printf(out, "  待发 %s", grouped(stats->spool_messages, spool));
}

void sim_stats_text(const struct sim_stats *stats, const char *enterprise, struct buf *out)
{
    char uploads[32], readings[32], per_second[32];
    buf_printf(out, "%s: 上传 %s 次，读数 %s 个 / %s uploads with %s readings in %.1f s (%s/s)\n", enterprise,
               grouped(stats->uploads, uploads), grouped(stats->readings, readings), uploads, readings,
               sim_stats_seconds(stats), grouped((int64_t)rate(stats), per_second));
    buf_printf(out,
               "  入库 stored %" PRId64 ", 未变 unchanged %" PRId64 ", 更正 corrected %" PRId64
               ", 存疑 suspect %" PRId64 ", 拒绝 rejected %" PRId64,
               stats->stored, stats->unchanged, stats->corrected, stats->suspect, stats->rejected);
    buf_printf(out, "; 重发 repeats %" PRId64 " (其中已有 known already %" PRId64 ")\n", stats->retries,
               stats->duplicates);
    for (size_t i = 0; i < stats->finding_count; i++) {
        buf_printf(out, "  问题 finding %d: %" PRId64 "\n", stats->findings[i].code, stats->findings[i].count);
    }
    if (stats->spool_messages) {
        buf_printf(out, "  缓存未发 / left in the spool: %" PRId64 " 条消息 messages, %" PRId64 " 个读数 readings\n",
                   stats->spool_messages, stats->spool_readings);
    }
    if (stats->dropped) {
        buf_printf(out, "  按 --drop-head 放弃的读数 / readings given up: %" PRId64 "\n", stats->dropped);
    }
    if (stats->base_entries) {
        buf_printf(out, "  基础信息 / base data: dicVersion %s, %" PRId64 " 条 entries\n", stats->dic_version,
                   stats->base_entries);
    }
    if (stats->skipped_slots && !stats->uploads) {
        buf_printf(out,
                   "  没有新数据：%" PRId64 "个时刻此前已读过 / nothing new: %" PRId64
                   " slots were read by earlier runs; --again begins anew\n",
                   stats->skipped_slots, stats->skipped_slots);
    }
    if (stats->refused_text) {
        buf_append_str(out, "  ");
        sim_stats_refusal(stats, out);
    }
}

void sim_stats_refusal(const struct sim_stats *stats, struct buf *out)
{
    if (stats->refused_code) {
        buf_printf(out, "平台拒绝 / refused by the platform, code %d: %s\n", stats->refused_code, stats->refused_text);
    } else {
        buf_printf(out, "无法继续 / cannot go on: %s\n", stats->refused_text);
    }
}

static void json_number(struct buf *out, const char *name, int64_t value)
{
    buf_printf(out, ",\"%s\":%" PRId64, name, value);
}

static void json_counts(const struct sim_stats *stats, struct buf *out)
{
    const struct {
        const char *name;
        int64_t value;
    } rows[] = {
        {"uploads", stats->uploads},
        {"duplicates", stats->duplicates},
        {"readings", stats->readings},
        {"stored", stats->stored},
        {"unchanged", stats->unchanged},
        {"corrected", stats->corrected},
        {"suspect", stats->suspect},
        {"rejected", stats->rejected},
        {"retries", stats->retries},
        {"skippedSlots", stats->skipped_slots},
        {"droppedReadings", stats->dropped},
        {"commands", stats->commands},
        {"baseDataEntries", stats->base_entries},
        {"spoolMessages", stats->spool_messages},
        {"spoolReadings", stats->spool_readings},
        {"lastCode", stats->last_code},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_number(out, rows[i].name, rows[i].value);
    }
}

void sim_stats_json(const struct sim_stats *stats, const char *enterprise, const char *device_id, struct buf *out)
{
    buf_append_str(out, "{\"enterprise\":");
    buf_append_json(out, enterprise);
    buf_append_str(out, ",\"deviceId\":");
    buf_append_json(out, device_id);
    buf_append_str(out, ",\"dicVersion\":");
    buf_append_json(out, stats->dic_version);
    json_counts(stats, out);
    buf_printf(out, ",\"seconds\":%.3f,\"readingsPerSecond\":%.1f,\"complete\":%s", sim_stats_seconds(stats),
               rate(stats), stats->complete ? "true" : "false");
    buf_append_str(out, ",\"findings\":{");
    for (size_t i = 0; i < stats->finding_count; i++) {
        buf_printf(out, "%s\"%d\":%" PRId64, i ? "," : "", stats->findings[i].code, stats->findings[i].count);
    }
    buf_append_char(out, '}');
    if (stats->refused_text && !stats->refused_code) {
        buf_append_str(out, ",\"failed\":");
        buf_append_json(out, stats->refused_text);
    } else if (stats->refused_text) {
        buf_printf(out, ",\"refused\":{\"code\":%d,\"message\":", stats->refused_code);
        buf_append_json(out, stats->refused_text);
        buf_append_char(out, '}');
    }
    buf_append_str(out, "}\n");
}

void sim_stats_free(struct sim_stats *stats)
{
    mem_free(stats->refused_text);
    stats->refused_text = NULL;
}
