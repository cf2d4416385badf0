use crate::secret_redactor::SecretRedactor;
use retally_log::{
    AppendError, Content, Draft, Entry, Event, LogError, LogReader, Logged, ManualClock, Root,
    RootError, RunDir, RunFinished, RunId, Times, Timestamp, Writer, WriterOptions,
};
use std::sync::Arc;

/// What was copied.
#[derive(Debug)]
pub struct RedactedCopy {
    /// The new run.
    pub run: RunDir,
    /// How many events it has.
    pub events: u64,
    /// How many stretches were left out: damage, and lines that fit no type.
    pub left_out: u64,
    /// How many bytes those are.
    pub left_out_bytes: u64,
}

/// Why there is no copy, or only a part of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The run for the copy could not be made.
    #[error(transparent)]
    Create(#[from] RootError),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] LogError),
    /// The copy could not be written.
    #[error("the copy `{run}` is not whole (remove it, then redact again)")]
    Write {
        /// The run of the copy.
        run: RunId,
        /// Why.
        source: Box<AppendError>,
    },
    /// Other events were read back than were written.
    #[error(
        "the copy `{run}` has {found} events and not {wanted} (the log changed meanwhile; remove the copy, then redact again)"
    )]
    Unlike {
        /// The run of the copy.
        run: RunId,
        /// How many events were read from it.
        found: u64,
        /// How many were written.
        wanted: u64,
    },
}

/// Copies a run's events in their order into a new run, without their secrets, and makes the copy
/// survive power loss. The run is left as it is.
///
/// Times, keys and fields stay, so reports of the copy are those of the run but for what was
/// redacted. Damaged bytes and lines that fit no type may hold anything, and are left out. The new
/// run gets the id `id`, or the first free one of `…_2` and so on.
///
/// # Errors
/// Each [`CopyError`] says what stands.
pub fn copy_redacted(
    root: &Root,
    run: &RunDir,
    id: &RunId,
    redactor: Arc<SecretRedactor>,
) -> Result<RedactedCopy, CopyError> {
    let mut log = LogReader::open(run.events_path())?;
    let mut copying = Copying::new(root.create_run(id)?, redactor);
    while let Some(result) = log.next(|entry| copying.take(entry))? {
        copying.written(result)?;
    }
    let result = copying
        .writers
        .iter()
        .try_for_each(|(_, writer)| writer.sync());
    copying.written(result)?;
    let copy = copying.copy;
    let found = count_events(&copy.run)?;
    if found != copy.events {
        let (run, wanted) = (copy.run.id().clone(), copy.events);
        return Err(CopyError::Unlike { run, found, wanted });
    }
    Ok(copy)
}

/// A copy in the making.
struct Copying {
    copy: RedactedCopy,
    redactor: Arc<SecretRedactor>,
    clock: Arc<ManualClock>,
    /// One for each kind of times: what is in order stays so within one segment.
    writers: Vec<(Times, Writer)>,
}

impl Copying {
    fn new(run: RunDir, redactor: Arc<SecretRedactor>) -> Self {
        Self {
            copy: RedactedCopy {
                run,
                events: 0,
                left_out: 0,
                left_out_bytes: 0,
            },
            redactor,
            clock: Arc::new(ManualClock::new(Timestamp::MIN)),
            writers: Vec::new(),
        }
    }

    fn take(&mut self, entry: Entry<'_>) -> Result<(), AppendError> {
        match entry {
            Entry::Stretch(_, Content::Event(logged)) => {
                self.copy.events += 1;
                self.append(&logged)
            }
            Entry::Stretch(_, Content::Opened(_) | Content::Duplicate | Content::Blank) => Ok(()),
            Entry::Stretch(place, _) => {
                self.copy.left_out += 1;
                self.copy.left_out_bytes += place.length;
                Ok(())
            }
            // Counts go apart from what is read back, which says so.
            Entry::Rewound => Ok(()),
        }
    }

    fn append(&mut self, logged: &Logged<'_>) -> Result<(), AppendError> {
        let envelope = logged.envelope;
        let event = match &envelope.event {
            // The lines that it counted are in other segments now.
            Event::RunFinished(finished) => Event::RunFinished(RunFinished {
                status: finished.status,
                segments: None,
            }),
            event => event.clone(),
        };
        self.clock.jump_to(envelope.ts);
        let draft = Draft {
            ts: Some(envelope.ts),
            key: envelope.key.clone(),
            event,
            extra: envelope.extra.clone(),
        };
        self.writer(logged.times).append(draft).map(drop)
    }

    fn writer(&mut self, times: Times) -> &Writer {
        let at = self.writers.iter().position(|(known, _)| *known == times);
        let at = at.unwrap_or_else(|| {
            let options = WriterOptions {
                times,
                clock: Arc::clone(&self.clock) as _,
                redactor: Some(Arc::clone(&self.redactor) as _),
                cuts_long_texts: true,
                ..WriterOptions::default()
            };
            let writer = Writer::new(self.copy.run.clone(), options);
            self.writers.push((times, writer));
            self.writers.len() - 1
        });
        &self.writers[at].1
    }

    fn written(&self, result: Result<(), AppendError>) -> Result<(), CopyError> {
        result.map_err(|source| CopyError::Write {
            run: self.copy.run.id().clone(),
            source: Box::new(source),
        })
    }
}

fn count_events(run: &RunDir) -> Result<u64, LogError> {
    let mut log = LogReader::open(run.events_path())?;
    let is_event = |entry: Entry<'_>| matches!(entry, Entry::Stretch(_, Content::Event(_)));
    let mut events = 0;
    while let Some(is_event) = log.next(is_event)? {
        events += u64::from(is_event);
    }
    Ok(events)
}
