/* Listening sockets. A Unix path left by a dead process is taken over; one that still answers is not. When descriptors run out,
 * libuv accepts and closes with its reserve descriptor, so the backlog cannot spin; we log it at most once a second. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/core/log.h"
#include "common/net/uv_loop.h"

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
	struct sockaddr_un local; /* path of a Unix socket */
	struct stat made; /* the file we made there */
	int64_t complained_ms;
	bool is_unix;
};

static enum err complain(const char *what, struct str address, int uv_error)
{
	log_begin(LOG_ERROR, what);
	log_str("address", address);
	log_str("reason", str_of(uv_strerror(uv_error)));
	log_end();
	return ERR_IO;
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
	int64_t now_ms = loop_now_ms(l);
	if (ln->complained_ms && now_ms - ln->complained_ms < 1000) return;
	ln->complained_ms = now_ms;
	log_line(LOG_ERROR, "cannot accept a connection", "%s", status ? uv_strerror(status) : "no socket");
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

/* By hand and not uv_pipe_bind: that one unlinks the path on close even when another process has taken it over since. */
static int bind_unix(struct listener *ln, const struct address *a)
{
	uv_pipe_init(&ln->loop->uv, &ln->uv.pipe, 0);
	ln->local = a->local;
	remove_stale(&a->local);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) return -errno;
	if (bind(fd, (const struct sockaddr *)&a->local, sizeof a->local)) {
		int e = -errno;
		close(fd);
		return e;
	}
	int e = chmod(a->local.sun_path, 0660) || lstat(a->local.sun_path, &ln->made) ? -errno : 0;
	ln->is_unix = true;
	if (!e) e = uv_pipe_open(&ln->uv.pipe, fd);
	if (e) close(fd);
	return e;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void listener_close(struct listener *ln)
{
	struct stat st;
	if (!ln) return;
	if (ln->is_unix && lstat(ln->local.sun_path, &st) == 0 && st.st_ino == ln->made.st_ino &&
	    st.st_dev == ln->made.st_dev)
		unlink(ln->local.sun_path);
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
	if (!e) {
		ln->uv.handle.data = ln;
		e = uv_listen(&ln->uv.stream, BACKLOG, on_connection);
	}
	if (!e) {
		*out = ln;
		return ERR_NONE;
	}
	if (ln->uv.handle.loop) {
		ln->uv.handle.data = ln;
		listener_close(ln);
	} else {
		free(ln);
	}
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
