"""Data the tests upload: small, generated, the same in every run."""
import csv
import os
import random
from datetime import datetime, timedelta

import nhjc

POWER = '0000000002330010'      # plant, electricity, purchase: sum
GAS = '0000000001150010'        # plant, natural gas, purchase: sum
FACTOR = '0000000010020180'     # plant, other data: mean
REGISTER = '0000000002330011'   # plant, electricity: counter
UNIT_POWER = '0102000002330010'  # process 01, unit 02

PERIOD = 900

SUM = nhjc.collect_item(POWER, 'sum', '外购电量', period=PERIOD, unit='kWh')
MEAN = nhjc.collect_item(FACTOR, 'mean', '功率因数', period=PERIOD, unit='%')
COUNTER = nhjc.collect_item(REGISTER, 'counter', '电表示数', period=PERIOD, counterMax='1000000')
BASIC = [SUM, MEAN]


def ts(text):
    return datetime.strptime(text, '%Y-%m-%d %H:%M')


def slots(start, count, minutes=15):
    begin = ts(start) if isinstance(start, str) else start
    return [begin + timedelta(minutes=minutes * i) for i in range(count)]


def readings(code, start, values, minutes=15, **more):
    return [nhjc.reading(code, at, value, **more) for at, value in zip(slots(start, len(values), minutes), values)]


STEEL_COLUMNS = ('usage_kwh', 'lag_kvarh', 'lead_kvarh', 'co2_t', 'pf_lag', 'pf_lead')


def steel_csv(path, start='2018-01-29 00:00', days=5, seed=1, missing=0.0):
    """A CSV like a steel works' 15-minute file: six columns, two decimals, month end inside, some cells empty."""
    dice = random.Random(seed)
    with open(path, 'w', newline='') as file:
        out = csv.writer(file)
        out.writerow(('ts_local',) + STEEL_COLUMNS)
        for at in slots(start, days * 96):
            load = dice.uniform(3, 9) if at.hour < 7 or at.weekday() > 4 else dice.uniform(30, 157)
            row = ['%.2f' % load, '%.2f' % (load * dice.uniform(0.2, 0.7)), '%.2f' % dice.uniform(0, 3), '%.2f' % (load * 0.00047),
                   '%.2f' % dice.uniform(60, 100), '%.2f' % dice.uniform(70, 100)]
            out.writerow([at.strftime('%Y-%m-%d %H:%M:%S')] + ['' if dice.random() < missing else cell for cell in row])
    return path


def in_folder(stack, name, **more):
    return steel_csv(os.path.join(stack.dir, name), **more)
