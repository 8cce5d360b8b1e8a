/* main() for fuzz targets built without libFuzzer: feeds each file (or each file of each folder) named on the command line once. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replayed;

static void replay_file(const char *path)
{
	FILE *f = fopen(path, "rbe");
	if (!f) return;
	uint8_t *data = malloc(1 << 20);
	size_t n = data ? fread(data, 1, 1 << 20, f) : 0;
	fclose(f);
	uint8_t *exact = malloc(n ? n : 1); /* exact size, so that the sanitizer sees overruns */
	for (size_t i = 0; exact && i < n; i++) exact[i] = data[i];
	free(data);
	if (exact) LLVMFuzzerTestOneInput(exact, n), replayed++;
	free(exact);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;
		DIR *d = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode) ? opendir(argv[i]) : NULL;
		if (!d) {
			replay_file(argv[i]);
			continue;
		}
		for (struct dirent *e; (e = readdir(d));) {
			char path[4096];
			snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
			if (e->d_name[0] != '.') replay_file(path);
		}
		closedir(d);
	}
	printf("replayed %u inputs\n", replayed);
	return 0;
}
