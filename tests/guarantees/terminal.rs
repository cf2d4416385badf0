//! A command whose output goes to a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::process::{Command, ExitStatus, Stdio};

/// What a command reads from stdin.
pub(crate) enum Input {
    From(Stdio),
    /// Keys that are pressed on its terminal.
    Keys(&'static str),
}

/// Runs a command with stdout and stderr on a terminal of 200 columns, and returns how it ended and
/// what the terminal got.
#[expect(unsafe_code, reason = "std has no terminals")]
pub(crate) fn run_on_terminal(mut command: Command, input: Input) -> (ExitStatus, String) {
    let (mut ours, mut its) = (0, 0);
    // SAFETY: a termios of zeros is a terminal that changes no byte.
    let mut raw: libc::termios = unsafe { std::mem::zeroed() };
    raw.c_cflag = libc::CS8 | libc::CREAD;
    let mut size = libc::winsize {
        ws_row: 50,
        ws_col: 200,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: all pointers are to what lives as long as the call; a name is not asked for.
    let opened = unsafe {
        libc::openpty(
            &raw mut ours,
            &raw mut its,
            std::ptr::null_mut(),
            &raw mut raw,
            &raw mut size,
        )
    };
    assert_eq!(opened, 0, "a terminal");
    // SAFETY: both were opened just now, and belong to nobody else.
    let (mut ours, its) = unsafe { (File::from_raw_fd(ours), File::from_raw_fd(its)) };
    let its_again = || its.try_clone().expect("another handle");
    let stdin = match input {
        Input::From(stdin) => stdin,
        Input::Keys(keys) => {
            ours.write_all(keys.as_bytes()).expect("pressed");
            its_again().into()
        }
    };
    command.stdin(stdin).stderr(its_again()).stdout(its);
    let mut child = command.spawn().expect("the command starts");
    // Its handles of the terminal; without them ours is the only one left, and ends with the child.
    drop(command);
    let mut shown = Vec::new();
    let mut buffer = [0; 1 << 16];
    // Linux fails with EIO where nobody holds the other end any more.
    while let Ok(count @ 1..) = ours.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..count]);
    }
    let status = child.wait().expect("the command ends");
    let shown = String::from_utf8(shown).expect("the terminal gets UTF-8");
    (status, shown)
}
