"""test/chaos/chaos.py in its short form: writers of one enterprise, server and database killed at random moments."""
import os
import unittest

from nhjc import SANITIZED
from stack import SOURCE, main, run


class Writers(unittest.TestCase):
    def test_nothing_acknowledged_is_lost_doubled_or_summed_up_wrong(self):
        seconds = os.environ.get('NHJC_CHAOS_SECONDS') or (40 if SANITIZED else 15)
        print(run('/usr/bin/python3', '-B', os.path.join(SOURCE, 'test', 'chaos', 'chaos.py'), '--seconds', seconds, timeout=600).stdout)


if __name__ == '__main__':
    main()
