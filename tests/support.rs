use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An empty folder in which the command runs with a pinned clock and nothing of the caller's
/// environment.
pub(crate) struct Sandbox(tempfile::TempDir);

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retally"));
        command
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .env("RETALLY_NOW", "2024-12-03T14:30:22Z");
        command
    }

    /// Runs the command and returns its exit code and all that it printed.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        self.run_with_input(words, "")
    }

    pub(crate) fn run_with_input(&self, words: &[&str], input: &str) -> String {
        self.run_in(&mut self.command(), words, input)
    }

    /// Runs the command at another time.
    pub(crate) fn run_at(&self, now: &str, words: &[&str]) -> String {
        self.run_in(self.command().env("RETALLY_NOW", now), words, "")
    }

    pub(crate) fn run_in(&self, command: &mut Command, words: &[&str], input: &str) -> String {
        command
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // The command may end before it has read everything.
        _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("the command ends");
        let mut shown = String::new();
        if let Some(code) = output.status.code().filter(|code| *code != 0) {
            shown += &format!("exit {code}\n");
        }
        shown += &String::from_utf8_lossy(&output.stdout);
        if !output.stderr.is_empty() {
            shown += "--- stderr\n";
            shown += &String::from_utf8_lossy(&output.stderr);
        }
        shown
    }

    /// Returns all files below a folder with their contents.
    pub(crate) fn files(&self, relative: &str) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        let base = self.path(relative);
        collect(&base, &base, &mut files);
        files.sort();
        files
    }
}

fn collect(base: &Path, folder: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder is readable").path();
        if path.is_dir() {
            collect(base, &path, files);
        } else {
            let name = path
                .strip_prefix(base)
                .expect("it is below")
                .display()
                .to_string();
            files.push((name, std::fs::read(&path).expect("the file is readable")));
        }
    }
}

impl Sandbox {
    /// Returns the lines of a run's segments, without what differs from machine to machine.
    pub(crate) fn events(&self, run: &str) -> String {
        let mut shown = String::new();
        for (_, bytes) in self.files(&format!("logs/runs/{run}/events")) {
            let text = String::from_utf8(bytes).expect("segments are UTF-8");
            for line in text
                .lines()
                .filter(|line| !line.contains("\"segment.opened\""))
            {
                let end = line.rfind(",\"crc\"").unwrap_or(line.len());
                shown += &line[..end];
                shown += "\n";
            }
        }
        shown
    }
}

impl Sandbox {
    /// Returns the files of a run's folder that are not its log.
    pub(crate) fn reports(&self, run: &str) -> Vec<(String, Vec<u8>)> {
        let mut files = self.files(&format!("logs/runs/{run}"));
        files.retain(|(name, _)| !name.starts_with("events/"));
        files
    }
}
