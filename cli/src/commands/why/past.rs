//! A user at a moment of the past: recorded events are played again, up to then.

use std::fs::File;
use std::sync::Arc;

use kairos_backtest::{BacktestError, Options, Progress, PurchaseColumns, Reachable, past};
use kairos_cloud::clock::SystemClock;
use kairos_engine::describe::Time;
use kairos_engine::program::Program;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::port::Clock;

use super::super::check::checked;
use super::{Arguments, Known, Problem};
use crate::terminal::{line, note, thousands};

/// The user as they were, or none after it was said why.
pub(super) fn known(arguments: &Arguments, at: Timestamp) -> Result<Option<Known>, Problem> {
    let folder = &arguments.playbook;
    let Some(playbook) = checked(folder) else { return Ok(None) };
    let program = Program::new(playbook).map_err(|error| format!("{}: {error}", folder.display()))?;
    let files = || arguments.events.iter().map(open).collect::<Result<Vec<_>, _>>();
    let options = options(arguments);
    let Some(found) = past(&program, files, &options, &Progress::default(), &arguments.user, at)? else {
        let (user, at) = (&arguments.user, Time(at));
        line(format!("The recording has nothing of {user} before {at} UTC."));
        line("Either no event with this userId or anonymousId is in it, or all of them came later.");
        return Ok(None);
    };
    if found.wrong_rows > 0 {
        let rows = thousands(found.wrong_rows);
        note(format!("{rows} rows of the recording are not understood: `kairos backtest` tells which, and why"));
    }
    let visitors = match found.visitors {
        0 => String::new(),
        1 => " and of a visitor who became them".to_owned(),
        count => format!(" and of {} visitors who became them", thousands(count as u64)),
    };
    let (first_at, last_at) = (Time(found.first_at), Time(found.last_at));
    let inputs = thousands(found.inputs as u64);
    let rests_on = format!(
        "played again from {inputs} recorded events of them{visitors}, {first_at} to {last_at}, with the playbook in {}",
        folder.display(),
    );
    Ok(Some(Known {
        key: found.user,
        at,
        program: Arc::new(program),
        considered: found.considered,
        rests_on: vec![rests_on],
        state: found.state,
    }))
}

fn open(path: &std::path::PathBuf) -> Result<kairos_backtest::File, BacktestError> {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => Ok(kairos_backtest::File { name, input: Box::new(file) }),
        Err(error) => Err(BacktestError::Unreadable { file: name, error }),
    }
}

fn options(arguments: &Arguments) -> Options {
    let by = arguments.assume_reachable.as_str();
    Options {
        format: arguments.format,
        purchases: PurchaseColumns::default(),
        window: None,
        until: Span::ZERO,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        now: SystemClock.now(),
        source: None,
        currency: arguments.currency,
        reachable: Reachable {
            email: matches!(by, "email" | "both"),
            sms: matches!(by, "sms" | "both"),
            visitors: arguments.assume_visitors_reachable,
        },
        users: false,
    }
}
