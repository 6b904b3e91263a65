"""What a caller or an operator is refused with is Chinese first, then English.

Prints each refusal whose words are English alone. Read are the literals in calls of result_error and db_fail_own, where the kind says that
somebody else is to act (and in CLIENT, whose errors tell an operator about the other side), and of the functions that take a text in both
languages. Errors of ours are for the log and stay English: a door puts Chinese words before them.
    python3 test/style/texts.py [FILE…]
"""
import glob
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
CLIENT = ('server/net/tls_client.c', 'server/net/url.c', 'server/soap/client_wire.c')
RESULT = ('result_error', 'db_fail_own')
PAIR = ('OBJECT', 'finding_add', 'finding_add_text', 'code_message', 'code_message_of', 'config_fault', 'sax_fail', 'fail_in_line', 'refuse_at',
        'warn_at', 'refuse_block', 'answer_text')
CALL = re.compile(r'\b(%s)\s*\(' % '|'.join(RESULT + PAIR))
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|/\*.*?\*/|[()]', re.S)
FOREIGN = re.compile(r'ERR_(SENDER|UNAUTHORISED|LIMIT|CONFLICT|NOT_FOUND)')
CONVERSION = re.compile(r'%[-#0 +]*(\*|\d+)?(\.(\*|\d+))?(hh|h|ll|l|z|j)?[a-zA-Z%]')
CHINESE = '[\u2018-\u201f\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]'  # its punctuation too
STROKE = ' / '


def calls(source):
    """(line, function, arguments, literals joined) of every call of one of the functions."""
    for call in CALL.finditer(source):
        depth, literals, end = 1, [], call.end()
        while depth:
            token = TOKEN.search(source, end)
            if not token:
                break
            end = token.end()
            depth += {'(': 1, ')': -1}.get(token[0], 0)
            if token[0][0] == '"':
                literals.append(token[0][1:-1])
        yield source.count('\n', 0, call.start()) + 1, call[1], source[call.end():end], ''.join(literals)


def has_words(text):
    return bool(re.search('[A-Za-z]{2}', CONVERSION.sub('', text)))


def english_first(text):
    return has_words(text.split(STROKE)[0]) and not re.search(CHINESE, text.split(STROKE)[0])


def english_alone(path, function, arguments, text):
    if not has_words(text):
        return False  # passes on what somebody else said
    if function in PAIR:
        return not re.search(CHINESE, text)
    foreign = FOREIGN.search(arguments) or (path.endswith(CLIENT) and 'ERR_INTERNAL' not in arguments)
    return bool(foreign) and (STROKE not in text or not re.search(CHINESE, text) or english_first(text))


def main(paths):
    bad = 0
    for path in paths or sorted(glob.glob(os.path.join(TOP, 'server', '**', '*.[ch]'), recursive=True)):
        with open(path, encoding='utf-8') as file:
            source = file.read()
        for line, function, arguments, text in calls(source):
            if english_alone(path, function, arguments, text):
                print('%s:%d: %s: "%s"' % (os.path.relpath(path, TOP), line, function, text))
                bad += 1
    return int(bad > 0)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
