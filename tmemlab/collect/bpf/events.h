/*
 * Events that every probe set records through the same tracepoints: pressure, tasks, address spaces.
 * SPDX-License-Identifier: Apache-2.0
 */

static __always_inline void emit_pressure(u8 kind, u8 flags, u64 pages)
{
    struct record *r = reserve(kind, NAME_OTHER, 1);
    if (!r)
        return;
    r->flags = flags;
    r->address = pages;
    r->cgroup = cgroup_of(memcg_of_current());
    submit(r);
    name_current();
}

#ifdef HAVE_KSWAPD
RAW_TRACEPOINT_PROBE(mm_vmscan_kswapd_wake) { emit_pressure(KIND_KSWAPD_WAKE, 0, 0); return 0; }
RAW_TRACEPOINT_PROBE(mm_vmscan_kswapd_sleep) { emit_pressure(KIND_KSWAPD_SLEEP, 0, 0); return 0; }
#endif

#ifdef HAVE_OOM
/* args[0] is the victim's task_struct from 6.8 on and its pid before: a kernel address tells them apart. */
RAW_TRACEPOINT_PROBE(mark_victim)
{
    struct record *r = reserve(KIND_OOM, NAME_OTHER, 1);
    if (!r)
        return 0;
    u64 victim = ctx->args[0];
    r->cgroup = cgroup_of(memcg_of_current());
    r->entry = victim;
    if (victim > 0xffffffffULL) {
        r->entry = read32(victim + OFF_TASK_TGID);
        r->mm = read64(victim + OFF_TASK_MM);
    }
    submit(r);
    return 0;
}
#endif

static __always_inline void emit_space_end(u64 mm)
{
    if (!mm || !swapped.lookup(&mm))
        return;
    struct record *r = reserve(KIND_SPACE_END, NAME_OTHER, 1);
    if (!r)
        return;
    r->mm = mm;
    submit(r);
    swapped.delete(&mm);
}

#ifdef HAVE_EXIT_MMAP
/* Once an address space is torn down, by exit or by exec, after its pages are gone. */
RAW_TRACEPOINT_PROBE(exit_mmap) { emit_space_end(ctx->args[0]); return 0; }
#endif

#ifdef HAVE_FORK
/* The child begins with its parent's swap entries: its pages are its parent's until it writes them. */
RAW_TRACEPOINT_PROBE(sched_process_fork)
{
    u64 parent = read64(ctx->args[0] + OFF_TASK_MM), child = read64(ctx->args[1] + OFF_TASK_MM);
    if (!parent || !child || parent == child || !swapped.lookup(&parent))
        return 0;
    mark_swapped(child);
    struct record *r = reserve(KIND_FORK, NAME_OTHER, 1);
    if (!r)
        return 0;
    r->mm = child;
    r->address = parent;
    submit(r);
    return 0;
}
#endif

static __always_inline void emit_unmap(u64 start, u64 length)
{
    u64 mm = mm_of_current();
    if (length < 4096 || !mm || !swapped.lookup(&mm))
        return;
    struct record *r = reserve(KIND_UNMAP, NAME_OTHER, 1);
    if (!r)
        return;
    r->mm = mm;
    r->address = start;
    r->entry = start + length;
    submit(r);
}

#ifdef HAVE_SYSCALLS
TRACEPOINT_PROBE(syscalls, sys_enter_munmap) { emit_unmap(args->addr, args->len); return 0; }
TRACEPOINT_PROBE(syscalls, sys_enter_madvise)
{
    /* MADV_DONTNEED 4, MADV_FREE 8, MADV_REMOVE 9: the swapped copies of the range go. */
    u64 advice = args->behavior;
    if (advice == 4 || advice == 8 || advice == 9)
        emit_unmap(args->start, args->len_in);
    return 0;
}
TRACEPOINT_PROBE(syscalls, sys_enter_mremap)
{
    if (args->new_len < args->old_len)
        emit_unmap(args->addr + args->new_len, args->old_len - args->new_len);
    return 0;
}
TRACEPOINT_PROBE(syscalls, sys_enter_brk)
{
    u64 end = read64(mm_of_current() + OFF_MM_BRK);
    if (args->brk && args->brk < end)
        emit_unmap((args->brk + 4095) & ~4095ULL, end - args->brk);
    return 0;
}
#endif
