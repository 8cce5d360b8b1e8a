/* The restart of handover.h: one variable with the descriptors, one pipe for "ready". No fork of our own memory: posix_spawn. */
#include "gateway/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/core/log.h"

#define VARIABLE "YG_HANDOVER"
enum { PATH_BYTES_MAX = 4096, VALUE_BYTES_MAX = 8192 };

static char program[PATH_BYTES_MAX];
static char inherited[VALUE_BYTES_MAX]; /* "<ready fd>;<fd>,<fd>,…" */
static int ready_fd = -1;
static struct str sockets;

void handover_init(void)
{
	ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
	program[n > 0 ? n : 0] = 0;
	const char *value = getenv(VARIABLE);
	if (!value) return;
	int n_value = snprintf(inherited, sizeof inherited, "%s", value);
	unsetenv(VARIABLE);
	struct str rest = str_of(inherited), first;
	int64_t fd;
	if (n_value < 0 || (size_t)n_value >= sizeof inherited || !str_cut(&rest, ';', &first) ||
	    !str_to_i64(first, &fd) || fcntl((int)fd, F_SETFD, FD_CLOEXEC))
		return;
	ready_fd = (int)fd;
	sockets = rest;
}

bool handover_is_successor(void)
{
	return ready_fd >= 0;
}

struct str handover_sockets(void)
{
	return sockets;
}

/* ── "ready" ── */

/* sd_notify(3), of which we need one message. */
static void notify_systemd(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char text[64];
	if (!path || !*path || strlen(path) >= sizeof a.sun_path) return;
	memcpy(a.sun_path, path, strlen(path));
	socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (a.sun_path[0] == '@') a.sun_path[0] = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int bytes = snprintf(text, sizeof text, "READY=1\nMAINPID=%d", (int)getpid());
	if (fd < 0 || sendto(fd, text, (size_t)bytes, MSG_NOSIGNAL, (const struct sockaddr *)&a, n) < 0)
		log_line(LOG_WARN, "systemd was not told", "errno %d", errno);
	if (fd >= 0) close(fd);
}

static void write_pid(struct str file)
{
	char name[PATH_BYTES_MAX];
	if (!file.n || snprintf(name, sizeof name, "%.*s.new", STR_FMT(file)) >= (int)sizeof name) return;
	FILE *f = fopen(name, "w");
	bool ok = f && fprintf(f, "%d\n", (int)getpid()) > 0;
	if (f) ok = fclose(f) == 0 && ok;
	if (!ok || rename(name, file.p)) log_line(LOG_ERROR, "pid file not written", "%.*s", STR_FMT(file));
}

void handover_tell_ready(struct str pid_file)
{
	write_pid(pid_file);
	notify_systemd();
	if (ready_fd < 0) return;
	if (write(ready_fd, "1", 1) != 1) log_line(LOG_WARN, "the gateway before was not told", "errno %d", errno);
	close(ready_fd);
	ready_fd = -1;
}

/* ── the next one ── */

static bool keep_open(posix_spawn_file_actions_t *actions, int fd)
{
	return posix_spawn_file_actions_adddup2(actions, fd, fd) == 0; /* onto itself: it stays open behind exec */
}

/* Names each socket once and lets it through. */
static bool pass_sockets(posix_spawn_file_actions_t *actions, const struct listeners *l, char *value, size_t room)
{
	size_t n = strlen(value);
	int last = -1;
	for (unsigned kind = 0; kind < LISTENER_KINDS; kind++) {
		for (unsigned i = 0; i < l->workers; i++) {
			int fd = l->fds[kind][i];
			if (fd < 0 || fd == last) continue;
			int bytes = snprintf(value + n, room - n, "%s%d", last < 0 ? "" : ",", fd);
			if (bytes < 0 || (size_t)bytes >= room - n || !keep_open(actions, fd)) return false;
			n += (size_t)bytes;
			last = fd;
		}
	}
	return true;
}

static char **environment_with(char *variable)
{
	size_t n = 0;
	while (environ[n]) n++;
	char **all = calloc(n + 2, sizeof *all);
	CHECK(all != NULL);
	memcpy(all, environ, n * sizeof *all);
	all[n] = variable;
	return all;
}

static int spawn(const struct listeners *l, int ready, pid_t *pid)
{
	char variable[VALUE_BYTES_MAX];
	char *argv[] = { program, NULL };
	sigset_t none, every;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	sigemptyset(&none);
	sigfillset(&every);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &every);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	(void)snprintf(variable, sizeof variable, VARIABLE "=%d;", ready);
	int e = ENOBUFS;
	if (keep_open(&actions, ready) && pass_sockets(&actions, l, variable, sizeof variable)) {
		char **all = environment_with(variable);
		e = posix_spawn(pid, program, &actions, &attributes, argv, all);
		free(all);
	}
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return e;
}

enum err handover_begin(struct handover *h, const struct listeners *l)
{
	int ends[2];
	pid_t pid;
	if (h->pid) return ERR_BUSY;
	log_flush();
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) return ERR_IO;
	int e = spawn(l, ends[1], &pid);
	close(ends[1]);
	if (e) {
		close(ends[0]);
		log_line(LOG_ERROR, "the new gateway was not started, the old one goes on", "%s: errno %d", program, e);
		return ERR_IO;
	}
	*h = (struct handover){ .pid = pid, .ready_fd = ends[0], .deadline_ms = clock_mono_ms() + HANDOVER_MS };
	log_line(LOG_INFO, "handing over", "to process %d, %s", (int)pid, program);
	return ERR_NONE;
}

static void end(struct handover *h)
{
	close(h->ready_fd);
	h->pid = 0;
}

static enum handover_state fail(struct handover *h, const char *why, int status)
{
	log_line(LOG_ERROR, "the new gateway did not start, the old one goes on", "process %d %s, status %d",
	    (int)h->pid, why, status);
	end(h);
	return HANDOVER_FAILED;
}

enum handover_state handover_check(struct handover *h)
{
	char byte;
	int how = 0;
	if (!h->pid) return HANDOVER_NONE;
	if (read(h->ready_fd, &byte, 1) == 1) {
		end(h);
		return HANDOVER_DONE;
	}
	if (waitpid(h->pid, &how, WNOHANG) == h->pid)
		return fail(h, "ended", WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how));
	if (clock_mono_ms() < h->deadline_ms) return HANDOVER_WAITING;
	kill(h->pid, SIGKILL);
	(void)waitpid(h->pid, &how, 0);
	return fail(h, "was not ready in time", 0);
}

bool handover_ended(struct handover *h, pid_t pid, int status)
{
	if (!h->pid || h->pid != pid) return false;
	(void)fail(h, "ended", status);
	return true;
}

void handover_cancel(struct handover *h)
{
	if (!h->pid) return;
	kill(h->pid, SIGTERM);
	end(h);
}
