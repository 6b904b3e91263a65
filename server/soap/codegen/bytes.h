// gSOAP's header language: base64Binary is read and written by soap/wire_bytes.c.
#include "soap/wire_bytes.h"
extern typedef struct wire_bytes xsd__base64Binary;
