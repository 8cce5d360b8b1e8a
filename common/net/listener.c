/* Listening sockets. A Unix path left by a dead process is taken over; one that still answers is not. When descriptors run out,
 * libuv accepts and closes with its reserve descriptor, so the backlog cannot spin; we log it at most once a second. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/core/log.h"
#include "common/net/uv_loop.h"

enum { BACKLOG = 4096, WAIT_MS_PER_STREAM = 2, WAIT_MS_MAX = 50 };

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
	struct sockaddr_un local; /* path of a Unix socket */
	struct stat made; /* the file we made there */
	int64_t complained_ms;
	bool is_unix;
	bool shared; /* with other workers: the file is the parent's, and the fields below are used */
	int fd;
	struct watch *watch;
	struct timer *timer;
};

/* Of listener_share. */
static struct {
	bool open;
	int fd;
	struct sockaddr_un local;
	struct stat made;
} shared;

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
		ln->accepted(ln->arg, s);
		return;
	}
	complain_seldom(ln, status);
}

/*
 * Whoever of several workers wakes first would take all connections, and few connections carry all requests between our processes.
 * So each waits the longer the more streams it has already, and takes one at a time: the least busy is first.
 */
static void accept_shared(void *arg)
{
	struct listener *ln = arg;
	struct loop *l = ln->loop;
	watch_set(ln->watch, WATCH_READ);
	int fd = accept4(ln->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED) complain_seldom(ln, -errno);
		return; /* another one was faster */
	}
	struct stream *s = stream_make(l, true);
	int e = s ? uv_pipe_open(&s->uv.pipe, fd) : UV_ENOMEM;
	if (e) {
		close(fd);
		if (s) stream_discard(s);
		complain_seldom(ln, e);
		return;
	}
	stream_settle(s);
	ln->accepted(ln->arg, s);
}

static void on_shared_ready(void *arg, int events)
{
	struct listener *ln = arg;
	int64_t wait_ms = 1;
	(void)events;
	for (struct list *i = ln->loop->streams.next; i != &ln->loop->streams && wait_ms < WAIT_MS_MAX; i = i->next)
		wait_ms += WAIT_MS_PER_STREAM;
	watch_set(ln->watch, 0);
	timer_start(ln->timer, wait_ms, 0);
}

static int bind_tcp(struct listener *ln, const struct address *a, bool reuse_port)
{
	int e = uv_tcp_init_ex(&ln->loop->uv, &ln->uv.tcp, a->ip.ss_family);
	if (e) return e;
	uv_os_fd_t fd;
	int on = 1;
	if (reuse_port) {
		e = uv_fileno(&ln->uv.handle, &fd);
		if (!e && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on)) e = -errno;
	}
	if (!e) e = uv_tcp_bind(&ln->uv.tcp, (const struct sockaddr *)&a->ip, 0);
	return e;
}

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

/* By hand and not uv_pipe_bind: that one unlinks the path on close even when another process has taken it over since. Negative: -errno. */
static int bind_path(const struct sockaddr_un *local, struct stat *made)
{
	remove_stale(local);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) return -errno;
	int e = bind(fd, (const struct sockaddr *)local, sizeof *local) ? -errno : 0;
	if (!e && (chmod(local->sun_path, 0660) || lstat(local->sun_path, made))) e = -errno;
	if (!e) return fd;
	close(fd);
	return e;
}

static void unlink_own(const struct sockaddr_un *local, const struct stat *made)
{
	struct stat st;
	if (lstat(local->sun_path, &st) == 0 && st.st_ino == made->st_ino && st.st_dev == made->st_dev)
		unlink(local->sun_path);
}

/* The socket that the parent opened is now this loop's. */
static int take_shared(struct listener *ln)
{
	ln->shared = true;
	ln->fd = shared.fd;
	shared.open = false;
	ln->watch = watch_new(ln->loop, ln->fd, on_shared_ready, ln);
	if (!ln->watch) return UV_EINVAL;
	ln->timer = timer_new(ln->loop, accept_shared, ln);
	watch_set(ln->watch, WATCH_READ);
	return 0;
}

static int bind_unix(struct listener *ln, const struct address *a)
{
	uv_pipe_init(&ln->loop->uv, &ln->uv.pipe, 0);
	ln->local = a->local;
	ln->is_unix = true;
	if (shared.open && strcmp(shared.local.sun_path, a->local.sun_path) == 0) return take_shared(ln);
	int fd = bind_path(&a->local, &ln->made);
	if (fd < 0) return fd;
	int e = uv_pipe_open(&ln->uv.pipe, fd);
	if (e) close(fd);
	return e;
}

enum err listener_share(struct str address)
{
	struct address a;
	CHECK(!shared.open);
	if (address_parse(address, &a)) return complain("listen address is not valid", address, UV_EINVAL);
	if (!a.is_unix) return ERR_NONE;
	int fd = bind_path(&a.local, &shared.made);
	if (fd >= 0 && listen(fd, BACKLOG)) {
		int e = -errno;
		close(fd);
		fd = e;
	}
	if (fd < 0) return complain("cannot listen", address, fd);
	shared.open = true;
	shared.fd = fd;
	shared.local = a.local;
	return ERR_NONE;
}

void listener_unshare(void)
{
	if (!shared.open) return;
	unlink_own(&shared.local, &shared.made);
	close(shared.fd);
	shared.open = false;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void listener_close(struct listener *ln)
{
	if (!ln) return;
	if (ln->shared) {
		if (ln->watch) watch_free(ln->watch);
		if (ln->timer) timer_free(ln->timer);
		close(ln->fd);
	} else if (ln->is_unix) {
		unlink_own(&ln->local, &ln->made);
	}
	uv_close(&ln->uv.handle, on_closed);
}

enum err listener_open(struct loop *l, struct str address, bool reuse_port,
    void (*accepted)(void *arg, struct stream *s), void *arg, struct listener **out)
{
	struct address a;
	*out = NULL;
	if (address_parse(address, &a)) return complain("listen address is not valid", address, UV_EINVAL);
	struct listener *ln = calloc(1, sizeof *ln);
	CHECK(ln != NULL);
	ln->loop = l;
	ln->accepted = accepted;
	ln->arg = arg;
	int e = a.is_unix ? bind_unix(ln, &a) : bind_tcp(ln, &a, reuse_port);
	ln->uv.handle.data = ln;
	if (!e && !ln->shared) e = uv_listen(&ln->uv.stream, BACKLOG, on_connection);
	if (!e) {
		*out = ln;
		return ERR_NONE;
	}
	if (ln->uv.handle.loop)
		listener_close(ln);
	else
		free(ln);
	return complain("cannot listen", address, e);
}

int listener_port(const struct listener *ln)
{
	struct sockaddr_storage a;
	int n = sizeof a;
	if (ln->is_unix || uv_tcp_getsockname(&ln->uv.tcp, (struct sockaddr *)&a, &n)) return 0;
	return a.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&a)->sin6_port)
				       : ntohs(((struct sockaddr_in *)&a)->sin_port);
}
