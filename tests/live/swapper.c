/*
 * Swaps out and back an exact number of pages, and prints which.
 *
 *   swapper known OUT BACK STRIDE   page out OUT pages with madvise, touch BACK of them, every STRIDE-th
 *   swapper churn MEGABYTES ROUNDS  fill memory and touch random pages of it, ROUNDS times its size
 *   swapper sweep MEGABYTES ROUNDS  touch memory in order, ROUNDS times; prints seconds and CPU seconds
 *
 * PAUSE_US in the environment makes sweep sleep so many microseconds after every 64 pages.
 * HOLD in the environment makes known keep its pages until it is killed.
 * "known" writes one line: the first page number, OUT, BACK, STRIDE and how many of the touched pages were not
 * resident just before. Content is compressible to about half, never zero, never repeated.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#define PAGE 4096UL

static uint64_t seed = 88172645463325252ULL;

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void fill(unsigned char *page)
{
    for (unsigned at = 0; at < PAGE; at += 8) {
        uint64_t value = at < PAGE / 2 ? next() : 0x0101010101010101ULL * (at & 3) + 1;
        memcpy(page + at, &value, 8);
    }
}

static unsigned char *map(unsigned long pages)
{
    unsigned char *base = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    madvise(base, pages * PAGE, MADV_NOHUGEPAGE);
    return base;
}

/*
 * Pages on their way to a disk stay in the swap cache, where a touch finds them without a swap-in: have the cgroup
 * reclaim them. RECLAIM names its memory.force_empty (version 1) or memory.reclaim (version 2).
 */
static void reclaim(void)
{
    const char *path = getenv("RECLAIM");
    int file = path ? open(path, O_WRONLY) : -1;
    if (file >= 0) {
        const char *text = strstr(path, "force_empty") ? "0" : "64M";
        if (write(file, text, strlen(text)) < 0)
            usleep(1000);
        close(file);
    }
}

static int known(unsigned long out, unsigned long back, unsigned long stride)
{
    /* Only the region may swap: the program's own pages stay where they are. */
    mlockall(MCL_CURRENT);
    unsigned char *base = map(out), *resident = map(out / PAGE + 1);
    mlock(resident, out);
    for (unsigned long i = 0; i < out; i++)
        fill(base + i * PAGE);
    /* Pages still in a CPU's LRU batch are skipped by the first call. */
    for (int attempt = 0; attempt < 50; attempt++) {
        unsigned long left = 0;
        madvise(base, out * PAGE, MADV_PAGEOUT);
        mincore(base, out * PAGE, resident);
        for (unsigned long i = 0; i < out; i++)
            left += resident[i] & 1;
        if (!left)
            break;
        reclaim();
        usleep(10000);
    }
    unsigned long faults = 0, sum = 0;
    for (unsigned long i = 0; i < back; i++) {
        unsigned char in;
        mincore(base + i * stride * PAGE, PAGE, &in);
        faults += !(in & 1);
        sum += base[i * stride * PAGE];
    }
    printf("%lu %lu %lu %lu %lu %lu\n", (unsigned long)base / PAGE, out, back, stride, faults, sum & 1);
    fflush(stdout);
    if (getenv("HOLD"))
        pause();
    return 0;
}

static int churn(unsigned long megabytes, unsigned long rounds)
{
    unsigned long pages = megabytes << 8;
    unsigned char *base = map(pages);
    for (unsigned long i = 0; i < pages; i++)
        fill(base + i * PAGE);
    for (unsigned long i = 0; i < pages * rounds; i++)
        base[next() % pages * PAGE + 8] += 1;
    return 0;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/*
 * Like churn, but page by page in order and giving back a part now and then: under random refaults alone a version
 * 1 cgroup sooner or later finds nothing to reclaim in its sixteen tries, and kills, with swap to spare.
 */
static int sweep(unsigned long megabytes, unsigned long rounds)
{
    unsigned long pages = megabytes << 8;
    unsigned char *base = map(pages);
    const char *pause = getenv("PAUSE_US");
    unsigned pause_us = pause ? atoi(pause) : 0;
    double begin = now();
    for (unsigned long round = 0; round < rounds; round++)
        for (unsigned long i = 0; i < pages; i++) {
            unsigned char *page = base + i * PAGE;
            if (!page[PAGE - 8])
                fill(page);
            page[8] += 1;
            if (pause_us && i % 64 == 63)
                usleep(pause_us);
            if (i % 4096 == 4095)
                madvise(base + (i - 255) * PAGE, 256 * PAGE, MADV_DONTNEED);
        }
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("%.6f %.6f\n", now() - begin,
           used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "known"))
        return known(strtoul(argv[2], 0, 10), strtoul(argv[3], 0, 10), strtoul(argv[4], 0, 10));
    if (argc == 4 && !strcmp(argv[1], "churn"))
        return churn(strtoul(argv[2], 0, 10), strtoul(argv[3], 0, 10));
    if (argc == 4 && !strcmp(argv[1], "sweep"))
        return sweep(strtoul(argv[2], 0, 10), strtoul(argv[3], 0, 10));
    fprintf(stderr, "usage: swapper known OUT BACK STRIDE | swapper churn|sweep MEGABYTES ROUNDS\n");
    return 2;
}
