//! How the runs of a root rested when a watcher ended.

use crate::checkpoints::{Rest, create_folder};
use retally_log::{Host, Root, RunId};
use retally_reduce::{PriceBook, REDUCER_VERSION};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Changes with the form of the file.
const MAGIC: &[u8; 8] = b"rtlyrst1";

/// A file of the user's cache that says of the runs of one root how their logs and report files
/// stood when the reports were those of the logs.
///
/// It says nothing that the runs' checkpoints do not, and saves opening one of each. It can be
/// deleted at any time, and is written as a whole: of two watchers that end at once one wins.
pub(crate) struct Rests {
    path: PathBuf,
    boot: Option<String>,
    /// What was read, and of which prices.
    known: Content,
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Content {
    reducer_version: u64,
    prices: String,
    /// Which start of the machine: what was written before a power cut may not have lasted.
    boot: Option<String>,
    runs: BTreeMap<String, Rest>,
}

impl Rests {
    /// Reads what is known of the runs of a root, which is nothing where the file is not there,
    /// damaged, or of another version or start of the machine.
    pub(crate) fn load(cache: &Path, root: &Root) -> Self {
        let path = cache.join("rests").join(root.cache_name());
        Self::load_since(path, Host::current().boot)
    }

    fn load_since(path: PathBuf, boot: Option<String>) -> Self {
        let known = std::fs::read(&path).ok().and_then(|bytes| parse(&bytes));
        let fits = |known: &Content| {
            known.reducer_version == REDUCER_VERSION && known.boot == boot && boot.is_some()
        };
        Self {
            path,
            known: known.filter(fits).unwrap_or_default(),
            boot,
        }
    }

    /// Returns how a run rested with these prices.
    pub(crate) fn get(&self, run: &RunId, prices: &PriceBook) -> Option<&Rest> {
        let is_of_prices = self.known.prices == prices.digest();
        self.known.runs.get(run.as_str()).filter(|_| is_of_prices)
    }

    /// Keeps how these runs rest and, of those that are `unseen`, how they rested.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn save<'r>(
        &mut self,
        prices: &PriceBook,
        runs: impl Iterator<Item = (&'r RunId, &'r Rest)>,
        unseen: impl Fn(&RunId) -> bool,
    ) -> io::Result<()> {
        let seen = runs.map(|(run, rest)| (run.as_str().to_owned(), rest.clone()));
        let mut content = Content {
            reducer_version: REDUCER_VERSION,
            prices: prices.digest().to_owned(),
            boot: self.boot.clone(),
            runs: seen.collect(),
        };
        if self.known.prices == content.prices {
            let kept = self.known.runs.iter();
            let kept =
                kept.filter(|(run, _)| RunId::new(run.as_str()).is_ok_and(|run| unseen(&run)));
            content
                .runs
                .extend(kept.map(|(run, rest)| (run.clone(), rest.clone())));
        }
        if content == self.known {
            return Ok(());
        }
        write(&self.path, &content)?;
        self.known = content;
        Ok(())
    }
}

fn parse(bytes: &[u8]) -> Option<Content> {
    let (checksum, body) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
    let is_whole = crc32c::crc32c(body) == u32::from_le_bytes(*checksum);
    is_whole.then(|| postcard::from_bytes(body).ok()).flatten()
}

fn write(path: &Path, content: &Content) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_folder(folder)?;
    let body = postcard::to_stdvec(content).map_err(io::Error::other)?;
    let checksum = crc32c::crc32c(&body).to_le_bytes();
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&[MAGIC.as_slice(), &checksum, &body].concat())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_run_rested_is_not_trusted_with_other_prices_or_after_another_start_of_the_machine() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rests").join("root");
        let load = |boot: &str| Rests::load_since(path.clone(), Some(boot.to_owned()));
        let run = RunId::new("run_1").expect("an id");
        let dir = Root::new(folder.path()).create_run(&run).expect("created");
        std::fs::write(dir.events_path().join("a.jsonl"), "").expect("written");
        let files = retally_reduce::RunFiles::open(folder.path(), &run).expect("a run");
        let rest = Rest {
            log: files.log_stamp().expect("readable").expect("a segment"),
            files: files.stamp().expect("readable"),
        };
        let prices = PriceBook::built_in();
        let others = PriceBook::parse(OTHER_PRICES, "others").expect("a book");
        let saved = load("1").save(&prices, [(&run, &rest)].into_iter(), |_| false);
        saved.expect("saved");
        assert_eq!(load("1").get(&run, &prices), Some(&rest));
        assert_eq!(load("1").get(&run, &others), None);
        assert_eq!(load("2").get(&run, &prices), None);
        assert!(
            Rests::load_since(path.clone(), None)
                .get(&run, &prices)
                .is_none()
        );
        let saved = load("1").save(&prices, std::iter::empty(), |_| false);
        saved.expect("saved");
        assert_eq!(load("1").get(&run, &prices), None, "it is gone");
    }

    const OTHER_PRICES: &str = "[[price]]\nprovider = \"p\"\nmodel = \"m\"\nvalid_from = 2024-01-01\ninput = 3.0\noutput = 6.0\n";
}
