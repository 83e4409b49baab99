#!/bin/sh
# Every night at two: 0 2 * * * REDIS_URL=redis://queue.internal:6379/0 /opt/import-views.sh /srv/export/views.csv
#
# Exit 0: all is on the queue; 1: some lines are invalid, see FILE.rejects.jsonl; 3: Redis is away, and the same
# command goes on where this one stopped. A repeat is harmless. cron mails what is printed.
exec gong-views enqueue "$1" --lane bulk
