//! The one instruction of this crate that safe Rust has no name for.

use crate::sync::Line;

/// Asks for a cache line that will be read soon. A hint: it changes nothing but time.
#[inline]
pub(crate) fn prefetch(line: &Line) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        #[expect(unsafe_code, reason = "the intrinsic takes a raw pointer")]
        // SAFETY: a prefetch never faults and has no effect that a program can see, whatever the
        // address; this one comes from a live reference besides. SSE is part of x86-64.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    let _ = line;
}
