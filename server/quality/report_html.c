#include "quality/report.h"

#include <string.h>

#include "base/caltime.h"
#include "base/mem.h"

/* Colours: green and red are told apart by the sign too (✓ ✗), for printers and for eyes that see them alike. */
static const char STYLE[] =
    "@page { size: A4; margin: 16mm 14mm 18mm; @bottom-center { content: counter(page) \" / \" counter(pages);"
    " font: 8pt \"WenQuanYi Micro Hei\", \"Noto Sans CJK SC\", sans-serif; color: #666 } }\n"
    "* { box-sizing: border-box }\n"
    "body { font: 9.5pt/1.45 \"WenQuanYi Micro Hei\", \"Noto Sans CJK SC\", \"Microsoft YaHei\", sans-serif;"
    " color: #1a1a1a; margin: 0 auto; max-width: 190mm }\n"
    "@media screen { body { padding: 10mm } }\n"
    "header { border-bottom: 2.5pt solid #1f3a5f; padding-bottom: 3mm; margin-bottom: 4mm }\n"
    "h1 { font-size: 20pt; margin: 0; color: #1f3a5f; letter-spacing: 1pt }\n"
    "h1 small { display: block; font-size: 10pt; font-weight: normal; color: #666; letter-spacing: 0 }\n"
    "h2 { font-size: 12pt; color: #1f3a5f; margin: 6mm 0 2mm; page-break-after: avoid }\n"
    "small, .en { color: #666; font-size: 8pt }\n"
    ".en { display: block }\n"
    "table { border-collapse: collapse; width: 100% }\n"
    "th, td { border: 0.5pt solid #c9d1db; padding: 1.1mm 1.8mm; text-align: left; vertical-align: top }\n"
    "th { background: #eef2f7; font-weight: normal; color: #1f3a5f }\n"
    "tr { page-break-inside: avoid }\n"
    "thead { display: table-header-group }\n"
    "td.n, th.n { text-align: right; white-space: nowrap }\n"
    ".facts th { width: 22mm }\n"
    ".rules th:nth-child(1) { width: 28mm } .rules th:nth-child(2) { width: 47mm }\n"
    ".verdict { margin: 4mm 0; padding: 3mm 5mm; border-left: 3mm solid; font-size: 15pt }\n"
    ".verdict small { font-size: 9pt }\n"
    ".verdict.ok { background: #e8f5ec; border-color: #1e8449; color: #145a32 }\n"
    ".verdict.no { background: #fdecea; border-color: #c0392b; color: #922b21 }\n"
    ".ok-cell { background: #1e8449; color: #fff; text-align: center; white-space: nowrap; width: 16mm }\n"
    ".no-cell { background: #c0392b; color: #fff; text-align: center; white-space: nowrap; width: 16mm }\n"
    ".ok-cell .en, .no-cell .en { color: #fff }\n"
    ".strip { line-height: 0; margin: 1mm 0 2mm }\n"
    ".strip span { display: inline-block; width: 10.2mm; height: 9mm; margin: 0 0.9mm 0.9mm 0; border-radius: 1mm;"
    " font-size: 7pt; line-height: 9mm; text-align: center; color: #fff }\n"
    ".good { background: #1e8449 } .late { background: #b9770e } .bad { background: #c0392b }\n"
    "tr.bad-row td { background: #fdecea; color: #922b21 }\n"
    "tr.in td:first-child { border-left: 1.2mm solid #1e8449 }\n"
    ".key span { display: inline-block; width: 3mm; height: 3mm; border-radius: 0.6mm; margin: 0 1mm 0 3mm }\n"
    ".note { border: 0.5pt solid #b9770e; background: #fef5e7; padding: 2mm 3mm; margin: 3mm 0 }\n"
    "footer { margin-top: 7mm; border-top: 0.5pt solid #c9d1db; padding-top: 2mm; color: #666; font-size: 8pt;"
    " page-break-inside: avoid }\n"
    ".sign { margin-top: 9mm; page-break-inside: avoid } .sign td { border: 0; width: 33%; padding-top: 6mm }\n";

static void put(struct buf *out, const char *text)
{
    buf_append_str(out, text);
}

static void put_date(struct buf *out, int64_t us)
{
    char text[CALTIME_TEXT];
    caltime_format(us, text);
    buf_append(out, text, 10);
}

static void put_time(struct buf *out, int64_t us)
{
    char text[CALTIME_TEXT];
    caltime_format(us, text);
    buf_append(out, text, 16);
}

/* Per cent, rounded down as in the reasons. */
static void put_percent(struct buf *out, dec128 ratio)
{
    char text[DECIMAL_TEXT];
    dec128 percent = ratio * 100;
    buf_printf(out, "%s&nbsp;%%", decimal_format(percent - percent % 10000, text));
}

static void put_number(struct buf *out, int64_t n)
{
    buf_printf(out, "<td class=\"n\">%lld</td>", (long long)n);
}

static void put_ratio(struct buf *out, dec128 ratio)
{
    put(out, "<td class=\"n\">");
    put_percent(out, ratio);
    put(out, "</td>");
}

static void put_head(struct buf *out, const char *zh, const char *en, bool number)
{
    buf_printf(out, "<th%s>%s<span class=\"en\">%s</span></th>", number ? " class=\"n\"" : "", zh, en);
}

static void put_title(struct buf *out, const char *zh, const char *en)
{
    buf_printf(out, "<h2>%s <small>%s</small></h2>\n", zh, en);
}

/* ---- head ---- */

static void put_fact(struct buf *out, const char *zh, const char *en, const char *value)
{
    put_head(out, zh, en, false);
    put(out, "<td>");
    buf_append_xml(out, value);
    put(out, "</td>");
}

static const char *state_words(const char *state)
{
    static const char *const words[][2] = {{"applied", "已申请 applied"},     {"approved", "已批准 approved"},
                                           {"certified", "已发证 certified"}, {"testing", "测试 testing"},
                                           {"trial", "试运行 trial"},         {"accepted", "已接入 accepted"},
                                           {"suspended", "暂停 suspended"},   {"retired", "已退出 retired"}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i][0], state) == 0) {
            return words[i][1];
        }
    }
    return state;
}

static void put_who(struct buf *out, const struct conformity *c)
{
    put(out, "<table class=\"facts\"><tr>");
    put_fact(out, "用能单位", "enterprise", c->name);
    put_fact(out, "信用代码", "code", c->unit.code);
    put(out, "</tr><tr>");
    put_fact(out, "行政区划", "region", c->region);
    put_fact(out, "行业", "industry", c->industry);
    put(out, "</tr><tr>");
    put_fact(out, "端设备", "end device", c->device_serial);
    put_fact(out, "接入状态", "state", state_words(c->state));
    put(out, "</tr><tr>");
    put_head(out, "测试期", "period", false);
    put(out, "<td>");
    put_date(out, c->from);
    put(out, " — ");
    put_date(out, c->to > c->from ? c->to - 1 : c->to);
    put(out, "</td>");
    put_head(out, "出具时间", "generated", false);
    put(out, "<td>");
    put_time(out, c->now);
    put(out, "</td></tr></table>\n");
}

static void put_verdict(struct buf *out, const struct conformity *c)
{
    int failed = 0;
    for (size_t i = 0; i < RULE_COUNT; i++) {
        failed += !c->results[i].passed;
    }
    if (c->passed) {
        put(out, "<div class=\"verdict ok\">✓ 合格 <small>PASSED: every rule is met</small></div>\n");
    } else {
        buf_printf(out,
                   "<div class=\"verdict no\">✗ 不合格（%d 项）<small>NOT PASSED: %d rules not met</small></div>\n",
                   failed, failed);
    }
    if (c->pending_hours > 0) {
        buf_printf(
            out,
            "<div class=\"note\">尚有 %lld 小时的数据正在汇总，数字不是最终结果。<span class=\"en\">%lld hours are "
            "still being rolled up: the figures are not final.</span></div>\n",
            (long long)c->pending_hours, (long long)c->pending_hours);
    }
}

static void put_rule(struct buf *out, const struct conformity_result *r)
{
    buf_printf(out, "<tr><td>%s<span class=\"en\">%s</span></td><td>%s<span class=\"en\">%s</span></td><td>",
               r->title_zh, r->title_en, r->asked_zh, strcmp(r->asked_zh, r->asked_en) == 0 ? "" : r->asked_en);
    buf_append_xml(out, r->reason_zh);
    put(out, "<span class=\"en\">");
    buf_append_xml(out, r->reason_en);
    put(out, r->passed ? "</span></td><td class=\"ok-cell\">✓ 合格<span class=\"en\">met</span></td></tr>\n"
                       : "</span></td><td class=\"no-cell\">✗ 不合格<span class=\"en\">not met</span></td></tr>\n");
}

static void put_rules(struct buf *out, const struct conformity *c)
{
    put_title(out, "测试项目", "Rules");
    put(out, "<table class=\"rules\"><thead><tr>");
    put_head(out, "项目", "rule", false);
    put_head(out, "要求", "asked for", false);
    put_head(out, "结果", "found", false);
    put_head(out, "结论", "verdict", false);
    put(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < RULE_COUNT; i++) {
        put_rule(out, &c->results[i]);
    }
    put(out, "</tbody></table>\n");
}

/* ---- days ---- */

static void put_strip(struct buf *out, const struct conformity *c)
{
    put(out, "<div class=\"strip\">");
    for (size_t i = 0; i < c->days.count; i++) {
        const struct quality_day *day = &c->days.at[i];
        struct civil date = caltime_civil(day->day);
        bool mostly_late = day->counts.late * 2 > day->counts.valid + day->counts.invalid;
        buf_printf(out, "<span class=\"%s\">%d-%d</span>",
                   conformity_spoiled(day) ? "bad"
                   : mostly_late           ? "late"
                                           : "good",
                   date.month, date.day);
    }
    put(out, "</div>\n<p class=\"key\"><small><span class=\"good\"></span>合格 good<span class=\"late\"></span>"
             "多为补传 mostly made up<span class=\"bad\"></span>不合格 spoiled</small></p>\n");
}

static void put_day(struct buf *out, const struct conformity *c, size_t i)
{
    const struct quality_day *day = &c->days.at[i];
    bool in = i >= c->window_first && i < c->window_first + c->window_days;
    buf_printf(out, "<tr class=\"%s\"><td>", conformity_spoiled(day) ? "bad-row" : in ? "in" : "");
    put_date(out, day->day);
    put(out, conformity_spoiled(day) ? " ✗</td>" : "</td>");
    put_number(out, day->counts.expected);
    put_number(out, quality_received(&day->counts));
    put_number(out, quality_on_time(&day->counts));
    put_number(out, day->counts.late);
    put_number(out, day->counts.invalid);
    put_number(out, day->counts.rejected);
    put_number(out, day->counts.suspect);
    put_ratio(out, quality_success_rate(&day->counts));
    put_ratio(out, quality_completeness(&day->counts));
    put_number(out, day->continuous_days);
    put(out, "</tr>\n");
}

static void put_figure_heads(struct buf *out)
{
    put_head(out, "应收", "expected", true);
    put_head(out, "收到", "received", true);
    put_head(out, "及时", "on time", true);
    put_head(out, "迟到", "late", true);
    put_head(out, "无效", "invalid", true);
    put_head(out, "拒绝", "rejected", true);
    put_head(out, "可疑", "suspect", true);
    put_head(out, "成功率", "success", true);
    put_head(out, "完整率", "complete", true);
}

static void put_days(struct buf *out, const struct conformity *c)
{
    put_title(out, "逐日数据质量", "Data quality by day");
    if (c->days.count == 0) {
        put(out, "<p>期间内没有数据。<span class=\"en\">There is nothing in the period.</span></p>\n");
        return;
    }
    put_strip(out, c);
    put(out, "<table><thead><tr>");
    put_head(out, "日期", "day", false);
    put_figure_heads(out);
    put_head(out, "连续", "in a row", true);
    put(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < c->days.count; i++) {
        put_day(out, c, i);
    }
    put(out,
        "</tbody></table>\n<p><small>绿色竖线：评定窗口。 The green bar marks the days the shares above are judged "
        "over.</small></p>\n");
}

static void put_item(struct buf *out, const struct conformity_item *item)
{
    const struct quality_counts *n = &item->counts;
    put(out, "<tr><td>");
    buf_append_xml(out, item->item->name);
    buf_printf(out, "<span class=\"en\">%s%s</span></td>", item->item->data_code,
               item->item->stat_type == 1 ? " 日 day" : "");
    put_number(out, n->expected);
    put_number(out, quality_received(n));
    put_number(out, quality_on_time(n));
    put_number(out, n->late);
    put_number(out, n->invalid);
    put_number(out, n->rejected);
    put_number(out, n->suspect);
    put_ratio(out, quality_success_rate(n));
    put_ratio(out, quality_completeness(n));
    put(out, "</tr>\n");
}

static void put_items(struct buf *out, const struct conformity *c)
{
    if (c->item_count == 0) {
        return;
    }
    put_title(out, "各采集数据项（评定窗口）", "Collect items in the window");
    put(out, "<table><thead><tr>");
    put_head(out, "采集数据项", "item", false);
    put_figure_heads(out);
    put(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < c->item_count; i++) {
        put_item(out, &c->items[i]);
    }
    put(out, "</tbody></table>\n");
}

/* ---- outages, energy, foot ---- */

static void put_outages(struct buf *out, const struct conformity *c)
{
    if (c->outage_count == 0) {
        return;
    }
    put_title(out, "中断与补传", "Outages and what was made up");
    put(out, "<table><thead><tr>");
    put_head(out, "起", "from", false);
    put_head(out, "止", "to", false);
    put_head(out, "应收", "expected", true);
    put_head(out, "补传", "made up", true);
    put(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < c->outage_count; i++) {
        put(out, "<tr><td>");
        put_time(out, c->outages[i].from);
        put(out, "</td><td>");
        put_time(out, c->outages[i].to);
        put(out, "</td>");
        put_number(out, c->outages[i].expected);
        put_number(out, c->outages[i].arrived);
        put(out, "</tr>\n");
    }
    put(out, "</tbody></table>\n");
}

static void put_energy(struct buf *out, const struct conformity_energy *e)
{
    static const char *const types[] = {"",         "管理信息系统", "生产监控系统", "分布式控制系统",
                                        "现场仪表", "手工填报",     "能源供应单位", "其他"};
    char text[DECIMAL_TEXT], own[DECIMAL_TEXT];
    put(out, "<tr><td>");
    buf_append_xml(out, e->energy);
    put(out, "</td><td>");
    buf_append_xml(out, e->name);
    buf_printf(out,
               "<span class=\"en\">%s</span></td><td>%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td>"
               "<td>%s</td></tr>\n",
               e->data_code, e->input_type >= 1 && e->input_type <= 7 ? types[e->input_type] : "",
               decimal_format(e->tce, text), e->own_tce > 0 ? decimal_format(e->own_tce, own) : "",
               e->metered ? "✓ 计量 metered" : "✗ 非计量 not metered");
}

static void put_energies(struct buf *out, const struct conformity *c)
{
    if (c->energy_count == 0) {
        return;
    }
    put_title(out, "能源与计量", "Energy and metering");
    put(out, "<table><thead><tr>");
    put_head(out, "能源", "energy", false);
    put_head(out, "采集数据项", "item", false);
    put_head(out, "来源", "input type", false);
    put_head(out, "折标准煤", "tce", true);
    put_head(out, "其中按读数自带来源", "of it by the readings' own type", true);
    put_head(out, "计量", "metered", false);
    put(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < c->energy_count; i++) {
        put_energy(out, &c->energies[i]);
    }
    put(out, "</tbody></table>\n");
}

static void put_foot(struct buf *out, const struct conformity *c)
{
    put(out, "<table class=\"sign\"><tr><td>测试人 tested by</td><td>审核人 checked by</td><td>日期 "
             "date</td></tr></table>\n");
    buf_printf(
        out,
        "<footer>由平台根据已入库的数据计算，未经人工修改；整体拒绝的上传 %lld 次不计入。"
        "<span class=\"en\">Computed by the platform from what is stored; %lld uploads refused as a whole are not "
        "counted.</span></footer>\n",
        (long long)c->refused_uploads, (long long)c->refused_uploads);
}

void report_html(const struct conformity *c, const char *platform, struct buf *out)
{
    put(out, "<!DOCTYPE html>\n<html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>" REPORT_TITLE_ZH " ");
    buf_append_xml(out, c->unit.code);
    put(out, "</title><style>\n");
    put(out, STYLE);
    put(out, "</style></head><body>\n<header><small>");
    buf_append_xml(out, platform);
    put(out, "</small><h1>" REPORT_TITLE_ZH "<small>" REPORT_TITLE_EN "</small></h1></header>\n");
    put_who(out, c);
    put_verdict(out, c);
    put_rules(out, c);
    put_days(out, c);
    put_outages(out, c);
    put_items(out, c);
    put_energies(out, c);
    put_foot(out, c);
    put(out, "</body></html>\n");
}
