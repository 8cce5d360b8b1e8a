/* The end of the process when the program itself is wrong. */
#include "common/core/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/core/log.h"

void check_failed(const char *condition, const char *file, int line)
{
	static int times;
	if (times++ == 0) log_flush(); /* what led here; unless that is what fails */
	fprintf(stderr, "{\"level\":\"fatal\",\"msg\":\"check failed\",\"condition\":\"%s\",\"at\":\"%s:%d\"}\n",
	    condition, file, line);
	fflush(stderr);
	abort();
}
