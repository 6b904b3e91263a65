#include "payload/sax.h"

#include <libxml/parserInternals.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "payload/guard.h"

#define POOL_BYTES 32768
#define XSI_URI "http://www.w3.org/2001/XMLSchema-instance"

static void *allocate(size_t size)
{
    return mem_grow(NULL, size);
}

/* Without memory the library would call the document broken, and the sender would throw it away: end as mem.h does. */
void payload_init(void)
{
    xmlMemSetup(mem_free, allocate, mem_grow, mem_strdup);
    xmlInitParser();
}

void payload_exit(void)
{
    xmlCleanupParser();
}

/* ---- place ---- */

size_t sax_offset(const struct sax_run *run)
{
    const xmlParserInput *in = run->parser->input;
    size_t offset = in ? (size_t)in->consumed + (size_t)(in->cur - in->base) : run->len;
    return offset < run->len ? offset : run->len;
}

/* A start tag holds no '<' but its own, so the nearest one backwards is where it begins. */
static size_t tag_offset(const struct sax_run *run)
{
    size_t offset = sax_offset(run), most = run->limits->tag_bytes; /* the guard has seen to that */
    size_t from = offset > most ? offset - most : 0;
    const uint8_t *tag = memrchr(run->text + from, '<', offset - from);
    return tag ? (size_t)(tag - run->text) : offset;
}

uint32_t sax_line(struct sax_run *run, size_t offset)
{
    if (offset < run->line_at) { /* backwards only for an error found late */
        run->line_at = 0;
        run->line = 1;
    }
    const uint8_t *at = run->text + run->line_at, *end = run->text + offset;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
        run->line++;
        at++;
    }
    run->line_at = offset;
    return (uint32_t)run->line;
}

/* ---- text ---- */

char *sax_room(struct sax_run *run, size_t n)
{
    if (n > run->pool_left) {
        size_t size = n > POOL_BYTES ? n : POOL_BYTES;
        run->pool = arena_alloc(run->arena, size);
        run->pool_left = size;
        if (arena_exceeded(run->arena)) {
            sax_fail(run, 2106, sax_offset(run), "内容过大", "the content is too large");
        }
    }
    char *room = run->pool;
    run->pool += n;
    run->pool_left -= n;
    return room;
}

char *sax_copy(struct sax_run *run, const xmlChar *from, size_t n)
{
    char *text = sax_room(run, n + 1);
    memcpy(text, from, n);
    text[n] = '\0';
    return text;
}

const xmlChar *sax_intern(struct sax_run *run, const char *name)
{
    return xmlDictLookup(run->parser->dict, BAD_CAST name, -1);
}

char *sax_name(struct sax_run *run, const xmlChar *name)
{
    return finding_excerpt(run->arena, (const char *)name);
}

bool sax_ignorable(const struct sax_attribute *a)
{
    return a->uri && xmlStrEqual(a->uri, BAD_CAST XSI_URI) &&
           (xmlStrEqual(a->name, BAD_CAST "schemaLocation") ||
            xmlStrEqual(a->name, BAD_CAST "noNamespaceSchemaLocation"));
}

/* ---- failure ---- */

/* Ends the parse by zeroing what is still unread in the parser's own copy: to libxml2 the document stops here.
 * xmlStopParser frees that copy, which 2.9.14 still reads when an error handler called it (xmlParseCharData at a
 * misplaced "]]>" sets its pointer into the freed bytes); and parsing on after an error would leave the tag guard
 * out of step. */
static void starve(struct sax_run *run)
{
    xmlParserInput *in = run->parser ? run->parser->input : NULL;
    if (in && in->end > in->cur) {
        memset((xmlChar *)in->cur, 0, (size_t)(in->end - in->cur));
    }
}

static void fail_in_line(struct sax_run *run, int code, uint32_t line, const char *zh, const char *en)
{
    if (sax_failed(run)) {
        return;
    }
    char *place_zh = arena_printf(run->arena, "第%u行，%s", line, zh);
    char *place_en = arena_printf(run->arena, "line %u, %s", line, en);
    finding_add(run->findings, code, place_zh, place_en)->line = line;
    const struct code_row *row = code_find(code);
    /* the log gets the place only: the details may quote the payload */
    run->failure = result_error(code == 2106 ? ERR_LIMIT : ERR_SENDER, code, "第%u行，%s / payload line %u: %s", line,
                                row ? row->zh : "被拒绝", line, row ? row->en : "refused");
    starve(run);
}

void sax_fail(struct sax_run *run, int code, size_t offset, const char *zh, const char *en)
{
    fail_in_line(run, code, sax_line(run, offset), zh, en);
}

/* The errors integrators meet most, in our words; the others share one sentence. */
static const struct {
    int error;
    const char *zh, *en;
} WORDS[] = {
    {XML_ERR_DOCUMENT_EMPTY, "内容为空或不是XML", "the content is empty or not XML"},
    {XML_ERR_DOCUMENT_END, "根元素之后还有多余内容", "there is something after the root element"},
    {XML_ERR_TAG_NOT_FINISHED, "文件在元素结束之前中断（被截断？）", "the document ends inside an element (cut off?)"},
    {XML_ERR_GT_REQUIRED, "标签缺少“>”", "a tag lacks its '>'"},
    {XML_ERR_LTSLASH_REQUIRED, "缺少结束标签", "an end tag is missing"},
    {XML_ERR_TAG_NAME_MISMATCH, "结束标签与开始标签不匹配", "an end tag does not match its start tag"},
    {XML_ERR_ATTRIBUTE_NOT_STARTED, "属性值没有加引号", "an attribute value is not quoted"},
    {XML_ERR_ATTRIBUTE_NOT_FINISHED, "属性值的引号没有闭合", "the quotes of an attribute value are not closed"},
    {XML_ERR_ATTRIBUTE_WITHOUT_VALUE, "属性没有值", "an attribute has no value"},
    {XML_ERR_ATTRIBUTE_REDEFINED, "属性重复", "an attribute is given twice"},
    {XML_ERR_LT_IN_ATTRIBUTE, "属性值中出现未转义的“<”", "an attribute value holds a bare '<'"},
    {XML_ERR_NAME_REQUIRED, "此处应为名称（“&”或“<”未转义？）", "a name is expected here (a bare '&' or '<'?)"},
    {XML_ERR_ENTITYREF_SEMICOL_MISSING, "“&”未转义", "a bare '&'"},
    {XML_ERR_UNDECLARED_ENTITY, "引用了未定义的实体", "an entity is used that XML does not define"},
    {XML_ERR_INVALID_CHAR, "含有XML不允许的控制字符", "a control character that XML forbids"},
    {XML_ERR_INVALID_CHARREF, "字符引用所指的字符不被XML允许", "a character reference to a character that XML forbids"},
    {XML_ERR_SPACE_REQUIRED, "属性之间缺少空格", "blanks are missing between attributes"},
    {XML_ERR_COMMENT_NOT_FINISHED, "注释没有结束", "a comment does not end"},
    {XML_ERR_CDATA_NOT_FINISHED, "CDATA没有结束", "a CDATA section does not end"},
    {XML_ERR_PI_NOT_FINISHED, "处理指令没有结束", "a processing instruction does not end"},
    {XML_NS_ERR_UNDEFINED_NAMESPACE, "使用了未声明的命名空间前缀", "a namespace prefix is not declared"},
};

static void on_error(void *user, xmlErrorPtr error)
{
    struct sax_run *run = user;
    if (error->level < XML_ERR_ERROR || sax_failed(run)) {
        return; /* warnings, such as a relative namespace name, harm nobody */
    }
    const char *zh = "不是格式良好的XML", *en = "not well-formed XML";
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        if (WORDS[i].error == error->code) {
            zh = WORDS[i].zh;
            en = WORDS[i].en;
        }
    }
    /* the library's own line: while it reads text its position lags behind */
    fail_in_line(run, 2101, error->line > 0 ? (uint32_t)error->line : 1, zh, en);
}

static void on_doctype(void *user, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    struct sax_run *run = user;
    (void)name, (void)external, (void)system;
    sax_fail(run, 2102, tag_offset(run), "有DOCTYPE声明", "there is a DOCTYPE");
}

static void on_entity(void *user, const xmlChar *name, int type, const xmlChar *public_id, const xmlChar *system_id,
                      xmlChar *content)
{
    struct sax_run *run = user;
    (void)name, (void)type, (void)public_id, (void)system_id, (void)content;
    sax_fail(run, 2102, tag_offset(run), "有实体声明", "there is an entity declaration");
}

/* ---- elements ---- */

/* An attribute value out of libxml2 still has "&#38;" for each '&', whatever the sender wrote for it (entities are
 * never replaced here, X1). */
static struct sax_attribute unescaped(struct sax_run *run, struct sax_attribute a)
{
    static const char AMPERSAND[] = "&#38;";
    size_t n = sizeof AMPERSAND - 1, left = (size_t)(a.end - a.value);
    char *to = sax_room(run, left + 1), *at = to;
    for (const xmlChar *from = a.value; left > 0;) {
        size_t step = left >= n && memcmp(from, AMPERSAND, n) == 0 ? n : 1;
        *at++ = (char)*from;
        from += step;
        left -= step;
    }
    a.value = (const xmlChar *)to;
    a.end = (const xmlChar *)at;
    return a;
}

static const struct sax_attribute *all_unescaped(struct sax_run *run, const struct sax_attribute *from, size_t count)
{
    struct sax_attribute *copy = arena_array(run->arena, count, sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        copy[i] = unescaped(run, from[i]);
    }
    return copy;
}

static void fail_namespace(struct sax_run *run, const xmlChar *name)
{
    char *zh = arena_printf(run->arena, "元素<%s>的命名空间应为%s", sax_name(run, name), run->reader->uri);
    char *en = arena_printf(run->arena, "<%s> is not in namespace %s", sax_name(run, name), run->reader->uri);
    sax_fail(run, 2103, run->tag_at, zh, en);
}

static void on_start(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int declared,
                     const xmlChar **declarations, int count, int defaulted, const xmlChar **attributes)
{
    struct sax_run *run = user;
    xmlChar next = *run->parser->input->cur;
    (void)prefix, (void)declared, (void)declarations, (void)defaulted;
    if (sax_failed(run) || (next != '>' && next != '/')) {
        return; /* a tag without its end is called back too; the error follows */
    }
    run->tag_at = tag_offset(run);
    if (++run->depth > run->limits->depth) {
        sax_fail(run, 2106, run->tag_at, "元素嵌套过深", "elements are nested too deeply");
        return;
    }
    if (uri != run->uri) {
        fail_namespace(run, name);
        return;
    }
    const struct sax_attribute *a = (const struct sax_attribute *)attributes;
    if (count > 0 && memchr(run->text + run->tag_at, '&', sax_offset(run) - run->tag_at)) {
        a = all_unescaped(run, a, (size_t)count);
    }
    run->reader->start(run, name, a, (size_t)count);
}

static void on_end(void *user, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct sax_run *run = user;
    (void)prefix, (void)uri;
    if (!sax_failed(run)) {
        run->depth--;
        run->reader->end(run, name);
    }
}

/* Our elements hold elements only: blanks between them mean nothing, any other text is out of place. The library has
 * counted the lines of the text already when it calls. */
static void on_text(void *user, const xmlChar *text, int len)
{
    struct sax_run *run = user;
    int lines = 0, first = -1;
    for (int i = 0; i < len; i++) {
        bool blank = text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r';
        first = first < 0 && !blank ? i : first;
        lines += first >= 0 && text[i] == '\n';
    }
    if (first >= 0) {
        uint32_t line = (uint32_t)(run->parser->input->line - lines);
        fail_in_line(run, 2103, line, "元素之间出现了文字", "there is text between the elements");
    }
}

/* `characters` and `ignorableWhitespace` are the same function: then libxml2 skips its guess at which it is. */
static const xmlSAXHandler HANDLER = {
    .initialized = XML_SAX2_MAGIC,
    .internalSubset = on_doctype,
    .externalSubset = on_doctype,
    .entityDecl = on_entity,
    .startElementNs = on_start,
    .endElementNs = on_end,
    .characters = on_text,
    .ignorableWhitespace = on_text,
    .cdataBlock = on_text,
    .serror = on_error,
};

/* ---- the run ---- */

static bool guard(struct sax_run *run)
{
    struct guard_fault fault = guard_declaration(&run->text, &run->len);
    if (!fault.code) {
        fault = guard_utf8(run->text, run->len);
    }
    if (!fault.code) {
        fault = guard_tags(run->text, run->len, run->limits, &run->tags);
    }
    if (fault.code) {
        sax_fail(run, fault.code, (size_t)(fault.at - run->text), fault.zh, fault.en);
    }
    return !fault.code;
}

/* One context per message: cheap, and nothing of a failed one can linger (X5). */
static bool parser_open(struct sax_run *run, xmlSAXHandler *handler)
{
    run->parser = xmlCreateMemoryParserCtxt((const char *)run->text, (int)run->len);
    if (!run->parser) {
        return false;
    }
    xmlCtxtUseOptions(run->parser, XML_PARSE_NONET);
    xmlFree(run->parser->sax);
    run->parser->sax = handler;
    run->parser->userData = run;
    run->uri = sax_intern(run, run->reader->uri);
    return true;
}

static void parser_close(struct sax_run *run)
{
    run->parser->sax = NULL; /* ours, not the library's to free */
    xmlFreeParserCtxt(run->parser);
    run->parser = NULL;
}

RESULT sax_parse(struct sax_run *run, const void *xml, size_t len)
{
    run->text = xml;
    run->len = len;
    run->line = 1;
    run->failure = RESULT_OK;
    if (len == 0) {
        sax_fail(run, 2101, 0, "内容为空", "the content is empty");
        return run->failure;
    }
    if (len > INT_MAX / 2) {
        sax_fail(run, 2106, 0, "内容过大", "the content is too large");
        return run->failure;
    }
    if (!guard(run)) {
        return run->failure;
    }
    run->skipped = len - run->len;
    xmlSAXHandler handler = HANDLER;
    if (!parser_open(run, &handler)) {
        sax_fail(run, 2101, 0, "内容为空", "the content is empty");
        return run->failure;
    }
    run->reader->begin(run);
    xmlParseDocument(run->parser);
    if (!run->parser->wellFormed && !sax_failed(run)) {
        sax_fail(run, 2101, sax_offset(run), "不是格式良好的XML", "not well-formed XML");
    }
    parser_close(run);
    return run->failure;
}
