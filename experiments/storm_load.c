/* The seed's storm, inside a guest: a filler that swaps, then a program that mlocks as fast as it can.
 *
 *   storm_load FILLER_KIB STORM_KIB WAIT_SECONDS DIRECTORY [random]
 *
 * The one who watches is locked in memory and exempt from the OOM killer. It leaves in DIRECTORY what the kernel
 * said of itself when the storm began (start.*), while it ran (series: a line ten times a second) and after it
 * (end.*), and the outcome in words: "survived", "oom" or "slow".
 *
 * Every page of the filler has 400 to 1899 random bytes, then one repeated word, so that lengths under a
 * compressor vary and depend on nothing but the page's number. With "random" all of its bytes are random.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, NOISE = 1 << 20 };

static char text[1 << 16];
static int directory;

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* The whole of a small file of the kernel's into `text`. */
static ssize_t slurp(const char *path) {
    int fd = open(path, O_RDONLY);
    ssize_t all = 0, got;
    if (fd < 0)
        return -1;
    while (all < (ssize_t)sizeof text - 1 && (got = read(fd, text + all, sizeof text - 1 - all)) > 0)
        all += got;
    close(fd);
    text[all] = 0;
    return all;
}

static void keep(const char *path, const char *name) {
    ssize_t size = slurp(path);
    int fd = openat(directory, name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    if (fd < 0)
        die(name);
    if (size > 0 && write(fd, text, size) != size)
        die(name);
    close(fd);
}

static void keep_all(const char *when) {
    static const char *const wanted[][2] = {
        {"/proc/meminfo", "meminfo"},
        {"/proc/vmstat", "vmstat"},
        {"/proc/zoneinfo", "zoneinfo"},
        {"/proc/swaps", "swaps"},
        {"/sys/block/zram0/mm_stat", "zram_mm_stat"},
        {"/sys/block/zram0/stat", "zram_stat"},
        {"/sys/kernel/debug/zswap/pool_total_size", "pool_total_size"},
        {"/sys/kernel/debug/zswap/stored_pages", "stored_pages"},
        {"/sys/kernel/debug/zswap/written_back_pages", "written_back_pages"},
        {"/sys/kernel/debug/zswap/pool_limit_hit", "pool_limit_hit"},
    };
    char name[64];
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        snprintf(name, sizeof name, "%s.%s", when, wanted[i][1]);
        keep(wanted[i][0], name);
    }
}

static long counter(const char *name) {
    size_t length = strlen(name);
    for (char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL)
        if (!strncmp(line, name, length) && line[length] == ' ')
            return atol(line + length);
    return -1;
}

/* zram's pages stored, its memory in pages, and how many of its pages are raw; -1 without zram. */
static void look_at_zram(long *stored, long *memory, long *raw) {
    long total, ignored;
    *stored = *memory = *raw = -1;
    if (slurp("/sys/block/zram0/mm_stat") > 0
        && sscanf(text, "%ld %ld %ld %ld %ld %ld %ld %ld", stored, &ignored, &total, &ignored, &ignored, &ignored,
                  &ignored, raw) == 8) {
        *stored /= PAGE;
        *memory = total / PAGE;
    }
}

static void spare(const char *adjustment) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    if (fd < 0 || write(fd, adjustment, strlen(adjustment)) < 0)
        die("oom_score_adj");
    close(fd);
}

static uint32_t dice(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7feb352dU;
    x ^= x >> 15;
    x *= 0x846ca68bU;
    return x ^ x >> 16;
}

static uint64_t shuffle(uint64_t x) {
    x ^= x << 13;
    x ^= x >> 7;
    return x ^ x << 17;
}

static void fill(size_t pages, int all_random, volatile int *done) {
    unsigned char *noise = malloc(NOISE);
    uint64_t x = 88172645463325252ULL;
    unsigned char *region = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!noise || region == MAP_FAILED)
        die("filler");
    for (size_t i = 0; i < NOISE; i += 8) {
        x = shuffle(x);
        memcpy(noise + i, &x, 8);
    }
    for (size_t i = 0; all_random && i < pages * PAGE; i += 8) {
        x = shuffle(x);
        memcpy(region + i, &x, 8);
    }
    for (size_t i = 0; !all_random && i < pages; i++) {
        uint32_t random = 400 + dice(i) % 1500;
        unsigned char *page = region + i * PAGE;
        memcpy(page, noise + dice(~i) % (NOISE - 2048), random);
        memset(page + random, (int)(i % 251), PAGE - random);
    }
    *done = 1;
    for (;;)
        pause();
}

static void rage(size_t bytes, volatile int *done) {
    void *region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED || mlock(region, bytes)) {
        *done = errno;
        exit(2);
    }
    *done = -1;
    for (;;)
        pause();
}

int main(int argc, char **argv) {
    if (argc != 5 && (argc != 6 || strcmp(argv[5], "random")))
        return 1;
    size_t filler = strtoull(argv[1], 0, 0) / 4, storm = strtoull(argv[2], 0, 0) << 10;
    double patience = atof(argv[3]);
    directory = open(argv[4], O_RDONLY | O_DIRECTORY);
    volatile int *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (directory < 0 || shared == MAP_FAILED)
        die(argv[4]);
    memset(text, 1, sizeof text);
    if (mlockall(MCL_CURRENT | MCL_FUTURE))
        die("mlockall");
    static char lines[1 << 18];
    size_t used = 0;
    memset(lines, 0, sizeof lines);
    spare("-1000");

    double began = seconds();
    pid_t filling = fork();
    if (!filling) {
        munlockall();
        spare("0");
        fill(filler, argc == 6, shared);
    }
    while (!shared[0] && waitpid(filling, NULL, WNOHANG) == 0 && seconds() - began < 4 * patience)
        usleep(50000);
    if (!shared[0]) {
        printf("the filler did not finish\n");
        return 3;
    }
    usleep(1500000); /* kswapd and the pages under write come to rest */
    printf("filled in %.1f s\n", seconds() - began);
    fflush(stdout);
    keep_all("start");
    slurp("/proc/vmstat");
    long kills = counter("oom_kill");
    if (kills) {
        printf("the filler was too much\n");
        return 4;
    }
    began = seconds();
    pid_t raging = fork();
    if (!raging) {
        munlockall();
        spare("0");
        rage(storm, shared + 1);
    }
    const char *outcome = "slow";
    while (seconds() - began < patience) {
        long stored, memory, raw;
        look_at_zram(&stored, &memory, &raw);
        slurp("/proc/vmstat");
        kills = counter("oom_kill");
        int line = snprintf(lines + used, sizeof lines - used,
                            "%.2f %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld\n",
                            seconds() - began, counter("nr_mlock"), counter("nr_free_pages"), counter("pswpout"),
                            counter("zswpout"), counter("zswpwb"), counter("nr_zspages"), counter("allocstall_normal")
                            + counter("allocstall_movable"), kills, counter("nr_inactive_anon"), counter("nr_active_anon"),
                            stored, memory, raw);
        if (used + line < sizeof lines)
            used += line;
        if (kills > 0) {
            outcome = "oom";
            break;
        }
        if (shared[1]) {
            outcome = shared[1] < 0 ? "survived" : "refused";
            break;
        }
        usleep(100000);
    }
    double took = seconds() - began;
    if (!strcmp(outcome, "survived"))
        usleep(500000);
    keep_all("end");
    kill(raging, SIGKILL);
    kill(filling, SIGKILL);
    int fd = openat(directory, "series", O_CREAT | O_WRONLY | O_TRUNC, 0644);
    if (fd < 0 || write(fd, lines, used) != (ssize_t)used)
        die("series");
    close(fd);
    fd = openat(directory, "outcome", O_CREAT | O_WRONLY | O_TRUNC, 0644);
    dprintf(fd, "%s %.2f\n", outcome, took);
    close(fd);
    return 0;
}
