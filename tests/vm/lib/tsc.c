/* Prints how fast this processor's time stamp counter runs, in kHz: QEMU's emulated processors count
 * with it. Nothing is printed where there is none. */
#include <stdio.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>

/* The clock in nanoseconds and the counter, read at almost the same time: of many tries the one
 * during which the least time passed. */
static void read_both(long long *clock, unsigned long long *counter)
{
	long long shortest = 1LL << 62;
	for (int try = 0; try < 100; try++) {
		struct timespec before, after;
		clock_gettime(CLOCK_MONOTONIC_RAW, &before);
		unsigned long long count = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC_RAW, &after);
		long long from = before.tv_sec * 1000000000LL + before.tv_nsec;
		long long took = after.tv_sec * 1000000000LL + after.tv_nsec - from;
		if (took < shortest) {
			shortest = took;
			*clock = from + took / 2;
			*counter = count;
		}
	}
}

int main(void)
{
	long long clock[2];
	unsigned long long counter[2];
	struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };

	read_both(&clock[0], &counter[0]);
	nanosleep(&pause, NULL);
	read_both(&clock[1], &counter[1]);
	printf("%.0f\n", (double)(counter[1] - counter[0]) * 1e6 / (double)(clock[1] - clock[0]));
	return 0;
}
#else
int main(void)
{
	return 0;
}
#endif
