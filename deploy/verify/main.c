/* yangguang-verify: says offline whether a receipt, a whole log or two checkpoints are right. 0: yes, 1: no, 2: cannot be checked. */
#include <stdio.h>
#include <stdlib.h>

#include "common/core/clock.h"
#include "deploy/verify/files.h"

enum { EXIT_YES = 0, EXIT_NO = 1, EXIT_CANNOT = 2, KEY_FILE_BYTES_MAX = 4096, PLACES_MAX = 3 };

static const char usage[] = "usage: yangguang-verify receipt FILE --key KEY\n"
			    "       yangguang-verify all DIR --key KEY [--seen CHECKPOINT]\n"
			    "       yangguang-verify consistency OLD NEW DIR --key KEY\n"
			    "KEY is name+id+base64, or a file that holds it. --witness KEY (repeated): these must have "
			    "cosigned. --time: print the time taken.\n"
			    "Exit status: 0 yes, 1 no, 2 cannot be checked.\n";

struct request {
	const char *command;
	const char *place[PLACES_MAX];
	unsigned places;
	const char *seen;
	bool show_time;
	bool bad;
};

/* A key has two plus signs, which a file's name hardly has; a file is tried first. */
static bool add_key(struct arena *a, const char *given, struct trust *t, struct verdict *v)
{
	struct buf b;
	struct verdict ignored;
	struct str text = str_of(given);
	buf_init(&b, KEY_FILE_BYTES_MAX);
	if (file_read(&b, given, &ignored)) text = arena_str(a, buf_view(&b));
	bool ok = trust_add(a, text.p ? text : STR(""), t, v);
	buf_free(&b);
	return ok;
}

static bool read_option(struct request *r, struct arena *a, char **argv, int *at, struct trust *t, struct verdict *v)
{
	struct str name = str_of(argv[*at]);
	if (str_eq(name, STR("--time"))) {
		r->show_time = true;
		return true;
	}
	const char *value = argv[*at + 1];
	bool is_key = str_eq(name, STR("--key")) || str_eq(name, STR("--witness"));
	if (!value || (!is_key && !str_eq(name, STR("--seen")))) {
		r->bad = true;
		return true;
	}
	(*at)++;
	if (is_key) return add_key(a, value, t, v);
	r->seen = value;
	return true;
}

static bool read_arguments(
    struct request *r, struct arena *a, int argc, char **argv, struct trust *t, struct verdict *v)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			if (!read_option(r, a, argv, &i, t, v)) return false;
		} else if (!r->command) {
			r->command = argv[i];
		} else if (r->places < PLACES_MAX) {
			r->place[r->places++] = argv[i];
		} else {
			r->bad = true;
		}
	}
	return true;
}

static bool run_receipt(const struct trust *t, const char *path, struct verdict *v)
{
	struct buf b;
	buf_init(&b, RECEIPT_BYTES_MAX);
	bool ok = file_read(&b, path, v) && verify_receipt(t, b.n ? buf_view(&b) : STR(""), v);
	buf_free(&b);
	return ok;
}

/* False when the arguments make no command. */
static bool run(const struct request *r, const struct trust *t, struct verdict *v)
{
	struct str command = str_of(r->command);
	bool ignored;
	if (r->bad || !t->log.key) return false;
	if (str_eq(command, STR("all")) && r->places == 1)
		ignored = verify_all(t, r->place[0], r->seen, v);
	else if (str_eq(command, STR("receipt")) && r->places == 1 && !r->seen)
		ignored = run_receipt(t, r->place[0], v);
	else if (str_eq(command, STR("consistency")) && r->places == 3 && !r->seen)
		ignored = verify_consistency(t, r->place[0], r->place[1], r->place[2], v);
	else
		return false;
	(void)ignored; /* v->kind says it */
	return true;
}

static int report(const struct verdict *v)
{
	switch (v->kind) {
	case VERDICT_YES:
		printf("yes: %s\n", v->text);
		return EXIT_YES;
	case VERDICT_NO:
		printf("no: %s: %s\n", v->check, v->text);
		return EXIT_NO;
	case VERDICT_CANNOT:
		break;
	}
	printf("cannot be checked: %s\n", v->text);
	return EXIT_CANNOT;
}

int main(int argc, char **argv)
{
	struct request r = { 0 };
	struct trust t = { 0 };
	struct verdict v = { .kind = VERDICT_CANNOT };
	struct arena a;
	int status;
	arena_init(&a, 4096, 1 << 20);
	int64_t start = clock_mono_ns();
	bool ok = read_arguments(&r, &a, argc, argv, &t, &v);
	if (ok && !run(&r, &t, &v)) {
		fputs(usage, stderr);
		status = EXIT_CANNOT;
	} else {
		status = report(&v);
		if (r.show_time) printf("time: %.3f ms\n", (double)(clock_mono_ns() - start) / 1e6);
	}
	trust_free(&t);
	arena_release(&a);
	return fflush(stdout) == 0 ? status : EXIT_CANNOT;
}
