use crate::entry::{Content as Found, Entry, Logged, Place};
use crate::event::Event;
use crate::field::Times;
use crate::index::{Index, IndexedContent};
use crate::line::{Damage, SoundLine, parse_line};
use crate::log_error::LogError;
use crate::mark::Mark;
use crate::open_file::{OpenFile, Probe};
use crate::position::{Position, SegmentId};
use crate::read_ahead::BLOCK_BYTES;
use crate::segment_file::{SegmentFile, SegmentFiles};
use crate::segment_reader::{Content, Item};
use crate::timestamp::Timestamp;
use std::io;

/// Less than this is read without [`read_ahead`](Segment::read_ahead).
const AHEAD_BYTES_MIN: u64 = 4 * BLOCK_BYTES as u64;

/// The lines of one segment in their order, from one file or from several that bear its id.
pub(crate) struct Segment {
    id: SegmentId,
    /// The `ts` of the first line.
    first_time: Option<Timestamp>,
    /// Sorted by file name, at least one.
    files: Vec<OpenFile>,
    order: Order,
    progress: Progress,
}

/// How far a segment was yielded.
struct Progress {
    /// The greatest `ts` of the sound lines so far: the effective time.
    time: Option<Timestamp>,
    /// How many sound lines were yielded.
    lines: u64,
    /// Of the event that was yielded last.
    position: Position,
}

/// The order in which the lines are yielded.
enum Order {
    /// One file, as it stands; `next_seq` follows the greatest `seq` so far.
    File { next_seq: u64 },
    /// The file's `seq` goes back, or there are several files.
    Indexed(Index),
}

/// What became of the wish to yield the next stretch.
pub(crate) enum Step<R> {
    Visited(R),
    /// The next line's effective time lies behind the limit; it was left for later.
    Parked(Timestamp),
    /// There is no whole line for now.
    End,
    /// The next line's `seq` stands before lines already yielded: an index is needed.
    Disordered,
}

/// The place in log order up to which a segment may yield.
pub(crate) type Limit<'l> = Option<(Timestamp, &'l SegmentId)>;

impl Segment {
    pub(crate) fn new(probe: Probe, file: OpenFile) -> Self {
        Self {
            progress: Progress {
                time: None,
                lines: 0,
                position: Position {
                    time: Timestamp::MIN,
                    segment: probe.id.clone(),
                    index: 0,
                },
            },
            id: probe.id,
            first_time: probe.first_time,
            files: vec![file],
            order: Order::File { next_seq: 0 },
        }
    }

    pub(crate) fn id(&self) -> &SegmentId {
        &self.id
    }

    pub(crate) fn files(&self) -> &[OpenFile] {
        &self.files
    }

    /// Returns a time that the next line's effective time is not before.
    pub(crate) fn next_time(&self) -> Timestamp {
        let first = match self.order {
            Order::File { .. } => self.first_time,
            Order::Indexed(_) => None,
        };
        self.progress.time.or(first).unwrap_or(Timestamp::MIN)
    }

    /// Returns whether nothing was yielded yet.
    pub(crate) fn is_fresh(&self) -> bool {
        let is_at_start = |file: &OpenFile| file.reader.offset() == 0;
        matches!(self.order, Order::File { .. }) && self.files.iter().all(is_at_start)
    }

    /// Adds a file of the same id, before anything was yielded.
    pub(crate) fn add(&mut self, file: OpenFile) {
        debug_assert!(
            self.is_fresh(),
            "lines of the new file may stand before yielded ones"
        );
        self.files.push(file);
        self.files
            .sort_by(|left, right| left.file.name.cmp(&right.file.name));
    }

    /// Returns whether an index is still to be built, the segment's `seq` being known to go back
    /// or not.
    pub(crate) fn wants_index(&self, is_disordered: bool) -> bool {
        (is_disordered || self.files.len() > 1) && matches!(self.order, Order::File { .. })
    }

    /// Reads all files and sorts their lines; takes memory for each line.
    pub(crate) fn build_index(&mut self) -> Result<(), LogError> {
        self.order = Order::Indexed(Index::build(&mut self.files)?);
        Ok(())
    }

    /// Takes over what a file is now, and returns whether that asks for a reading.
    ///
    /// `None` where what was yielded is void.
    pub(crate) fn refresh(
        &mut self,
        file: &SegmentFile,
        among: &SegmentFiles,
    ) -> io::Result<Option<bool>> {
        let is_indexed = matches!(self.order, Order::Indexed(_));
        let mut files = self.files.iter_mut();
        let known = files.find(|known| known.file.name == file.name);
        let known = known.expect("a segment knows the files that it was given");
        if file.is_compressed || is_indexed {
            let is_same = known.file.stamp == file.stamp;
            let is_mended = !file.is_compressed && known.reader.was_mended(file.stamp.bytes)?;
            return Ok((is_same && !is_mended).then_some(false));
        }
        known.refresh(file, among)
    }

    /// Gives file handles and buffers back.
    pub(crate) fn close(&mut self) {
        for file in &mut self.files {
            file.close();
        }
    }

    /// Returns where reading stands, or `None` where that cannot be said in short: lines that were
    /// sorted or decompressed.
    pub(crate) fn mark(&mut self) -> io::Result<Option<Mark>> {
        let (Order::File { next_seq }, [open]) = (&self.order, &mut self.files[..]) else {
            return Ok(None);
        };
        let Some(head) = open.head else {
            return Ok(None);
        };
        let tail = open.tail()?;
        open.reader.close_file();
        Ok(Some(Mark {
            file: open.file.name.clone(),
            segment: self.id.as_str().to_owned(),
            head,
            tail,
            is_sealed: open.reader.is_sealed(),
            unsettled: open.reader.unsettled().to_vec(),
            next_seq: *next_seq,
            time: self.progress.time,
            lines: self.progress.lines,
        }))
    }

    /// Goes on where a mark says, and returns whether it fits: called before anything was yielded.
    pub(crate) fn resume(&mut self, mark: &Mark) -> Result<bool, LogError> {
        let [open] = &mut self.files[..] else {
            return Ok(false);
        };
        if self.id.as_str() != mark.segment || open.file.is_compressed {
            return Ok(false);
        }
        let fits = open.resume(mark);
        if !fits.map_err(|error| open.failed(error))? {
            return Ok(false);
        }
        let Mark {
            next_seq,
            time,
            lines,
            ..
        } = *mark;
        self.order = Order::File { next_seq };
        (self.progress.time, self.progress.lines) = (time, lines);
        Ok(true)
    }

    /// Returns whether there are bytes behind what was read.
    pub(crate) fn has_more(&self) -> bool {
        let has_more = |open: &OpenFile| open.reader.offset() < open.file.stamp.bytes;
        self.files.iter().any(has_more)
    }

    /// Passes over what stands before the byte that `start` returns for each file, and returns
    /// whether anything is left to yield. Called before anything was yielded; a segment of several
    /// files, of which one may hold what another lacks, is left whole.
    pub(crate) fn skip_to(&mut self, start: impl Fn(&str, u64) -> u64) -> Result<bool, LogError> {
        let [open] = &mut self.files[..] else {
            return Ok(true);
        };
        let start = start(&open.file.name, open.file.stamp.bytes).min(open.file.stamp.bytes);
        if open.file.is_compressed {
            return Ok(start < open.file.stamp.bytes);
        }
        let skipped = open.reader.skip_to(start);
        skipped.map_err(|error| open.failed(error))?;
        Ok(open.reader.offset() < open.file.stamp.bytes)
    }

    /// Yields events of a long stretch that do not lie behind the limit, until `visit` returns
    /// false; what is left, [`next`](Self::next) yields.
    pub(crate) fn read_ahead(
        &mut self,
        limit: Limit<'_>,
        visit: &mut (impl FnMut(Entry<'_>) -> bool + Send),
    ) {
        let gate = Gate {
            id: &self.id,
            times: self.times(),
            limit,
        };
        let (Order::File { next_seq }, [open]) = (&mut self.order, &mut self.files[..]) else {
            return;
        };
        let left = open.file.stamp.bytes.saturating_sub(open.reader.offset());
        if open.file.is_compressed || left < AHEAD_BYTES_MIN {
            return;
        }
        let OpenFile { file, reader, .. } = open;
        let mut goes_on = true;
        reader.read_ahead(&mut |item| {
            let Content::Sound(line, bytes) = item.content else {
                return false;
            };
            if !goes_on || line.seq.is_some_and(|seq| seq < *next_seq) {
                return false;
            }
            let place = Place {
                segment: gate.id,
                file: &file.name,
                offset: item.offset,
                length: item.length,
                seq: line.seq,
            };
            let visit = |entry: Entry<'_>| goes_on = visit(entry);
            let step = gate.pass(place, (line, bytes), &mut self.progress, visit);
            let is_taken = matches!(step, Step::Visited(()));
            if is_taken {
                *next_seq = line.seq.map_or(*next_seq, |seq| seq + 1);
            }
            is_taken
        });
    }

    /// Returns where the times come from.
    fn times(&self) -> Times {
        // The first line of one copy may be damaged.
        let times = self.files.iter().find_map(|open| open.times);
        times.unwrap_or(Times::Given)
    }

    /// Yields the next stretch, if it does not lie behind the limit.
    pub(crate) fn next<R>(
        &mut self,
        limit: Limit<'_>,
        visit: impl FnOnce(Entry<'_>) -> R,
    ) -> Result<Step<R>, LogError> {
        let times = self.times();
        let Self {
            id,
            files,
            order,
            progress,
            ..
        } = self;
        let gate = Gate { id, times, limit };
        match order {
            Order::File { next_seq } => {
                next_of_file(&gate, &mut files[0], next_seq, progress, visit)
            }
            Order::Indexed(index) => next_of_index(&gate, files, index, progress, visit),
        }
    }
}

/// What decides whether a line is yielded now.
struct Gate<'g> {
    id: &'g SegmentId,
    times: Times,
    limit: Limit<'g>,
}

impl Gate<'_> {
    /// Yields a sound line, or says that it lies behind the limit.
    fn pass<R>(
        &self,
        place: Place<'_>,
        (line, bytes): (&SoundLine<'_>, &[u8]),
        progress: &mut Progress,
        visit: impl FnOnce(Entry<'_>) -> R,
    ) -> Step<R> {
        let time = progress.time.max(line.ts);
        if let (Some(time), Some(limit)) = (time, self.limit)
            && (time, self.id) > limit
        {
            return Step::Parked(time);
        }
        progress.time = time;
        progress.lines += 1;
        let content = match &line.content {
            Err(misfit) => Found::Misfit(misfit.clone()),
            Ok(envelope) => match &envelope.event {
                Event::SegmentOpened(opened) => Found::Opened(opened),
                _ => {
                    progress.position.time = time.unwrap_or(envelope.ts);
                    progress.position.index = progress.lines - 1;
                    Found::Event(Logged {
                        position: &progress.position,
                        times: self.times,
                        is_checked: line.is_sealed,
                        line: bytes,
                        envelope,
                    })
                }
            },
        };
        Step::Visited(visit(Entry::Stretch(place, content)))
    }
}

fn next_of_file<R>(
    gate: &Gate<'_>,
    open: &mut OpenFile,
    next_seq: &mut u64,
    progress: &mut Progress,
    visit: impl FnOnce(Entry<'_>) -> R,
) -> Result<Step<R>, LogError> {
    let OpenFile { file, reader, .. } = open;
    let name = &file.name;
    let mut visit = Some(visit);
    let mut visit = |entry: Entry<'_>| visit.take().expect("a stretch is visited once")(entry);
    let mut parked_at = None;
    let visit_item = |item: Item<'_>| {
        let Item {
            offset,
            length,
            content,
        } = item;
        let mut place = Place {
            segment: gate.id,
            file: name,
            offset,
            length,
            seq: None,
        };
        let (line, bytes) = match content {
            Content::Blank => return Step::Visited(visit(Entry::Stretch(place, Found::Blank))),
            Content::Damage(damage) => {
                return Step::Visited(visit(Entry::Stretch(place, Found::Damage(damage))));
            }
            Content::Sound(line, bytes) => (line, bytes),
        };
        place.seq = line.seq;
        if line.seq.is_some_and(|seq| seq < *next_seq) {
            return Step::Disordered;
        }
        let step = gate.pass(place, (line, bytes), progress, &mut visit);
        match step {
            Step::Parked(_) => parked_at = Some(offset),
            _ => *next_seq = place.seq.map_or(*next_seq, |seq| seq + 1),
        }
        step
    };
    match reader.next(visit_item) {
        Ok(Some(step)) => {
            if let Some(offset) = parked_at {
                reader.seek(offset);
            }
            Ok(step)
        }
        Ok(None) => Ok(match open.end() {
            Some((offset, length, damage)) => {
                let (segment, file) = (gate.id, &*open.file.name);
                let place = Place {
                    segment,
                    file,
                    offset,
                    length,
                    seq: None,
                };
                Step::Visited(visit(Entry::Stretch(place, Found::Damage(damage))))
            }
            None => Step::End,
        }),
        Err(source) => Err(open.failed(source)),
    }
}

fn next_of_index<R>(
    gate: &Gate<'_>,
    files: &mut [OpenFile],
    index: &mut Index,
    progress: &mut Progress,
    visit: impl FnOnce(Entry<'_>) -> R,
) -> Result<Step<R>, LogError> {
    let Some(indexed) = index.peek() else {
        return Ok(Step::End);
    };
    let open = &mut files[indexed.file];
    let OpenFile { file, reader, .. } = open;
    let (offset, length) = (indexed.offset, indexed.length);
    let mut place = Place {
        segment: gate.id,
        file: &file.name,
        offset,
        length,
        seq: None,
    };
    let loose = match &indexed.content {
        IndexedContent::Sound => None,
        IndexedContent::Blank => Some(Found::Blank),
        IndexedContent::Duplicate => Some(Found::Duplicate),
        IndexedContent::Damage(damage) => Some(Found::Damage(damage.clone())),
    };
    if let Some(content) = loose {
        index.advance();
        return Ok(Step::Visited(visit(Entry::Stretch(place, content))));
    }
    let line = reader.line_at(offset);
    let line = line.map_err(|source| LogError::Read {
        path: file.path.clone(),
        offset,
        source,
    })?;
    let step = match line.map(|line| (parse_line(line.bytes), line.bytes)) {
        Some((Ok(line), bytes)) => {
            place.seq = line.seq;
            gate.pass(place, (&line, bytes), progress, visit)
        }
        // The file changed under the index; the next refresh finds out.
        Some((Err(damage), _)) => {
            Step::Visited(visit(Entry::Stretch(place, Found::Damage(damage))))
        }
        None => Step::Visited(visit(Entry::Stretch(place, Found::Damage(Damage::Torn)))),
    };
    if matches!(step, Step::Visited(_)) {
        index.advance();
    }
    Ok(step)
}
