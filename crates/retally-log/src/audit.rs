use crate::entry::{Content, Entry, Place};
use crate::event::{Event, Misfit, RunFinished};
use crate::line::Damage;
use crate::log_error::LogError;
use crate::log_reader::LogReader;
use crate::position::SegmentId;
use crate::segment_file;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How many unknown types an audit names; a log may hold any number.
const UNKNOWN_TYPES_MAX: usize = 100;

/// How many findings an audit holds; more are counted.
const FINDINGS_MAX: usize = 10_000;

/// What an inspection of all segments of a run found.
///
/// ```no_run
/// let audit = retally_log::Audit::of("logs/runs/run_1/events")?;
/// for finding in &audit.findings {
///     println!("{} at byte {}: {}", finding.file, finding.offset, finding.problem);
/// }
/// # Ok::<(), retally_log::LogError>(())
/// ```
#[derive(Debug, Default)]
pub struct Audit {
    /// The segments, by id.
    pub segments: BTreeMap<SegmentId, SegmentAudit>,
    /// What is wrong, in the order of reading; the first 10,000.
    pub findings: Vec<Finding>,
    /// How many findings are not in the list.
    pub omitted: u64,
    /// How many events there are of each type that this version does not know: the first 100
    /// types by order of reading. They are kept, and no finding.
    pub unknown_types: BTreeMap<String, u64>,
}

/// What stands in a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentAudit {
    /// Events, those of unknown type included.
    pub events: u64,
    /// Events and descriptions for which no checksum vouches.
    pub unchecked: u64,
    /// Lines that stand twice.
    pub duplicates: u64,
    /// Lines of white space.
    pub blank: u64,
    /// Lines that fit no type.
    pub misfits: u64,
    /// Stretches that cannot be trusted.
    pub damaged: u64,
    /// Lines that are missing, as far as `seq` and `run.finished` show.
    pub lost: u64,
    /// Descriptions of the segment, `segment.opened`.
    pub descriptions: u64,
    /// Bytes of whole lines.
    pub bytes: u64,
    /// Bytes behind the last LF.
    pub pending_bytes: u64,
    /// What follows the greatest `seq`; 0 where no line bears one.
    next_seq: u64,
    /// Damaged stretches that no missing `seq` was blamed on yet.
    unblamed: u64,
    /// The file that was read last.
    file: String,
}

/// Something wrong in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The segment.
    pub segment: SegmentId,
    /// The name of the file in the run's `events/` folder; empty where there is none.
    pub file: String,
    /// Where, in bytes.
    pub offset: u64,
    /// How many bytes it concerns.
    pub length: u64,
    /// What it is.
    pub problem: Problem,
}

/// What may be wrong in a segment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes cannot be trusted.
    #[error("damage: {0}")]
    Damage(Damage),
    /// A sound line fits no type.
    #[error("misfit: {0}")]
    Misfit(Misfit),
    /// Lines are missing in front of this one.
    #[error("{lines} lost: seq {seq} follows where {expected} was due")]
    Gap {
        /// How many, those that damage accounts for not counted.
        lines: u64,
        /// The line's `seq`.
        seq: u64,
        /// The `seq` that was due.
        expected: u64,
    },
    /// The segment ends before the line that `run.finished` saw.
    #[error("tail lost: {found} lines, `run.finished` counted {stated}")]
    ShortTail {
        /// How many lines there are.
        found: u64,
        /// How many there were.
        stated: u64,
    },
    /// What bears a segment's name is a link, a folder or a device, and was not read.
    #[error("no regular file: it was not read (put the segment itself in its place)")]
    NoFile,
    /// The last line has no LF: it is being written, or its writer died.
    #[error("no line end yet: being written, or its writer died (the next writer ends it)")]
    Pending,
}

impl Audit {
    /// Reads all segments of a run's `events/` folder to their ends.
    ///
    /// # Errors
    /// A segment cannot be read. Damage is no error but a finding.
    pub fn of(events_dir: impl Into<PathBuf>) -> Result<Self, LogError> {
        let mut log = LogReader::open(events_dir)?;
        let passed_over = segment_file::passed_over(log.events_dir());
        let mut audit = Self::default();
        let mut stated = BTreeMap::new();
        loop {
            while log
                .next(|entry| audit.take_in(entry, &mut stated))?
                .is_some()
            {}
            if !log.refresh()? {
                break;
            }
        }
        audit.check_tails(&stated);
        for file in passed_over {
            let (segment, problem) = (SegmentId::new(segment_file::stem(&file)), Problem::NoFile);
            audit.find(Finding {
                segment,
                file,
                offset: 0,
                length: 0,
                problem,
            });
        }
        for unread in log.pending() {
            let segment = unread.segment;
            let known = audit.segments.entry(segment.clone()).or_default();
            known.pending_bytes += unread.bytes;
            let (file, offset, length) = (unread.file, unread.offset, unread.bytes);
            audit.find(Finding {
                segment,
                file,
                offset,
                length,
                problem: Problem::Pending,
            });
        }
        Ok(audit)
    }

    fn take_in(&mut self, entry: Entry<'_>, stated: &mut BTreeMap<String, u64>) {
        let Entry::Stretch(place, content) = entry else {
            *self = Self::default();
            stated.clear();
            return;
        };
        let segment = self.segments.entry(place.segment.clone()).or_default();
        place.file.clone_into(&mut segment.file);
        segment.bytes += place.length;
        let gap = place.seq.and_then(|seq| segment.follow(seq));
        if let Content::Event(event) = &content
            && let Event::Unknown(unknown) = &event.envelope.event
        {
            count_type(&mut self.unknown_types, unknown.type_name());
        }
        let problem = segment.count(content, stated);
        for problem in gap.into_iter().chain(problem) {
            self.find_at(place, problem);
        }
    }

    fn find_at(&mut self, place: Place<'_>, problem: Problem) {
        let Place {
            segment,
            file,
            offset,
            length,
            ..
        } = place;
        let (segment, file) = (segment.clone(), file.to_owned());
        self.find(Finding {
            segment,
            file,
            offset,
            length,
            problem,
        });
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.omitted += 1;
        }
    }

    fn check_tails(&mut self, stated: &BTreeMap<String, u64>) {
        for (id, &stated) in stated {
            let id = SegmentId::new(id);
            let segment = self.segments.entry(id.clone()).or_default();
            let found = segment.lines();
            if found < stated {
                segment.lost += stated - found;
                let (file, offset) = (segment.file.clone(), segment.bytes);
                let problem = Problem::ShortTail { found, stated };
                self.find(Finding {
                    segment: id,
                    file,
                    offset,
                    length: 0,
                    problem,
                });
            }
        }
    }
}

fn count_type(types: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(count) = types.get_mut(name) {
        *count += 1;
    } else if types.len() < UNKNOWN_TYPES_MAX {
        types.insert(name.to_owned(), 1);
    }
}

impl SegmentAudit {
    /// Returns how many lines the segment has, in the way in which `run.finished` counts them.
    fn lines(&self) -> u64 {
        if self.next_seq > 0 {
            return self.next_seq;
        }
        self.events + self.descriptions + self.blank + self.misfits + self.damaged
    }

    /// Takes in a line's `seq` and returns whether lines before it are missing.
    fn follow(&mut self, seq: u64) -> Option<Problem> {
        let missing = seq.saturating_sub(self.next_seq);
        let expected = self.next_seq;
        self.next_seq = self.next_seq.max(seq + 1);
        let blamed = missing.min(self.unblamed);
        self.unblamed -= blamed;
        let lines = missing - blamed;
        self.lost += lines;
        (lines > 0).then_some(Problem::Gap {
            lines,
            seq,
            expected,
        })
    }

    fn count(
        &mut self,
        content: Content<'_>,
        stated: &mut BTreeMap<String, u64>,
    ) -> Option<Problem> {
        match content {
            Content::Event(event) => {
                self.events += 1;
                self.unchecked += u64::from(!event.is_checked);
                if let Event::RunFinished(RunFinished {
                    segments: Some(counts),
                    ..
                }) = &event.envelope.event
                {
                    for (id, lines) in counts {
                        let most = stated.entry(id.to_string()).or_default();
                        *most = (*lines).max(*most);
                    }
                }
                None
            }
            Content::Opened(_) => {
                self.descriptions += 1;
                None
            }
            Content::Duplicate => {
                self.duplicates += 1;
                None
            }
            Content::Blank => {
                self.blank += 1;
                None
            }
            Content::Misfit(misfit) => {
                self.misfits += 1;
                Some(Problem::Misfit(misfit))
            }
            Content::Damage(damage) => {
                self.damaged += 1;
                self.unblamed += 1;
                Some(Problem::Damage(damage))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Draft;
    use crate::event::{NoteAdded, RunScored};
    use crate::field::RunStatus;
    use crate::line_writer::{TextRules, encode_line};
    use crate::proof::proved;
    use crate::timestamp::Timestamp;

    fn line(seq: u64, draft: &Draft<'_>) -> String {
        let mut out = Vec::new();
        encode_line(&mut out, seq, Timestamp::MIN, draft, TextRules::default()).expect("it fits");
        String::from_utf8(out).expect("lines are UTF-8")
    }

    /// Twelve lines in segment `a`, and in `b` the end of the run, which counted them.
    fn finished_run() -> (Vec<String>, String) {
        let scored: Draft<'_> = RunScored { success: true }.into();
        let lines = (0..12).map(|seq| line(seq, &scored)).collect();
        let counts = BTreeMap::from([("a".into(), 12), ("b".into(), 0)]);
        let finished = RunFinished {
            status: RunStatus::Completed,
            segments: Some(counts),
        };
        (lines, line(0, &finished.into()))
    }

    fn audit(a: &str, b: &str) -> Audit {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("a.jsonl"), a).expect("written");
        std::fs::write(folder.path().join("b.jsonl"), b).expect("written");
        Audit::of(folder.path()).expect("the log is readable")
    }

    fn lost(audit: &Audit) -> u64 {
        audit.segments.values().map(|segment| segment.lost).sum()
    }

    #[test]
    fn a_sound_log_has_no_findings() {
        let (lines, finished) = finished_run();
        let audit = audit(&lines.concat(), &finished);
        assert_eq!(audit.findings, []);
        assert_eq!(audit.segments[&SegmentId::new("a")].events, 12);
    }

    #[test]
    fn every_line_and_every_pair_of_lines_that_is_removed_is_missed() {
        let (lines, finished) = finished_run();
        let mut logs = 0;
        for first in 0..lines.len() {
            for second in first..lines.len() {
                let kept: String = (0..lines.len())
                    .filter(|at| *at != first && *at != second)
                    .map(|at| &*lines[at])
                    .collect();
                let expected = if first == second { 1 } else { 2 };
                assert_eq!(lost(&audit(&kept, &finished)), expected, "{first} {second}");
                logs += 1;
            }
        }
        proved("R6", &format!("{logs} logs that lack one line or two"));
    }

    #[test]
    fn every_lost_tail_of_a_finished_run_is_missed() {
        let (lines, finished) = finished_run();
        for kept in 0..lines.len() {
            let audit = audit(&lines[..kept].concat(), &finished);
            assert_eq!(
                lost(&audit),
                (lines.len() - kept) as u64,
                "{kept} lines kept"
            );
            assert_eq!(audit.findings.len(), 1);
        }
        proved("R6", &format!("{} lost tails", lines.len()));
    }

    #[test]
    fn a_torn_line_accounts_for_the_seq_that_its_writer_burnt() {
        let (lines, finished) = finished_run();
        let torn = format!(
            "{}{}\n{}",
            lines[..3].concat(),
            &lines[3][..30],
            lines[4..].concat()
        );
        let audit = audit(&torn, &finished);
        assert_eq!(lost(&audit), 0);
        assert_eq!(audit.findings.len(), 1, "{:?}", audit.findings);
        assert!(matches!(audit.findings[0].problem, Problem::Damage(_)));
    }

    #[test]
    fn what_only_looks_like_a_segment_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::os::unix::fs::symlink("/dev/null", folder.path().join("a.jsonl")).expect("linked");
        std::fs::create_dir(folder.path().join("b.jsonl.zst")).expect("created");
        std::fs::create_dir(folder.path().join(".c.jsonl")).expect("created");
        let audit = Audit::of(folder.path()).expect("the log is readable");
        let named: Vec<_> = audit
            .findings
            .iter()
            .map(|found| (&*found.file, &found.problem))
            .collect();
        assert_eq!(
            named,
            [
                ("a.jsonl", &Problem::NoFile),
                ("b.jsonl.zst", &Problem::NoFile)
            ]
        );
    }

    #[test]
    fn misfits_and_pending_bytes_are_named_with_their_place() {
        let note: Draft<'_> = NoteAdded {
            text: "x".into(),
            issue: None,
            agent: None,
        }
        .into();
        let misfit = line(0, &note)
            .replace(",\"crc\"", "},")
            .replace("text", "word");
        let misfit = format!(
            "{}\n",
            misfit
                .split("},")
                .next()
                .map(|s| format!("{s}}}"))
                .expect("cut")
        );
        let audit = audit(&format!("{misfit}tail"), "");
        let shown: Vec<String> = audit
            .findings
            .iter()
            .map(|finding| format!("{} {} {}", finding.file, finding.offset, finding.problem))
            .collect();
        let pending =
            "no line end yet: being written, or its writer died (the next writer ends it)";
        assert_eq!(
            shown,
            [
                "a.jsonl 0 misfit: `text` is missing (want a string)".to_owned(),
                format!("a.jsonl {} {pending}", misfit.len()),
            ]
        );
    }
}
