//! When work is shared with the threads of rayon's pool.

use std::process;
use std::sync::OnceLock;

/// Returns whether the caller may wait for the threads of rayon's pool to do a share of its work.
///
/// Not so on a thread of the pool itself: while it waits it would take up other work, under
/// whatever locks its caller holds. Nor in a process that was forked from one that asked this
/// before: the pool's threads did not come along, and it would wait forever.
pub fn may_share_work() -> bool {
    static FIRST_PROCESS: OnceLock<u32> = OnceLock::new();
    let is_of_pool = rayon::current_thread_index().is_some();
    !is_of_pool && *FIRST_PROCESS.get_or_init(process::id) == process::id()
}
