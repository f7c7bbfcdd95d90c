/*
 * Whose page a folio is, from the reverse mapping: no tracepoint tells it as cheaply.
 *
 * folio->mapping names an anon_vma, whose interval tree holds the VMAs that may map its pages, those of forked
 * children included. The page belongs to the one whose own anon_vma this is; it says the address space and the page's
 * address. Read without the kernel's locks: what does not fit together is not believed.
 * Linux 6.18 mm/rmap.c, mm/interval_tree.c.
 * SPDX-License-Identifier: Apache-2.0
 */

struct owner {
    u64 mm;
    u64 vpn;   /* of the page in that address space */
};

/* Steps through the tree: its height, and a few VMAs that share the page. */
#define RMAP_STEPS 40

/* Whether the VMA of a tree node maps the page; fills found, and says 2 where it is the owner. */
static __always_inline int maps_page(u64 node, u64 anon_vma, u64 index, struct owner *found)
{
    u64 chain = node - OFF_AVC_RB, vma = read64(chain + OFF_AVC_VMA);
    if (read64(chain + OFF_AVC_ANON_VMA) != anon_vma)
        return 0;
    u64 start = read64(vma + OFF_VMA_START), first = read64(vma + OFF_VMA_PGOFF);
    u64 pages = (read64(vma + OFF_VMA_END) - start) >> 12;
    if (index - first >= pages)
        return 0;
    int own = read64(vma + OFF_VMA_ANON_VMA) == anon_vma;
    if (!found->mm || own) {
        found->mm = read64(vma + OFF_VMA_MM);
        found->vpn = (start >> 12) + index - first;
    }
    return 1 + own;
}

static __always_inline u64 subtree_last(u64 node)
{
    return read64(node - OFF_AVC_RB + OFF_AVC_SUBTREE_LAST);
}

static __always_inline void find_owner(u64 mapping, u64 index, struct owner *found)
{
    u64 anon_vma = mapping & ~3ULL;
    u64 node = read64(anon_vma + OFF_ANON_VMA_TREE);
    int down = 1;

    /* In order from the leftmost node that may cover the page, without a stack: the nodes know their parents. */
    for (int step = 0; step < RMAP_STEPS; step++) {
        if (!node)
            return;
        if (down) {
            u64 left = read64(node + OFF_RB_LEFT);
            if (left && subtree_last(left) >= index) {
                node = left;
                continue;
            }
        }
        if (maps_page(node, anon_vma, index, found) == 2)
            return;
        u64 right = read64(node + OFF_RB_RIGHT);
        if (right && subtree_last(right) >= index) {
            node = right;
            down = 1;
            continue;
        }
        /* Up to the first parent that this was to the left of; a red-black node keeps its colour in the low bits. */
        down = 0;
        u64 parent = 0;
#pragma unroll
        for (int up = 0; up < 8; up++) {
            parent = read64(node) & ~3ULL;
            if (!parent || read64(parent + OFF_RB_LEFT) == node)
                break;
            node = parent;
            parent = 0;
        }
        node = parent;
    }
}
