use anyhow::{Context, Result};
use retally_log::{
    COMPRESSED_SUFFIX, Content, Entry, Event, LogError, LogReader, Logged, Place, RunDir, Timestamp,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How much of each segment is read first to find its last events.
const END_BYTES: u64 = 64 << 10;
/// How long the reader of a quiet run is kept.
const READER_KEPT: Duration = Duration::from_secs(60);

/// Which events are shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Types, or their beginnings up to a dot: `agent` means all of `agent.…`.
    pub(crate) types: Vec<String>,
    pub(crate) issues: Vec<String>,
    pub(crate) agents: Vec<String>,
}

/// What is shown of a log: an event, or something that is wrong with it.
pub(crate) enum Shown<'e> {
    Event(&'e Place<'e>, &'e Logged<'e>),
    Problem(String),
}

/// A run of which the new events are shown.
///
/// While it is quiet, nothing of it is kept but the sizes of its files.
pub(crate) struct FollowedRun {
    pub(crate) dir: RunDir,
    /// How far each file was read; what is not here is read from its beginning.
    offsets: BTreeMap<String, u64>,
    reader: Option<(LogReader, Instant)>,
    /// Since when its folder is not there, where it is not.
    pub(crate) gone_since: Option<Instant>,
}

impl Filter {
    fn is_empty(&self) -> bool {
        self.types.is_empty() && self.issues.is_empty() && self.agents.is_empty()
    }

    fn takes(&self, event: &Event<'_>) -> bool {
        let is_of_type = |wanted: &String| {
            let rest = event.type_name().strip_prefix(wanted.trim_end_matches('.'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let is_of = |wanted: &[String], got: Option<&str>| {
            wanted.is_empty() || got.is_some_and(|got| wanted.iter().any(|wanted| wanted == got))
        };
        (self.types.is_empty() || self.types.iter().any(is_of_type))
            && is_of(&self.issues, event.issue().map(|issue| issue.as_str()))
            && is_of(&self.agents, event.agent())
    }

    /// Hands an entry of a log on, if it is to be shown.
    fn show<R>(&self, entry: &Entry<'_>, show: impl FnOnce(Shown<'_>) -> R) -> Option<R> {
        let Entry::Stretch(place, content) = entry else {
            return None;
        };
        let problem = match content {
            Content::Event(logged) => {
                let takes = self.takes(&logged.envelope.event);
                return takes.then(|| show(Shown::Event(place, logged)));
            }
            Content::Damage(damage) => format!("damaged line: {damage}"),
            Content::Misfit(misfit) => format!("misfit: {misfit}"),
            _ => return None,
        };
        // Whoever looks for something else need not know.
        let text = format!("{problem} ({} at byte {})", place.file, place.offset);
        self.is_empty().then(|| show(Shown::Problem(text)))
    }
}

/// Returns what `show` makes of the last `count` events of a run up to where it is followed from,
/// in log order, each with its time; reads no more of the log than it has to.
pub(crate) fn last_events<R>(
    run: &FollowedRun,
    count: usize,
    filter: &Filter,
    show: impl Fn(Shown<'_>) -> R,
) -> Result<VecDeque<(Timestamp, R)>> {
    let longest = run.offsets.values().copied().max().unwrap_or(0);
    let mut bytes = END_BYTES;
    loop {
        let is_whole = bytes >= longest;
        let mut ends = Ends::new(&run.offsets, if is_whole { u64::MAX } else { bytes });
        let start = |file: &str, _| match run.offsets.get(file) {
            Some(size) if !is_whole => size.saturating_sub(bytes),
            _ => 0,
        };
        let mut log = LogReader::open_from(run.dir.events_path(), start)?;
        let mut last = VecDeque::new();
        while let Some(shown) = log.next(|entry| {
            ends.take(&entry)
                .then(|| filter.show(&entry, &show))
                .flatten()
        })? {
            let Some(shown) = shown else { continue };
            last.push_back((ends.time, shown));
            if last.len() > count {
                last.pop_front();
            }
        }
        let reaches_back =
            |(time, _): &(Timestamp, R)| ends.begin().is_some_and(|begin| *time > begin);
        if is_whole || last.len() >= count && last.front().is_some_and(reaches_back) {
            return Ok(last);
        }
        bytes = bytes.saturating_mul(4);
    }
}

/// From where on the ends of a run's segments, read together, are all of the log.
struct Ends<'s> {
    /// How long each file is, as far as it concerns us.
    sizes: &'s BTreeMap<String, u64>,
    /// How much is read of each, at its end.
    bytes: u64,
    /// The first time that was read of each file that was not read from its beginning.
    firsts: BTreeMap<String, Timestamp>,
    /// Of the event that was read last.
    time: Timestamp,
}

impl<'s> Ends<'s> {
    fn new(sizes: &'s BTreeMap<String, u64>, bytes: u64) -> Self {
        Self {
            sizes,
            bytes,
            firsts: BTreeMap::new(),
            time: Timestamp::MIN,
        }
    }

    /// Takes in an entry, and returns whether it stood in the log already when sizes were taken.
    fn take(&mut self, entry: &Entry<'_>) -> bool {
        let Entry::Stretch(place, content) = entry else {
            return false;
        };
        let Some(size) = self.sizes.get(place.file) else {
            return false;
        };
        if let Content::Event(logged) = content {
            self.time = logged.envelope.ts;
            if self.is_cut(place.file, *size) && !self.firsts.contains_key(place.file) {
                let first = logged.position.time;
                self.firsts.insert(place.file.to_owned(), first);
            }
        }
        // Offsets in compressed files, which do not grow, are others than their sizes.
        is_compressed(place.file) || place.offset + place.length <= *size
    }

    /// Whether a file is read from its middle on.
    fn is_cut(&self, file: &str, size: u64) -> bool {
        size > self.bytes && !is_compressed(file)
    }

    /// Returns the time behind which no event is missing, or `None` where that is not known.
    fn begin(&self) -> Option<Timestamp> {
        let cut = self
            .sizes
            .iter()
            .filter(|(file, size)| self.is_cut(file, **size));
        let begin = self.firsts.values().copied().max();
        (self.firsts.len() == cut.count()).then(|| begin.unwrap_or(Timestamp::MIN))
    }
}

fn is_compressed(file: &str) -> bool {
    file.ends_with(COMPRESSED_SUFFIX)
}

/// Returns the sizes of a run's segment files.
fn sizes(run: &RunDir) -> Result<BTreeMap<String, u64>, LogError> {
    run.segment_bytes().map_err(|source| LogError::List {
        path: run.events_path(),
        source,
    })
}

impl FollowedRun {
    /// Follows a run from what it holds now on.
    pub(crate) fn from_now(dir: RunDir) -> Result<Self> {
        let offsets = sizes(&dir)?;
        Ok(Self {
            dir,
            offsets,
            reader: None,
            gone_since: None,
        })
    }

    /// Follows a run from its beginning.
    pub(crate) fn from_start(dir: RunDir) -> Self {
        Self {
            dir,
            offsets: BTreeMap::new(),
            reader: None,
            gone_since: None,
        }
    }

    /// Notes that the folder is not there; it may come back.
    pub(crate) fn note_gone(&mut self) {
        self.rest();
        self.gone_since.get_or_insert_with(Instant::now);
    }

    /// Whether the log holds what was read of it, and may have grown since.
    pub(crate) fn has_what_was_read(&self) -> bool {
        sizes(&self.dir).is_ok_and(|sizes| {
            let is_there = |(file, read)| sizes.get(file).is_some_and(|size| size >= read);
            self.offsets.iter().all(is_there)
        })
    }

    /// Keeps nothing but how far each file was read.
    fn rest(&mut self) {
        let Some((log, _)) = self.reader.take() else {
            return;
        };
        let offsets = log.offsets().map(|(file, at)| (file.to_owned(), at));
        self.offsets = offsets.collect();
        // What is no whole line yet counts as read, or the sizes would never be equal.
        let unread = log
            .pending()
            .map(|unread| (unread.file, unread.offset + unread.bytes));
        self.offsets.extend(unread);
    }

    /// Whether it had news lately.
    pub(crate) fn is_live(&self) -> bool {
        self.reader.is_some()
    }

    /// Shows what is new, and returns whether the log was replaced or cut, so that this could not
    /// be told and is passed over.
    ///
    /// # Errors
    /// The log cannot be read, or `show` fails.
    pub(crate) fn show_news(
        &mut self,
        filter: &Filter,
        mut show: impl FnMut(Shown<'_>) -> Result<()>,
    ) -> Result<bool> {
        if self.reader.is_none() && sizes(&self.dir)? == self.offsets {
            return Ok(false);
        }
        let (log, quiet_since) = match &mut self.reader {
            Some(reader) => {
                reader.0.refresh()?;
                reader
            }
            None => {
                let start = |file: &str, _| self.offsets.get(file).copied().unwrap_or(0);
                let log = LogReader::open_from(self.dir.events_path(), start)?;
                self.reader.insert((log, Instant::now()))
            }
        };
        let mut is_rewound = false;
        while let Some(shown) = log.next(|entry| {
            is_rewound = matches!(entry, Entry::Rewound);
            filter.show(&entry, &mut show).unwrap_or(Ok(()))
        })? {
            shown?;
            *quiet_since = Instant::now();
            if is_rewound {
                self.reader = None;
                self.offsets = sizes(&self.dir)?;
                return Ok(true);
            }
        }
        if quiet_since.elapsed() >= READER_KEPT {
            self.rest();
        }
        Ok(false)
    }
}

impl Filter {
    /// Says what is wrong with a filter that can take nothing.
    pub(crate) fn check(&self) -> Result<()> {
        let is_empty = |text: &String| text.is_empty();
        let texts = [&self.types, &self.issues, &self.agents];
        let has_empty = texts.into_iter().flatten().any(is_empty);
        (!has_empty)
            .then_some(())
            .context("an empty type, issue or agent takes nothing")
    }
}
