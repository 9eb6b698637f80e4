"""What every part of the process uses: clock, log, counters, tasks. Imports no other room."""
