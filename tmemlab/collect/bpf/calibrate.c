/*
 * Where the kernel keeps struct page and the direct map, learned from one page of the recorder's own.
 *
 * Slot 0: the struct page of the last user page that the recorder's thread was given. Slot 1: an address to look
 * at, at the thread's next page fault. Slots 2..9: the 64 bytes found there. Slot 10: looks so far. Slot 11: a
 * direct-map address, of the thread's own task_struct.
 * SPDX-License-Identifier: Apache-2.0
 */
BPF_ARRAY(cells, u64, 12);

static __always_inline void put(u32 at, u64 value)
{
    u64 *cell = cells.lookup(&at);
    if (cell)
        *cell = value;
}

RAW_TRACEPOINT_PROBE(mm_page_alloc)
{
    if ((u32)bpf_get_current_pid_tgid() != THREAD || (ctx->args[2] & GFP_USER_PAGE) != GFP_USER_PAGE)
        return 0;
    put(0, ctx->args[0]);
    put(11, bpf_get_current_task());
    return 0;
}

RAW_TRACEPOINT_PROBE(page_fault_user)
{
    u32 one = 1, ten = 10;
    u64 found[8] = {};
    if ((u32)bpf_get_current_pid_tgid() != THREAD)
        return 0;
    u64 *at = cells.lookup(&one), *looks = cells.lookup(&ten);
    if (!at || !looks)
        return 0;
    bpf_probe_read_kernel(found, sizeof(found), (void *)*at);
#pragma unroll
    for (int i = 0; i < 8; i++)
        put(2 + i, found[i]);
    *looks += 1;
    return 0;
}
