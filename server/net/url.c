#include "net/url.h"

#include <arpa/inet.h>
#include <http_parser.h>
#include <string.h>

#include "base/mem.h"

static char *part(const char *text, const struct http_parser_url *u, enum http_parser_url_fields field)
{
    if (!(u->field_set & 1 << field)) {
        return NULL;
    }
    return mem_strndup(text + u->field_data[field].off, u->field_data[field].len);
}

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static char *path_of(const char *text, const struct http_parser_url *u)
{
    bool has_path = u->field_set & 1 << UF_PATH;
    bool has_query = u->field_set & 1 << UF_QUERY;
    const char *path = has_path ? text + u->field_data[UF_PATH].off : "/";
    int path_length = has_path ? u->field_data[UF_PATH].len : 1;
    const char *query = has_query ? text + u->field_data[UF_QUERY].off : "";
    int query_length = has_query ? u->field_data[UF_QUERY].len : 0;
    return mem_printf("%.*s%s%.*s", path_length, path, has_query ? "?" : "", query_length, query);
}

/* Of what may not stand in the line of a request http-parser lets some pass. */
static bool is_visible(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

RESULT url_parse(const char *text, struct url *url)
{
    struct http_parser_url u;
    *url = (struct url){0};
    http_parser_url_init(&u);
    size_t length = text ? strlen(text) : 0;
    if (!text || strncasecmp(text, "https://", 8) != 0 || !is_visible(text) ||
        http_parser_parse_url(text, length, 0, &u) != 0 || !(u.field_set & 1 << UF_HOST) ||
        (u.field_set & (1 << UF_USERINFO | 1 << UF_FRAGMENT)) || (u.field_set & 1 << UF_PORT && u.port == 0)) {
        return result_error(ERR_SENDER, 0, "须为https地址 / not an https URL: %s", text ? text : "-");
    }
    url->host = part(text, &u, UF_HOST);
    url->port = part(text, &u, UF_PORT);
    if (!url->port) {
        url->port = mem_strdup("443");
    }
    url->path = path_of(text, &u);
    url->is_address = is_address(url->host);
    bool brackets = strchr(url->host, ':') != NULL;
    bool standard = strcmp(url->port, "443") == 0;
    url->authority = mem_printf("%s%s%s%s%s", brackets ? "[" : "", url->host, brackets ? "]" : "", standard ? "" : ":",
                                standard ? "" : url->port);
    return RESULT_OK;
}

void url_free(struct url *url)
{
    mem_free(url->host);
    mem_free(url->port);
    mem_free(url->path);
    mem_free(url->authority);
    *url = (struct url){0};
}
