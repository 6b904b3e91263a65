"""A module's README names its headers, and what a README names is there.

Prints each header of server/MODULE that its README does not name (NAME.h, NAME.c, or a pattern like `cmd_*.c`), and each source
file between backquotes, in any README, that exists neither beside it nor from the top, nor (by its name alone) anywhere.
    python3 test/style/readmes.py [TOP]
"""
import fnmatch
import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
QUOTED = re.compile(r'`([^`\n]+)`')
SOURCE = re.compile(r'[\w./*-]+\.(c|h|py|sh|sql|awk|cmake)')
BUILDS = re.compile(r'build(-.*)?$')


def tree(top):
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not (name.startswith('.') or (folder == top and BUILDS.match(name)))]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), top)


def named(text):
    """What stands between backquotes and looks like a source file; NAME in capitals is a placeholder."""
    for quoted in QUOTED.findall(text):
        for word in quoted.split():
            if SOURCE.fullmatch(word) and not re.search('NAME|NNNN', word):
                yield word


def unnamed_headers(top, readme, text):
    patterns = [os.path.basename(word).rsplit('.', 1)[0] for word in named(text)]
    for header in sorted(glob.glob(os.path.join(top, os.path.dirname(readme), '*.h'))):
        stem = os.path.basename(header)[:-2]
        if not any(fnmatch.fnmatch(stem, pattern) for pattern in patterns):
            yield '%s: does not name %s.h' % (readme, stem)


def missing_files(top, readme, text, names):
    for word in named(text):
        here = os.path.join(top, os.path.dirname(readme), word)
        if not (glob.glob(here) or glob.glob(os.path.join(top, word)) or glob.glob(os.path.join(top, 'server', word)) or
                ('/' not in word and word in names)):
            yield '%s: there is no %s' % (readme, word)


def main(words):
    top = os.path.abspath(words[0] if words else os.path.join(HERE, '..', '..'))
    files = sorted(tree(top))
    names = {os.path.basename(path) for path in files}
    bad = []
    for readme in (path for path in files if os.path.basename(path) == 'README.md'):
        with open(os.path.join(top, readme), encoding='utf-8') as file:
            text = file.read()
        bad += missing_files(top, readme, text, names)
        if re.fullmatch('server/[^/]+/README.md', readme):
            bad += unnamed_headers(top, readme, text)
    print('\n'.join(bad) if bad else 'the READMEs of %d files name what is there' % len(files))
    return int(bool(bad))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
