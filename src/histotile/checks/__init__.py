"""Everything wrong with a cohort and its settings, found before the first job.

`start` is the cheap half, which the workflow says before its first job; the verb `check` adds what
opens files, builds networks and measures this machine.
"""
