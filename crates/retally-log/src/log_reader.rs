use crate::entry::Entry;
use crate::log_error::LogError;
use crate::mark::Mark;
use crate::open_file::OpenFile;
use crate::position::SegmentId;
use crate::segment::{Segment, Step};
use crate::segment_file::{self, FileStamp, SegmentFile, SegmentFiles};
use crate::shared_work::may_share_work;
use crate::timestamp::Timestamp;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// How many segments are held open at once; more of them are opened and closed in turn.
const OPEN_SEGMENTS_MAX: usize = 128;

/// From one segment of several so many entries come before it is read ahead: what is read of one
/// that takes turns with others is mostly read in vain.
const IN_A_ROW_MIN: u64 = if cfg!(test) { 3 } else { 1000 };

/// Yields the lines of all segments of a run in log order, and goes on as the segments grow.
///
/// Log order is by effective time (the running maximum of `ts` in a segment), then by segment id,
/// then by the order in the segment. What a later [`refresh`](Self::refresh) finds is ordered
/// among itself; its [`Position`](crate::Position)s tell where it belongs among what was yielded.
///
/// Plain files are read as far as they reached at the last look, so that reading comes to an end
/// however fast writers are; what they append meanwhile is yielded after the next refresh.
///
/// Memory does not grow with the log, but for segments whose copies met in one folder.
///
/// ```no_run
/// use retally_log::{Content, Entry, LogReader};
///
/// let mut log = LogReader::open("logs/runs/run_1/events")?;
/// while let Some(type_name) = log.next(|entry| match entry {
///     Entry::Stretch(_, Content::Event(event)) => event.envelope.event.type_name().to_owned(),
///     other => format!("{other:?}"),
/// })? {
///     println!("{type_name}");
/// }
/// # Ok::<(), retally_log::LogError>(())
/// ```
pub struct LogReader {
    events_dir: PathBuf,
    segments: Vec<Segment>,
    by_id: BTreeMap<SegmentId, usize>,
    /// Which segment a file belongs to, by the file's name.
    by_file: BTreeMap<String, usize>,
    /// The segments that may have more to yield, each with a time that its next line's is not
    /// before.
    heads: BinaryHeap<Reverse<Head>>,
    /// The segment that is read now; not among the heads.
    current: Option<usize>,
    /// How many entries came from the segment that is read now since it is.
    in_a_row: u64,
    /// Segments that were found not to stand in order.
    disordered: BTreeSet<SegmentId>,
    /// The segments that are among the heads or current.
    queued: BTreeSet<usize>,
    /// The segments that may hold a file handle and a buffer.
    open: BTreeSet<usize>,
    is_rewound: bool,
    /// The segments that are still to be put among the heads, which failed.
    grown: BTreeSet<usize>,
    /// Whether reading began in the middle of segments, so that nobody knows what stands before.
    is_partial: bool,
    /// Files without a whole line, by name.
    unread: BTreeMap<String, FileStamp>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    time: Timestamp,
    id: SegmentId,
    at: usize,
}

/// Bytes at the end of a file that are no whole line yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The segment.
    pub segment: SegmentId,
    /// The name of the file in the run's `events/` folder.
    pub file: String,
    /// Where they begin.
    pub offset: u64,
    /// How many there are.
    pub bytes: u64,
}

impl LogReader {
    /// Looks at the segments of a run's `events/` folder; where there is none, the log is empty.
    ///
    /// # Errors
    /// The folder cannot be listed, or a segment cannot be read or is of a newer format.
    pub fn open(events_dir: impl Into<PathBuf>) -> Result<Self, LogError> {
        let mut log = Self {
            events_dir: events_dir.into(),
            segments: Vec::new(),
            by_id: BTreeMap::new(),
            by_file: BTreeMap::new(),
            heads: BinaryHeap::new(),
            current: None,
            in_a_row: 0,
            disordered: BTreeSet::new(),
            queued: BTreeSet::new(),
            open: BTreeSet::new(),
            is_rewound: false,
            grown: BTreeSet::new(),
            is_partial: false,
            unread: BTreeMap::new(),
        };
        log.refresh()?;
        log.is_rewound = false;
        Ok(log)
    }

    /// Looks at the segments of a run's `events/` folder and begins in the middle of each: at the
    /// last start of a line that is not behind the byte that `start` returns for a file's name and
    /// size. A compressed segment is yielded whole, or not at all where that byte is its size.
    ///
    /// For those who show the end of a log: what stands before these places is not read, so the
    /// positions are not those of a reading from the beginning. Segments that turn up later, and
    /// all of them after [`Entry::Rewound`], are read from their beginning.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_from(
        events_dir: impl Into<PathBuf>,
        start: impl Fn(&str, u64) -> u64,
    ) -> Result<Self, LogError> {
        let mut log = Self::open(events_dir)?;
        log.is_partial = true;
        let mut queued = std::mem::take(&mut log.queued);
        for (at, segment) in log.segments.iter_mut().enumerate() {
            if !segment.skip_to(&start)? {
                queued.remove(&at);
            }
        }
        log.heads.clear();
        for at in queued {
            log.enqueue(at)?;
        }
        Ok(log)
    }

    /// Returns where reading stands, for a [`resume`](Self::resume); `None` while there is more to
    /// yield, where a segment is compressed or its copies met in one folder, and where reading
    /// began in the middle.
    ///
    /// # Errors
    /// A segment cannot be read.
    pub fn marks(&mut self) -> Result<Option<Vec<Mark>>, LogError> {
        if self.is_partial || self.is_rewound || self.current.is_some() || !self.heads.is_empty() {
            return Ok(None);
        }
        let mut marks = Vec::with_capacity(self.segments.len());
        for segment in &mut self.segments {
            match segment.mark() {
                Ok(Some(mark)) => marks.push(mark),
                Ok(None) => return Ok(None),
                Err(source) => {
                    return Err(LogError::List {
                        path: self.events_dir.clone(),
                        source,
                    });
                }
            }
        }
        marks.sort_by(|left, right| left.file.cmp(&right.file));
        Ok(Some(marks))
    }

    /// Goes on where an earlier reader stood, or returns `None` where a mark does not fit: its
    /// file is gone, or shorter than what was read, or another segment, or its first line or the
    /// bytes before the offset are others. Files without a mark are read from their beginning.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn resume(
        events_dir: impl Into<PathBuf>,
        marks: &[Mark],
    ) -> Result<Option<Self>, LogError> {
        let mut log = Self::open(events_dir)?;
        for mark in marks {
            let Some(&at) = log.by_file.get(&mark.file) else {
                return Ok(None);
            };
            if !log.segments[at].resume(mark)? {
                return Ok(None);
            }
        }
        log.heads.clear();
        for at in std::mem::take(&mut log.queued) {
            if log.segments[at].has_more() {
                log.enqueue(at)?;
            }
        }
        Ok(Some(log))
    }

    /// Returns the folder of the segments.
    pub fn events_dir(&self) -> &Path {
        &self.events_dir
    }

    /// Returns the ids of the segments that were found so far, sorted.
    pub fn segment_ids(&self) -> impl Iterator<Item = &SegmentId> {
        self.by_id.keys()
    }

    /// Hands the next entry to `visit`, or returns `None` when there is nothing more for now.
    ///
    /// # Errors
    /// A segment cannot be read. It is tried again at the next call.
    pub fn next<R>(&mut self, visit: impl FnOnce(Entry<'_>) -> R) -> Result<Option<R>, LogError> {
        let mut visit = Some(visit);
        let mut take_visit = |entry: Entry<'_>| {
            let visit = visit.take().expect("an entry is visited once");
            visit(entry)
        };
        if std::mem::take(&mut self.is_rewound) {
            return Ok(Some(take_visit(Entry::Rewound)));
        }
        while let Some(at) = self.select() {
            let limit = self.heads.peek().map(|Reverse(head)| (head.time, &head.id));
            match self.segments[at].next(limit, &mut take_visit) {
                Ok(Step::Visited(result)) => {
                    self.in_a_row += 1;
                    return Ok(Some(result));
                }
                Ok(Step::Parked(time)) => self.park(at, time),
                Ok(Step::End) => self.leave(at),
                Ok(Step::Disordered) => {
                    self.disordered.insert(self.segments[at].id().clone());
                    self.rewind()?;
                    break;
                }
                // Archived under our hands: its compressed form is listed now.
                Err(error) if error.is_not_found() => {
                    self.rewind()?;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let is_rewound = std::mem::take(&mut self.is_rewound);
        Ok(is_rewound.then(|| take_visit(Entry::Rewound)))
    }

    /// Hands the events of a long stretch of the log to `visit`, as long as it returns true, read
    /// ahead by several threads of rayon's pool; returns whether there was such a stretch.
    ///
    /// Whoever has much to read calls this in turn with [`next`](Self::next), which has all else
    /// to say: of damage, of the ends of segments, and of segments that take turns. Nothing is read
    /// ahead where the caller [may share no work](may_share_work).
    pub fn read_ahead(&mut self, visit: impl FnMut(Entry<'_>) -> bool + Send) -> bool {
        if !may_share_work()
            || self.is_rewound
            || (self.in_a_row < IN_A_ROW_MIN && !self.heads.is_empty())
        {
            return false;
        }
        let Some(at) = self.select() else {
            return false;
        };
        let limit = self.heads.peek().map(|Reverse(head)| (head.time, &head.id));
        let (mut visit, mut is_any) = (visit, false);
        self.segments[at].read_ahead(limit, &mut |entry| {
            is_any = true;
            visit(entry)
        });
        is_any
    }

    /// Looks for growth, new segments and replaced files; returns whether there is anything to
    /// yield.
    ///
    /// # Errors
    /// The folder cannot be listed, or a segment cannot be read or is of a newer format.
    pub fn refresh(&mut self) -> Result<bool, LogError> {
        let files = self.list()?;
        self.take_in(files)
    }

    /// Does what [`refresh`](Self::refresh) does, by the open folder of the run, for whoever has it
    /// open anyway.
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh).
    pub fn refresh_in(&mut self, run: impl AsFd) -> Result<bool, LogError> {
        let files = SegmentFiles::in_run(run.as_fd(), &self.events_dir);
        self.take_in(files.map_err(|source| self.not_listed(source))?)
    }

    fn take_in(&mut self, files: SegmentFiles) -> Result<bool, LogError> {
        if self.is_void(&files.files) {
            self.rewind_to(files)?;
        } else {
            self.take_over(files)?;
        }
        Ok(self.is_rewound || self.current.is_some() || !self.heads.is_empty())
    }

    /// Goes back to the beginning; the next entry is [`Entry::Rewound`].
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh).
    pub fn rewind(&mut self) -> Result<(), LogError> {
        let files = self.list()?;
        self.rewind_to(files)
    }

    /// Returns how far each file was read: its name and the bytes up to the next line.
    pub fn offsets(&self) -> impl Iterator<Item = (&str, u64)> {
        let files = self.segments.iter().flat_map(Segment::files);
        files.map(|open| (open.file.name.as_str(), open.reader.offset()))
    }

    /// Returns the bytes at the ends of files that are no whole lines yet, as of the last look.
    pub fn pending(&self) -> impl Iterator<Item = Unread> + '_ {
        let of_segments = self.segments.iter().flat_map(|segment| {
            segment.files().iter().map(|open| Unread {
                segment: segment.id().clone(),
                file: open.file.name.clone(),
                offset: open.reader.offset(),
                bytes: open.pending_bytes,
            })
        });
        let of_others = self.unread.iter().map(|(file, stamp)| Unread {
            segment: SegmentId::new(segment_file::stem(file)),
            file: file.clone(),
            offset: 0,
            bytes: stamp.bytes,
        });
        of_segments
            .chain(of_others)
            .filter(|unread| unread.bytes > 0)
    }

    fn list(&self) -> Result<SegmentFiles, LogError> {
        SegmentFiles::of(&self.events_dir).map_err(|source| self.not_listed(source))
    }

    fn not_listed(&self, source: io::Error) -> LogError {
        LogError::List {
            path: self.events_dir.clone(),
            source,
        }
    }

    /// Returns the segment whose next line comes first, and whether there is one.
    fn select(&mut self) -> Option<usize> {
        if self.current.is_none() {
            self.in_a_row = 0;
            let Reverse(head) = self.heads.pop()?;
            self.current = Some(head.at);
            self.open.insert(head.at);
        }
        self.current
    }

    /// Leaves a segment for others whose lines come first.
    fn park(&mut self, at: usize, time: Timestamp) {
        let id = self.segments[at].id().clone();
        self.heads.push(Reverse(Head { time, id, at }));
        self.current = None;
        self.close_if_many(at);
    }

    /// Gives handle and buffer of a segment back where many others have some.
    fn close_if_many(&mut self, at: usize) {
        if self.open.len() > OPEN_SEGMENTS_MAX {
            self.segments[at].close();
            self.open.remove(&at);
        }
    }

    /// Leaves a segment that has nothing more for now.
    fn leave(&mut self, at: usize) {
        self.segments[at].close();
        self.open.remove(&at);
        self.queued.remove(&at);
        self.current = None;
    }

    /// Returns whether a file that was read is gone.
    fn is_void(&self, files: &[SegmentFile]) -> bool {
        !self.by_file.keys().all(|name| is_listed(name, files))
    }

    fn rewind_to(&mut self, files: SegmentFiles) -> Result<(), LogError> {
        self.segments.clear();
        self.by_id.clear();
        self.by_file.clear();
        self.heads.clear();
        self.current = None;
        self.queued.clear();
        self.grown.clear();
        self.open.clear();
        self.is_rewound = true;
        self.is_partial = false;
        self.take_over(files)
    }

    /// Brings the segments up to what the folder holds.
    fn take_over(&mut self, files: SegmentFiles) -> Result<(), LogError> {
        self.unread.retain(|name, _| is_listed(name, &files.files));
        let mut failed = None;
        for file in &files.files {
            if self.unread.get(&file.name) == Some(&file.stamp) {
                continue;
            }
            let added = match self.by_file.get(&file.name) {
                Some(&at) => self.look_again(at, file, &files),
                None => self.add(file.clone()),
            };
            match added {
                Ok(Added::Fresh(at)) => _ = self.grown.insert(at),
                Ok(Added::Nothing) => {}
                Ok(Added::ToYielded) => return self.rewind_to(files),
                Err(error) => _ = failed.get_or_insert(error),
            }
        }
        // What can be read is not to be forgotten for what cannot.
        for at in std::mem::take(&mut self.grown) {
            if let Err(error) = self.enqueue(at) {
                self.grown.insert(at);
                failed.get_or_insert(error);
            }
        }
        let Some(error) = failed else {
            return Ok(());
        };
        // Nothing is read as long as it lasts.
        for at in std::mem::take(&mut self.open) {
            self.segments[at].close();
        }
        Err(error)
    }

    /// Takes over the size of a known file.
    fn look_again(
        &mut self,
        at: usize,
        file: &SegmentFile,
        among: &SegmentFiles,
    ) -> Result<Added, LogError> {
        match self.segments[at].refresh(file, among) {
            Ok(Some(true)) => {
                self.open.insert(at);
                self.close_if_many(at);
                Ok(Added::Fresh(at))
            }
            Ok(Some(false)) => Ok(Added::Nothing),
            Ok(None) => Ok(Added::ToYielded),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Added::ToYielded),
            Err(source) => Err(LogError::Read {
                path: file.path.clone(),
                offset: 0,
                source,
            }),
        }
    }

    /// Adds a file that is not known yet.
    fn add(&mut self, file: SegmentFile) -> Result<Added, LogError> {
        let (name, stamp) = (file.name.clone(), file.stamp);
        let mut open = OpenFile::new(file);
        self.unread.remove(&name);
        let probe = match open.probe() {
            Ok(Some(probe)) => probe,
            Ok(None) => {
                self.unread.insert(name, stamp);
                return Ok(Added::Nothing);
            }
            Err(error) if error.is_not_found() => return Ok(Added::Nothing),
            Err(error) => return Err(error),
        };
        open.reader.close_file();
        let at = match self.by_id.get(&probe.id) {
            Some(&at) if !self.segments[at].is_fresh() => return Ok(Added::ToYielded),
            Some(&at) => {
                self.segments[at].add(open);
                at
            }
            None => {
                self.by_id.insert(probe.id.clone(), self.segments.len());
                self.segments.push(Segment::new(probe, open));
                self.segments.len() - 1
            }
        };
        self.by_file.insert(name, at);
        Ok(Added::Fresh(at))
    }

    /// Puts a segment among those that may have more to yield.
    fn enqueue(&mut self, at: usize) -> Result<(), LogError> {
        let segment = &mut self.segments[at];
        if segment.wants_index(self.disordered.contains(segment.id())) {
            segment.build_index()?;
        }
        if self.queued.insert(at) {
            let (time, id) = (segment.next_time(), segment.id().clone());
            self.heads.push(Reverse(Head { time, id, at }));
        }
        Ok(())
    }
}

/// Returns whether a file of this name is among `files`, which are sorted by it.
fn is_listed(name: &str, files: &[SegmentFile]) -> bool {
    files
        .binary_search_by(|file| (*file.name).cmp(name))
        .is_ok()
}

/// What a look at a file found.
enum Added {
    /// A segment that has something to yield.
    Fresh(usize),
    /// Nothing to yield.
    Nothing,
    /// What voids lines that were yielded: another file in the place of one, or a further file of
    /// a segment.
    ToYielded,
}

#[cfg(test)]
mod tests;
