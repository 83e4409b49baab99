#!/bin/sh
# The first service: says what is missing, makes every password that is not there yet, and gives each service the files
# it needs and no more. All others wait until it has ended well.
set -eu
umask 027 # readable by the owner and by the group, which the servers are members of

fail() {
    echo "gong-views: $*" >&2
    exit 1
}

if [ "${SANDBOX:-}" = yes ]; then
    if [ -n "$GONG_ACCESS_KEY_FILE$GONG_ACCESS_KEY_SECRET_FILE$GONG_BEARER_TOKEN_FILE$GONG_OAUTH_CLIENT_ID_FILE" ]; then
        fail "credentials of Gong are set, and this is the sandbox, which would send them nothing: set
  COMPOSE_FILE=docker-compose.yml in .env for the real Gong, or unset the credentials for the sandbox"
    fi
    echo "SANDBOX: events go to the simulator, none to Gong. For the real one write to .env (deploy/compose/env.example):
  COMPOSE_FILE=docker-compose.yml
  GONG_ACCESS_KEY_FILE and GONG_ACCESS_KEY_SECRET_FILE, or GONG_BEARER_TOKEN_FILE: files with Gong's credential;
  or GONG_OAUTH_CLIENT_ID_FILE, GONG_OAUTH_CLIENT_SECRET_FILE and GONG_OAUTH_KEY_FILE
  GONG_BASE_URL: your company's address of Gong's API, unless it is https://api.gong.io"
else
    oauth="${GONG_OAUTH_CLIENT_ID_FILE:+client}${GONG_OAUTH_CLIENT_SECRET_FILE:+secret}${GONG_OAUTH_KEY_FILE:+key}"
    case "${GONG_ACCESS_KEY_FILE:+key}${GONG_ACCESS_KEY_SECRET_FILE:+secret}${GONG_BEARER_TOKEN_FILE:+token}${oauth:+-$oauth}" in
    keysecret | token | -clientsecretkey) ;;
    ?*-*) fail "set GONG_OAUTH_CLIENT_ID_FILE and what belongs to it, or another credential of Gong: not both" ;;
    -*) fail "set GONG_OAUTH_CLIENT_ID_FILE, GONG_OAUTH_CLIENT_SECRET_FILE and GONG_OAUTH_KEY_FILE in .env, all three;
  gong-views oauth key makes a key" ;;
    keysecrettoken) fail "set GONG_ACCESS_KEY_FILE with GONG_ACCESS_KEY_SECRET_FILE, or GONG_BEARER_TOKEN_FILE: not both" ;;
    key*) fail "GONG_ACCESS_KEY_SECRET_FILE is not set: name the file with the access key's secret in .env" ;;
    secret*) fail "GONG_ACCESS_KEY_FILE is not set: name the file with the access key in .env" ;;
    *) fail "no credential of Gong: in .env name the files GONG_ACCESS_KEY_FILE and GONG_ACCESS_KEY_SECRET_FILE, or
  GONG_BEARER_TOKEN_FILE (deploy/compose/env.example). To try it without Gong unset COMPOSE_FILE: that is the sandbox" ;;
    esac
fi

keys=/etc/gong-views
own=$keys/prepare # every password; mounted here only

# Prints the password of a name, made when it is asked for first. Hexadecimal, so that it goes into a URL as it is.
password() {
    if [ ! -s "$own/$1" ]; then
        od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$own/.new"
        mv "$own/.new" "$own/$1" # never half a password
    fi
    cat "$own/$1"
}

redis_url() {
    echo "redis://$1:$(password "$1")@$REDIS_ADDRESS/0"
}

database_url() {
    echo "postgresql://gong_views_$1:$(password "postgres-$1")@$POSTGRES_ADDRESS/gong_views"
}

# Writes standard input to a file of a service, in one step.
give() {
    cat >"$keys/$1.new"
    mv "$keys/$1.new" "$keys/$1"
}

redis_url gong-views-worker | give worker/redis-url
database_url worker | give worker/database-url
redis_url gong-views-operator | give operator/redis-url
database_url console | give operator/database-url
redis_url gong-views-producer | give producer/redis-url
redis_url gong-views-web | give metrics/redis-url
database_url web | give metrics/database-url
database_url owner | give migrate/database-url
gong-views acl --passwords "$own" | give redis/users.acl
for role in superuser owner worker console web dashboards; do
    password "postgres-$role" | give "postgres/$role"
done
password postgres-dashboards | give grafana/postgres-dashboards
password grafana-admin | give grafana/admin

# The keys of the HTTP intake: the ones that were given, else one that is made.
if [ -s "$API_KEYS_FILE" ]; then
    give web/api-keys <"$API_KEYS_FILE"
else
    echo "default:$(password web-key)" | give web/api-keys
fi
echo "metrics/read:$(password metrics-key)" | give metrics/api-keys
password metrics-key | give prometheus/metrics-key

# The console's first operator; who is added, changed or removed later stays so.
if [ ! -e "$keys/console/users.json" ]; then
    password console-admin | give console/admin-password
    GONG_VIEWS_CONSOLE_USERS=$keys/console/users.json \
        gong-views console-user add admin --role operator --password-file "$keys/console/admin-password"
fi
