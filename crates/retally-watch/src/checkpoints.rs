//! The states of runs between two lives of a watcher.

use retally_log::{Host, LogStamp, Root, RunId};
use retally_reduce::{FilesStamp, PriceBook, REDUCER_VERSION};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{DirBuilder, DirEntry, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Changes with the form of a checkpoint file.
const MAGIC: &[u8; 8] = b"rtlyckp1";
const SUFFIX: &str = ".checkpoint";
const TEMPORARY_PREFIX: &str = ".saving-";
/// Longer than any saving takes.
const TEMPORARY_AGE_MAX: Duration = Duration::from_secs(3600);
/// More than any header has.
const HEADER_BYTES_MAX: u64 = 4096;

/// A folder of the user's cache with a file for each run of one root.
///
/// Each file can be deleted at any time, which costs folding that run's log again. It begins with
/// a header that tells whether anything changed since the run came to rest, and goes on with what
/// [`RunFold::checkpoint`](retally_reduce::RunFold::checkpoint) gave.
pub(crate) struct Checkpoints {
    folder: PathBuf,
    boot: Option<String>,
}

/// How the log and the report files of a run stood when the reports were those of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rest {
    pub(crate) log: LogStamp,
    pub(crate) files: FilesStamp,
}

#[derive(Serialize, Deserialize)]
struct Header {
    run: String,
    reducer_version: u64,
    prices: String,
    /// Which start of the machine: what was written before a power cut may not have lasted.
    boot: Option<String>,
    /// `None` where the run was still live.
    rest: Option<Rest>,
}

/// What was saved of a run.
pub(crate) struct Saved {
    /// How it rested, if it did and its reports are still to be trusted.
    pub(crate) rest: Option<Rest>,
    pub(crate) fold: Vec<u8>,
}

impl Checkpoints {
    /// Names the folder for a root below a cache; it need not exist.
    pub(crate) fn new(cache: &Path, root: &Root) -> Self {
        Self {
            folder: cache.join("checkpoints").join(root.cache_name()),
            boot: Host::current().boot,
        }
    }

    /// Returns how the run stood when it came to rest, if its reports are still to be trusted.
    pub(crate) fn rest(&self, run: &RunId, prices: &PriceBook) -> Option<Rest> {
        let file = File::open(self.path(run)).ok()?;
        let header = read_header(&mut BufReader::with_capacity(1024, file))?;
        self.rest_of(header, run, prices)
    }

    fn rest_of(&self, header: Header, run: &RunId, prices: &PriceBook) -> Option<Rest> {
        let fits = header.run == run.as_str()
            && header.reducer_version == REDUCER_VERSION
            && header.prices == prices.digest()
            && header.boot.is_some()
            && header.boot == self.boot;
        header.rest.filter(|_| fits)
    }

    /// Returns what was saved of a run whose fold can be resumed.
    pub(crate) fn load(&self, run: &RunId, prices: &PriceBook) -> Option<Saved> {
        let mut file = File::open(self.path(run)).ok()?;
        let header = read_header(&mut file)?;
        let rest = self.rest_of(header, run, prices);
        let mut fold = Vec::new();
        file.read_to_end(&mut fold).ok()?;
        (!fold.is_empty()).then_some(Saved { rest, fold })
    }

    /// Saves a run: how it rests, if it does, and its fold, if that can be resumed.
    pub(crate) fn save(
        &self,
        run: &RunId,
        prices: &PriceBook,
        rest: Option<&Rest>,
        fold: Option<Vec<u8>>,
    ) -> io::Result<()> {
        let header = Header {
            run: run.as_str().to_owned(),
            reducer_version: REDUCER_VERSION,
            prices: prices.digest().to_owned(),
            boot: self.boot.clone(),
            rest: rest.cloned(),
        };
        let header = postcard::to_stdvec(&header).map_err(io::Error::other)?;
        let length = u32::try_from(header.len()).map_err(io::Error::other)?;
        create_folder(&self.folder)?;
        let mut file = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .tempfile_in(&self.folder)?;
        file.write_all(MAGIC)?;
        file.write_all(&length.to_le_bytes())?;
        file.write_all(&crc32c::crc32c(&header).to_le_bytes())?;
        file.write_all(&header)?;
        file.write_all(&fold.unwrap_or_default())?;
        file.persist(self.path(run))?;
        Ok(())
    }

    /// Removes the file of a run.
    pub(crate) fn remove(&self, run: &RunId) {
        // Nobody misses it, and nobody is harmed by it.
        _ = std::fs::remove_file(self.path(run));
    }

    /// Removes the files of all runs that are not among these.
    pub(crate) fn retain(&self, runs: &BTreeSet<RunId>) {
        for entry in std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let run = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            if is_forgotten(&entry) {
                _ = std::fs::remove_file(entry.path());
            }
            let is_known = |run: &str| RunId::new(run).is_ok_and(|run| runs.contains(&run));
            if run.is_some_and(|run| !is_known(run)) {
                _ = std::fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, run: &RunId) -> PathBuf {
        self.folder.join(format!("{run}{SUFFIX}"))
    }
}

/// Makes a folder of the cache, and those that it is in.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    // What others may not read in the logs, they must not read here.
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Whether a file was begun by a watcher that died before it was whole.
fn is_forgotten(entry: &DirEntry) -> bool {
    let is_temporary = entry
        .file_name()
        .to_string_lossy()
        .starts_with(TEMPORARY_PREFIX);
    let modified = || entry.metadata().and_then(|facts| facts.modified()).ok();
    let age = || modified()?.elapsed().ok();
    is_temporary && age().is_some_and(|age| age > TEMPORARY_AGE_MAX)
}

/// Reads the header, or returns `None` where it cannot be trusted.
fn read_header(file: &mut impl Read) -> Option<Header> {
    let mut start = [0; 16];
    file.read_exact(&mut start).ok()?;
    let (magic, rest) = start.split_at(MAGIC.len());
    let (length, checksum) = rest.split_at(4);
    let length = u32::from_le_bytes(length.try_into().ok()?);
    let checksum = u32::from_le_bytes(checksum.try_into().ok()?);
    if magic != MAGIC || u64::from(length) > HEADER_BYTES_MAX {
        return None;
    }
    let mut header = vec![0; usize::try_from(length).ok()?];
    file.read_exact(&mut header).ok()?;
    if crc32c::crc32c(&header) != checksum {
        return None;
    }
    postcard::from_bytes(&header).ok()
}
