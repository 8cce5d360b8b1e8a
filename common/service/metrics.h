#ifndef COMMON_SERVICE_METRICS_H
#define COMMON_SERVICE_METRICS_H

#include "common/core/buf.h"

/*
 * Prometheus metrics in process memory, text format 0.0.4. Series are registered at boot (or reload) and never go away; the hot
 * path adds to a number that the caller holds a pointer to. All of one family share name, help and type. At most
 * METRICS_SERIES_MAX series exist, so no input can make them grow without end: past it the caller gets a cell nobody prints.
 */
struct metrics;
enum { METRICS_SERIES_MAX = 8192, METRICS_LABELS_MAX = 4, HISTOGRAM_BUCKETS_MAX = 20 };

struct metric_label {
	const char *name;
	struct str value; /* copied and escaped */
};

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/** A number that only grows. The same name and labels give the same cell again. */
uint64_t *metrics_counter(
    struct metrics *m, const char *name, const char *help, const struct metric_label *labels, unsigned label_count);
/** A number that the owner sets. */
int64_t *metrics_gauge(
    struct metrics *m, const char *name, const char *help, const struct metric_label *labels, unsigned label_count);
/** Asked at each scrape. `arg` must outlive the registry; a second registration replaces the first. */
typedef double metrics_read(void *arg);
void metrics_gauge_fn(struct metrics *m, const char *name, const char *help, const struct metric_label *labels,
    unsigned label_count, metrics_read *read, void *arg);
/** As metrics_gauge_fn, printed as a counter. */
void metrics_counter_fn(struct metrics *m, const char *name, const char *help, const struct metric_label *labels,
    unsigned label_count, metrics_read *read, void *arg);

/** Upper bounds in the unit observed; `per_unit` divides them for printing (1e9: nanoseconds shown as seconds). */
struct histogram_shape {
	double per_unit;
	unsigned count;
	int64_t bounds[HISTOGRAM_BUCKETS_MAX];
};
extern const struct histogram_shape HISTOGRAM_LATENCY_NS; /* 250 µs … 10 s */
extern const struct histogram_shape HISTOGRAM_BATCH; /* 1, 2, 4 … 1024 members */

struct histogram {
	const struct histogram_shape *shape;
	uint64_t buckets[HISTOGRAM_BUCKETS_MAX + 1]; /* not cumulative; the last one is +Inf */
	int64_t sum;
};

struct histogram *metrics_histogram(struct metrics *m, const char *name, const char *help,
    const struct metric_label *labels, unsigned label_count, const struct histogram_shape *shape);

static inline void histogram_observe(struct histogram *h, int64_t value)
{
	unsigned i = 0;
	while (i < h->shape->count && value > h->shape->bounds[i]) i++;
	h->buckets[i]++;
	h->sum += value;
}

/**
 * What is counted per operation: yg_http_requests_total{operation,method,status} by class ("2xx"; "dropped" when the client was
 * gone before the answer) and yg_http_request_duration_seconds{operation}. Find it once at boot and keep it in a table by
 * operation->index; a reload finds the same series by name again.
 */
struct operation_metrics {
	uint64_t *status[6]; /* by status / 100; 0: dropped */
	struct histogram *duration;
};
void metrics_operation(struct metrics *m, struct str operation, struct str method, struct operation_metrics *out);

static inline void operation_metrics_count(const struct operation_metrics *o, int status, int64_t duration_ns)
{
	++*o->status[status >= 100 && status < 600 ? status / 100 : 0];
	histogram_observe(o->duration, duration_ns);
}

/** process_resident_memory_bytes, yg_heap_used_bytes, yg_heap_free_bytes, process_cpu_seconds_total, process_open_fds, process_max_fds,
 * process_start_time_seconds, yg_log_lines_lost_total. */
void metrics_process(struct metrics *m);

/** Appends the whole exposition. */
void metrics_write(const struct metrics *m, struct buf *out);

#endif
