/*
 * The process's metrics: families in order of registration, each with its series. Registration is slow and rare (a linear search
 * by name, a chain per family); counting touches only the cell. Printing walks everything at a scrape.
 */
#include "common/service/metrics.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/map.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct series {
	struct series *next;
	struct str labels; /* without braces: operation="gift_create",method="POST" */
	union {
		uint64_t counter;
		int64_t gauge;
		struct histogram histogram;
	} value;
	metrics_read *read;
	void *arg;
};

struct family {
	struct family *next;
	const char *name;
	const char *help;
	enum metric_type type;
	struct series *first;
	struct series *last;
	struct map by_labels;
};

struct metrics {
	struct arena arena;
	struct family *first;
	struct family *last;
	unsigned series_count;
	struct series spill; /* handed out past the limits */
};

#define US 1000
#define MS 1000000LL
const struct histogram_shape HISTOGRAM_LATENCY_NS = { 1e9, 15,
	{ 250 * US, 500 * US, 1 * MS, 2500 * US, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS,
	    1000 * MS, 2500 * MS, 5000 * MS, 10000 * MS } };
const struct histogram_shape HISTOGRAM_BATCH = { 1, 11, { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024 } };

struct metrics *metrics_new(void)
{
	struct metrics *m = calloc(1, sizeof *m);
	CHECK(m != NULL);
	arena_init(&m->arena, 16 * 1024, 16 * 1024 * 1024);
	return m;
}

void metrics_free(struct metrics *m)
{
	if (!m) return;
	arena_release(&m->arena);
	free(m);
}

static struct family *need_family(struct metrics *m, const char *name, const char *help, enum metric_type type)
{
	for (struct family *f = m->first; f; f = f->next) {
		if (strcmp(f->name, name) != 0) continue;
		CHECK(f->type == type); /* one name, one type: a programming error, not input */
		return f;
	}
	struct family *f = ARENA_NEW(&m->arena, struct family);
	if (!f) return NULL;
	f->name = arena_strz(&m->arena, str_of(name));
	f->help = arena_strz(&m->arena, str_of(help));
	f->type = type;
	map_init(&f->by_labels, &m->arena);
	*(m->last ? &m->last->next : &m->first) = f;
	m->last = f;
	return f;
}

static void put_label_value(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n')
			BUF_LIT(out, "\\n");
		else {
			if (s.p[i] == '"' || s.p[i] == '\\') buf_char(out, '\\');
			buf_char(out, s.p[i]);
		}
	}
}

static void render_labels(struct buf *text, const struct metric_label *labels, unsigned count)
{
	CHECK(count <= METRICS_LABELS_MAX);
	for (unsigned i = 0; i < count; i++) {
		if (i) buf_char(text, ',');
		buf_str(text, str_of(labels[i].name));
		BUF_LIT(text, "=\"");
		put_label_value(text, labels[i].value);
		buf_char(text, '"');
	}
}

static struct series *add_series(struct metrics *m, struct family *f, struct str labels)
{
	struct str text = labels.n ? arena_str(&m->arena, labels) : STR("");
	struct series *s = NULL;
	if (text.p && m->series_count < METRICS_SERIES_MAX) s = ARENA_NEW(&m->arena, struct series);
	if (!s || !map_set(&f->by_labels, text, s)) return &m->spill;
	s->labels = text;
	m->series_count++;
	*(f->last ? &f->last->next : &f->first) = s;
	f->last = s;
	return s;
}

/* Each reload asks for all of them again: what is there takes no memory a second time. */
static struct series *need_series(struct metrics *m, const char *name, const char *help, enum metric_type type,
    const struct metric_label *labels, unsigned label_count)
{
	struct family *f = need_family(m, name, help, type);
	struct buf text;
	if (!f) return &m->spill;
	buf_init(&text, 4096);
	render_labels(&text, labels, label_count);
	struct str rendered = buf_ok(&text) && text.n ? buf_view(&text) : STR("");
	struct series *s = map_get(&f->by_labels, rendered);
	if (!s) s = add_series(m, f, rendered);
	buf_free(&text);
	return s;
}

uint64_t *metrics_counter(
    struct metrics *m, const char *name, const char *help, const struct metric_label *labels, unsigned label_count)
{
	return &need_series(m, name, help, METRIC_COUNTER, labels, label_count)->value.counter;
}

int64_t *metrics_gauge(
    struct metrics *m, const char *name, const char *help, const struct metric_label *labels, unsigned label_count)
{
	return &need_series(m, name, help, METRIC_GAUGE, labels, label_count)->value.gauge;
}

static void set_read(struct series *s, metrics_read *read, void *arg)
{
	s->read = read;
	s->arg = arg;
}

void metrics_gauge_fn(struct metrics *m, const char *name, const char *help, const struct metric_label *labels,
    unsigned label_count, metrics_read *read, void *arg)
{
	set_read(need_series(m, name, help, METRIC_GAUGE, labels, label_count), read, arg);
}

void metrics_counter_fn(struct metrics *m, const char *name, const char *help, const struct metric_label *labels,
    unsigned label_count, metrics_read *read, void *arg)
{
	set_read(need_series(m, name, help, METRIC_COUNTER, labels, label_count), read, arg);
}

struct histogram *metrics_histogram(struct metrics *m, const char *name, const char *help,
    const struct metric_label *labels, unsigned label_count, const struct histogram_shape *shape)
{
	struct series *s = need_series(m, name, help, METRIC_HISTOGRAM, labels, label_count);
	s->value.histogram.shape = shape;
	return &s->value.histogram;
}

void metrics_operation(struct metrics *m, struct str operation, struct str method, struct operation_metrics *out)
{
	static const char *const classes[] = { "dropped", "1xx", "2xx", "3xx", "4xx", "5xx" };
	for (unsigned i = 0; i < ARRAY_LEN(classes); i++) {
		struct metric_label labels[] = { { "operation", operation }, { "method", method },
			{ "status", str_of(classes[i]) } };
		out->status[i] =
		    metrics_counter(m, "yg_http_requests_total", "Requests answered, by class of status.", labels, 3);
	}
	struct metric_label label = { "operation", operation };
	out->duration = metrics_histogram(m, "yg_http_request_duration_seconds",
	    "From the complete head to the answer written.", &label, 1, &HISTOGRAM_LATENCY_NS);
}

/* ── what the kernel knows about the process ── */

static double read_rss(void *arg)
{
	char line[128] = "";
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	(void)arg;
	if (!f) return 0;
	if (fgets(line, sizeof line, f)) {
		char *second = strchr(line, ' ');
		if (second) pages = strtol(second, NULL, 10);
	}
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* Of all arenas, and what has a mapping of its own. */
static double read_heap_used(void *arg)
{
	struct mallinfo2 m = mallinfo2();
	(void)arg;
	return (double)m.uordblks + (double)m.hblkhd;
}

static double read_heap_free(void *arg)
{
	(void)arg;
	return (double)mallinfo2().fordblks;
}

static double read_cpu(void *arg)
{
	struct timespec t = { 0 };
	(void)arg;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double read_fds(void *arg)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;
	(void)arg;
	if (!d) return 0;
	while (readdir(d)) n++;
	closedir(d);
	return n > 3 ? n - 3 : 0; /* ".", ".." and the folder's own descriptor */
}

static double read_fds_max(void *arg)
{
	struct rlimit limit;
	(void)arg;
	return getrlimit(RLIMIT_NOFILE, &limit) ? 0 : (double)limit.rlim_cur;
}

static double read_log_lost(void *arg)
{
	(void)arg;
	return (double)log_lines_lost();
}

void metrics_process(struct metrics *m)
{
	*metrics_gauge(m, "process_start_time_seconds", "Start of the process, Unix time.", NULL, 0) = clock_wall_s();
	metrics_gauge_fn(m, "process_resident_memory_bytes", "Resident memory.", NULL, 0, read_rss, NULL);
	metrics_gauge_fn(m, "yg_heap_used_bytes", "What the process has allocated.", NULL, 0, read_heap_used, NULL);
	metrics_gauge_fn(
	    m, "yg_heap_free_bytes", "What the allocator keeps between that.", NULL, 0, read_heap_free, NULL);
	metrics_gauge_fn(m, "process_open_fds", "Open file descriptors.", NULL, 0, read_fds, NULL);
	metrics_gauge_fn(m, "process_max_fds", "Most file descriptors it may open.", NULL, 0, read_fds_max, NULL);
	metrics_counter_fn(m, "process_cpu_seconds_total", "CPU time, user and system.", NULL, 0, read_cpu, NULL);
	metrics_counter_fn(
	    m, "yg_log_lines_lost_total", "Log lines dropped because nobody read them.", NULL, 0, read_log_lost, NULL);
}

/* ── exposition ── */

static void put_line_start(
    struct buf *out, const struct family *f, const char *suffix, struct str labels, struct str more)
{
	buf_str(out, str_of(f->name));
	buf_str(out, str_of(suffix));
	if (labels.n || more.n) {
		buf_char(out, '{');
		buf_str(out, labels);
		if (labels.n && more.n) buf_char(out, ',');
		buf_str(out, more);
		buf_char(out, '}');
	}
	buf_char(out, ' ');
}

static void put_number(struct buf *out, double v)
{
	if (v > -9e15 && v < 9e15 && v == (double)(int64_t)v)
		buf_i64(out, (int64_t)v);
	else
		buf_printf(out, "%.9g", v);
	buf_char(out, '\n');
}

static void put_histogram(struct buf *out, const struct family *f, const struct series *s)
{
	const struct histogram *h = &s->value.histogram;
	uint64_t total = 0;
	char le[48];
	for (unsigned i = 0; i <= h->shape->count; i++) {
		total += h->buckets[i];
		int n = i < h->shape->count
			    ? snprintf(le, sizeof le, "le=\"%.9g\"", (double)h->shape->bounds[i] / h->shape->per_unit)
			    : snprintf(le, sizeof le, "le=\"+Inf\"");
		put_line_start(out, f, "_bucket", s->labels, str_span(le, (size_t)n));
		put_number(out, (double)total);
	}
	put_line_start(out, f, "_sum", s->labels, STR_NONE);
	put_number(out, (double)h->sum / h->shape->per_unit);
	put_line_start(out, f, "_count", s->labels, STR_NONE);
	put_number(out, (double)total);
}

static void put_series(struct buf *out, const struct family *f, const struct series *s)
{
	if (f->type == METRIC_HISTOGRAM) {
		put_histogram(out, f, s);
		return;
	}
	put_line_start(out, f, "", s->labels, STR_NONE);
	if (s->read)
		put_number(out, s->read(s->arg));
	else
		put_number(out, f->type == METRIC_COUNTER ? (double)s->value.counter : (double)s->value.gauge);
}

void metrics_write(const struct metrics *m, struct buf *out)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };
	for (const struct family *f = m->first; f; f = f->next) {
		if (!f->first) continue;
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, types[f->type]);
		for (const struct series *s = f->first; s; s = s->next) put_series(out, f, s);
	}
}
