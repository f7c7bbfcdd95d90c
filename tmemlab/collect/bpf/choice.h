/*
 * Which pages to record: a share of them by a hash of where they are, those of one command, or all.
 *
 * A store knows its page and decides; what it decided stands under its slot, where the load finds it, for a load
 * (one read ahead above all) knows its slot alone. Slots written before the recording are not known.
 * SPDX-License-Identifier: Apache-2.0
 */

#if defined(SAMPLE_LIMIT) || defined(ONLY_COMMAND)
enum { SLOT_UNKNOWN, SLOT_CHOSEN, SLOT_LEFT_OUT };

/* A byte a slot: single bytes would take eight each. Slots of all areas in a row; areas[type] is (first, pages). */
struct slot_bytes {
    u8 state[4096];
    u8 room[512];   /* for the verifier, who does not know that folios are aligned */
};
struct area {
    u64 first, pages;
};
BPF_ARRAY(slots, struct slot_bytes, SLOT_CHUNKS);
BPF_ARRAY(areas, struct area, 32);

/* The bytes in which a slot's stands, and its place there; areas begin on such a border, and no folio crosses one. */
static __always_inline struct slot_bytes *slot_bytes_of(u64 entry, u64 *at)
{
    u32 type = entry >> 58 & 31;
    u64 offset = entry & ((1ULL << 58) - 1);
    struct area *area = areas.lookup(&type);
    if (!entry || !area || offset >= area->pages)
        return 0;
    u32 chunk = (area->first + offset) >> 12;
    *at = offset;
    return slots.lookup(&chunk);
}

/* Whether the leader of the task that owns an address space goes by the wanted name. */
static __always_inline int of_command(u64 mm)
{
#ifdef ONLY_COMMAND
    u64 owner = mm ? read64(mm + OFF_MM_OWNER) : 0;
    if (!owner)
        return 0;
    return read64(owner + OFF_TASK_COMM) == COMMAND_LOW && read64(owner + OFF_TASK_COMM + 8) == COMMAND_HIGH;
#else
    return 1;
#endif
}

static __always_inline int sampled(u64 index)
{
#ifdef SAMPLE_LIMIT
    /* SplitMix64; the page's number alone, so that a forked child's copy is chosen with its parent's page. */
    u64 mixed = index + SAMPLE_SALT;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebULL;
    return (u32)(mixed ^ mixed >> 31) < SAMPLE_LIMIT;
#else
    return 1;
#endif
}

/* What a store decided, for the loads of its slots; a large folio goes by its first page. */
static __always_inline void note_choice(u64 entry, u32 pages, int chosen)
{
    u64 at = 0;
    struct slot_bytes *bytes = slot_bytes_of(entry, &at);
    u8 state = chosen ? SLOT_CHOSEN : SLOT_LEFT_OUT;
    if (!bytes)
        return;
    /* Large folios lie on a border of their own size. volatile, or clang makes a memset of it, which BPF has not. */
    if (pages == 1) {
        bytes->state[at & 4095] = state;
    } else if (pages < 8) {
        *(volatile u32 *)&bytes->state[at & 4092] = state * 0x01010101U;
    } else {
#pragma unroll
        for (u32 i = 0; i < 64; i++)
            if (8 * i < pages)
                *(volatile u64 *)&bytes->state[(at & 4088) + 8 * i] = state * 0x0101010101010101ULL;
    }
}

static __always_inline u8 choice_of(u64 entry)
{
    u64 at = 0;
    struct slot_bytes *bytes = slot_bytes_of(entry, &at);
    return bytes ? bytes->state[at & 4095] : SLOT_UNKNOWN;
}

static __always_inline int load_chosen(u64 entry)
{
    u8 state = choice_of(entry);
    if (state != SLOT_UNKNOWN)
        return state == SLOT_CHOSEN;
#ifdef SAMPLE_LIMIT
    return 0;
#else
    return of_command(mm_of_current());
#endif
}

/* Whoever frees a slot need not be whose page it is: of a slot that nobody decided on, all are told or none. */
static __always_inline int free_chosen(u64 entry)
{
#ifdef SAMPLE_LIMIT
    return choice_of(entry) == SLOT_CHOSEN;
#else
    return choice_of(entry) != SLOT_LEFT_OUT;
#endif
}
#else
static __always_inline int sampled(u64 index) { return 1; }
static __always_inline int of_command(u64 mm) { return 1; }
static __always_inline void note_choice(u64 entry, u32 pages, int chosen) {}
static __always_inline int load_chosen(u64 entry) { return 1; }
static __always_inline int free_chosen(u64 entry) { return 1; }
#endif
