/* objection: why a message is not even read. code 0: nothing to object to.
 * Words: constant texts or arena memory; they go to the sender, so they name no inside of ours. */
#ifndef NHJC_SOAP_OBJECTION_H
#define NHJC_SOAP_OBJECTION_H

struct objection {
    int code; /* contract section 5 */
    const char *zh, *en;
};

#define OBJECT(code_, zh_, en_) ((struct objection){(code_), (zh_), (en_)})
#define NO_OBJECTION ((struct objection){0})

#endif
