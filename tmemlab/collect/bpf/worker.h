/*
 * Runs of zswap's worker, from the workqueue's tracepoints: when it was asked for, when it began and ended, and how
 * many pages it wrote back. One work item of the whole kernel (per pool before 6.8), told apart by its function.
 * SPDX-License-Identifier: Apache-2.0
 */

#ifdef HAVE_WORKER
struct worker {
    u64 asked;    /* for the next run, 0 for not at all */
    u64 began;    /* of the run going on, 0 for none */
    u64 last;     /* when the latest run began, 0 for none yet */
    u64 task;     /* that runs it */
    u32 waited;   /* ns from asked to began, of the run going on, at most 4.29 s */
    u32 written;  /* pages it has written back */
};
BPF_TABLE("array", u32, struct worker, worker, 1);

static __always_inline struct worker *worker_of(u64 work)
{
    u32 zero = 0;
    return read64(work + OFF_WORK_FUNC) == WORKER_FUNCTION ? worker.lookup(&zero) : 0;
}

/* Whether this task is in a run. */
static __always_inline struct worker *worker_here(void)
{
    u32 zero = 0;
    struct worker *w = worker.lookup(&zero);
    return w && w->began && w->task == bpf_get_current_task() ? w : 0;
}

RAW_TRACEPOINT_PROBE(workqueue_queue_work)
{
    struct worker *w = worker_of(ctx->args[2]);
    if (w)
        w->asked = bpf_ktime_get_ns();
    return 0;
}

RAW_TRACEPOINT_PROBE(workqueue_execute_start)
{
    struct worker *w = worker_of(ctx->args[0]);
    if (!w)
        return 0;
    /*
     * A work item can be asked for again shortly before its execute_start, since process_one_work() has taken
     * its pending mark off by then: two runs, and one time of asking, which the first of them took. The second
     * was asked for when the first began.
     */
    u64 asked = w->asked ? w->asked : w->last;
    if (!asked)
        return 0;
    u64 now = bpf_ktime_get_ns(), waited = now - asked;
    w->waited = waited < 0xffffffffULL ? waited : 0xffffffffULL;
    w->began = now;
    w->last = now;
    w->asked = 0;
    w->written = 0;
    w->task = bpf_get_current_task();
    return 0;
}

RAW_TRACEPOINT_PROBE(workqueue_execute_end)
{
    /* The work item itself may be gone by now; the function is told from 5.6 on, the task always. */
    struct worker *w = worker_here();
    if (!w)
        return 0;
    struct record *r = reserve(KIND_WORKER, NAME_OTHER, 1);
    if (r) {
        r->address = w->began;
        r->folio = w->written;
        r->latency = w->waited;
        submit(r);
    }
    w->began = 0;
    return 0;
}

static __always_inline void worker_wrote(u32 pages)
{
    struct worker *w = worker_here();
    if (w)
        w->written += pages;
}
#else
static __always_inline void *worker_here(void) { return 0; }
static __always_inline void worker_wrote(u32 pages) {}
#endif
