#include "soap/fault.h"

#include "payload/finding.h"

static const struct {
    const char *code11, *code12;
    int status12; /* SOAP 1.1 faults are always 500 */
} PARTIES[] = {
    [FAULT_SENDER] = {"Client", "Sender", 400},
    [FAULT_RECEIVER] = {"Server", "Receiver", 500},
    [FAULT_VERSION] = {"VersionMismatch", "VersionMismatch", 500},
    [FAULT_UNDERSTAND] = {"MustUnderstand", "MustUnderstand", 500},
};

static void write_detail(const struct fault *f, enum service_id service, struct buf *out)
{
    const char *p = SERVICES[service].name;
    const struct code_row *row = code_find(f->code);
    const char *level = finding_level_name(row ? row->level : LEVEL_PLATFORM);
    buf_printf(out, "<%s:ServiceFault><%s:code>%d</%s:code><%s:level>%s</%s:level><%s:message>", p, p, f->code, p, p,
               level, p, p);
    buf_append_xml(out, f->message);
    buf_printf(out, "</%s:message></%s:ServiceFault>", p, p);
}

static void write_11(const struct fault *f, enum service_id service, struct buf *out)
{
    buf_printf(out, "<SOAP-ENV:Fault><faultcode>SOAP-ENV:%s</faultcode><faultstring>", PARTIES[f->party].code11);
    buf_append_xml(out, f->message);
    buf_append_str(out, "</faultstring><detail>");
    write_detail(f, service, out);
    buf_append_str(out, "</detail></SOAP-ENV:Fault>");
}

static void write_12(const struct fault *f, enum service_id service, struct buf *out)
{
    buf_printf(out,
               "<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:%s</SOAP-ENV:Value></SOAP-ENV:Code>"
               "<SOAP-ENV:Reason><SOAP-ENV:Text xml:lang=\"zh\">",
               PARTIES[f->party].code12);
    buf_append_xml(out, f->message);
    buf_append_str(out, "</SOAP-ENV:Text></SOAP-ENV:Reason><SOAP-ENV:Detail>");
    write_detail(f, service, out);
    buf_append_str(out, "</SOAP-ENV:Detail></SOAP-ENV:Fault>");
}

int fault_write(const struct fault *f, enum service_id service, int version, struct buf *out)
{
    wire_envelope_begin(out, service, version);
    (version == 2 ? write_12 : write_11)(f, service, out);
    wire_envelope_end(out);
    return version == 2 ? PARTIES[f->party].status12 : 500;
}
