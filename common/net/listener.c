/* Listening sockets. A Unix path left by a dead process is taken over; one that still answers is not. A socket may have been opened
 * before, by this process or the one before it ("fd:<number>"): then a copy of it is used and no file is removed. When descriptors
 * run out, libuv accepts and closes with its reserve descriptor, so the backlog cannot spin; we log it at most once a second. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/core/log.h"
#include "common/net/proxy_accept.h"
#include "common/net/tls_stream.h"

enum { BACKLOG = 4096 };

struct listener {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	struct loop *loop;
	void (*accepted)(void *arg, struct stream *s);
	void *arg;
	struct proxy_accept *proxies; /* NULL: clients connect by themselves */
	struct tls_accept *tls; /* NULL: plain */
	struct sockaddr_un local; /* path of a Unix socket */
	struct stat made; /* the file we made there */
	int64_t complained_ms;
	bool is_unix;
	bool owns_path;
	bool stopped; /* uv_close was called */
	bool gone; /* and has ended */
	bool closed; /* to be freed once gone */
};

static enum err complain(const char *what, struct str address, int uv_error)
{
	log_begin(LOG_ERROR, what);
	log_str("address", address);
	log_str("reason", str_of(uv_strerror(uv_error)));
	log_end();
	return ERR_IO;
}

static void complain_seldom(struct listener *ln, int uv_error)
{
	int64_t now_ms = loop_now_ms(ln->loop);
	if (ln->complained_ms && now_ms - ln->complained_ms < 1000) return;
	ln->complained_ms = now_ms;
	log_line(LOG_ERROR, "cannot accept a connection", "%s", uv_error ? uv_strerror(uv_error) : "no socket");
}

static void hand_on(void *arg, struct stream *s)
{
	struct listener *ln = arg;
	if (ln->tls) {
		tls_accept_stream(ln->tls, s);
	} else {
		ln->accepted(ln->arg, s);
	}
}

static void on_connection(uv_stream_t *uv, int status)
{
	struct listener *ln = uv->data;
	struct loop *l = ln->loop;
	loop_begin_turn(l);
	struct stream *s = status == 0 ? stream_make(l, ln->is_unix) : NULL;
	if (s && (status = uv_accept(uv, &s->uv.stream)) != 0) {
		stream_discard(s);
		s = NULL;
	}
	if (s) {
		stream_settle(s);
		if (ln->proxies) {
			proxy_accept_stream(ln->proxies, s);
		} else {
			hand_on(ln, s);
		}
		return;
	}
	complain_seldom(ln, status);
}

/* ── sockets ── */

/* Removes a socket file that nobody listens on. Another process's live socket is left, and bind then fails. */
static void remove_stale(const struct sockaddr_un *local)
{
	struct stat st;
	if (lstat(local->sun_path, &st) || !S_ISSOCK(st.st_mode)) return;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) return;
	if (connect(fd, (const struct sockaddr *)local, sizeof *local) && errno == ECONNREFUSED)
		unlink(local->sun_path);
	close(fd);
}

static int bind_tcp(int fd, const struct address *a, bool reuse_port)
{
	int on = 1;
	socklen_t n = a->ip.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)) return -errno;
	if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on)) return -errno;
	return bind(fd, (const struct sockaddr *)&a->ip, n) ? -errno : 0;
}

/* By hand and not uv_pipe_bind: that one unlinks the path on close even when another process has taken it over since. */
static int bind_unix(int fd, const struct address *a)
{
	if (bind(fd, (const struct sockaddr *)&a->local, sizeof a->local)) return -errno;
	return chmod(a->local.sun_path, 0660) ? -errno : 0;
}

static void unlink_own(const struct sockaddr_un *local, const struct stat *made)
{
	struct stat st;
	if (lstat(local->sun_path, &st) == 0 && st.st_ino == made->st_ino && st.st_dev == made->st_dev)
		unlink(local->sun_path);
}

/* A bound, listening socket, or a negative error of libuv's. */
static int open_socket(const struct address *a, bool reuse_port)
{
	if (a->is_unix) remove_stale(&a->local);
	int fd = socket(a->is_unix ? AF_UNIX : a->ip.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) return -errno;
	int e = a->is_unix ? bind_unix(fd, a) : bind_tcp(fd, a, reuse_port);
	if (!e && listen(fd, BACKLOG)) e = -errno;
	if (!e) return fd;
	close(fd);
	return e;
}

enum err listener_bind(struct str address, bool reuse_port, int *fd)
{
	struct address a;
	*fd = -1;
	if (address_parse(address, &a)) return complain("listen address is not valid", address, UV_EINVAL);
	int made = open_socket(&a, reuse_port);
	if (made < 0) return complain("cannot listen", address, made);
	*fd = made;
	return ERR_NONE;
}

static bool same_ip(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family) return false;
	if (a->ss_family == AF_INET) {
		struct sockaddr_in x, y;
		memcpy(&x, a, sizeof x);
		memcpy(&y, b, sizeof y);
		return x.sin_port == y.sin_port && x.sin_addr.s_addr == y.sin_addr.s_addr;
	}
	struct sockaddr_in6 x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x.sin6_port == y.sin6_port && memcmp(&x.sin6_addr, &y.sin6_addr, sizeof x.sin6_addr) == 0;
}

bool listener_matches(int fd, struct str address)
{
	struct address wanted;
	struct sockaddr_storage a = { .ss_family = AF_UNSPEC };
	struct sockaddr_un local;
	socklen_t n = sizeof a;
	int listens = 0;
	socklen_t listens_bytes = sizeof listens;
	if (address_parse(address, &wanted) || getsockname(fd, (struct sockaddr *)&a, &n)) return false;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_bytes) || !listens) return false;
	if (!wanted.is_unix) return same_ip(&a, &wanted.ip);
	if (a.ss_family != AF_UNIX) return false;
	memcpy(&local, &a, sizeof local);
	local.sun_path[sizeof local.sun_path - 1] = 0;
	return strcmp(local.sun_path, wanted.local.sun_path) == 0;
}

/* A copy of the socket with that number; *is_unix tells its kind. */
static int copy_socket(struct str number, bool *is_unix)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof a;
	int64_t fd;
	if (!str_to_i64(number, &fd) || fd < 0 || fd > INT32_MAX) return UV_EINVAL;
	int copy = fcntl((int)fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0) return -errno;
	if (getsockname(copy, (struct sockaddr *)&a, &n)) {
		int e = -errno;
		close(copy);
		return e;
	}
	*is_unix = a.ss_family == AF_UNIX;
	return copy;
}

/* ── listeners ── */

static int adopt(struct listener *ln, int fd)
{
	int e;
	if (ln->is_unix) {
		uv_pipe_init(&ln->loop->uv, &ln->uv.pipe, 0);
		e = uv_pipe_open(&ln->uv.pipe, fd);
	} else {
		uv_tcp_init(&ln->loop->uv, &ln->uv.tcp);
		e = uv_tcp_open(&ln->uv.tcp, fd);
	}
	ln->uv.handle.data = ln;
	if (e) {
		close(fd);
		return e;
	}
	return uv_listen(&ln->uv.stream, BACKLOG, on_connection);
}

static void drop_pending(struct listener *ln)
{
	if (ln->proxies) proxy_accept_free(ln->proxies);
	if (ln->tls) tls_accept_free(ln->tls);
	ln->proxies = NULL;
	ln->tls = NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct listener *ln = handle->data;
	ln->gone = true;
	if (ln->closed) free(ln);
}

void listener_stop(struct listener *ln)
{
	if (ln->stopped) return;
	ln->stopped = true;
	if (ln->owns_path) unlink_own(&ln->local, &ln->made);
	uv_close(&ln->uv.handle, on_closed);
}

void listener_close(struct listener *ln)
{
	if (!ln || ln->closed) return;
	listener_stop(ln);
	drop_pending(ln);
	if (ln->gone) {
		free(ln);
		return;
	}
	ln->closed = true;
}

unsigned listener_pending(const struct listener *ln)
{
	return (ln->proxies ? proxy_accept_count(ln->proxies) : 0) + (ln->tls ? tls_accept_count(ln->tls) : 0);
}

void listener_expect_proxies(struct listener *ln, bool (*trusts)(void *arg, struct str peer), void *arg)
{
	CHECK(!ln->proxies);
	ln->proxies = proxy_accept_new(ln->loop, trusts, arg, hand_on, ln);
}

uint64_t listener_proxies_refused(const struct listener *ln)
{
	return ln->proxies ? proxy_accept_refused(ln->proxies) : 0;
}

static int open_address(struct listener *ln, struct str address, bool reuse_port)
{
	struct address a;
	if (str_starts(address, STR("fd:"))) return copy_socket(str_from(address, 3), &ln->is_unix);
	if (address_parse(address, &a)) return UV_EINVAL;
	ln->is_unix = a.is_unix;
	int fd = open_socket(&a, reuse_port);
	if (fd < 0 || !a.is_unix) return fd;
	ln->local = a.local;
	ln->owns_path = lstat(a.local.sun_path, &ln->made) == 0;
	return fd;
}

enum err listener_open(struct loop *l, struct str address, bool reuse_port,
    void (*accepted)(void *arg, struct stream *s), void *arg, struct listener **out)
{
	*out = NULL;
	struct listener *ln = calloc(1, sizeof *ln);
	CHECK(ln != NULL);
	ln->loop = l;
	ln->accepted = accepted;
	ln->arg = arg;
	int fd = open_address(ln, address, reuse_port);
	if (fd < 0) {
		free(ln);
		return complain("cannot listen", address, fd);
	}
	int e = adopt(ln, fd);
	if (e) {
		listener_close(ln);
		return complain("cannot listen", address, e);
	}
	*out = ln;
	return ERR_NONE;
}

enum err listener_open_tls(struct loop *l, struct str address, bool reuse_port, struct tls *tls,
    void (*accepted)(void *arg, struct stream *s), void *arg, struct listener **out)
{
	TRY(listener_open(l, address, reuse_port, accepted, arg, out));
	(*out)->tls = tls_accept_new(l, tls, accepted, arg);
	return ERR_NONE;
}

int listener_port(const struct listener *ln)
{
	struct sockaddr_storage a;
	int n = sizeof a;
	if (ln->is_unix || uv_tcp_getsockname(&ln->uv.tcp, (struct sockaddr *)&a, &n)) return 0;
	return a.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&a)->sin6_port)
				       : ntohs(((struct sockaddr_in *)&a)->sin_port);
}
