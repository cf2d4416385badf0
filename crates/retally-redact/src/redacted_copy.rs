use crate::secret_redactor::SecretRedactor;
use crate::segment_files::{SegmentFiles, sync_folder};
use crate::survey::{Survey, Surveyed};
use retally_log::{
    Content, Draft, EncodeError, Entry, LogError, LogReader, LogStamp, Program, Redactor, Root,
    RootError, RunDir, RunId, SegmentId, SegmentOpened, StretchReader, Timestamp,
    append_copied_event, append_copied_misfit,
};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, renameat_with};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// What a redacted copy of a run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedactedCopy {
    /// The copy.
    pub run: RunId,
    /// How many segments and lines it has, descriptions of segments not counted.
    pub segments: u64,
    /// How many lines.
    pub lines: u64,
    /// How many secrets were taken out, by kind.
    pub redacted: BTreeMap<String, u64>,
    /// How many lines were left out, as they could not be trusted or had no end.
    pub left_out: u64,
    /// How many bytes those have.
    pub left_out_bytes: u64,
    /// Whether it stood there already, and was only compared.
    pub was_there: bool,
    /// How the original stood when it was copied; as long as this holds, the copy is whole.
    pub original: Option<LogStamp>,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The run has no line that can be copied.
    #[error("run `{run}` has no events")]
    Empty {
        /// The run.
        run: RunId,
    },
    /// The copy would be the original.
    #[error("`{run}` is the run itself (choose another id)")]
    Same {
        /// The id.
        run: RunId,
    },
    /// A folder of the copy's name is there, and it is not this copy.
    #[error("`{}` is there and is no copy of the run as it is now (choose another id, or remove it)", path.display())]
    Different {
        /// The folder.
        path: PathBuf,
    },
    /// Another process makes the same copy.
    #[error("another process makes this copy (wait for it)")]
    Held,
    /// The original changed while it was read.
    #[error("the run changed meanwhile (try again once its writers are quiet)")]
    Changed,
    /// What stands on disk is not what was written.
    #[error("the copy does not read back as written (check the disk)")]
    Unverified,
    /// A line cannot be written.
    #[error("line {line} of segment `{segment}` cannot be copied")]
    Line {
        /// The segment of the original.
        segment: SegmentId,
        /// Counted from 1.
        line: u64,
        /// Why.
        source: EncodeError,
    },
    /// A folder cannot be made.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A file cannot be written or moved.
    #[error("cannot write `{}` (check permissions and free space)", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// How the names begin of folders in which a copy is made. No run has such a name.
const UNDER_WAY_PREFIX: &str = ".redacting-";

/// Writes a copy of a run without secrets, as the run `target`, and leaves the original as it is.
///
/// The copy has new segments, one for each of the original, with the times and the order of its
/// lines, so that its reports differ in redacted texts only. Bytes that cannot be trusted are left
/// out; lines without a checksum and those that fit no type are copied. It is made in a folder
/// that is no run, synced, read back and compared, and only then gets its name. Where the very
/// copy stands already, nothing is written; the ids of segments follow from those of the original.
///
/// # Errors
/// There is no copy then, and the original is as it was.
pub fn copy_redacted(
    root: &Root,
    run: &RunDir,
    target: &RunId,
    redactor: &SecretRedactor,
) -> Result<RedactedCopy, CopyError> {
    if run.id() == target {
        return Err(CopyError::Same {
            run: target.clone(),
        });
    }
    let stamp = |run: &RunDir| run.log_stamp().map_err(failed(run.path()));
    let original = stamp(run)?;
    let survey = Survey::of(run, target)?;
    let copy = Copy {
        run,
        target,
        survey,
    };
    let before = redactor.counts();
    let wanted = root.run(target);
    let was_there = wanted.path().symlink_metadata().is_ok();
    let redacted = if was_there {
        if !copy.is_equal(&wanted, redactor)? {
            let path = wanted.path().to_owned();
            return Err(CopyError::Different { path });
        }
        redactor.counts()
    } else {
        copy.make(root, &wanted, redactor)?
    };
    let since = |(kind, count): (String, u64)| {
        let count = count - before.get(&kind).unwrap_or(&0);
        (count > 0).then_some((kind, count))
    };
    Ok(RedactedCopy {
        run: target.clone(),
        segments: copy.survey.segments.len() as u64,
        lines: copy
            .survey
            .segments
            .values()
            .map(|segment| segment.lines)
            .sum(),
        redacted: redacted.into_iter().filter_map(since).collect(),
        left_out: copy.survey.left_out,
        left_out_bytes: copy.survey.left_out_bytes,
        was_there,
        original: original.filter(|original| stamp(run).is_ok_and(|now| now == Some(*original))),
    })
}

pub(crate) fn failed(path: &Path) -> impl FnOnce(io::Error) -> CopyError {
    let path = path.to_owned();
    |source| CopyError::File { path, source }
}

/// A copy that is to be made.
struct Copy<'c> {
    run: &'c RunDir,
    target: &'c RunId,
    survey: Survey,
}

impl Copy<'_> {
    /// Makes the copy beside the runs, compares it with the original, and gives it its name.
    /// Returns what the redactor had counted once all was written.
    fn make(
        &self,
        root: &Root,
        wanted: &RunDir,
        redactor: &SecretRedactor,
    ) -> Result<BTreeMap<String, u64>, CopyError> {
        let workshop = root
            .path()
            .join(format!("{UNDER_WAY_PREFIX}{}", self.target));
        std::fs::create_dir_all(&workshop).map_err(failed(&workshop))?;
        // A link that somebody planted there is not followed.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&workshop, flags, Mode::empty());
        let folder = File::from(folder.map_err(|error| failed(&workshop)(error.into()))?);
        match folder.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CopyError::Held),
            Err(TryLockError::Error(source)) => return Err(failed(&workshop)(source)),
        }
        let made = Root::new(&workshop).run(self.target);
        // What a process left that died.
        remove_folder(made.path()).map_err(failed(made.path()))?;
        let made = Root::new(&workshop).open_or_create_run(self.target)?;
        let result = self.fill(&made, redactor).and_then(|()| {
            let counts = redactor.counts();
            if !self.is_equal(&made, redactor)? {
                return Err(CopyError::Unverified);
            }
            let renamed =
                renameat_with(CWD, made.path(), CWD, wanted.path(), RenameFlags::NOREPLACE);
            renamed.map_err(|error| failed(wanted.path())(error.into()))?;
            sync_folder(root.path()).map_err(failed(root.path()))?;
            Ok(counts)
        });
        let removed = remove_folder(&workshop).map_err(failed(&workshop));
        result.and_then(|counts| removed.map(|()| counts))
    }

    /// Writes all segments of the copy, and syncs them.
    fn fill(&self, made: &RunDir, redactor: &dyn Redactor) -> Result<(), CopyError> {
        let events_dir = made.events_path();
        let mut files = SegmentFiles::new(&events_dir);
        for segment in self.survey.segments.values() {
            let (mut line, ts) = (Vec::new(), segment.first_ts.unwrap_or(Timestamp::MIN));
            let header = self.header(segment).into();
            append_copied_event(&mut line, 0, ts, &header, &Unchanged).map_err(|source| {
                CopyError::Line {
                    segment: segment.copy.clone(),
                    line: 0,
                    source,
                }
            })?;
            files.append(&segment.copy, &line)?;
        }
        self.each_line(redactor, |copy, line| files.append(copy, line))?;
        files.finish()?;
        sync_folder(made.path()).map_err(failed(made.path()))
    }

    /// Describes a segment of the copy, so that no writer goes on with it.
    fn header(&self, segment: &Surveyed) -> SegmentOpened<'static> {
        SegmentOpened {
            format: Some(retally_log::FORMAT_VERSION),
            run: Some(self.target.to_string().into()),
            segment: Some(segment.copy.to_string().into()),
            times: Some(segment.times),
            host: None,
            boot: None,
            inode: None,
            device: None,
            pid: None,
            writer: Some(Program {
                name: "retally redact".into(),
                version: env!("CARGO_PKG_VERSION").into(),
            }),
        }
    }

    /// Hands each line of the copy, in log order, to `visit`, with its segment.
    fn each_line(
        &self,
        redactor: &dyn Redactor,
        mut visit: impl FnMut(&SegmentId, &[u8]) -> Result<(), CopyError>,
    ) -> Result<(), CopyError> {
        let events_dir = self.run.events_path();
        let mut stretches = StretchReader::new(&events_dir);
        let mut log = LogReader::open(&events_dir)?;
        let mut done: BTreeMap<&SegmentId, u64> = BTreeMap::new();
        let mut out = Vec::new();
        while let Some(result) = log.next(|entry| {
            let Entry::Stretch(place, content) = entry else {
                return Err(CopyError::Changed);
            };
            let Some((id, segment)) = self.survey.segments.get_key_value(place.segment) else {
                return Ok(None);
            };
            let done = done.entry(id).or_default();
            // What came since the survey is left for another copy.
            if *done == segment.lines || !matches!(content, Content::Event(_) | Content::Misfit(_))
            {
                return Ok(None);
            }
            *done += 1;
            let numbered = place.seq.filter(|_| segment.is_numbered);
            let seq = numbered.unwrap_or(*done);
            out.clear();
            let written = match content {
                Content::Event(logged) => {
                    let envelope = logged.envelope;
                    let draft = Draft {
                        ts: None,
                        key: envelope.key.clone(),
                        event: self.survey.renamed(&envelope.event, redactor),
                        extra: envelope.extra.clone(),
                    };
                    append_copied_event(&mut out, seq, envelope.ts, &draft, redactor)
                }
                _ => {
                    let bytes = stretches.read(&place).map_err(failed(&events_dir))?;
                    append_copied_misfit(&mut out, seq, bytes.trim_ascii(), redactor)
                }
            };
            written.map_err(|source| CopyError::Line {
                segment: id.clone(),
                line: *done,
                source,
            })?;
            Ok(Some(&segment.copy))
        })? {
            if let Some(copy) = result? {
                visit(copy, &out)?;
            }
        }
        let is_whole = |(id, segment): (&SegmentId, &Surveyed)| {
            done.get(id).copied().unwrap_or(0) == segment.lines
        };
        match self.survey.segments.iter().all(is_whole) {
            true => Ok(()),
            false => Err(CopyError::Changed),
        }
    }

    /// Reads a copy and returns whether it holds what it should, in log order, and nothing else.
    fn is_equal(&self, copy: &RunDir, redactor: &dyn Redactor) -> Result<bool, CopyError> {
        let mut lines = CopiedLines::open(copy)?;
        let mut is_equal = !lines.has_pending();
        self.each_line(redactor, |segment, wanted| {
            let line = lines.next()?;
            is_equal &= line.is_some_and(|(found, line)| found == *segment && line == wanted);
            Ok(())
        })?;
        Ok(is_equal && lines.next()?.is_none())
    }
}

/// The lines of a copy, in log order.
struct CopiedLines {
    log: LogReader,
    stretches: StretchReader,
    events_dir: PathBuf,
}

impl CopiedLines {
    fn open(run: &RunDir) -> Result<Self, CopyError> {
        let events_dir = run.events_path();
        Ok(Self {
            log: LogReader::open(&events_dir)?,
            stretches: StretchReader::new(&events_dir),
            events_dir,
        })
    }

    /// Returns the segment and the bytes of the next line; no bytes where something stands that no
    /// copy holds.
    fn next(&mut self) -> Result<Option<(SegmentId, Vec<u8>)>, CopyError> {
        let (stretches, events_dir) = (&mut self.stretches, &self.events_dir);
        loop {
            let line = self.log.next(|entry| {
                let Entry::Stretch(place, content) = entry else {
                    return Err(CopyError::Changed);
                };
                let bytes = match content {
                    Content::Opened(_) => return Ok(None),
                    Content::Event(logged) => [logged.line, b"\n"].concat(),
                    Content::Misfit(_) => stretches.read(&place).map_err(failed(events_dir))?,
                    _ => Vec::new(),
                };
                Ok(Some((place.segment.clone(), bytes)))
            })?;
            match line.transpose()? {
                None => return Ok(None),
                Some(None) => {}
                Some(line) => return Ok(line),
            }
        }
    }

    fn has_pending(&self) -> bool {
        self.log.pending().next().is_some()
    }
}

/// Writes headers as they are.
struct Unchanged;

impl Redactor for Unchanged {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        Cow::Borrowed(text)
    }
}

/// Removes a folder with all that is in it, links and not what they lead to.
fn remove_folder(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests;
