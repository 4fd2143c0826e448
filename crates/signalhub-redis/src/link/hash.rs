//! Which of several servers has what belongs to a key.

/// The jump hash of Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm": few keys move when a server is added.
pub(super) fn jump(mut key: u64, count: usize) -> usize {
    let (mut chosen, mut next) = (0, 0);
    while next < count {
        chosen = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        // The algorithm is defined with these conversions.
        next = ((chosen + 1) as f64 * (f64::from(1_u32 << 31) / ((key >> 33) + 1) as f64)) as usize;
    }
    chosen
}

/// FNV-1a, which is the same in every version of this program.
pub(crate) fn fnv(key: &[u8]) -> u64 {
    key.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
