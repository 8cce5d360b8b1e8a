/* What the kernel leaves: an epoll loop that answers whatever it reads with the same bytes and does nothing else. No server can be faster
 * here; what is between it and a server is the server's own work.
 *   bare_loop <port> <file with a whole HTTP answer> */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 1024, ANSWER_BYTES_MAX = 64 * 1024 };

static int watch(int loop, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
	return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e);
}

static int listener(int port)
{
	const int on = 1;
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((unsigned short)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	return bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 512) == 0 ? fd : -1;
}

int main(int argc, char **argv)
{
	static char answer[ANSWER_BYTES_MAX], read_bytes[ANSWER_BYTES_MAX];
	FILE *f = argc == 3 ? fopen(argv[2], "rb") : NULL;
	size_t n = f ? fread(answer, 1, sizeof answer, f) : 0;
	int waiting = n ? listener(atoi(argv[1])) : -1, loop = epoll_create1(0);
	const int on = 1;
	if (waiting < 0 || watch(loop, waiting) < 0) {
		fprintf(stderr, "usage: bare_loop <free port> <file with a whole HTTP answer>\n");
		return 64;
	}
	for (;;) {
		struct epoll_event ready[EVENTS];
		int count = epoll_wait(loop, ready, EVENTS, -1);
		for (int i = 0; i < count; i++) {
			int fd = ready[i].data.fd;
			if (fd == waiting) {
				int client = accept4(waiting, NULL, NULL, SOCK_NONBLOCK);
				setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
				if (client >= 0) watch(loop, client);
			} else if (recv(fd, read_bytes, sizeof read_bytes, 0) <= 0 ||
				   send(fd, answer, n, MSG_NOSIGNAL) < 0) {
				close(fd);
			}
		}
	}
}
