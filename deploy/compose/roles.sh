#!/bin/sh
# Makes the ledger's database and roles, or brings them up to date, with the passwords that `prepare` made.
set -eu
keys=/etc/gong-views/postgres
PGPASSWORD=$(cat $keys/superuser)
OWNER_PASSWORD=$(cat $keys/owner)
WORKER_PASSWORD=$(cat $keys/worker)
CONSOLE_PASSWORD=$(cat $keys/console)
WEB_PASSWORD=$(cat $keys/web)
DASHBOARDS_PASSWORD=$(cat $keys/dashboards)
export PGPASSWORD OWNER_PASSWORD WORKER_PASSWORD CONSOLE_PASSWORD WEB_PASSWORD DASHBOARDS_PASSWORD
exec psql --no-psqlrc --quiet --dbname=postgres --file=/opt/roles.sql
