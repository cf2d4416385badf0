/// What a segment says about where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The host's name.
    pub name: String,
    /// Which start of the host's kernel. `None` where the system does not tell; segments are
    /// then never continued, for a copy could not be told from its original.
    pub boot: Option<String>,
    /// The process.
    pub pid: u32,
}

impl Host {
    /// Asks the system about this host and this process.
    pub fn current() -> Self {
        let system = rustix::system::uname();
        Self {
            name: system.nodename().to_string_lossy().into_owned(),
            boot: boot_id(),
            pid: std::process::id(),
        }
    }
}

#[cfg(target_os = "linux")]
fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let id = text.trim_end();
    (!id.is_empty()).then(|| id.to_owned())
}

#[cfg(not(target_os = "linux"))]
fn boot_id() -> Option<String> {
    None
}
