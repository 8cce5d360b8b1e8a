/* Listening sockets: taken from systemd or from the gateway before, or opened. Whatever was inherited and fits no address of ours is
 * closed. */
#include "gateway/listeners.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/net/stream.h"
#include "common/service/private_listener.h"
#include "gateway/handover.h"

enum { INHERITED_MAX = LISTENER_KINDS * WORKERS_MAX, SYSTEMD_FIRST_FD = 3, ADDRESS_BYTES_MAX = 4096 };

struct inherited {
	int fds[INHERITED_MAX];
	bool used[INHERITED_MAX];
	unsigned count;
};

static void add(struct inherited *in, int64_t fd)
{
	if (fd < SYSTEMD_FIRST_FD || fd > INT32_MAX || in->count == INHERITED_MAX) return;
	if (fcntl((int)fd, F_SETFD, FD_CLOEXEC)) return; /* not open */
	in->fds[in->count++] = (int)fd;
}

/* sd_listen_fds(3) */
static void take_from_systemd(struct inherited *in)
{
	int64_t pid, count;
	const char *for_pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	bool ours = for_pid && fds && str_to_i64(str_of(for_pid), &pid) && pid == getpid() &&
		    str_to_i64(str_of(fds), &count) && count <= INHERITED_MAX;
	for (int64_t i = 0; ours && i < count; i++) add(in, SYSTEMD_FIRST_FD + i);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

static void take_from_gateway(struct inherited *in)
{
	struct str rest = handover_sockets(), item;
	int64_t fd;
	while (str_cut(&rest, ',', &item))
		if (str_to_i64(item, &fd)) add(in, fd);
}

/* Each socket once; when systemd gives one for several workers, they share it. */
static int find(struct inherited *in, struct str address)
{
	int shared = -1;
	for (unsigned i = 0; i < in->count; i++) {
		if (!listener_matches(in->fds[i], address)) continue;
		shared = in->fds[i];
		if (in->used[i]) continue;
		in->used[i] = true;
		return shared;
	}
	return shared;
}

static enum err open_one(struct listeners *l, struct inherited *in, unsigned kind, unsigned worker, struct str address)
{
	int *fd = &l->fds[kind][worker];
	*fd = find(in, address);
	if (*fd >= 0) return ERR_NONE;
	return listener_bind(address, kind != LISTENER_PRIVATE && l->workers > 1, fd);
}

static enum err open_worker(struct listeners *l, struct inherited *in, const struct settings *s,
    const struct proxy_config *proxy, struct str private_address, unsigned worker)
{
	if (s->contracts) TRY(open_one(l, in, LISTENER_PLAIN, worker, s->listen));
	if (s->contracts && s->tls_listen.n) TRY(open_one(l, in, LISTENER_TLS, worker, s->tls_listen));
	if (private_address.n) TRY(open_one(l, in, LISTENER_PRIVATE, worker, private_address));
	for (unsigned i = 0; proxy && i < proxy->listener_count; i++)
		TRY(open_one(l, in, LISTENER_PROXY + i, worker, proxy->listeners[i]));
	return ERR_NONE;
}

static enum err open_all(
    struct listeners *l, struct inherited *in, const struct settings *s, const struct proxy_config *proxy)
{
	struct arena a;
	enum err e = ERR_NONE;
	struct str base = s->metrics_listen.p || !proxy ? s->metrics_listen : proxy->metrics_listen;
	arena_init(&a, ADDRESS_BYTES_MAX, WORKERS_MAX * ADDRESS_BYTES_MAX);
	for (unsigned i = 0; i < l->workers && e == ERR_NONE; i++)
		e = open_worker(l, in, s, proxy, private_listener_address(&a, base, i), i);
	arena_release(&a);
	return e;
}

enum err listeners_open(struct listeners *l, const struct settings *settings, const struct proxy_config *proxy)
{
	struct inherited in = { .count = 0 };
	l->workers = settings->workers;
	l->taken_over = handover_is_successor();
	for (unsigned kind = 0; kind < LISTENER_KINDS; kind++)
		for (unsigned i = 0; i < WORKERS_MAX; i++) l->fds[kind][i] = -1;
	take_from_systemd(&in);
	take_from_gateway(&in);
	enum err e = open_all(l, &in, settings, proxy);
	for (unsigned i = 0; i < in.count; i++)
		if (!in.used[i]) close(in.fds[i]);
	if (e != ERR_NONE) listeners_close(l);
	return e;
}

struct str listeners_address(const struct listeners *l, struct arena *a, unsigned kind, unsigned worker)
{
	int fd = l->fds[kind][worker];
	return fd < 0 ? STR_NONE : arena_printf(a, "fd:%d", fd);
}

void listeners_close(struct listeners *l)
{
	for (unsigned kind = 0; kind < LISTENER_KINDS; kind++) {
		for (unsigned i = 0; i < WORKERS_MAX; i++) {
			int fd = l->fds[kind][i];
			for (unsigned j = i; fd >= 0 && j < WORKERS_MAX; j++)
				if (l->fds[kind][j] == fd) l->fds[kind][j] = -1; /* a shared one */
			if (fd >= 0) close(fd);
		}
	}
}
