#!/bin/sh
# Lanes against pgbench on one server, in turns: server on core 0, clients on core 1. Usage: pg_lanes.sh <conninfo> [rounds] [seconds]
# The server must be pinned by its owner (taskset -cp 0 <postmaster>). Prints one line per run.
set -eu
conninfo=$1 rounds=${2:-5} seconds=${3:-4} here=$(dirname "$0")/../.. out=${TMPDIR:-/tmp}/pg_lanes.$$
bench=/usr/lib/postgresql/15/bin/pgbench
trap 'rm -rf "$out"' EXIT
mkdir -p "$out"
make -s -C "$here" VARIANT=release build/release/lib/core.a build/release/lib/json.a build/release/lib/net.a build/release/lib/pg.a
# shellcheck disable=SC2046
gcc -std=c17 -D_GNU_SOURCE -O2 -I"$here" "$here/tests/load/pg_lanes.c" -Wl,--start-group "$here"/build/release/lib/pg.a "$here"/build/release/lib/net.a \
	"$here"/build/release/lib/json.a "$here"/build/release/lib/core.a -Wl,--end-group $(pkg-config --cflags --libs libuv libpq libcjson) -lm -o "$out/lanes"
psql -q "$conninfo" -c "create table if not exists load_gift (id bigserial primary key, amount int not null, message text)"
cat > "$out/insert.sql" <<'SQL'
\set amount random(1, 1000000)
insert into load_gift (amount, message) values (:amount, 'a gift of a hundred characters or so, as people write them') returning id;
SQL
rate() { sed -n 's/^tps = \([0-9]*\).*/\1\/s/p'; }
for round in $(seq "$rounds"); do
	echo "$round pgbench read, 8 clients: $(taskset -c 1 $bench -n -S -M prepared -c 8 -j 1 -T "$seconds" "$conninfo" 2>/dev/null | rate)"
	echo "$round lanes $(taskset -c 1 "$out/lanes" "$conninfo" read 64 "$seconds")"
	echo "$round pgbench insert, 16 clients: $(taskset -c 1 $bench -n -M prepared -f "$out/insert.sql" -c 16 -j 1 -T "$seconds" "$conninfo" 2>/dev/null | rate)"
	echo "$round lanes $(taskset -c 1 "$out/lanes" "$conninfo" write 64 "$seconds")"
done
