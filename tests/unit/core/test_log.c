/* Lines wait for each other a little; none waits for good. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/core/check.h"
#include "common/core/log.h"

/* What a process of its own writes to standard error until it ends. */
static const char *written_by(void (*run)(void))
{
	static char text[4096];
	size_t n = 0;
	int fds[2], status;
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		run();
		_exit(0);
	}
	close(fds[1]);
	for (ssize_t got; (got = read(fds[0], text + n, sizeof text - 1 - n)) > 0;) n += (size_t)got;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	text[n] = 0;
	return text;
}

static void fail_a_check(void)
{
	signal(SIGABRT, SIG_DFL);
	log_line(LOG_INFO, "what led here", "%s", "");
	CHECK(getpid() == 0);
}

static void test_a_failed_check_loses_no_line(void **state)
{
	(void)state;
	const char *text = written_by(fail_a_check), *line = strstr(text, "what led here");
	assert_non_null(line);
	assert_non_null(strstr(line, "check failed"));
}

static void write_in_turns(void)
{
	assert_false(log_turn(100));
	log_line(LOG_INFO, "first", "%s", "");
	assert_false(log_turn(100)); /* long after the last one */
	log_line(LOG_INFO, "second", "%s", "");
	assert_true(log_turn(105));
	assert_true(log_turn(109));
	log_line(LOG_WARN, "third", "%s", "");
	assert_false(log_turn(109));
	log_line(LOG_INFO, "fourth", "%s", "");
	assert_true(log_turn(110));
	assert_false(log_turn(119));
	log_line(LOG_INFO, "fifth", "%s", ""); /* nobody comes any more */
}

static void test_turns(void **state)
{
	(void)state;
	const char *text = written_by(write_in_turns);
	assert_non_null(strstr(text, "third"));
	assert_non_null(strstr(text, "fourth"));
	assert_null(strstr(text, "fifth"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_a_failed_check_loses_no_line),
		cmocka_unit_test(test_turns) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
