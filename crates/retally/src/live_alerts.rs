use crate::alert_delivery::{AlertDelivery, Printed};
use crate::alert_lane::Said;
use crate::alert_watch::{AlertSurroundings, AlertWatch, RunNews};
use crate::command::alerts::rules_of;
use crate::setting::Setting;
use crate::watch_log::WatchLog;
use anyhow::Result;
use retally_log::RunId;
use retally_watch::Notice;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// The alerts beside a watcher, which tells of runs.
pub(crate) struct LiveAlerts {
    watch: AlertWatch,
    said: Receiver<Said>,
    printed: Printed,
}

impl LiveAlerts {
    /// # Errors
    /// The rules cannot be read, or alerts cannot be delivered as they say.
    pub(crate) fn start(
        setting: &Setting,
        rules: Option<&Path>,
        only: Option<BTreeSet<RunId>>,
    ) -> Result<Self> {
        let rules = rules_of(setting, rules)?;
        let (delivery, said) = AlertDelivery::start(setting, &rules.delivery)?;
        let printed = delivery.printed();
        let around = AlertSurroundings {
            root: setting.root.clone(),
            only,
            rules,
            prices: setting.prices()?,
            clock: Arc::clone(&setting.clock),
            redactor: setting.redactor()?,
        };
        let watch = AlertWatch::start(around, delivery)?;
        Ok(Self {
            watch,
            said,
            printed,
        })
    }

    /// Takes in what the watcher has to say, and has said what was found.
    pub(crate) fn take(&self, notice: &Notice<'_>, log: &mut WatchLog<'_>) {
        match notice {
            Notice::Updated(update) => self.watch.tell(RunNews::Changed(update.run.clone())),
            Notice::Gone(run) => self.watch.tell(RunNews::Gone((*run).clone())),
            Notice::NewPrices => self.watch.tell(RunNews::NewPrices),
            Notice::Turned(_) => say(&self.said, &self.printed, log),
            _ => {}
        }
    }

    /// Looks at what was told and delivers what waits; what fails is tried again where there is
    /// time.
    ///
    /// # Errors
    /// Some alerts were not delivered.
    pub(crate) fn end(self, is_hasty: bool, log: &mut WatchLog<'_>) -> Result<()> {
        let delivered = self.watch.end()?.end(is_hasty);
        say(&self.said, &self.printed, log);
        delivered
    }
}

/// Says what there is to say, and notes which alerts were said.
fn say(said: &Receiver<Said>, printed: &Printed, log: &mut WatchLog<'_>) {
    for said in said.try_iter() {
        match said {
            Said::Problem(text) => log.complain(&text),
            Said::Alert(alert) => {
                if !log.print_alert(&alert) {
                    continue;
                }
                if let Err(error) = printed.note(&alert) {
                    log.complain(&format!("{error:#}"));
                }
            }
        }
    }
}
