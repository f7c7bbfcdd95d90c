/*
 * What every probe set shares: the record, the ring, the counters and the emitters.
 *
 * Struct offsets (OFF_*), enum values (VAL_*) and sizes come from the running kernel's BTF as macros.
 * SPDX-License-Identifier: Apache-2.0
 */

/* struct record, KIND_*, WHERE_*, FLAG_* and NAME_*: made from records.py when the program is loaded. */
#include "record.h"

/* Counters: pages seen, pages whose record found no room, pages of other cgroups, by vmstat name. */
enum { SEEN = 0, DROPPED = NAMES, OUTSIDE = 2 * NAMES, BEGUN = 3 * NAMES, ENDED, COUNTERS = 4 * NAMES };
/* BEGUN and ENDED: operations that function probes saw enter and leave, so that a cut can avoid those under way. */

/* Both maps are mapped into the reader, so that a look at them is no system call: see cut.py. */
#define MMAPABLE 1024
/* A row of COUNTERS for every CPU. */
BPF_F_TABLE("array", u32, u64, counters, CPUS * COUNTERS, MMAPABLE);
/* Slot 0: the phase that records are stamped with. Slot 1: share of stores whose content is looked at, of 2^32. */
BPF_F_TABLE("array", u32, u64, control, 2, MMAPABLE);
BPF_RINGBUF_OUTPUT(ring, RING_PAGES);

#define PF_MEMALLOC 0x00000800
#define MAPPING_ANON 1

#ifdef PLAIN_READS
/*
 * Kernel memory read by a load, whose fault reads as zero: bpf_rdonly_cast(at, void), which bpfcc.py puts in place
 * of this call and the kernel turns into a move. A tenth of what bpf_probe_read_kernel costs.
 */
static const void *(*readable)(u64 at, u64 type) = (void *)CAST_CALL;

static __always_inline u64 read64(u64 at)
{
    return *(const u64 *)readable(at, 0);
}

static __always_inline u32 read32(u64 at)
{
    return *(const u32 *)readable(at, 0);
}
#else
static __always_inline u64 read64(u64 at)
{
    u64 value = 0;
    bpf_probe_read_kernel(&value, sizeof(value), (const void *)at);
    return value;
}

static __always_inline u32 read32(u64 at)
{
    u32 value = 0;
    bpf_probe_read_kernel(&value, sizeof(value), (const void *)at);
    return value;
}
#endif

static __always_inline void count(u32 at, u64 n)
{
    u32 index = bpf_get_smp_processor_id() * COUNTERS + at;
    u64 *cell = counters.lookup(&index);
    /* Atomic: a program may be preempted by another task's on the same CPU. */
    if (cell)
        __sync_fetch_and_add(cell, n);
}

static __always_inline u8 phase_now(void)
{
    u32 zero = 0;
    u64 *cell = control.lookup(&zero);
    return cell ? (u8)*cell : 0;
}

static __always_inline u32 cgroup_of(u64 memcg)
{
    if (!memcg)
        return 0;
    u64 cgroup = read64(memcg + OFF_MEMCG_CSS + OFF_CSS_CGROUP);
    u64 node = read64(cgroup + OFF_CGROUP_KN);
    return read32(node + OFF_KN_ID);
}

/* The memory cgroup of the running task. */
static __always_inline u64 memcg_of_current(void)
{
    u64 set = read64(bpf_get_current_task() + OFF_TASK_CGROUPS);
    return read64(set + OFF_CSS_SET_SUBSYS + 8 * VAL_MEMORY_CGRP_ID) - OFF_MEMCG_CSS;
}

static __always_inline u64 mm_of_current(void)
{
    return read64(bpf_get_current_task() + OFF_TASK_MM);
}

#ifdef ONLY_CGROUP
/* Whether memcg is the wanted cgroup or stands below it, at most 12 levels down. */
static __always_inline int wanted(u64 memcg)
{
    u64 css = memcg + OFF_MEMCG_CSS;
#pragma unroll
    for (int level = 0; level < 12; level++) {
        if (!memcg || css <= 4096)
            return 0;
        u64 cgroup = read64(css + OFF_CSS_CGROUP);
        u64 node = read64(cgroup + OFF_CGROUP_KN);
        if (read32(node + OFF_KN_ID) == ONLY_CGROUP)
            return 1;
        css = read64(css + OFF_CSS_PARENT);
    }
    return 0;
}
#else
static __always_inline int wanted(u64 memcg)
{
    return 1;
}
#endif

static __always_inline struct record *reserve(u8 kind, u32 name, u64 n)
{
    struct record *r = ring.ringbuf_reserve(sizeof(struct record));
    if (!r) {
        count(DROPPED + name, n);
        return 0;
    }
    __builtin_memset(r, 0, sizeof(*r));
    r->t = bpf_ktime_get_ns();
    r->kind = kind;
    r->where = WHERE_UNKNOWN;
    r->tail = 0xffff;
    r->pid = bpf_get_current_pid_tgid() >> 32;
    r->pages = n;
    return r;
}

static __always_inline void submit(struct record *r)
{
    /* The reader polls: waking it for every record would cost more than the record. */
    ring.ringbuf_submit(r, 1 /* BPF_RB_NO_WAKEUP */);
}

/*
 * The device failed the write of a store that is in the ring already. A synchronous device, as zram is, has answered by
 * the time the writing function returns, and the folio is dirty again [6.18 mm/page_io.c:__end_swap_bio_write].
 */
static __always_inline void emit_failed(u64 entry, u32 pages, u8 phase)
{
    struct record *r = reserve(KIND_WRITE_FAILED, NAME_OTHER, pages);
    if (!r)
        return;
    r->entry = entry;
    r->phase = phase;
    submit(r);
}

/* Thread groups already named to the reader, and address spaces that have swapped pages. */
BPF_TABLE("lru_hash", u32, u8, named, 16384);
BPF_TABLE("lru_hash", u64, u8, swapped, 16384);

static __always_inline void name_current(void)
{
    u32 pid = bpf_get_current_pid_tgid() >> 32;
    u8 one = 1;
    if (named.lookup(&pid))
        return;
    struct record *r = reserve(KIND_TASK, NAME_OTHER, 1);
    if (!r)
        return;
    /* 16 bytes of name over address and entry. */
    bpf_get_current_comm(&r->address, 16);
    r->cgroup = cgroup_of(memcg_of_current());
    submit(r);
    named.update(&pid, &one);
}

static __always_inline void mark_swapped(u64 mm)
{
    u8 one = 1;
    if (mm && !swapped.lookup(&mm))
        swapped.update(&mm, &one);
}

#ifdef DIRECT_MAP
/*
 * The content of a page on its way out, for the reader to compress and forget. Whoever stores the page still holds
 * it, unmapped, so nobody writes it and nothing of the LRU is touched by looking.
 */
struct content {
    u64 t;      /* of the store's record */
    u64 entry;
    u8 bytes[4096];
};
BPF_RINGBUF_OUTPUT(contents, CONTENT_PAGES);

static __always_inline void sample_content(u64 t, u64 entry, u64 folio)
{
    u32 one = 1;
    u64 *share = control.lookup(&one);
    if (!share || bpf_get_prandom_u32() >= *share)
        return;
    struct content *c = contents.ringbuf_reserve(sizeof(struct content));
    if (!c)
        return;
    c->t = t;
    c->entry = entry;
    u64 at = DIRECT_MAP + (folio - VMEMMAP) / PAGE_STRUCT * 4096;
    if (bpf_probe_read_kernel(c->bytes, sizeof(c->bytes), (void *)at))
        contents.ringbuf_discard(c, 1 /* BPF_RB_NO_WAKEUP */);
    else
        contents.ringbuf_submit(c, 1);
}
#else
static __always_inline void sample_content(u64 t, u64 entry, u64 folio) {}
#endif
