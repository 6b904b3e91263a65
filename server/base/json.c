#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/caltime.h"

/* Members of the document and elements of lists below it stand on lines of their own, what is deeper in one line. */
static void begin_value(struct json *j, const char *name)
{
    buf_append_str(j->out, j->follows ? "," : "");
    if (j->depth > 0 && j->depth <= 2)
        buf_printf(j->out, "\n%*s", j->depth, "");
    else if (j->follows)
        buf_append_char(j->out, ' ');
    if (name) {
        buf_append_json(j->out, name);
        buf_append_str(j->out, ": ");
    }
    j->follows = true;
}

void json_begin(struct json *j, const char *name, char kind)
{
    begin_value(j, name);
    buf_append_char(j->out, kind);
    j->depth++;
    j->follows = false;
}

void json_end(struct json *j, char kind)
{
    j->depth--;
    j->follows = true;
    buf_append_char(j->out, kind);
    buf_append_str(j->out, j->depth == 0 ? "\n" : "");
}

void json_text(struct json *j, const char *name, const char *text)
{
    if (!text) {
        json_null(j, name);
        return;
    }
    begin_value(j, name);
    buf_append_json(j->out, text);
}

void json_int(struct json *j, const char *name, int64_t n)
{
    begin_value(j, name);
    buf_printf(j->out, "%" PRId64, n);
}

void json_bool(struct json *j, const char *name, bool v)
{
    begin_value(j, name);
    buf_append_str(j->out, v ? "true" : "false");
}

void json_null(struct json *j, const char *name)
{
    begin_value(j, name);
    buf_append_str(j->out, "null");
}

void json_time(struct json *j, const char *name, int64_t us)
{
    char text[CALTIME_TEXT];
    json_text(j, name, caltime_format(us, text));
}

void json_decimal(struct json *j, const char *name, int64_t scaled)
{
    char text[DECIMAL_TEXT];
    json_text(j, name, decimal_format(scaled, text));
}

void json_number(struct json *j, const char *name, dec128 scaled)
{
    char text[DECIMAL_TEXT];
    begin_value(j, name);
    buf_append_str(j->out, decimal_format(scaled, text));
}

void json_id(struct json *j, const char *name, int64_t id)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, id);
    json_text(j, name, text);
}
