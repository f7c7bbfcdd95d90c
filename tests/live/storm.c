/*
 * storm PAGES TASKS: fills PAGES pages, then forks TASKS short tasks, each of which writes to eight random pages of
 * them and ends. Prints how many of the tasks had to wait for a swap-in.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    size_t pages = strtoul(argv[1], 0, 10), tasks = strtoul(argv[2], 0, 10), swapped = 0;
    uint64_t x = 88172645463325252ULL;
    char *p = mmap(0, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    madvise(p, pages * 4096, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < pages * 4096; i += 8) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        *(uint64_t *)(p + i) = i % 4096 < 1024 ? x : 42;
    }
    for (size_t started = 0, ended = 0; ended < tasks; ended++) {
        struct rusage used;
        while (started < tasks && started - ended < 8) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            if (!fork()) {
                for (int i = 0; i < 8; i++)
                    p[(x * (2 * i + 1) >> 20) % pages * 4096]++;
                _exit(0);
            }
            started++;
        }
        wait4(-1, 0, 0, &used);
        swapped += used.ru_majflt > 0;
    }
    printf("%zu\n", swapped);
    return 0;
}
