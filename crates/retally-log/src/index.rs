use crate::line::Damage;
use crate::log_error::LogError;
use crate::open_file::OpenFile;
use crate::segment_reader::{Content, Item};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The lines of a segment that does not stand in order in one file, sorted.
///
/// Needed where copies of a segment met in one folder, or somebody glued files together. It costs
/// memory for each line of that segment, which reading in file order does not.
pub(crate) struct Index {
    lines: Vec<IndexedLine>,
    /// How many were yielded.
    next: usize,
}

/// A stretch of one of the segment's files.
pub(crate) struct IndexedLine {
    /// Which of the segment's files.
    pub(crate) file: usize,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) content: IndexedContent,
    seq: Option<u64>,
    hash: LineHash,
}

pub(crate) enum IndexedContent {
    Sound,
    Duplicate,
    Blank,
    Damage(Damage),
}

/// Equal for equal bytes only, as far as anyone knows.
type LineHash = [u8; 16];

impl Index {
    pub(crate) fn build(files: &mut [OpenFile]) -> Result<Self, LogError> {
        let mut lines = Vec::new();
        for (at, open) in files.iter_mut().enumerate() {
            open.reader.restart();
            scan(at, open, &mut lines)?;
            open.reader.close();
        }
        let is_sound = |line: &IndexedLine| matches!(line.content, IndexedContent::Sound);
        if lines
            .iter()
            .filter(|line| is_sound(line))
            .all(|line| line.seq.is_some())
        {
            // Stable, and loose stretches come first: of equal `seq` the first by file counts.
            lines.sort_by_key(|line| is_sound(line).then_some(line.seq));
        }
        set_repeated_aside(&mut lines);
        Ok(Self { lines, next: 0 })
    }

    pub(crate) fn peek(&self) -> Option<&IndexedLine> {
        self.lines.get(self.next)
    }

    pub(crate) fn advance(&mut self) {
        self.next += 1;
    }
}

/// Adds all stretches of a file, in its order.
fn scan(file: usize, open: &mut OpenFile, lines: &mut Vec<IndexedLine>) -> Result<(), LogError> {
    let add = |item: Item<'_>| {
        let Item {
            offset,
            length,
            content,
        } = item;
        let (content, seq, hash) = match content {
            Content::Blank => (IndexedContent::Blank, None, LineHash::default()),
            Content::Damage(damage) => (IndexedContent::Damage(damage), None, LineHash::default()),
            Content::Sound(line, bytes) => (IndexedContent::Sound, line.seq, hash(bytes)),
        };
        IndexedLine {
            file,
            offset,
            length,
            content,
            seq,
            hash,
        }
    };
    loop {
        match open.reader.next(add) {
            Ok(Some(line)) => lines.push(line),
            Ok(None) => {
                if let Some((offset, length, damage)) = open.end() {
                    let (seq, hash) = (None, LineHash::default());
                    let content = IndexedContent::Damage(damage);
                    lines.push(IndexedLine {
                        file,
                        offset,
                        length,
                        content,
                        seq,
                        hash,
                    });
                }
                return Ok(());
            }
            Err(source) => return Err(open.failed(source)),
        }
    }
}

fn hash(bytes: &[u8]) -> LineHash {
    let digest = Sha256::digest(bytes);
    let mut hash = LineHash::default();
    hash.copy_from_slice(&digest[..16]);
    hash
}

/// Marks lines that repeat an earlier one, and those that contradict it.
///
/// Lines without `seq` are events of their own within a file; what a second file repeats of them
/// is a copy.
fn set_repeated_aside(lines: &mut [IndexedLine]) {
    let mut by_seq: BTreeMap<u64, LineHash> = BTreeMap::new();
    let mut in_earlier_files: BTreeMap<LineHash, u64> = BTreeMap::new();
    let mut in_this_file: BTreeMap<LineHash, u64> = BTreeMap::new();
    let mut file = 0;
    for line in lines.iter_mut() {
        if !matches!(line.content, IndexedContent::Sound) {
            continue;
        }
        if let Some(seq) = line.seq {
            match by_seq.entry(seq) {
                Entry::Vacant(entry) => _ = entry.insert(line.hash),
                Entry::Occupied(entry) if *entry.get() == line.hash => {
                    line.content = IndexedContent::Duplicate;
                }
                Entry::Occupied(_) => {
                    line.content = IndexedContent::Damage(Damage::Conflict(seq));
                }
            }
            continue;
        }
        if line.file != file {
            file = line.file;
            for (hash, count) in std::mem::take(&mut in_this_file) {
                let most = in_earlier_files.entry(hash).or_default();
                *most = count.max(*most);
            }
        }
        let count = in_this_file.entry(line.hash).or_default();
        *count += 1;
        if in_earlier_files
            .get(&line.hash)
            .is_some_and(|earlier| *count <= *earlier)
        {
            line.content = IndexedContent::Duplicate;
        }
    }
}
