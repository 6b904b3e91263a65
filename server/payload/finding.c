#include "payload/finding.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

const char *finding_level_name(enum finding_level level)
{
    static const char *const NAMES[] = {"network", "communication", "business", "platform"};
    return (size_t)level < ARRAY_LEN(NAMES) ? NAMES[level] : "platform";
}

const char *finding_severity_name(enum finding_severity severity)
{
    static const char *const NAMES[] = {"warning", "suspect", "error"};
    return (size_t)severity < ARRAY_LEN(NAMES) ? NAMES[severity] : "error";
}

const char *finding_severity_words(enum finding_severity severity)
{
    static const char *const WORDS[] = {"警告 warning", "存疑 suspect", "错误 error"};
    return (size_t)severity < ARRAY_LEN(WORDS) ? WORDS[severity] : "错误 error";
}

/* Separator and text, or nothing at all where there is no text. */
struct part {
    const char *before, *text;
};

static struct part part_of(const char *before, const char *text)
{
    bool given = text && text[0];
    return given ? (struct part){before, text} : (struct part){"", ""};
}

char *code_message(struct arena *a, int code, const char *detail_zh, const char *detail_en)
{
    const struct code_row *row = code_find(code);
    if (!row) { /* not a code of ours: say at least what was found */
        return arena_printf(a, "%s / %s", detail_zh ? detail_zh : "未知代码", detail_en ? detail_en : "unknown code");
    }
    struct part zh = part_of("：", detail_zh), zh_do = part_of("；处理：", row->zh_do);
    struct part en = part_of(": ", detail_en), en_do = part_of("; do: ", row->en_do);
    return arena_printf(a, "%s%s%s%s%s / %s%s%s%s%s", row->zh, zh.before, zh.text, zh_do.before, zh_do.text, row->en,
                        en.before, en.text, en_do.before, en_do.text);
}

static bool has_chinese(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p >= 0xe4 && *p <= 0xe9) { /* U+4000 to U+9FFF */
            return true;
        }
    }
    return false;
}

/* "中文 / English" in its parts; *zh is NULL when there is no Chinese. */
static void split(struct arena *a, const char *text, const char **zh, const char **en)
{
    const char *middle = text ? strstr(text, " / ") : NULL;
    *zh = middle ? arena_strndup(a, text, (size_t)(middle - text)) : NULL;
    *zh = *zh && has_chinese(*zh) ? *zh : NULL;
    *en = *zh ? middle + 3 : text;
}

char *code_message_of(struct arena *a, int code, const char *text)
{
    const char *zh, *en;
    split(a, text, &zh, &en);
    return code_message(a, code, zh, en);
}

char *result_message(struct arena *a, struct result r)
{
    static const char *const kinds[] = {
        [ERR_NONE] = "完成",
        [ERR_SENDER] = "输入有误",
        [ERR_UNAUTHORISED] = "未被授权",
        [ERR_LIMIT] = "超出限制",
        [ERR_CONFLICT] = "冲突",
        [ERR_NOT_FOUND] = "没有找到",
        [ERR_TRANSIENT] = "暂时不可用，请稍后再试",
        [ERR_INTERNAL] = "系统故障",
    };
    if (has_chinese(r.text)) {
        return arena_strdup(a, r.text);
    }
    const struct code_row *row = r.code ? code_find(r.code) : NULL;
    if (row && r.kind == ERR_TRANSIENT) { /* what to do about these is a word for devices, not for an operator */
        return arena_printf(a, "%s / %s: %s", row->zh, row->en, r.text);
    }
    return row ? code_message(a, r.code, NULL, r.text) : arena_printf(a, "%s / %s", kinds[r.kind], r.text);
}

char *finding_excerpt(struct arena *a, const char *text)
{
    enum { MOST = 40 };
    size_t len = strlen(text);
    size_t n = utf8_cut(text, len, MOST);
    return arena_printf(a, "%.*s%s", (int)n, text, n < len ? "…" : "");
}

void findings_init(struct findings *f, struct arena *arena)
{
    *f = (struct findings){.arena = arena};
}

bool findings_full(const struct findings *f)
{
    return f->count >= FINDINGS_MAX;
}

static void count_severity(struct findings *f, enum finding_severity severity)
{
    size_t *const counters[] = {&f->warnings, &f->suspects, &f->errors};
    (*counters[severity])++;
}

/* The finding to fill in when the report is full: one for all of them, nobody reads it. */
static struct finding *scratch(struct findings *f)
{
    if (!f->scratch) {
        f->scratch = arena_alloc(f->arena, sizeof *f->scratch);
    }
    f->dropped++;
    return f->scratch;
}

struct finding *finding_add(struct findings *f, int code, const char *detail_zh, const char *detail_en)
{
    const struct code_row *row = code_find(code);
    enum finding_severity severity = row ? row->severity : SEVERITY_ERROR;
    count_severity(f, severity);
    bool full = findings_full(f);
    struct finding *at = full ? scratch(f) : ARENA_PUSH(f->arena, f->at, f->count, f->cap);
    *at = (struct finding){.code = code, .severity = severity, .stat_type = -1};
    at->message = full ? "" : code_message(f->arena, code, detail_zh, detail_en);
    return at;
}

struct finding *finding_add_text(struct findings *f, int code, const char *text)
{
    const char *zh, *en;
    split(f->arena, text, &zh, &en);
    return finding_add(f, code, zh, en);
}
