/*
 * The compressed length of a page that zswap has just taken, from zswap's own entry.
 *
 * zswap_trees[type][offset >> 14] is the xarray that holds it by offset. The entry names its swap entry: another one,
 * or none, and the length is not known. Linux 6.18 mm/zswap.c, lib/xarray.c.
 * SPDX-License-Identifier: Apache-2.0
 */

#define NO_LENGTH 0xffff
#define XARRAY_LEVELS 6

static __always_inline u16 zswap_length(u64 entry)
{
#if defined(PLAIN_READS) && defined(ZSWAP_TREES)
    u64 offset = entry & ((1ULL << 58) - 1);
    u64 trees = read64(ZSWAP_TREES + 8 * (entry >> 58));
    u64 node = trees ? read64(trees + (offset >> 14) * XARRAY_SIZE + OFF_XA_HEAD) : 0;

    /* A pointer to an inner node has the low bits 2 [include/linux/xarray.h]. */
#pragma unroll
    for (int level = 0; level < XARRAY_LEVELS; level++) {
        if ((node & 3) != 2 || node < 4096)
            break;
        u8 shift = read32(node - 2 + OFF_XA_NODE_SHIFT);
        node = read64(node - 2 + OFF_XA_NODE_SLOTS + 8 * (offset >> (shift & 63) & 63));
    }
    if (node && !(node & 3) && read64(node + OFF_ZSWAP_ENTRY_SWAP) == entry)
        return read32(node + OFF_ZSWAP_ENTRY_LENGTH);
#endif
    return NO_LENGTH;
}
