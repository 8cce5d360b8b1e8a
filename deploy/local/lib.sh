# Names and small helpers of deploy/local. Sourced, not run.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
VAR=${YG_VAR:-$ROOT/var}
case $VAR in /*) ;; *) VAR=$PWD/$VAR ;; esac
PORT=${YG_PORT:-8080}
BIND=${YG_BIND:-127.0.0.1}
BIN=${YG_BIN:-$ROOT/build/release/bin}
case $BIN in /*) ;; *) BIN=$ROOT/$BIN ;; esac
DEMO=${YG_DEMO:-full}
PGBIN=/usr/lib/postgresql/15/bin
SERVICES="identity donations transparency"
# In the order of starting.
PROCESSES="postgres redis wechat wechat_pay receipts identity donations transparency relay_identity relay_donations relay_transparency gateway"

mkdir -p "$VAR/log" "$VAR/secrets" "$VAR/pid"
chmod 700 "$VAR/secrets"
# A Unix socket's path has at most 107 bytes: a deep folder gets its sockets elsewhere.
RUN=$VAR/run
[ ${#RUN} -gt 70 ] && RUN=/tmp/yangguang-$(printf %s "$VAR" | sha256sum | cut -c1-12)
mkdir -p "$RUN"

# PostgreSQL refuses to be root; its user must be able to reach its folder, which it cannot inside /root.
PGDATA=$VAR/pg/data
PGSOCKET=$RUN
as_postgres() { "$@"; }
if [ "$(id -u)" = 0 ]; then
	if ! runuser -u postgres -- test -x "$VAR" 2>/dev/null; then
		home=/var/lib/postgresql/yangguang-$(printf %s "$VAR" | sha256sum | cut -c1-12)
		PGDATA=$home/data
		PGSOCKET=$home/run
	else
		PGSOCKET=$RUN/pg
	fi
	# From a folder that it may enter, so that no program complains.
	as_postgres() { (cd / && exec runuser -u postgres -- "$@"); }
fi
PGSUPER="host=$PGSOCKET dbname=yangguang user=postgres"

say() { printf '%s\n' "$*"; }
step() { printf '· %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Waits until the command succeeds; $1 seconds at most.
wait_for() {
	local limit=$1 waited=0
	shift
	until "$@" >/dev/null 2>&1; do
		waited=$((waited + 1))
		[ "$waited" -gt $((limit * 20)) ] && return 1
		sleep 0.05
	done
}

pid_of() { cat "$VAR/pid/$1" 2>/dev/null; }
# A process that has ended and waits to be reaped runs no more.
running() {
	local stat
	{ read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
	stat=${stat##*) }
	[ "${stat%% *}" != Z ]
}
alive() {
	local pid
	pid=$(pid_of "$1") && [ -n "$pid" ] && running "$pid"
}

# The private ports beside YG_PORT. Of several workers each has the port after the one before: they begin further away.
port_of() {
	if [ "${YG_WORKERS:-1}" -gt 1 ]; then
		case $1 in
		gateway) echo $((PORT + 10)) && return ;;
		identity) echo $((PORT + 20)) && return ;;
		donations) echo $((PORT + 30)) && return ;;
		transparency) echo $((PORT + 40)) && return ;;
		relay_transparency) echo $((PORT + 50)) && return ;;
		esac
	fi
	case $1 in
	gateway) echo $((PORT + 1)) ;;
	identity) echo $((PORT + 2)) ;;
	donations) echo $((PORT + 3)) ;;
	relay_identity) echo $((PORT + 4)) ;;
	relay_donations) echo $((PORT + 5)) ;;
	tls) echo $((PORT + 6)) ;;
	wechat | wechat_control) echo $((PORT + 7)) ;; # it tells TLS from plain HTTP by the first byte
	wechat_pay) echo $((PORT + 8)) ;;
	wechat_pay_control) echo $((PORT + 9)) ;;
	transparency) echo $((PORT + 10)) ;;
	relay_transparency) echo $((PORT + 11)) ;;
	receipts | receipts_control) echo $((PORT + 12)) ;; # as wechat
	esac
}

# background NAME VARIABLE=value… -- program arguments…
background() {
	local name=$1
	shift
	local settings=()
	while [ "$1" != -- ]; do settings+=("$1"); shift; done
	shift
	(cd "$ROOT" && exec setsid env "${settings[@]}" "$@" >>"$VAR/log/$name.log" 2>&1 </dev/null) &
	echo $! > "$VAR/pid/$name"
	disown
}

ready_at() { curl -fsS -o /dev/null "http://127.0.0.1:$1/readyz"; }
