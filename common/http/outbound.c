/* HTTPS to the outside: libcurl's multi interface driven by our loop. Only https, peer and host verified, no redirects, no proxy from
 * the environment, answers bounded. Results are delivered from PHASE_RUN, never from inside libcurl. */
#include "common/http/outbound.h"

#include <stdlib.h>

#include "common/core/buf.h"
#include "common/core/list.h"
#include "common/core/log.h"
#include "common/http/curl_library.h"

enum {
	CONNECT_MS_MAX = 5000,
	REPLY_FIELDS_MAX = 100,
	REPLY_HEAD_BYTES_MAX = 64 * 1024,
	REQUEST_BYTES_MAX = 16 * 1024 * 1024,
	QUEUE_CHECK_MS = 100,
};

struct transfer {
	struct list link; /* in outbound->queued, ->running or ->done */
	struct outbound *outbound;
	outbound_done *done;
	void *arg;
	int64_t deadline_ms;
	CURL *easy;
	struct curl_slist *sent_fields;
	struct arena arena;
	const char *method;
	const char *url;
	struct str request_body;
	struct buf body;
	struct http_field fields[REPLY_FIELDS_MAX];
	unsigned field_count;
	bool too_large;
	enum err status;
	int http_status;
	char reason[CURL_ERROR_SIZE];
};

struct outbound {
	struct loop *loop;
	struct outbound_config config;
	struct arena arena;
	const struct curl_library *lib; /* NULL until the first request */
	CURLM *multi;
	struct timer *timer; /* libcurl's own */
	struct timer *queue_timer; /* for those that wait too long */
	struct list queued, running, done;
	unsigned queued_count, running_count;
	struct loop_task done_task, free_task;
	bool freed;
};

/* ---- libcurl's callbacks ---- */

static void on_socket_ready(void *arg, int events);

struct socket_watch {
	struct outbound *outbound;
	struct watch *watch;
	curl_socket_t fd;
};

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct outbound *o = arg;
	struct socket_watch *sw = socket_arg;
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (sw) watch_free(sw->watch);
		free(sw);
		o->lib->curl_multi_assign(o->multi, fd, NULL);
		return 0;
	}
	if (!sw) {
		sw = calloc(1, sizeof *sw);
		CHECK(sw != NULL);
		*sw = (struct socket_watch){
			.outbound = o, .fd = fd, .watch = watch_new(o->loop, fd, on_socket_ready, sw)
		};
		if (!sw->watch) {
			free(sw);
			return -1;
		}
		o->lib->curl_multi_assign(o->multi, fd, sw);
	}
	watch_set(sw->watch, ((what & CURL_POLL_IN) ? WATCH_READ : 0) | ((what & CURL_POLL_OUT) ? WATCH_WRITE : 0));
	return 0;
}

static int on_timer_wanted(CURLM *multi, long timeout_ms, void *arg)
{
	struct outbound *o = arg;
	(void)multi;
	if (timeout_ms < 0) {
		timer_stop(o->timer);
	} else {
		timer_start(o->timer, timeout_ms, 0);
	}
	return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	buf_append(&t->body, bytes, size * count);
	t->too_large = !buf_ok(&t->body);
	return t->too_large ? 0 : size * count;
}

static size_t on_field(char *bytes, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	struct str line = str_trim(str_span(bytes, size * count));
	if (str_starts(line, STR("HTTP/"))) {
		t->field_count = 0; /* a new head: what came before was an interim answer */
		return size * count;
	}
	ptrdiff_t colon = str_index(line, ':');
	if (colon < 1) return size * count;
	struct str copy = arena_str(&t->arena, line);
	if (!copy.p || t->field_count == REPLY_FIELDS_MAX) {
		t->too_large = true;
		return 0;
	}
	t->fields[t->field_count++] =
	    (struct http_field){ str_span(copy.p, (size_t)colon), str_trim(str_from(copy, (size_t)colon + 1)) };
	return size * count;
}

/* ---- transfers ---- */

static void transfer_free(struct transfer *t)
{
	if (t->easy) t->outbound->lib->curl_easy_cleanup(t->easy);
	t->outbound->lib->curl_slist_free_all(t->sent_fields);
	buf_free(&t->body);
	arena_release(&t->arena);
	free(t);
}

static void finish(struct transfer *t, enum err status)
{
	struct outbound *o = t->outbound;
	t->status = status;
	list_push(&o->done, &t->link);
	loop_push(o->loop, PHASE_RUN, &o->done_task);
}

static enum err status_of(const struct transfer *t, CURLcode code)
{
	if (code == CURLE_OK) return ERR_NONE;
	if (t->too_large) return ERR_PAYLOAD_TOO_LARGE;
	return code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_IO;
}

/* Host of an URL for the log: never its path or query, which may hold secrets. */
static struct str host_of(const char *url)
{
	struct str s = str_of(url);
	const char *at = memmem(s.p, s.n, "://", 3);
	if (!at) return STR("?");
	s = str_from(s, (size_t)(at - s.p) + 3);
	size_t n = 0;
	while (n < s.n && s.p[n] != '/' && s.p[n] != '?') n++;
	return str_span(s.p, n);
}

static void collect(struct outbound *o)
{
	int left;
	for (CURLMsg *m; (m = o->lib->curl_multi_info_read(o->multi, &left));) {
		if (m->msg != CURLMSG_DONE) continue;
		struct transfer *t = NULL;
		CURLcode code = m->data.result;
		long http_status = 0;
		o->lib->curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
		o->lib->curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &http_status);
		o->lib->curl_multi_remove_handle(o->multi, t->easy);
		list_remove(&t->link);
		o->running_count--;
		t->http_status = (int)http_status;
		if (code != CURLE_OK)
			log_line(LOG_WARN, "outbound request failed", "%.*s: %s", STR_FMT(host_of(t->url)),
			    t->reason[0] ? t->reason : o->lib->curl_easy_strerror(code));
		finish(t, status_of(t, code));
	}
}

static void on_socket_ready(void *arg, int events)
{
	struct socket_watch *sw = arg;
	struct outbound *o = sw->outbound;
	int running;
	int flags = ((events & WATCH_READ) ? CURL_CSELECT_IN : 0) | ((events & WATCH_WRITE) ? CURL_CSELECT_OUT : 0) |
		    ((events & WATCH_ERROR) ? CURL_CSELECT_ERR : 0);
	o->lib->curl_multi_socket_action(o->multi, sw->fd, flags, &running); /* may free sw */
	collect(o);
}

static void on_timer(void *arg)
{
	struct outbound *o = arg;
	int running;
	o->lib->curl_multi_socket_action(o->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(o);
}

static bool set_up(struct transfer *t, int64_t timeout_ms)
{
	const struct outbound_config *config = &t->outbound->config;
	const struct curl_library *lib = t->outbound->lib;
	CURL *e = t->easy;
	bool ok = true;
#define SET(option, value) ok = ok && lib->curl_easy_setopt(e, option, value) == CURLE_OK
	SET(CURLOPT_URL, t->url);
	SET(CURLOPT_PROTOCOLS_STR, config->allow_http ? "http,https" : "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (config->ca_file.p) SET(CURLOPT_CAINFO, config->ca_file.p);
	if (config->ca_file.p) SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(timeout_ms < CONNECT_MS_MAX ? timeout_ms : CONNECT_MS_MAX));
	SET(CURLOPT_CUSTOMREQUEST, t->method);
	SET(CURLOPT_HTTPHEADER, t->sent_fields);
	SET(CURLOPT_ERRORBUFFER, t->reason);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_HEADERFUNCTION, on_field);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_PRIVATE, t);
	if (strcmp(t->method, "HEAD") == 0) SET(CURLOPT_NOBODY, 1L);
	if (t->request_body.p) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->request_body.n);
		SET(CURLOPT_POSTFIELDS, t->request_body.p);
	}
#undef SET
	return ok;
}

static void start(struct transfer *t)
{
	struct outbound *o = t->outbound;
	int64_t left_ms = t->deadline_ms - loop_now_ms(o->loop);
	if (left_ms <= 0) {
		finish(t, ERR_TIMEOUT);
		return;
	}
	t->easy = o->lib->curl_easy_init();
	CHECK(t->easy != NULL);
	if (!set_up(t, left_ms) || o->lib->curl_multi_add_handle(o->multi, t->easy) != CURLM_OK) {
		log_line(LOG_ERROR, "outbound request refused by libcurl", "%.*s", STR_FMT(host_of(t->url)));
		finish(t, ERR_IO);
		return;
	}
	list_push(&o->running, &t->link);
	o->running_count++;
}

static void start_queued(struct outbound *o)
{
	while (o->running_count < o->config.connections_max && !list_empty(&o->queued)) {
		o->queued_count--;
		start(CONTAINER_OF(list_shift(&o->queued), struct transfer, link));
	}
	if (!o->queued_count) timer_stop(o->queue_timer);
}

static void on_queue_timer(void *arg)
{
	struct outbound *o = arg;
	int64_t now_ms = loop_now_ms(o->loop);
	for (struct list *i = o->queued.next, *next; i != &o->queued; i = next) {
		struct transfer *t = CONTAINER_OF(i, struct transfer, link);
		next = i->next;
		if (now_ms < t->deadline_ms) continue;
		list_remove(i);
		o->queued_count--;
		finish(t, ERR_TIMEOUT);
	}
	start_queued(o);
}

static void on_done_task(struct loop_task *task)
{
	struct outbound *o = CONTAINER_OF(task, struct outbound, done_task);
	for (struct list *item; (item = list_shift(&o->done));) {
		struct transfer *t = CONTAINER_OF(item, struct transfer, link);
		struct http_fields fields = { t->fields, t->field_count };
		bool is_answer = t->status == ERR_NONE;
		t->done(t->arg, t->status, is_answer ? t->http_status : 0,
		    is_answer ? fields : (struct http_fields){ 0 },
		    is_answer && t->body.n ? buf_view(&t->body) : STR(""));
		transfer_free(t);
	}
	if (!o->freed) start_queued(o);
}

/* ---- the whole ---- */

static void on_free_task(struct loop_task *task)
{
	struct outbound *o = CONTAINER_OF(task, struct outbound, free_task);
	arena_release(&o->arena);
	free(o);
}

struct outbound *outbound_new(struct loop *l, const struct outbound_config *config)
{
	struct outbound *o = calloc(1, sizeof *o);
	CHECK(o != NULL);
	o->loop = l;
	o->config = *config;
	arena_init(&o->arena, 256, 64 * 1024);
	o->config.ca_file = arena_str(&o->arena, config->ca_file);
	if (!o->config.connections_max) o->config.connections_max = 32;
	if (!o->config.reply_bytes_max) o->config.reply_bytes_max = 4 * 1024 * 1024;
	o->done_task.run = on_done_task;
	o->free_task.run = on_free_task;
	list_init(&o->queued);
	list_init(&o->running);
	list_init(&o->done);
	return o;
}

/* The first request pays for libcurl's set-up. */
static bool wake(struct outbound *o)
{
	if (o->multi) return true;
	o->lib = curl_library();
	if (!o->lib) return false;
	o->multi = o->lib->curl_multi_init();
	CHECK(o->multi != NULL);
	o->timer = timer_new(o->loop, on_timer, o);
	o->queue_timer = timer_new(o->loop, on_queue_timer, o);
	o->lib->curl_multi_setopt(o->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	o->lib->curl_multi_setopt(o->multi, CURLMOPT_SOCKETDATA, o);
	o->lib->curl_multi_setopt(o->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	o->lib->curl_multi_setopt(o->multi, CURLMOPT_TIMERDATA, o);
	o->lib->curl_multi_setopt(o->multi, CURLMOPT_MAXCONNECTS, (long)o->config.connections_max);
	return true;
}

void outbound_free(struct outbound *o)
{
	if (!o || o->freed) return;
	o->freed = true;
	for (struct list *item; (item = list_shift(&o->running));) {
		struct transfer *t = CONTAINER_OF(item, struct transfer, link);
		o->lib->curl_multi_remove_handle(o->multi, t->easy);
		finish(t, ERR_ABORTED);
	}
	for (struct list *item; (item = list_shift(&o->queued));)
		finish(CONTAINER_OF(item, struct transfer, link), ERR_ABORTED);
	if (o->multi) {
		o->lib->curl_multi_cleanup(o->multi);
		timer_free(o->timer);
		timer_free(o->queue_timer);
	}
	loop_push(o->loop, PHASE_LAST, &o->free_task);
}

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) return true;
	return false;
}

/* Fields as libcurl's list; without "Expect", which would cost a round trip on larger bodies. */
static enum err copy_fields(struct transfer *t, const struct outbound_request *r)
{
	const struct curl_library *lib = t->outbound->lib;
	t->sent_fields = lib->curl_slist_append(NULL, "Expect:");
	CHECK(t->sent_fields != NULL);
	for (unsigned i = 0; i < r->field_count; i++) {
		const struct http_field *f = &r->fields[i];
		if (f->name.n == 0 || has_control(f->name) || has_control(f->value) || str_index(f->name, ':') >= 0)
			return ERR_MALFORMED_REQUEST;
		/* To libcurl "Name;" is a field without value, "Name:" would remove it. */
		struct str line = f->value.n
				      ? arena_printf(&t->arena, "%.*s: %.*s", STR_FMT(f->name), STR_FMT(f->value))
				      : arena_printf(&t->arena, "%.*s;", STR_FMT(f->name));
		if (!line.p) return ERR_PAYLOAD_TOO_LARGE;
		CHECK(lib->curl_slist_append(t->sent_fields, line.p) != NULL);
	}
	return ERR_NONE;
}

static enum err copy_request(struct transfer *t, const struct outbound_request *r)
{
	if (has_control(r->url) || r->timeout_ms <= 0) return ERR_MALFORMED_REQUEST;
	t->method = arena_strz(&t->arena, str_of(r->method));
	t->url = arena_strz(&t->arena, r->url);
	t->request_body = arena_str(&t->arena, r->body);
	TRY(copy_fields(t, r));
	return t->arena.overflow ? ERR_PAYLOAD_TOO_LARGE : ERR_NONE;
}

enum err outbound_send(struct outbound *o, const struct outbound_request *r, outbound_done *done, void *arg)
{
	CHECK(!o->freed && done != NULL);
	if (o->queued_count >= OUTBOUND_QUEUE_MAX) return ERR_BUSY;
	if (!wake(o)) return ERR_UNAVAILABLE;
	struct transfer *t = calloc(1, sizeof *t);
	CHECK(t != NULL);
	t->outbound = o;
	t->done = done;
	t->arg = arg;
	t->deadline_ms = loop_now_ms(o->loop) + r->timeout_ms;
	arena_init(&t->arena, 2048, REQUEST_BYTES_MAX + REPLY_HEAD_BYTES_MAX);
	buf_init(&t->body, o->config.reply_bytes_max);
	enum err e = copy_request(t, r);
	if (e) {
		transfer_free(t);
		return e;
	}
	list_push(&o->queued, &t->link);
	if (o->queued_count++ == 0) timer_start(o->queue_timer, QUEUE_CHECK_MS, QUEUE_CHECK_MS);
	start_queued(o);
	return ERR_NONE;
}
