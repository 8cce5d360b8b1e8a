#!/bin/sh
# Runs once in a new PostgreSQL container: a schema, an owner role and a login role per service. Passwords come from the environment.
set -eu
for service in identity donations transparency; do
	psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -v service="$service" -v password="$YG_DB_PASSWORD" <<-'SQL'
		select format('create role yg_%s_owner login password %L', :'service', :'password') \gexec
		select format('create role yg_%s login password %L', :'service', :'password') \gexec
		select format('alter role yg_%s_owner set search_path = %s', :'service', :'service') \gexec
		select format('alter role yg_%s set search_path = %s', :'service', :'service') \gexec
		-- a refused row must not stand in the log with the names in it
		select format('alter role yg_%s set log_error_verbosity = terse', :'service') \gexec
		select format('create schema %s authorization yg_%s_owner', :'service', :'service') \gexec
	SQL
done
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c 'revoke all on schema public from public' -c "revoke temporary on database $POSTGRES_DB from public"
for service in identity donations transparency; do
	psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "grant temporary on database $POSTGRES_DB to yg_${service}_owner"
done
