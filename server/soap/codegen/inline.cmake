# Puts a service's schema in the place of the import: cmake -DWSDL=a.wsdl -DXSD=a.xsd -DOUT=o.wsdl -P inline.cmake
# One file is easier on client libraries than an import that has to be fetched with a client certificate.
file(READ "${WSDL}" wsdl)
file(READ "${XSD}" xsd)
string(FIND "${xsd}" "\n" after_declaration)
math(EXPR after_declaration "${after_declaration} + 1")
string(SUBSTRING "${xsd}" ${after_declaration} -1 xsd)
string(FIND "${wsdl}" "    <xsd:schema>" start)
string(FIND "${wsdl}" "</xsd:schema>\n" end)
if(start LESS 0 OR end LESS start OR NOT xsd MATCHES "^<!--")
    message(FATAL_ERROR "${WSDL}: no <xsd:schema> with an import to replace, or ${XSD} does not begin as expected")
endif()
string(SUBSTRING "${wsdl}" 0 ${start} head)
math(EXPR end "${end} + 14") # length of </xsd:schema> and the line feed
string(SUBSTRING "${wsdl}" ${end} -1 tail)
file(WRITE "${OUT}" "${head}${xsd}${tail}")
