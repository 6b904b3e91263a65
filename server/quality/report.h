/* report: a conformity test as a document: HTML that prints well and needs nothing besides itself, or JSON.
 * Owner: appends to out. Thread: any thread. Errors: none. */
#ifndef NHJC_QUALITY_REPORT_H
#define NHJC_QUALITY_REPORT_H

#include "base/buf.h"
#include "quality/conformity.h"

#define REPORT_TITLE_ZH "数据接入符合性测试报告"
#define REPORT_TITLE_EN "Data access conformity test report"

/* platform: its name, for the head of the document. */
void report_html(const struct conformity *c, const char *platform, struct buf *out);
void report_json(const struct conformity *c, struct buf *out);

#endif
