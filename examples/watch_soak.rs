//! A watcher under load: writers in processes of their own, some of them killed, while the time
//! from an append to its report, the watcher's memory and its processor time are measured. At the
//! end the reports have to be those of a rebuild.
//!
//! ```sh
//! cargo run --release --example watch_soak -- --events 400000 --runs 50 --writers 8
//! cargo run --release --example watch_soak -- --minutes 30 --runs 200 --rate 400
//! cargo run --release --example watch_soak -- --ended-runs 10000 --events 0 --minutes 1
//! ```
//!
//! With `--floor` a process takes the watcher's place that does the least: it waits for a
//! notification, and replaces a small file.

#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use retally_log::{Draft, EVENTS_DIR, Root, RunDir, RunId, Writer, WriterOptions};
use retally_reduce::ISSUES_DIR;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Clone, Debug, Parser)]
struct Options {
    /// How many events are appended in all; without an end where `--minutes` is given
    #[arg(long)]
    events: Option<u64>,
    /// How long events are appended
    #[arg(long)]
    minutes: Option<f64>,
    /// How many runs are written to
    #[arg(long, default_value_t = 50)]
    runs: u64,
    /// How many processes write
    #[arg(long, default_value_t = 8)]
    writers: u64,
    /// How many events a second they append together; as many as they can where it is left out
    #[arg(long)]
    rate: Option<f64>,
    /// How many writers are killed and started again for each that was to be started
    #[arg(long, default_value_t = 2)]
    kills: u64,
    /// How many runs that ended lie beside those that are written to
    #[arg(long, default_value_t = 0)]
    ended_runs: u64,
    /// Measure the least that a watcher has to do, for one run
    #[arg(long)]
    floor: bool,
    /// Be that watcher, of this run
    #[arg(long, hide = true)]
    echo: Option<PathBuf>,
    /// Where to work; a temporary folder that is removed where it is left out
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The number of this writer, where this process is one
    #[arg(long, hide = true)]
    writer: Option<u64>,
    /// How many events this writer appends
    #[arg(long, hide = true)]
    share: Option<u64>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(run) = &options.echo {
        return echo(run);
    }
    if let (Some(number), Some(folder)) = (options.writer, &options.folder) {
        return write(&Root::new(folder.join("root")), &options, number);
    }
    let temporary = tempfile::tempdir()?;
    let folder = options
        .folder
        .clone()
        .unwrap_or_else(|| temporary.path().to_owned());
    let root = Root::new(folder.join("root"));
    if options.floor {
        return measure_floor(&root, &options);
    }
    make_runs(&root, &options)?;
    let mut watcher = Watched::start(&folder)?;
    let idle = watcher.measure_idle()?;
    println!(
        "idle for 10 s: {:.2} % of a core, {:.1} MiB",
        idle.0, idle.1
    );
    let load = append_all(&root, &folder, &options, &mut watcher)?;
    watcher.settle(&root)?;
    load.print();
    watcher.stop()?;
    let changed = retally(&folder, &["rebuild", "--dry-run"])?;
    println!("rebuild --dry-run: {}", changed.trim());
    let checked = retally(&folder, &["check"])?;
    println!("check: {}", checked.trim());
    ensure!(
        changed.contains("would change: 0"),
        "a rebuild would change reports"
    );
    let started = Instant::now();
    retally(&folder, &["watch", "--once"])?;
    println!(
        "watch --once over the unchanged root: {:.3} s",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

fn run_id(number: u64) -> RunId {
    RunId::new(format!("run_{number:05}")).expect("digits make an id")
}

/// Makes the runs that are written to, and those that ended.
fn make_runs(root: &Root, options: &Options) -> Result<()> {
    for number in 0..options.runs + options.ended_runs {
        let has_ended = number >= options.runs;
        let writer = Writer::new(root.create_run(&run_id(number))?, WriterOptions::default());
        append(&writer, r#"{"type":"run.started","project_id":"soak"}"#)?;
        if has_ended {
            append(&writer, r#"{"type":"issue.started","issue":1}"#)?;
            append(
                &writer,
                r#"{"type":"issue.finished","issue":1,"status":"completed"}"#,
            )?;
            append(&writer, r#"{"type":"run.finished","status":"completed"}"#)?;
        }
    }
    Ok(())
}

fn append(writer: &Writer, json: &str) -> Result<()> {
    writer.append(Draft::from_json(json.as_bytes())?)?;
    Ok(())
}

/// What a writer process does: appends its share, run by run in turn, each in a few issues.
fn write(root: &Root, options: &Options, number: u64) -> Result<()> {
    let share = options.share.unwrap_or(u64::MAX);
    let pause = options
        .rate
        .map(|rate| Duration::from_secs_f64(options.writers as f64 / rate));
    let open = |run: u64| Writer::new(root.run(&run_id(run)), WriterOptions::default());
    // Each writer has an eighth of the runs to itself and shares the others.
    let writers: Vec<Writer> = (0..options.runs).map(open).collect();
    let start = Instant::now();
    for event in 0..share {
        let writer = &writers[usize::try_from((event * 7 + number) % options.runs)?];
        append(writer, &event_json(event, number))?;
        if let Some(pause) = pause {
            let due = pause.saturating_mul(u32::try_from(event).unwrap_or(u32::MAX));
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
    }
    Ok(())
}

/// Returns one event of a work on one of ten issues of this writer.
fn event_json(event: u64, writer: u64) -> String {
    let issue = writer * 10 + event / 40 % 10;
    match event % 40 {
        0 => format!(r#"{{"type":"issue.started","issue":{issue},"title":"An issue"}}"#),
        1 => format!(r#"{{"type":"agent.started","issue":{issue},"agent":"coding"}}"#),
        36 => format!(
            r#"{{"type":"agent.finished","issue":{issue},"agent":"coding","success":true}}"#
        ),
        37 => format!(
            r#"{{"type":"pipeline.recorded","issue":{issue},"pipeline_id":{event},"status":"success"}}"#
        ),
        38 => format!(r#"{{"type":"issue.finished","issue":{issue},"status":"completed"}}"#),
        n if n % 4 == 0 => format!(
            r#"{{"type":"llm.called","issue":{issue},"agent":"coding","model":"m","input_tokens":1200,"output_tokens":300,"duration_ms":900}}"#
        ),
        _ => format!(
            r#"{{"type":"tool.called","issue":{issue},"agent":"coding","tool":"bash","success":true,"duration_ms":40}}"#
        ),
    }
}

/// What was measured while events were appended.
struct Load {
    seconds: f64,
    kills: u64,
    /// From an append to its report file, in milliseconds, sorted.
    latencies_ms: Vec<f64>,
    cpu_percent: f64,
    /// Of the watcher, in MiB: at the first tenth, the middle, the end.
    memory_mib: Vec<f64>,
}

impl Load {
    fn print(&self) {
        let memory = |part: f64| {
            let last = self.memory_mib.len().saturating_sub(1);
            self.memory_mib
                .get((last as f64 * part).round() as usize)
                .copied()
                .unwrap_or(0.0)
        };
        println!(
            "appended for {:.1} s, {} writers killed",
            self.seconds, self.kills
        );
        print_latencies(&self.latencies_ms);
        println!(
            "watcher: {:.1} % of a core; memory at 10 %, 50 %, 90 %, 100 % of the time: {:.1}, {:.1}, {:.1}, {:.1} MiB",
            self.cpu_percent,
            memory(0.1),
            memory(0.5),
            memory(0.9),
            memory(1.0)
        );
    }
}

/// Prints percentiles of what is sorted.
fn print_latencies(sorted_ms: &[f64]) {
    let at = |part: f64| {
        let last = sorted_ms.len().saturating_sub(1);
        let at = (last as f64 * part).round() as usize;
        sorted_ms.get(at).copied().unwrap_or(0.0)
    };
    println!(
        "append → report, {} samples: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, most {:.2} ms",
        sorted_ms.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}

/// Starts the writers, kills some and starts them again, and measures meanwhile.
fn append_all(
    root: &Root,
    folder: &Path,
    options: &Options,
    watcher: &mut Watched,
) -> Result<Load> {
    let start = Instant::now();
    let deadline = options
        .minutes
        .map(|minutes| Duration::from_secs_f64(minutes * 60.0));
    let share = options.events.map(|events| events / options.writers.max(1));
    let mut writers: Vec<Option<Child>> = Vec::new();
    if options.events != Some(0) {
        for number in 0..options.writers {
            writers.push(Some(spawn_writer(folder, options, number, share)?));
        }
    }
    let probe = Probe::new(root.create_run(&probe_id())?)?;
    let (mut latencies_ms, mut memory_mib, mut kills) = (Vec::new(), Vec::new(), 0);
    let (cpu_before, mut next_kill) = (watcher.cpu_seconds()?, Duration::from_millis(700));
    loop {
        latencies_ms.push(probe.measure()?);
        memory_mib.push(watcher.memory_mib()?);
        std::thread::sleep(Duration::from_millis(20));
        for writer in &mut writers {
            let has_ended = match writer {
                Some(child) => child.try_wait()?.is_some(),
                None => false,
            };
            if has_ended {
                *writer = None;
            }
        }
        let is_over = deadline.is_some_and(|deadline| start.elapsed() >= deadline);
        if is_over || (deadline.is_none() && writers.iter().all(Option::is_none)) {
            break;
        }
        if kills < options.kills * options.writers && start.elapsed() >= next_kill {
            next_kill += Duration::from_millis(300 + 211 * (kills % 7));
            let at = usize::try_from(kills % options.writers)?;
            if let Some(Some(child)) = writers.get_mut(at) {
                child.kill()?;
                child.wait()?;
                let rest = share.map(|share| share / 2);
                writers[at] = Some(spawn_writer(
                    folder,
                    options,
                    kills % options.writers,
                    rest,
                )?);
                kills += 1;
            }
        }
    }
    for child in writers.iter_mut().flatten() {
        child.kill()?;
        child.wait()?;
    }
    let seconds = start.elapsed().as_secs_f64();
    latencies_ms.sort_by(f64::total_cmp);
    Ok(Load {
        seconds,
        kills,
        latencies_ms,
        cpu_percent: (watcher.cpu_seconds()? - cpu_before) / seconds * 100.0,
        memory_mib,
    })
}

fn spawn_writer(
    folder: &Path,
    options: &Options,
    number: u64,
    share: Option<u64>,
) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--folder").arg(folder);
    command.args([
        "--writer",
        &number.to_string(),
        "--runs",
        &options.runs.to_string(),
    ]);
    command.args(["--writers", &options.writers.to_string()]);
    if let Some(share) = share {
        command.args(["--share", &share.to_string()]);
    }
    if let Some(rate) = options.rate {
        command.args(["--rate", &rate.to_string()]);
    }
    Ok(command.spawn()?)
}

/// The report for which a [`Probe`] waits.
const PROBED_REPORT: &str = "issues/issue_1_metrics.json";

fn probe_id() -> RunId {
    RunId::new("run_probe").expect("letters make an id")
}

/// A run of its own, in which one event after the other is appended and its report waited for.
struct Probe {
    run: RunDir,
    writer: Writer,
}

impl Probe {
    fn new(run: RunDir) -> Result<Self> {
        let writer = Writer::new(run.clone(), WriterOptions::default());
        append(&writer, r#"{"type":"run.started","project_id":"probe"}"#)?;
        let probe = Self { run, writer };
        probe.measure()?;
        Ok(probe)
    }

    /// Returns the milliseconds from an append to its report. Appends come further apart than the
    /// watcher's interval, as a person would time them.
    fn measure(&self) -> Result<f64> {
        std::thread::sleep(Duration::from_millis(120));
        let report = self.run.path().join(PROBED_REPORT);
        let before = std::fs::read_to_string(&report).unwrap_or_default();
        let start = Instant::now();
        append(
            &self.writer,
            r#"{"type":"tool.called","issue":1,"tool":"bash"}"#,
        )?;
        while std::fs::read_to_string(&report).unwrap_or_default() == before {
            ensure!(
                start.elapsed() < Duration::from_secs(60),
                "no report within a minute"
            );
            std::thread::sleep(Duration::from_micros(30));
        }
        Ok(start.elapsed().as_secs_f64() * 1000.0)
    }
}

/// Measures what an append and its report take at least on this machine.
fn measure_floor(root: &Root, options: &Options) -> Result<()> {
    let run = root.create_run(&probe_id())?;
    std::fs::create_dir(run.path().join(ISSUES_DIR))?;
    let mut command = Command::new(std::env::current_exe()?);
    let mut echo = command.arg("--echo").arg(run.path()).spawn()?;
    let probe = Probe::new(run)?;
    let (start, lasts) = (Instant::now(), 60.0 * options.minutes.unwrap_or(0.5));
    let mut latencies_ms = Vec::new();
    while start.elapsed().as_secs_f64() < lasts {
        latencies_ms.push(probe.measure()?);
        std::thread::sleep(Duration::from_millis(20));
    }
    echo.kill()?;
    echo.wait()?;
    latencies_ms.sort_by(f64::total_cmp);
    print_latencies(&latencies_ms);
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn echo(_: &Path) -> Result<()> {
    bail!("the floor is measured on Linux alone")
}

/// Replaces a small file whenever the log of a run may have changed.
#[cfg(target_os = "linux")]
fn echo(run: &Path) -> Result<()> {
    use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
    let notifications = init(CreateFlags::CLOEXEC)?;
    add_watch(&notifications, run.join(EVENTS_DIR), WatchFlags::MODIFY)?;
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(notifications, &mut buffer);
    let (report, temporary) = (run.join(PROBED_REPORT), run.join(".echo"));
    for number in 0_u64.. {
        std::fs::write(&temporary, number.to_string())?;
        std::fs::rename(&temporary, &report)?;
        reader.next()?;
    }
    Ok(())
}

/// The watcher that is measured.
struct Watched(Child);

impl Watched {
    fn start(folder: &Path) -> Result<Self> {
        let child = command(folder)?.args(["watch", "--quiet"]).spawn()?;
        Ok(Self(child))
    }

    /// Returns the share of a core, in percent, and the memory while nothing happens, measured
    /// once everything is up to date.
    fn measure_idle(&mut self) -> Result<(f64, f64)> {
        let mut before = self.cpu_seconds()?;
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = self.cpu_seconds()?;
            if now - before < 0.2 {
                break;
            }
            before = now;
        }
        // Runs that ended are let go of within some seconds.
        std::thread::sleep(Duration::from_secs(8));
        let before = self.cpu_seconds()?;
        std::thread::sleep(Duration::from_secs(10));
        Ok(((self.cpu_seconds()? - before) * 10.0, self.memory_mib()?))
    }

    /// Waits until all reports are current.
    fn settle(&self, root: &Root) -> Result<()> {
        let start = Instant::now();
        let folder = root.path().parent().context("the root has a parent")?;
        while !retally(folder, &["rebuild", "--dry-run"])?.contains("would change: 0") {
            ensure!(
                start.elapsed() < Duration::from_secs(60),
                "the watcher does not settle"
            );
        }
        println!(
            "settled within {:.2} s of the last append",
            start.elapsed().as_secs_f64()
        );
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        let pid = self.0.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let status = self.0.wait()?;
        ensure!(status.success(), "the watcher ended with {status}");
        Ok(())
    }

    fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or("")
            .split_whitespace()
            .collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
        match (ticks(11), ticks(12)) {
            (Some(user), Some(system)) => Ok((user + system) / 100.0),
            _ => bail!("cannot read the processor time of the watcher"),
        }
    }

    fn memory_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
        Ok(kib.context("cannot read the memory of the watcher")? / 1024.0)
    }
}

/// Returns what the command of this build prints, whatever its exit code.
fn retally(folder: &Path, words: &[&str]) -> Result<String> {
    let output = command(folder)?
        .args(words)
        .stdout(Stdio::null())
        .output()?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Returns the command that was built beside this example, with a cache of its own.
fn command(folder: &Path) -> Result<Command> {
    let example = std::env::current_exe()?;
    let folder_of_builds = example
        .parent()
        .and_then(Path::parent)
        .context("an example's folder")?;
    let mut command = Command::new(folder_of_builds.join("retally"));
    command
        .env("RETALLY_ROOT", folder.join("root"))
        .env("XDG_CACHE_HOME", folder.join("cache"));
    Ok(command)
}
