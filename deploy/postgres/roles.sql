-- The ledger's database and its roles, each with the rights it needs. Run it as a superuser (or with CREATEROLE and
-- CREATEDB), as often as you like; then `gong-views migrate` as gong_views_owner gives the rights on tables and views,
-- now and after each later migration.
--
--   psql --dbname=postgres --file=roles.sql
--
-- Passwords come from psql's environment: OWNER_PASSWORD, WORKER_PASSWORD, CONSOLE_PASSWORD, WEB_PASSWORD, DASHBOARDS_PASSWORD.
-- Without its variable a role's password stays as it is; a new role has none then, and may log in by certificate or the like.
-- Needs psql 14 or later.

\set ON_ERROR_STOP on
-- Keeps the passwords out of the server's log, as far as this user may tell it so.
SELECT set_config(name, value, false) IS NOT NULL AS "not logged"
  FROM (VALUES ('log_statement', 'none'), ('log_min_error_statement', 'panic')) AS settings (name, value)
 WHERE (SELECT rolsuper FROM pg_roles WHERE rolname = CURRENT_USER);
SET password_encryption = 'scram-sha-256';

\set owner_password ''
\set worker_password ''
\set console_password ''
\set web_password ''
\set dashboards_password ''
\getenv owner_password OWNER_PASSWORD
\getenv worker_password WORKER_PASSWORD
\getenv console_password CONSOLE_PASSWORD
\getenv web_password WEB_PASSWORD
\getenv dashboards_password DASHBOARDS_PASSWORD

SELECT format('CREATE ROLE %I', name)
  FROM unnest(ARRAY['gong_views_owner', 'gong_views_worker', 'gong_views_console', 'gong_views_web',
                    'gong_views_dashboards']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE gong_views_owner LOGIN;
ALTER ROLE gong_views_worker LOGIN CONNECTION LIMIT 200;
ALTER ROLE gong_views_console LOGIN CONNECTION LIMIT 50;
ALTER ROLE gong_views_web LOGIN CONNECTION LIMIT 50;
ALTER ROLE gong_views_dashboards LOGIN CONNECTION LIMIT 20;
ALTER ROLE gong_views_dashboards SET default_transaction_read_only = on;
ALTER ROLE gong_views_dashboards SET statement_timeout = '60s';

SELECT format('ALTER ROLE %I PASSWORD %L', name, password)
  FROM (VALUES ('gong_views_owner', :'owner_password'),
               ('gong_views_worker', :'worker_password'),
               ('gong_views_console', :'console_password'),
               ('gong_views_web', :'web_password'),
               ('gong_views_dashboards', :'dashboards_password')) AS passwords (name, password)
 WHERE password <> ''
\gexec

-- A superuser is a member of every role; one who only may create roles has to become one to give the database away.
SELECT 'GRANT gong_views_owner TO CURRENT_USER'
 WHERE NOT pg_has_role(CURRENT_USER, 'gong_views_owner', 'MEMBER')
\gexec
SELECT 'CREATE DATABASE gong_views OWNER gong_views_owner'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'gong_views')
\gexec
REVOKE ALL ON DATABASE gong_views FROM PUBLIC;
GRANT CONNECT ON DATABASE gong_views
   TO gong_views_owner, gong_views_worker, gong_views_console, gong_views_web, gong_views_dashboards;

\connect gong_views
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO gong_views_owner;
