#!/usr/bin/env python3
"""Writers, rollups and kill -9 against each other for minutes.

    python3 test/chaos/chaos.py [--seconds 180] [--seed N] [--upper]

Several writers upload to the same enterprise at once: each has slots of its own, and all fight over shared ones. Meanwhile
server and database are killed with -9 at random moments and started again. A writer sends a message until it is answered
durably (0 or 2), always with the same id and bytes. Afterwards:
  - every acknowledged reading of a writer's own slots is there with its last acknowledged value;
  - a shared slot holds the last acknowledged value of one of the writers;
  - each message id has exactly one receipt, and none is unacknowledged and counted twice;
  - `nhjcctl rollup verify` finds no difference; with --upper the upper platform has the same rows.
Prints what happened as JSON; exit 0 only when all of it holds. NHJC_BUILD chooses the build.
"""
import argparse
import json
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'integration'))
import nhjc  # noqa: E402
import stack as stacks  # noqa: E402
from testdata import slots  # noqa: E402

CODES = ['00000000%02d%04d80' % (10, 100 * n) for n in range(1, 7)]
SHARED = '0000000010090080'
AGGREGATION = ('sum', 'mean', 'counter')


def items():
    made = [nhjc.collect_item(code, AGGREGATION[n % 3], 'x', period=900) for n, code in enumerate(CODES)]
    return made + [nhjc.collect_item(SHARED, 'sum', 'shared', period=900)]


class Writer(threading.Thread):
    """Owns two of the codes; writes the shared one like everybody."""

    def __init__(self, stack, device, number, seed, stop):
        super().__init__(daemon=True)
        self.stack, self.device, self.number, self.over = stack, device, number, stop
        self.dice = random.Random(seed * 1000 + number)
        self.codes = CODES[2 * number:2 * number + 2]
        self.instants = slots('2023-12-20 00:00', 96 * 20)
        self.own, self.shared, self.messages, self.tries, self.duplicates = {}, {}, 0, 0, 0
        self.error = None

    def value(self):
        return '%.3f' % (self.dice.random() * 1000)

    def records(self):
        at = self.dice.sample(self.instants, self.dice.choice((1, 8, 60)))
        made = [(code, ts, self.value()) for ts in at for code in self.codes]
        return made + [(SHARED, ts, self.value()) for ts in at[:4]]

    def deliver(self, records):
        plain = nhjc.data(self.device.enterprise, self.device.id, [nhjc.reading(c, ts, v) for c, ts, v in records])
        message_id = nhjc.new_id()
        client = None
        while True:
            self.tries += 1
            try:
                client = client or self.stack.province.client(self.device.enterprise, timeout=20)
                answer = self.device.send(plain, message_id, client)
                if answer.number('responseCode') in (0, 2):
                    self.duplicates += answer.get('duplicate') == 'true'
                    return
                if answer.number('responseCode') < 9000:
                    raise AssertionError('refused: %s %s' % (answer.get('responseCode'), answer.get('responseMessage')))
            except (OSError, nhjc.HttpError, nhjc.http.client.HTTPException):
                if client:
                    client.close()
                client = None
            time.sleep(0.05)  # pace between tries, nothing is awaited by it

    def run(self):
        try:
            while not self.over.is_set():
                records = self.records()
                self.deliver(records)
                self.messages += 1
                for code, ts, value in records:
                    (self.shared if code == SHARED else self.own)[(code, ts)] = value
        except Exception as error:  # told at the end; the run fails
            self.error = '%s: %s' % (type(error).__name__, error)


def disturb(stack, dice, seconds):
    """Kills and starts until the time is over; gives how often."""
    done = {'server': 0, 'database': 0, 'upper': 0}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(dice.uniform(1, 8), max(0, end - time.monotonic())))  # how long it runs undisturbed is the test's dice
        what = dice.choice(['server', 'server', 'database'] + (['upper'] if stack.with_upper else []))
        platform = stack.upper if what == 'upper' else stack.province
        if what == 'database':
            stack.province.process('kill-db')
            stack.province.process('start-db')
        else:
            platform.kill()
            platform.start()
        done[what] += 1
    return done


def check(stack, device, writers):
    problems = []
    stack.province.rolled_up(300)
    rows = nhjc.query_rows(stack.province.client(), [device.enterprise], 'minute', '2023-01-01 00:00:00', '2025-01-01 00:00:00', page=10000)
    there = {(row.get('dataCode'), row.get('statDate')): row.get('value') for row in rows}
    for writer in writers:
        for (code, ts), value in writer.own.items():
            seen = there.get((code, ts.strftime('%Y-%m-%d %H:%M:%S')))
            if seen is None or float(seen) != float(value):
                problems.append('writer %d %s %s acknowledged %s, stored %s' % (writer.number, code, ts, value, seen))
    for key in set().union(*(set(w.shared) for w in writers)):
        seen = there.get((SHARED, key[1].strftime('%Y-%m-%d %H:%M:%S')))
        if seen is None or float(seen) not in [float(w.shared[key]) for w in writers if key in w.shared]:
            problems.append('shared %s stored %s' % (key[1], seen))
    uploads = stack.province.number("SELECT count(*) FROM upload u JOIN unit n ON n.id = u.sender_id WHERE n.code = '%s'" % device.enterprise)
    ids = stack.province.number("SELECT count(DISTINCT message_id) FROM upload u JOIN unit n ON n.id = u.sender_id WHERE n.code = '%s'" % device.enterprise)
    if uploads != ids or uploads != sum(w.messages for w in writers):
        problems.append('%d uploads, %d ids, %d acknowledged' % (uploads, ids, sum(w.messages for w in writers)))
    verify = stack.province.ctl('rollup', 'verify', check=False)
    if verify.returncode != 0:
        problems.append('rollup verify: ' + verify.stdout[-2000:])
    return problems, len(there)


def check_upper(stack, device):
    open_rows = ("SELECT (SELECT count(*) FROM outbox WHERE message IS NULL) + (SELECT count(*) FROM fep_message WHERE state IN "
                 "('leased', 'waiting', 'parked'))")
    stacks.wait(lambda: stack.province.number(open_rows) == 0, 300, what='the end of the outbox')
    stack.upper.rolled_up(300)
    for granularity in ('minute', 'day', 'year'):
        below, above = ([(r.get('dataCode'), r.get('statDate'), r.get('value'), r.get('count')) for r in
                         nhjc.query_rows(p.client(), [device.enterprise], granularity, '2023-01-01 00:00:00', '2025-01-01 00:00:00', page=10000)]
                        for p in (stack.province, stack.upper))
        if below != above:
            return ['%s rows differ between the platforms' % granularity]
    return []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seconds', type=int, default=180)
    parser.add_argument('--seed', type=int, default=random.SystemRandom().randrange(10 ** 6))
    parser.add_argument('--upper', action='store_true')
    args = parser.parse_args()
    dice, over = random.Random(args.seed), threading.Event()
    stack = stacks.Stack(args.upper)
    try:
        device = stack.device(1, items())
        writers = [Writer(stack, device, n, args.seed, over) for n in range(3)]
        for writer in writers:
            writer.start()
        kills = disturb(stack, dice, args.seconds)
        over.set()
        for writer in writers:
            writer.join(120)
        problems = [w.error for w in writers if w.error] + ['writer %d hangs' % w.number for w in writers if w.is_alive()]
        more, readings = check(stack, device, writers)
        problems += more + (check_upper(stack, device) if args.upper else [])
    finally:
        over.set()
        stack.down()
    print(json.dumps({'seed': args.seed, 'seconds': args.seconds, 'kills': kills, 'messages': sum(w.messages for w in writers),
                      'tries': sum(w.tries for w in writers), 'answeredAsDuplicate': sum(w.duplicates for w in writers),
                      'readings': readings, 'problems': problems[:20], 'problemCount': len(problems)}, indent=1))
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
