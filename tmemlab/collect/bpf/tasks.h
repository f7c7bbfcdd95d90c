/*
 * What programs remember of a task between two of its events, and direct reclaim, which is remembered so.
 *
 * Included after struct task_state, whose members tid, known, cgroup, marked, named and direct are used here.
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * An array, whose lookups the verifier turns into a few instructions: every page fault makes one. A thread has the
 * place of its id's low bits; where ids go beyond TASK_SLOTS two may meet, and the later one takes it over.
 */
BPF_F_TABLE("array", u32, struct task_state, tasks, TASK_SLOTS, MMAPABLE);

static __always_inline struct task_state *state(void)
{
    u32 tid = read32(bpf_get_current_task() + OFF_TASK_PID), at = tid & (TASK_SLOTS - 1);
    struct task_state *s = tasks.lookup(&at);
    if (s && s->tid != tid) {
        struct task_state fresh = {};
        fresh.tid = tid;
        *s = fresh;
    }
    return s;
}

static __always_inline u32 cgroup_known(struct task_state *s, u64 memcg)
{
    if (s->known != memcg) {
        s->cgroup = cgroup_of(memcg);
        s->known = memcg;
    }
    return s->cgroup;
}

/* What the reader and the other programs must know of a task and its address space, once each. */
static __always_inline void note(struct task_state *s, u64 mm)
{
    if (s->marked != mm) {
        mark_swapped(mm);
        s->marked = mm;
    }
    if (!s->named) {
        name_current();
        s->named = 1;
    }
}

/* The parts of a folio that matter, in one read. */
struct folio_head {
    u64 flags, mapping, index, entry, memcg;
};

static __always_inline void read_folio(u64 folio, struct folio_head *head)
{
#ifdef PLAIN_READS
    const u64 *words = readable(folio, 0);
#else
    u64 words[FOLIO_WORDS] = {};
    bpf_probe_read_kernel(words, sizeof(words), (void *)folio);
#endif
    head->flags = words[OFF_FOLIO_FLAGS / 8];
    head->mapping = words[OFF_FOLIO_MAPPING / 8];
    head->index = words[OFF_FOLIO_INDEX / 8];
    head->entry = words[OFF_FOLIO_SWAP / 8];
    head->memcg = words[OFF_FOLIO_MEMCG / 8] & ~7ULL;
}

static __always_inline void direct_reclaim(u8 kind, u8 flags, u64 pages)
{
    struct task_state *s = state();
    if (s)
        s->direct = kind == KIND_DIRECT_BEGIN ? flags | FLAG_DIRECT : 0;
    emit_pressure(kind, flags, pages);
}

RAW_TRACEPOINT_PROBE(mm_vmscan_direct_reclaim_begin) { direct_reclaim(KIND_DIRECT_BEGIN, 0, 0); return 0; }
RAW_TRACEPOINT_PROBE(mm_vmscan_direct_reclaim_end) { direct_reclaim(KIND_DIRECT_END, 0, ctx->args[0]); return 0; }
#ifdef HAVE_MEMCG_RECLAIM
RAW_TRACEPOINT_PROBE(mm_vmscan_memcg_reclaim_begin)
{
    direct_reclaim(KIND_DIRECT_BEGIN, FLAG_MEMCG_RECLAIM, 0);
    return 0;
}
RAW_TRACEPOINT_PROBE(mm_vmscan_memcg_reclaim_end)
{
    direct_reclaim(KIND_DIRECT_END, FLAG_MEMCG_RECLAIM, ctx->args[0]);
    return 0;
}
#endif
