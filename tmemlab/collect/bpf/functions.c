/*
 * Stores, loads, slot frees and writebacks through probes on the functions that do them.
 *
 * The handlers here are called by the probes of probes/symbols.py, as kprobes or as fentry programs. A store begins
 * where its folio, still locked, names its slot (out_begin), is decided by the pool (pool_stored) or on its way to
 * the disk (disk_write), and ends (out_end); a load likewise. A disk write outside of a store is the pool's own.
 * Linux 6.1 mm/page_io.c, frontswap.c, zswap.c; 6.12 mm/page_io.c, zswap.c, swap_slots.c.
 * SPDX-License-Identifier: Apache-2.0
 */

struct task_state {
    u64 address;     /* of the last fault on a swapped page */
    u64 fault_mm;
    u64 mm;          /* whose page reclaim unmapped last */
    u64 marked;      /* address space last entered in swapped */
    u64 known;       /* memory cgroup whose id is in cgroup */
    u64 out_folio;   /* store under way, 0 for none */
    u64 out_entry;
    u64 out_index;
    u64 out_mm;
    u64 out_memcg;
    u64 in_folio;    /* load under way, 0 for none */
    u64 in_entry;
    u64 in_memcg;
    u64 in_t;
    u64 written;     /* entry that the store under way has sent to the disk */
    u32 tid;
    u32 cgroup;
    u32 allocated;   /* bytes that the pool took for the store under way */
    u32 length;      /* compressed bytes of it, 0xffff while unknown */
    u16 out_pages;
    u8 out_flags;
    u8 out_phase;
    u8 in_phase;
    u8 pool_asked;   /* the load under way went to the pool: 1, and was found there: 2 */
    u8 out_settled;
    u8 out_chosen;
    u8 out_on_disk;  /* sent to a device */
    u8 direct : 5;   /* inside direct reclaim: FLAG_* */
    u8 named : 1;
    u8 zram_writing : 1;
    u8 writing_back : 1;
};
#include "tasks.h"

#define NO_LENGTH 0xffff

/* Slot 0: bytes that the pool adds to each compressed page, plus one; learned where both are seen. */
BPF_TABLE("array", u32, u64, pool_header, 1);

/* Reads of a disk under way, by folio. */
struct disk_read {
    u64 t, entry, done;
};
BPF_TABLE("lru_hash", u64, struct disk_read, reads, 16384);

static __always_inline u32 folio_pages(u64 folio, u64 flags)
{
#ifdef OFF_FOLIO_NR_PAGES
    if (flags & (1UL << VAL_PG_HEAD))
        return read32(folio + OFF_FOLIO_NR_PAGES);
#endif
    return 1;
}

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

/* swap_writepage, swap_writeout: the folio is locked and in the swap cache. */
static __always_inline void out_begin(u64 folio)
{
    struct task_state *s = state();
    if (!s)
        return;
    if (!s->out_folio)
        count(BEGUN, 1);
    struct folio_head head = {};
    read_folio(folio, &head);
    u64 index = head.index, mapping = head.mapping;
    u8 flags = s->direct;
    if (mapping & MAPPING_ANON)
        flags |= FLAG_ANON;
    else if (!mapping && !s->mm)
        /* shmem took it out of its file before writing; a read-ahead page nobody mapped looks alike. */
        flags |= FLAG_SHMEM;
    /*
     * A private mapping of a file has page offsets of the file for an index, and several files may share one:
     * their anon_vma tells them apart. Indexes of anonymous memory are page numbers of addresses, far larger.
     */
    if (mapping & MAPPING_ANON && index < (1 << 20))
        index |= 1ULL << 63 | (mapping >> 3 & 0x3ffffffffffULL) << 20;
    s->out_folio = folio;
    s->out_entry = head.entry;
    s->out_index = index;
    s->out_mm = s->mm;
    s->out_memcg = head.memcg;
    s->out_pages = folio_pages(folio, head.flags);
    s->out_flags = flags | (s->out_pages > 1 ? FLAG_LARGE : 0);
    s->out_phase = phase_now();
    s->out_chosen = wanted(head.memcg) && sampled(head.index) && of_command(s->mm);
    s->out_settled = 0;
    s->out_on_disk = 0;
    s->allocated = 0;
    s->length = NO_LENGTH;
    s->written = 0;
    s->mm = 0;
}

static __always_inline u64 emit_store(struct task_state *s, u8 where, u32 name, u16 length)
{
    u32 pages = s->out_pages;
    s->out_settled = 1;
    count(SEEN + name, pages);
    note_choice(s->out_entry, pages, s->out_chosen);
    if (!s->out_chosen) {
        count(OUTSIDE + name, pages);
        return 0;
    }
    struct record *r = reserve(KIND_STORE, name, pages);
    if (!r)
        return 0;
    u64 t = r->t, mm = s->out_mm;
    r->mm = mm;
    r->address = s->out_index;
    r->entry = s->out_entry;
    r->folio = s->out_folio >> 6;
    r->cgroup = cgroup_known(s, s->out_memcg);
    r->where = where;
    r->flags = s->out_flags;
    r->phase = s->out_phase;
    r->tail = length;
    submit(r);
    note(s, mm);
    return t;
}

/* obj_cgroup_charge_zswap: exactly the compressed length, for pages of every cgroup but the root. */
static __always_inline void length_charged(u64 bytes)
{
    struct task_state *s = state();
    if (!s || !s->out_folio || s->out_settled || s->out_pages != 1)
        return;
    s->length = bytes;
    if (s->allocated) {
        u32 zero = 0;
        u64 header = s->allocated - bytes + 1;
        pool_header.update(&zero, &header);
    }
}

/* zpool_malloc: the compressed length and the pool's header. zs_malloc: zram's compressed length. */
static __always_inline void pool_allocated(u64 bytes)
{
    struct task_state *s = state();
    if (s && s->out_folio && !s->out_settled)
        s->allocated = bytes;
}

static __always_inline void emit_length(struct task_state *s, u64 entry, u32 bytes)
{
    struct record *r = reserve(KIND_CONTENT, NAME_OTHER, 1);
    if (!r)
        return;
    r->entry = entry;
    r->tail = bytes;
    r->flags = FLAG_UNCOUNTED; /* the kernel's own, and not one that the reader made of a sample */
    r->phase = s->out_phase;
    submit(r);
}

static __always_inline void zram_allocated(u64 bytes)
{
    struct task_state *s = state();
    if (!s || !s->written || s->out_pages != 1)
        return;
    emit_length(s, s->written, bytes);
    s->written = 0;
}

/* zswap_store, __frontswap_store on return. */
static __always_inline void pool_stored(u64 accepted)
{
    struct task_state *s = state();
    if (!s || !s->out_folio || s->out_settled || !accepted)
        return;
    u32 length = s->length;
    if (length == NO_LENGTH && s->out_pages == 1) {
        u32 zero = 0;
        u64 *header = pool_header.lookup(&zero);
        if (!s->allocated)
            /* Filled with one value: nothing was allocated. */
            length = 0;
        else if (header && *header)
            length = s->allocated - (*header - 1);
    }
    emit_store(s, WHERE_POOL, NAME_ZSWPOUT, length);
}

static __always_inline void emit_writeback(u64 entry, u64 memcg, u32 name, u8 flags, u32 pages)
{
    struct record *r = reserve(KIND_WRITEBACK, name, pages);
    if (!r)
        return;
    r->entry = entry;
    r->where = WHERE_DISK;
    r->flags = flags;
    r->cgroup = cgroup_of(memcg);
    r->phase = phase_now();
    submit(r);
    name_current();
}

/* __swap_writepage: the store under way goes to the disk; without one it is the pool that writes. */
static __always_inline void disk_write(u64 folio)
{
    struct task_state *s = state();
    if (!s)
        return;
    if (s->out_folio == folio) {
        u64 entry = s->out_entry;
        if (s->out_settled)
            return;
        u64 t = emit_store(s, WHERE_DISK, NAME_PSWPOUT, NO_LENGTH);
        s->written = t ? entry : 0;
        s->out_on_disk = t != 0;
        if (t && !(ZRAM_TYPES >> (entry >> 58) & 1))
            sample_content(t, entry, folio);
        return;
    }
    struct folio_head head = {};
    read_folio(folio, &head);
    u32 pages = folio_pages(folio, head.flags);
    count(SEEN + NAME_PSWPOUT, pages);
    count(SEEN + NAME_ZSWPWB, pages);
    if (!wanted(head.memcg) || !load_chosen(head.entry)) {
        count(OUTSIDE + NAME_PSWPOUT, pages);
        count(OUTSIDE + NAME_ZSWPWB, pages);
        return;
    }
    emit_writeback(head.entry, head.memcg, NAME_PSWPOUT, 0, pages);
}

/* swap_writepage, swap_writeout on return. */
static __always_inline void out_end(u32 error)
{
    struct task_state *s = state();
    if (!s || !s->out_folio)
        return;
#ifdef VAL_SWPOUT_ZERO
    if (!s->out_settled && !error) {
        /* Neither stored nor written: all zeros, or found unused and taken out of the swap cache. */
        struct folio_head head = {};
        read_folio(s->out_folio, &head);
        if (head.flags & (1UL << VAL_PG_SWAPCACHE) && head.entry == s->out_entry)
            emit_store(s, WHERE_ZERO, NAME_SWPOUT_ZERO, 0);
    }
#endif
    if (s->out_on_disk) {
        struct folio_head head = {};
        read_folio(s->out_folio, &head);
        if (head.flags & (1UL << VAL_PG_DIRTY) && head.flags & (1UL << VAL_PG_SWAPCACHE) && head.entry == s->out_entry) {
            emit_failed(s->out_entry, s->out_pages, s->out_phase);
            s->written = 0;
        }
    }
#ifdef HAVE_ZRAM_LENGTH
    if (s->written && s->out_pages == 1 && ZRAM_TYPES >> (s->written >> 58) & 1)
        /* zram allocated nothing: filled with one value. */
        emit_length(s, s->written, 0);
#endif
    s->written = 0;
    s->out_folio = 0;
    count(ENDED, 1);
}

/* zswap_writeback_entry: only to keep cuts away from it. */
static __always_inline void writeback_begin(void)
{
    struct task_state *s = state();
    if (!s || s->writing_back)
        return;
    s->writing_back = 1;
    count(BEGUN, 1);
}

static __always_inline void writeback_end(void)
{
    struct task_state *s = state();
    if (!s || !s->writing_back)
        return;
    s->writing_back = 0;
    count(ENDED, 1);
}

/* do_swap_page: which address the loads that follow are for. */
static __always_inline void swap_fault(u64 fault)
{
    struct task_state *s = state();
    if (!s)
        return;
    s->address = read64(fault + OFF_FAULT_ADDRESS);
    s->fault_mm = read64(read64(fault + OFF_FAULT_VMA) + OFF_VMA_MM);
}

/* swap_readpage, swap_read_folio: the folio is locked and names its slot. */
static __always_inline void in_begin(u64 folio)
{
    struct task_state *s = state();
    if (!s)
        return;
    if (!s->in_folio)
        count(BEGUN, 1);
    struct folio_head head = {};
    read_folio(folio, &head);
    s->in_folio = folio;
    s->in_entry = head.entry;
    s->in_memcg = head.memcg;
    s->in_phase = phase_now();
    s->pool_asked = 0;
    struct disk_read pending = {bpf_ktime_get_ns(), head.entry, 0};
    s->in_t = pending.t;
    reads.update(&folio, &pending);
}

/* zswap_load, __frontswap_load on return. */
static __always_inline void pool_loaded(u64 found)
{
    struct task_state *s = state();
    if (s && s->in_folio)
        s->pool_asked = found ? 2 : 1;
}

/* end_swap_bio_read: the data is there; the load's own record has been made, or soon will be. */
static __always_inline void read_done(u64 bio)
{
    u64 folio = read64(read64(bio + OFF_BIO_VECTOR) + OFF_VECTOR_PAGE);
    struct disk_read *pending = reads.lookup(&folio);
    if (!pending)
        return;
    u64 now = bpf_ktime_get_ns();
    if (pending->done != 1) {
        pending->done = now;
        return;
    }
    struct record *r = reserve(KIND_READ_END, NAME_OTHER, 1);
    if (r) {
        r->entry = pending->entry;
        r->latency = now - pending->t;
        submit(r);
    }
    reads.delete(&folio);
}

/* swap_readpage, swap_read_folio on return. */
static __always_inline void in_end(void)
{
    struct task_state *s = state();
    if (!s || !s->in_folio)
        return;
    u64 folio = s->in_folio, now = bpf_ktime_get_ns(), latency = now - s->in_t;
    struct folio_head head = {};
    read_folio(folio, &head);
    u32 pages = folio_pages(folio, head.flags), name = NAME_PSWPIN;
    u8 where = WHERE_DISK;
    s->in_folio = 0;
    count(ENDED, 1);
    if (s->pool_asked == 2) {
        where = WHERE_POOL;
        name = NAME_ZSWPIN;
    }
#if defined(VAL_SWPIN_ZERO) && defined(HAVE_POOL_LOAD)
    if (!s->pool_asked) {
        where = WHERE_ZERO;
        name = NAME_SWPIN_ZERO;
    }
#endif
    count(SEEN + name, pages);
    if (!wanted(s->in_memcg) || !load_chosen(s->in_entry)) {
        count(OUTSIDE + name, pages);
        reads.delete(&folio);
        return;
    }
    struct disk_read *pending = reads.lookup(&folio);
    if (pending && where == WHERE_DISK && !pending->done && head.flags & (1UL << VAL_PG_LOCKED)) {
        /* Still being read: read_done tells. */
        pending->done = 1;
        latency = 0;
    } else {
        if (pending && where == WHERE_DISK && pending->done)
            latency = pending->done - s->in_t;
        reads.delete(&folio);
    }
    struct record *r = reserve(KIND_LOAD, name, pages);
    if (!r)
        return;
    u64 mm = s->fault_mm;
    r->mm = mm;
    r->address = s->address;
    r->entry = s->in_entry;
    r->folio = folio >> 6;
    r->latency = latency > 0xffffffffULL ? 0 : latency;
    r->cgroup = cgroup_known(s, s->in_memcg);
    r->where = where;
    r->phase = s->in_phase;
    r->flags = (s->direct & FLAG_DIRECT) | (pages > 1 ? FLAG_LARGE : 0);
    submit(r);
    note(s, mm);
}

static __always_inline void slots_freed(u64 entry, u64 slots)
{
    if (slots == 1 && !free_chosen(entry))
        return;
    struct record *r = reserve(KIND_SLOT_FREE, NAME_OTHER, slots);
    if (!r)
        return;
    r->entry = entry;
    r->phase = phase_now();
    submit(r);
}

static __always_inline void slot_freed(u64 entry)
{
    slots_freed(entry, 1);
}

static __always_inline void slot_of_type_freed(u64 type, u64 offset)
{
    slots_freed(type << 58 | offset, 1);
}

/* swap_range_free: single slots were told when they were put aside, a free of many comes only here. */
static __always_inline void range_freed(u64 device, u64 offset, u64 slots)
{
    slots &= 0xffffffff;
    if (slots > 1)
        slots_freed((u64)(u8)read32(device + OFF_SWAP_TYPE) << 58 | offset, slots);
}

static __always_inline void zram_writing(u8 writing)
{
    struct task_state *s = state();
    if (s)
        s->zram_writing = writing;
}

static __always_inline void zram_writeback_begin(void) { zram_writing(1); }
static __always_inline void zram_writeback_end(void) { zram_writing(0); }

/* zram_free_page while writing back: this slot's copy is on the backing device now. vmstat does not count it. */
static __always_inline void zram_freed(u64 index)
{
    struct task_state *s = state();
    u64 entry = ZRAM_ENTRY | (index & 0xffffffff);
    if (s && s->zram_writing && load_chosen(entry))
        emit_writeback(entry, 0, NAME_OTHER, FLAG_UNCOUNTED, 1);
}

RAW_TRACEPOINT_PROBE(sched_process_exit)
{
    struct task_state *s = state();
    if (!s)
        return 0;
    count(ENDED, !!s->out_folio + !!s->in_folio + s->writing_back);
    struct task_state none = {};
    *s = none;
    return 0;
}
