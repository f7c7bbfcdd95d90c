/*
 * Stores and loads through tracepoints alone, for kernels where no function can be probed.
 *
 * No tracepoint carries a swap entry, so each event is put together from several of one task:
 * a store from the folio and whose it is (mm_vmscan_write_folio, rmap.h) and the counter that says where the page
 * went (count_memcg_events); a load from the faulting address,
 * the page that __read_swap_cache_async allocated (mm_page_alloc; by the time the counter moves, folio->swap
 * holds its entry) and the counter. Checked against Linux 6.18 mm/vmscan.c, page_io.c, zswap.c, swap_state.c.
 * SPDX-License-Identifier: Apache-2.0
 */

struct task_state {
    u64 address;    /* of the last page fault */
    u64 candidate;  /* page allocated since, until its swap-in is reported */
    u64 mm;         /* whose page reclaim unmapped last */
    u64 memcg;      /* of the pending swap-out */
    u64 marked;     /* address space last entered in swapped */
    u64 known;      /* memory cgroup whose id is in cgroup */
    u32 tid;
    u32 pages;
    u32 cgroup;
    u8 pending;     /* a swap-out counter has moved: 1 + WHERE_*, 0 for none */
    u8 phase;
    u8 wrote_back;  /* ZSWPWB has moved: the next PSWPOUT is the pool's */
    u8 direct : 5;  /* inside direct reclaim: FLAG_* */
    u8 kernel_fault : 1;
    u8 named : 1;
};
#include "tasks.h"

static __always_inline void emit_load(struct task_state *s, u64 memcg, u8 where, u32 name, u32 pages, u8 flags)
{
    u64 folio = s->candidate, entry = 0;
    if (!wanted(memcg)) {
        count(OUTSIDE + name, pages);
        return;
    }
    if (folio) {
        struct folio_head head = {};
        read_folio(folio, &head);
        /* The folio is locked until its data is there; another value than this task's own would be unlocked. */
        if (head.flags & (1UL << VAL_PG_LOCKED))
            entry = head.entry;
    }
    if (!load_chosen(entry)) {
        count(OUTSIDE + name, pages);
        return;
    }
    struct record *r = reserve(KIND_LOAD, name, pages);
    if (!r)
        return;
    r->mm = mm_of_current();
    r->address = s->address;
    r->entry = entry;
    r->folio = folio >> 6;
    r->cgroup = cgroup_known(s, memcg);
    r->where = where;
    r->phase = phase_now();
    r->flags = flags | (s->direct & FLAG_DIRECT) | (pages > 1 ? FLAG_LARGE : 0)
        | (s->kernel_fault ? FLAG_KERNEL_FAULT : 0);
    u64 mm = r->mm;
    submit(r);
    note(s, mm);
}

/*
 * Pages charged to the root cgroup raise no ZSWPIN or SWPIN_ZERO event: zswap_load counts through the entry's
 * objcg, which they lack. Their folio is found in the swap cache, not yet mapped, at the task's next step.
 */
static __always_inline void report_candidate(struct task_state *s)
{
    u64 folio = s->candidate;
    if (!folio)
        return;
    struct folio_head head = {};
    s->candidate = 0;
    read_folio(folio, &head);
    u64 entry = head.entry, memcg = head.memcg;
    /* A page given back meanwhile may be another task's swap-in by now: only the root cgroup's are ours to tell. */
    if (head.flags & (1UL << VAL_PG_SWAPCACHE) && entry && memcg && !head.mapping
        && !read64(memcg + OFF_MEMCG_CSS + OFF_CSS_PARENT)) {
        count(SEEN + NAME_OTHER, 1);
        /* Pool or zero-filled is not known; lost or left out, it stands under the pool's name. */
        if (!wanted(memcg) || !load_chosen(entry)) {
            count(OUTSIDE + NAME_ZSWPIN, 1);
            return;
        }
        struct record *r = reserve(KIND_LOAD, NAME_ZSWPIN, 1);
        if (!r)
            return;
        r->mm = mm_of_current();
        r->address = s->address;
        r->entry = entry;
        r->folio = folio >> 6;
        r->cgroup = cgroup_of(memcg);
        r->phase = phase_now();
        r->flags = FLAG_UNCOUNTED | (s->kernel_fault ? FLAG_KERNEL_FAULT : 0);
        u64 mm = r->mm;
        submit(r);
        note(s, mm);
    }
}

static __always_inline void fault(u64 address, u8 from_kernel)
{
    if (address >> 47)
        return;
    struct task_state *s = state();
    if (!s)
        return;
    s->address = address;
    s->candidate = 0;
    s->kernel_fault = from_kernel;
}

RAW_TRACEPOINT_PROBE(page_fault_user) { fault(ctx->args[0], 0); return 0; }
RAW_TRACEPOINT_PROBE(page_fault_kernel) { fault(ctx->args[0], 1); return 0; }

RAW_TRACEPOINT_PROBE(mm_page_alloc)
{
    /* Swap-ins allocate user memory; the pages that reclaim itself takes meanwhile (zsmalloc's) do not count. */
    if ((ctx->args[2] & GFP_USER_PAGE) != GFP_USER_PAGE)
        return 0;
    struct task_state *s = state();
    if (!s || read32(bpf_get_current_task() + OFF_TASK_FLAGS) & PF_MEMALLOC)
        return 0;
    report_candidate(s);
    s->candidate = ctx->args[0];
    return 0;
}

#if !defined(PLAIN_READS) || !defined(HAVE_RMAP)
/* Whom the page belongs to that reclaim has just unmapped. Where the reverse mapping can be read this is spared. */
RAW_TRACEPOINT_PROBE(rss_stat)
{
    if (ctx->args[1] != VAL_MM_SWAPENTS)
        return 0;
    /* Reclaim only: a swap-in and an unmap lower the same counter. */
    if (!(read32(bpf_get_current_task() + OFF_TASK_FLAGS) & PF_MEMALLOC))
        return 0;
    struct task_state *s = state();
    if (s)
        s->mm = ctx->args[0];
    return 0;
}
#endif

static __always_inline void emit_writeback(u64 memcg, u32 pages, u8 phase)
{
    worker_wrote(pages);
    if (!wanted(memcg)) {
        count(OUTSIDE + NAME_PSWPOUT, pages);
        return;
    }
    struct record *r = reserve(KIND_WRITEBACK, NAME_PSWPOUT, pages);
    if (!r)
        return;
    r->where = WHERE_DISK;
    r->cgroup = cgroup_of(memcg);
    r->phase = phase;
    submit(r);
    name_current();
}

static __always_inline void swapped_out(u64 memcg, u32 name, u8 where, u32 pages)
{
    struct task_state *s = state();
    count(SEEN + name, pages);
    if (!s) {
        count(DROPPED + name, pages);
        return;
    }
    /* A counter that moved and was followed by no write_folio was a writeback of the pool. */
    if (s->pending == 1 + WHERE_DISK)
        emit_writeback(s->memcg, s->pages, s->phase);
    s->pending = 0;
    /* An entry of the root cgroup raises no ZSWPWB: what the worker swaps out outside of reclaim is the pool's. */
    if (where == WHERE_DISK && (s->wrote_back || (worker_here() && !s->direct))) {
        s->wrote_back = 0;
        emit_writeback(memcg, pages, phase_now());
        return;
    }
    s->pending = 1 + where;
    s->memcg = memcg;
    s->pages = pages;
    s->phase = phase_now();
}

static __always_inline void swapped_in(u64 memcg, u32 name, u8 where, u32 pages)
{
    struct task_state *s = state();
    count(SEEN + name, pages);
    if (!s) {
        count(DROPPED + name, pages);
        return;
    }
    emit_load(s, memcg, where, name, pages, 0);
    s->candidate = 0;
}

RAW_TRACEPOINT_PROBE(count_memcg_events)
{
    u64 memcg = ctx->args[0];
    u32 item = ctx->args[1], pages = ctx->args[2];

    if (item == VAL_PGMAJFAULT) {
        struct task_state *s = state();
        if (s)
            report_candidate(s);
    } else if (item == VAL_PSWPIN) {
        swapped_in(memcg, NAME_PSWPIN, WHERE_DISK, pages);
    } else if (item == VAL_PSWPOUT) {
        swapped_out(memcg, NAME_PSWPOUT, WHERE_DISK, pages);
#ifdef VAL_ZSWPIN
    } else if (item == VAL_ZSWPIN) {
        swapped_in(memcg, NAME_ZSWPIN, WHERE_POOL, pages);
    } else if (item == VAL_ZSWPOUT) {
        swapped_out(memcg, NAME_ZSWPOUT, WHERE_POOL, pages);
#endif
#ifdef VAL_SWPIN_ZERO
    } else if (item == VAL_SWPIN_ZERO) {
        swapped_in(memcg, NAME_SWPIN_ZERO, WHERE_ZERO, pages);
    } else if (item == VAL_SWPOUT_ZERO) {
        swapped_out(memcg, NAME_SWPOUT_ZERO, WHERE_ZERO, pages);
#endif
#ifdef VAL_ZSWPWB
    } else if (item == VAL_ZSWPWB) {
        struct task_state *s = state();
        count(SEEN + NAME_ZSWPWB, pages);
        if (s)
            s->wrote_back = 1;
        if (!wanted(memcg))
            count(OUTSIDE + NAME_ZSWPWB, pages);
#endif
    }
    return 0;
}

static __always_inline u32 name_of(u8 where)
{
    return where == WHERE_POOL ? NAME_ZSWPOUT : where == WHERE_DISK ? NAME_PSWPOUT : NAME_SWPOUT_ZERO;
}

RAW_TRACEPOINT_PROBE(mm_vmscan_write_folio)
{
    u64 folio = ctx->args[0];
    struct task_state *s = state();
    if (!s) {
        count(DROPPED + NAME_OTHER, 1);
        return 0;
    }
    struct folio_head head = {};
    read_folio(folio, &head);
    u64 entry = head.entry, mapping = head.mapping, flags = head.flags, index = head.index;
    u64 mm = s->mm, memcg = s->memcg;
    u32 pages = s->pages;
    u8 pending = s->pending, phase = s->phase, where = pending - 1, uncounted = 0;

    s->mm = 0;
    s->pending = 0;
    if (!pending) {
        /* Charged to the root cgroup, or swap_writeout found the copy stale and wrote nothing. */
        if (!(flags & (1UL << VAL_PG_SWAPCACHE)) || !entry)
            return 0;
        memcg = head.memcg;
        pages = 1;
#ifdef OFF_FOLIO_NR_PAGES
        if (flags & (1UL << VAL_PG_HEAD))
            pages = read32(folio + OFF_FOLIO_NR_PAGES);
#endif
        where = WHERE_UNKNOWN;
        phase = phase_now();
        uncounted = FLAG_UNCOUNTED;
        count(SEEN + NAME_OTHER, pages);
    }
    u32 name = uncounted ? NAME_ZSWPOUT : name_of(where);
    int chosen = wanted(memcg) && sampled(index);
    struct owner owner = {};
#if defined(PLAIN_READS) && defined(HAVE_RMAP)
    if (chosen && mapping & MAPPING_ANON) {
        find_owner(mapping, index, &owner);
        mm = owner.mm;
    }
#endif
    chosen = chosen && of_command(mm);
    note_choice(entry, pages, chosen);
    if (!chosen) {
        count(OUTSIDE + name, pages);
        return 0;
    }
    struct record *r = reserve(KIND_STORE, name, pages);
    if (!r)
        return 0;
    r->flags = s->direct | uncounted | (pages > 1 ? FLAG_LARGE : 0);
    if (mapping & MAPPING_ANON)
        r->flags |= FLAG_ANON;
    else if (!mapping && !mm)
        /* shmem_writeout took it out of its file before writing; a read-ahead page nobody mapped looks alike. */
        r->flags |= FLAG_SHMEM;
    /*
     * A private mapping of a file has page offsets of the file for an index, and several files may share one:
     * their anon_vma tells them apart where no VMA gives the address. Indexes of anonymous memory are page numbers of
     * addresses, far larger.
     */
    if (owner.mm)
        index = owner.vpn;
    else if (mapping & MAPPING_ANON && index < (1 << 20))
        index |= 1ULL << 63 | (mapping >> 3 & 0x3ffffffffffULL) << 20;
    r->mm = mm;
    r->address = index;
    r->entry = entry;
    r->folio = folio >> 6;
    r->cgroup = cgroup_known(s, memcg);
    r->where = where;
    r->phase = phase;
    if (where == WHERE_POOL && pages == 1)
        r->tail = zswap_length(entry);
    u64 t = r->t;
    u16 length = r->tail;
    submit(r);
    if (where == WHERE_DISK && flags & (1UL << VAL_PG_DIRTY))
        emit_failed(entry, pages, phase);
    else if (where != WHERE_ZERO && length == NO_LENGTH)
        sample_content(t, entry, folio);
    note(s, mm);
    return 0;
}

RAW_TRACEPOINT_PROBE(sched_process_exit)
{
    struct task_state *s = state();
    if (!s)
        return 0;
    if (s->pending == 1 + WHERE_DISK)
        emit_writeback(s->memcg, s->pages, s->phase);
    struct task_state none = {};
    *s = none;
    return 0;
}
