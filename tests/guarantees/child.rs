//! Processes that are forked from a test, to be killed or stopped at any moment.

use std::io::Write as _;
use std::io::{PipeReader, PipeWriter};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A forked process. It is killed when this is dropped.
pub(crate) struct Child {
    pid: libc::pid_t,
    /// What it reports: an `u32` each time.
    reports: PipeReader,
    is_waited_for: bool,
}

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Killed,
    Exited(i32),
}

/// How a child tells what it did.
pub(crate) struct Reporter(PipeWriter);

impl Reporter {
    /// Reports a number; nothing that was reported is lost when the child is killed.
    pub(crate) fn report(&mut self, number: u32) {
        // Where nobody reads any more, nobody wants to know.
        let _ = self.0.write_all(&number.to_le_bytes());
    }
}

impl Child {
    /// Forks, and does `work` in the child.
    #[expect(unsafe_code, reason = "std cannot fork")]
    pub(crate) fn fork(work: impl FnOnce(&mut Reporter)) -> Self {
        let (reports, writer) = std::io::pipe().expect("a pipe");
        // SAFETY: the child only does `work` and ends without unwinding or exit handlers.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "cannot fork");
        if pid == 0 {
            drop(reports);
            let mut reporter = Reporter(writer);
            let result = catch_unwind(AssertUnwindSafe(|| work(&mut reporter)));
            // SAFETY: ending the process has no preconditions.
            unsafe { libc::_exit(i32::from(result.is_err())) };
        }
        let is_waited_for = false;
        Self {
            pid,
            reports,
            is_waited_for,
        }
    }

    /// Waits for the next number that it reports; `None` where it ended.
    pub(crate) fn next_report(&mut self) -> Option<u32> {
        use std::io::Read as _;
        let mut bytes = [0; 4];
        self.reports.read_exact(&mut bytes).ok()?;
        Some(u32::from_le_bytes(bytes))
    }

    #[expect(unsafe_code, reason = "std has no other signal than SIGKILL")]
    pub(crate) fn signal(&self, signal: libc::c_int) {
        // SAFETY: the child was not waited for, so its number is still its own.
        unsafe { libc::kill(self.pid, signal) };
    }

    /// Kills it, and returns all that it reported and was not asked for yet.
    pub(crate) fn kill(mut self) -> Vec<u32> {
        self.signal(libc::SIGKILL);
        self.wait();
        std::iter::from_fn(|| self.next_report()).collect()
    }

    /// Waits for its end.
    #[expect(unsafe_code, reason = "it was forked without std")]
    pub(crate) fn wait(&mut self) -> End {
        let mut status = 0;
        // SAFETY: `pid` is a child that was not waited for, and `status` outlives the call.
        let ended = unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        assert_eq!(ended, self.pid, "the child ends");
        self.is_waited_for = true;
        match libc::WIFEXITED(status) {
            true => End::Exited(libc::WEXITSTATUS(status)),
            false => End::Killed,
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_waited_for {
            self.signal(libc::SIGKILL);
            self.wait();
        }
    }
}
