#!/usr/bin/env python3
"""What an idle connection costs: opens mutually authenticated connections that say nothing, and prints the server's memory.

    python3 test/bench/idle.py [--connections N] [--tls 1.2|1.3]
"""
import argparse
import json
import os
import socket
import ssl
import sys
import time

from bench import Stack, Processes, more_descriptors, note, resident_mb


def context(stack, version):
    made = ssl.create_default_context(cafile=stack.env['NHJC_CA'])
    made.load_cert_chain(*stack.province.certificate('000000'))
    if version:
        made.minimum_version = made.maximum_version = {'1.2': ssl.TLSVersion.TLSv1_2, '1.3': ssl.TLSVersion.TLSv1_3}[version]
    return made


def open_all(stack, count, version):
    """TLS 1.3 lets a client believe itself accepted before the server has judged its certificate: each is asked something."""
    made, held = context(stack, version), []
    host, port = stack.province.url.rpartition('//')[2].rsplit(':', 1)
    for number in range(count):
        if number % 1000 == 0:
            note('%d connections' % number)
        tls = made.wrap_socket(socket.create_connection((host, int(port)), timeout=30), server_hostname=host)
        tls.sendall(b'GET /services/access?xsd=data HTTP/1.1\r\nHost: %s\r\n\r\n' % host.encode())
        head, _, body = read_until(tls, b'\r\n\r\n').partition(b'\r\n\r\n')
        if b' 200 ' not in head.split(b'\r\n')[0]:
            raise SystemExit('idle: connection %d: %r' % (number, head[:100]))
        length = int(next(line for line in head.split(b'\r\n') if line.lower().startswith(b'content-length:')).split(b':')[1])
        while len(body) < length:
            body += tls.recv(65536)
        held.append(tls)
    return held


def read_until(tls, mark):
    seen = b''
    while mark not in seen:
        piece = tls.recv(65536)
        if not piece:
            raise SystemExit('idle: the server closed a connection')
        seen += piece
    return seen


def server_sockets(pid):
    count = 0
    for entry in os.listdir('/proc/%d/fd' % pid):
        try:
            count += os.readlink('/proc/%d/fd/%s' % (pid, entry)).startswith('socket:')
        except FileNotFoundError:
            pass
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--connections', type=int, default=10000)
    parser.add_argument('--tls', choices=('1.2', '1.3'))
    args = parser.parse_args()
    stack = Stack(options=more_descriptors(args.connections) + '\nidle_timeout = 1h')
    try:
        server = Processes(stack, stack.province, 'province').server
        before, start = resident_mb(server), time.monotonic()
        held = open_all(stack, args.connections, args.tls)
        seconds, after, sockets = time.monotonic() - start, resident_mb(server), server_sockets(server)
        result = {'connections': len(held), 'serverSockets': sockets, 'tls': held[0].version(), 'secondsToOpen': round(seconds, 1),
                  'serverMbBefore': round(before, 1), 'serverMb': round(after, 1),
                  'kbPerConnection': round((after - before) * 1000 / len(held), 2), 'complete': sockets >= len(held)}
        for tls in held:
            tls.close()
    finally:
        stack.down()
    print(json.dumps(result, indent=1))
    return 0 if result['complete'] else 1


if __name__ == '__main__':
    sys.exit(main())
