//! What a log holds that is to be copied, and how its segments are called in the copy.

use crate::redacted_copy::CopyError;
use retally_log::{
    Content, Entry, Event, LogReader, Place, Redactor, RunDir, RunFinished, RunId, SegmentId,
    StretchReader, Times, Timestamp, line_time,
};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

/// The segments of a log that hold a line that can be copied.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// By their ids in the original.
    pub(crate) segments: BTreeMap<SegmentId, Surveyed>,
    /// How many stretches are damage, or stand behind the last line end of a file.
    pub(crate) left_out: u64,
    /// How many bytes those have.
    pub(crate) left_out_bytes: u64,
}

/// A segment of the original.
#[derive(Debug)]
pub(crate) struct Surveyed {
    /// Its id in the copy. These are in the order of the originals', as ties in log order need.
    pub(crate) copy: SegmentId,
    pub(crate) times: Times,
    /// Of its first line that states one.
    pub(crate) first_ts: Option<Timestamp>,
    /// Whether each line bears a `seq` that the copy can bear too: growing, and from 1 on, as the
    /// copy begins with a description.
    pub(crate) is_numbered: bool,
    /// How many events and misfits it holds.
    pub(crate) lines: u64,
    last_seq: u64,
}

impl Survey {
    /// Reads a log from its beginning to its end.
    pub(crate) fn of(run: &RunDir, target: &RunId) -> Result<Self, CopyError> {
        let events_dir = run.events_path();
        let mut log = LogReader::open(&events_dir)?;
        let mut stretches = StretchReader::new(&events_dir);
        let mut survey = Self::default();
        while let Some(taken) = log.next(|entry| survey.take_in(&entry, &mut stretches))? {
            taken.map_err(|source| CopyError::File {
                path: events_dir.clone(),
                source,
            })?;
        }
        for unread in log.pending().filter(|unread| unread.bytes > 0) {
            survey.left_out += 1;
            survey.left_out_bytes += unread.bytes;
        }
        survey.segments.retain(|_, segment| segment.lines > 0);
        if survey.segments.is_empty() {
            let run = run.id().clone();
            return Err(CopyError::Empty { run });
        }
        let mut ids: Vec<SegmentId> = survey
            .segments
            .keys()
            .map(|id| copy_id(target, id))
            .collect();
        ids.sort();
        for (segment, id) in survey.segments.values_mut().zip(ids) {
            segment.copy = id;
        }
        Ok(survey)
    }

    fn take_in(&mut self, entry: &Entry<'_>, stretches: &mut StretchReader) -> io::Result<()> {
        let Entry::Stretch(place, content) = entry else {
            *self = Self::default();
            return Ok(());
        };
        let (ts, times) = match content {
            Content::Event(logged) => (Some(logged.envelope.ts), Some(logged.times)),
            Content::Misfit(_) => (line_time(&stretches.read(place)?), None),
            Content::Opened(opened) => (line_time(&stretches.read(place)?), opened.times),
            Content::Damage(_) => {
                self.left_out += 1;
                self.left_out_bytes += place.length;
                return Ok(());
            }
            _ => return Ok(()),
        };
        let segment = self
            .segments
            .entry(place.segment.clone())
            .or_insert_with(|| Surveyed::new(place.segment.clone()));
        segment.first_ts = segment.first_ts.or(ts);
        // An event knows better where the times come from: only a first line may say it.
        segment.times = times.unwrap_or(segment.times);
        if !matches!(content, Content::Opened(_)) {
            segment.count(place);
        }
        Ok(())
    }

    /// Returns an event as the copy holds it, but for its secrets: the end of a run states how
    /// many lines each segment has.
    pub(crate) fn renamed<'e>(&self, event: &Event<'e>, redactor: &dyn Redactor) -> Event<'e> {
        let Event::RunFinished(RunFinished {
            status,
            segments: Some(stated),
        }) = event
        else {
            return event.clone();
        };
        let renamed =
            stated
                .iter()
                .map(|(id, lines)| match self.segments.get(&SegmentId::new(id)) {
                    Some(segment) => {
                        let most = match segment.is_numbered {
                            true => *lines,
                            false => (segment.lines + 1).min(*lines),
                        };
                        (Cow::Owned(segment.copy.to_string()), most)
                    }
                    None => (Cow::Owned(redactor.redact_name(id).into_owned()), *lines),
                });
        Event::RunFinished(RunFinished {
            status: *status,
            segments: Some(renamed.collect()),
        })
    }
}

impl Surveyed {
    fn new(id: SegmentId) -> Self {
        Self {
            copy: id,
            times: Times::Given,
            first_ts: None,
            is_numbered: true,
            lines: 0,
            last_seq: 0,
        }
    }

    fn count(&mut self, place: &Place<'_>) {
        self.lines += 1;
        self.is_numbered &= place.seq.is_some_and(|seq| seq > self.last_seq);
        self.last_seq = place.seq.unwrap_or(0);
    }
}

/// Makes the id that a segment has in a copy, the same at each copy.
fn copy_id(target: &RunId, id: &SegmentId) -> SegmentId {
    let digest = Sha256::digest(format!("{target}\0{id}").as_bytes());
    let mut text: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    // A UUID of version 8, which is made as one likes.
    text.replace_range(12..13, "8");
    text.replace_range(16..17, "8");
    for dash in [20, 16, 12, 8] {
        text.insert(dash, '-');
    }
    SegmentId::new(&text)
}
