//! `kairos`: everything one does with Kairos from a shell.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kairos_cli::commands::{
    archive, backtest, catalogue, check, demo, experiment, local, preview, promo_codes, publish, refused, replay,
    report, segments, send_test, suppressions, why,
};
use kairos_cli::terminal::{Style, note};

/// A backtest is mostly small allocations that one core makes and another frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Reach each shopper at the right moment, by rules that are files.
#[derive(Debug, Parser)]
#[command(name = "kairos", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a playbook: what is wrong, where, and what to write instead
    Check(check::Arguments),
    /// Tell what a playbook would have done with recorded events
    Backtest(Box<backtest::Arguments>),
    /// Show what the messages of a play look like on every channel, before anybody gets them
    Preview(preview::Arguments),
    /// Send one message of a play to an address of yours, as users would get it
    SendTest(send_test::Arguments),
    /// Check a playbook and put it in force
    Publish(publish::Arguments),
    /// Tell what is known of a user, and why they got a message or none
    Why(why::Arguments),
    /// Show who is in which segment, count and export them
    Segments(segments::Arguments),
    /// Bring in the shop's products, and show what is known of one
    Catalogue(catalogue::Arguments),
    /// Bring in the shop's own promo codes, say how many are left, and what became of one
    PromoCodes(promo_codes::Arguments),
    /// Show and change the addresses to which nothing is sent
    Suppressions(suppressions::Arguments),
    /// Fetch what happened, to play it again; and take somebody out of it
    Archive(archive::Arguments),
    /// Tell what plays have done and earned, by the files of the archive
    Report(report::Arguments),
    /// Tell what an experiment says, and how long one has to run
    Experiment(Box<experiment::Arguments>),
    /// Show the events of a source that were not taken, and what was wrong with them
    Refused(refused::Arguments),
    /// Send a recording of a shop's events as if it had just happened
    Replay(replay::Arguments),
    /// Start and stop the whole system on this machine
    #[command(subcommand)]
    Local(local::Arguments),
    /// Show it at work: a shop's day on this machine, and the messages it leads to
    Demo(demo::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Backtest(arguments) => backtest::run(&arguments),
        Command::Preview(arguments) => preview::run(&arguments).await,
        Command::SendTest(arguments) => send_test::run(&arguments).await,
        Command::Publish(arguments) => publish::run(&arguments).await,
        Command::Why(arguments) => why::run(&arguments).await,
        Command::Segments(arguments) => segments::run(&arguments).await,
        Command::Catalogue(arguments) => catalogue::run(&arguments).await,
        Command::PromoCodes(arguments) => promo_codes::run(&arguments).await,
        Command::Suppressions(arguments) => suppressions::run(&arguments).await,
        Command::Archive(arguments) => archive::run(&arguments).await,
        Command::Report(arguments) => report::run(&arguments),
        Command::Experiment(arguments) => experiment::run(&arguments),
        Command::Refused(arguments) => refused::run(&arguments).await,
        Command::Replay(arguments) => replay::run(&arguments).await,
        Command::Local(arguments) => local::run(&arguments).await,
        Command::Demo(arguments) => demo::run(&arguments).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            note(format!("{} {error}", Style::stderr().bad("error:")));
            ExitCode::FAILURE
        }
    }
}
