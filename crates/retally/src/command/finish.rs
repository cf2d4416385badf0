use crate::cli::Finish;
use crate::exit::Exit;
use crate::setting::Setting;
use anyhow::Result;
use retally_log::Writer;

pub(crate) fn run(setting: &Setting, options: &Finish) -> Result<Exit> {
    let run = setting.find_run(&options.run)?;
    let writer = Writer::new(run, setting.writer_options()?);
    writer.finish(options.status)?;
    Ok(Exit::Done)
}
