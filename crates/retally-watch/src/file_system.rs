//! Which file systems tell nobody what other hosts write.

use std::path::Path;

/// The magic numbers of network file systems, as statfs(2) and the kernel's `magic.h` give them.
#[cfg(target_os = "linux")]
const NETWORK_FILE_SYSTEMS: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x517b, "SMB"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
    (0x786f_4256, "a shared folder of VirtualBox"),
    // sshfs, s3fs, GlusterFS and others; local ones too, where looking costs little.
    (0x6573_5546, "FUSE"),
];

/// Returns the name of the file system of a folder where its notifications tell nothing of what
/// other hosts write, or `None` where they do or nothing is known.
pub fn network_file_system(folder: &Path) -> Option<&'static str> {
    #[cfg(target_os = "linux")]
    {
        let magic = rustix::fs::statfs(folder).ok()?.f_type;
        // Signed on some machines, where the upper half is filled with the sign.
        let magic = magic as u64 & 0xffff_ffff;
        let known = NETWORK_FILE_SYSTEMS
            .iter()
            .find(|(known, _)| *known == magic);
        known.map(|(_, name)| *name)
    }
    #[cfg(not(target_os = "linux"))]
    {
        _ = folder;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_is_on_no_network_file_system() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = network_file_system(folder.path());
        // Unless the tests themselves run on one.
        assert_eq!(name, network_file_system(&std::env::temp_dir()));
        assert_eq!(network_file_system(&folder.path().join("none")), None);
    }
}
