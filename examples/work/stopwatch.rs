//! Time that passed, and time of processors that was used.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

/// Runs from its making on.
pub(crate) struct Stopwatch {
    start: Instant,
    used_before: Duration,
}

/// How long a work took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    /// The time that passed.
    pub(crate) passed: Duration,
    /// The time of processors that all threads of the process used, the kernel's included.
    pub(crate) used: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let used_before = used();
        Self {
            start: Instant::now(),
            used_before,
        }
    }

    pub(crate) fn took(&self) -> Took {
        Took {
            passed: self.start.elapsed(),
            used: used().saturating_sub(self.used_before),
        }
    }
}

/// Returns the processor time of this process. C's function, for rustix's own way to the clock
/// ends the process under valgrind.
#[expect(unsafe_code, reason = "libc is called")]
fn used() -> Duration {
    let mut used = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it writes the one structure that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut used) };
    let nanos = u32::try_from(used.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(used.tv_sec).unwrap_or(0), nanos)
}

impl AddAssign for Took {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.used += other.used;
    }
}
