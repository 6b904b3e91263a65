"""Runs some of test_interop.py for ctest: run.py CASE…; ends with 77 when anything was skipped and nothing failed."""
import sys
import unittest

import test_interop

suite = unittest.TestLoader().loadTestsFromNames(sys.argv[1:], test_interop)
result = unittest.TextTestRunner(verbosity=2).run(suite)
sys.exit(1 if not result.wasSuccessful() or not result.testsRun else 77 if result.skipped else 0)
