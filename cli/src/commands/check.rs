//! `kairos check`: what is wrong with a playbook, where, and what to write instead; what it does and costs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kairos_engine::describe;
use kairos_engine::playbook::{Channel, Conversions, InQuietHours, Play, Playbook, Policy, Segment, Share};
use kairos_engine::program::Program;
use kairos_playbook::{Cost, Diagnostic, Severity, cost, summary};

use super::Done;
use super::promo_codes::described;
use crate::terminal::{COLUMNS, Style, line, note, shortened, thousands, wrapped};

/// Registers that are shown without `--cost`.
const REGISTERS_SHOWN: usize = 5;

/// What to check.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The playbook's folder
    #[arg(default_value = "playbook")]
    pub playbook: PathBuf,
    /// Show everything that is remembered of a user, and who asks for it
    #[arg(long)]
    cost: bool,
    /// Show the steps of each play
    #[arg(long)]
    steps: bool,
}

/// Checks and summarises a playbook.
///
/// # Errors
/// When a playbook without problems cannot run. A playbook with problems is exit code 1.
pub fn run(arguments: &Arguments) -> Done {
    let Some(playbook) = checked(&arguments.playbook) else {
        return Ok(ExitCode::FAILURE);
    };
    let style = Style::stdout();
    line(format!("{} {}", style.good("ok"), summary(&playbook)));
    show_policy(&playbook.policy);
    if !playbook.segments.is_empty() {
        line(style.bold("\nSegments"));
        playbook.segments.iter().for_each(|segment| show_segment(segment, style));
    }
    if !playbook.promotions.is_empty() {
        line(style.bold("\nPromotions"));
        playbook.promotions.iter().for_each(|(name, promotion)| {
            line(format!("   {}", style.bold(name)));
            indented(&described(promotion), 6);
        });
    }
    show_conversions(&playbook.conversions, style);
    if !playbook.plays.is_empty() {
        line(style.bold("\nPlays"));
        playbook.plays.iter().for_each(|play| show_play(play, &playbook.policy, arguments.steps, style));
    }
    let program = Program::new(playbook)?;
    show_cost(&cost(&program), arguments.cost, style);
    Ok(ExitCode::SUCCESS)
}

/// The compiled playbook, or none after its problems were shown. Warnings are shown in either case.
pub fn checked(folder: &Path) -> Option<Playbook> {
    checked_with_warnings(folder).map(|(playbook, _)| playbook)
}

/// The same, with the warnings that were shown.
pub fn checked_with_warnings(folder: &Path) -> Option<(Playbook, Vec<Diagnostic>)> {
    match kairos_playbook::load(folder) {
        Ok(loaded) => {
            tell(folder, &loaded.warnings);
            Some((loaded.playbook, loaded.warnings))
        }
        Err(found) => {
            tell(folder, &found);
            None
        }
    }
}

/// Shows what was found in a playbook.
pub fn tell(folder: &Path, found: &[Diagnostic]) {
    let style = Style::stderr();
    found.iter().for_each(|problem| note(format!("{}\n", coloured(problem, style))));
    if !found.is_empty() {
        let warnings = found.iter().filter(|problem| problem.severity == Severity::Warning).count();
        let counts = [counted(found.len() - warnings, "problem"), counted(warnings, "warning")];
        let counts: Vec<String> = counts.into_iter().filter(|count| !count.starts_with("0 ")).collect();
        note(style.bold(format!("{} has {}.", folder.display(), counts.join(" and "))));
    }
}

fn coloured(problem: &Diagnostic, style: Style) -> String {
    let text = problem.to_string();
    let word = format!("{}:", problem.severity.as_str());
    let shown = match problem.severity {
        Severity::Error => style.bad(&word),
        Severity::Warning => style.attention(&word),
    };
    text.strip_prefix(&word).map(|rest| format!("{shown}{rest}")).unwrap_or(text)
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn show_policy(policy: &Policy) {
    let caps = policy.caps.iter().map(|cap| {
        let channel = cap.channel.map_or("", Channel::as_str);
        let what = if channel.is_empty() { String::new() } else { format!(" by {channel}") };
        format!("at most {}{what} in {}", counted(cap.at_most as usize, "message"), cap.per)
    });
    let quiet = policy.quiet_hours.iter().map(|hours| format!("quiet from {}", hours));
    let control = (!policy.control_group.is_none()).then(|| format!("{} in the control group", policy.control_group));
    let all: Vec<String> = caps.chain(quiet).chain(control).collect();
    if !all.is_empty() {
        indented(&format!("For all plays: {}.", all.join("; ")), 3);
    }
}

fn show_segment(segment: &Segment, style: Style) {
    line(format!("   {}", style.bold(&segment.name)));
    indented(&segment.who.to_string(), 6);
}

fn show_conversions(conversions: &Conversions, style: Style) {
    if conversions.is_empty() {
        return;
    }
    let show = |name: &str, what: String| {
        line(format!("   {}", style.bold(name)));
        indented(&what, 6);
    };
    line(style.bold("\nConversions"));
    conversions.macros.iter().for_each(|one| show(&one.name, one.to_string()));
    conversions.micros.iter().for_each(|one| show(&one.name, one.to_string()));
    if !conversions.funnels.is_empty() {
        line(style.bold("\nFunnels"));
        conversions.funnels.iter().for_each(|one| show(&one.name, one.to_string()));
    }
    indented(&format!("Credited {}.", conversions.attribution), 3);
}

fn show_play(play: &Play, policy: &Policy, with_steps: bool, style: Style) {
    line(format!("   {}", style.bold(&play.name)));
    indented(&play.trigger.to_string(), 6);
    let everybody = kairos_engine::playbook::Condition::default();
    if play.who != everybody {
        indented(&format!("who: {}", play.who), 6);
    }
    if let Some(unless) = &play.unless {
        indented(&format!("unless: {}", unless), 6);
    }
    let rules = rules(play, policy);
    if !rules.is_empty() {
        wrapped(&rules.join("; "), COLUMNS - 6).into_iter().for_each(|text| line(format!("      {}", style.dim(text))));
    }
    if with_steps {
        for step in describe::steps(&play.steps) {
            let blanks = step.len() - step.trim_start().len();
            let text = shortened(step.trim_start(), COLUMNS - 8 - blanks);
            line(format!("      {}- {text}", " ".repeat(blanks)));
        }
    }
}

/// What limits a play, as far as it is not what holds without saying so.
fn rules(play: &Play, policy: &Policy) -> Vec<String> {
    let mut rules = Vec::new();
    if play.entry == kairos_engine::playbook::Entry::Once {
        rules.push("once for each user".to_owned());
    }
    rules.extend(play.cooldown.map(|span| format!("not again for {span}")));
    rules.extend(play.caps.iter().map(|cap| format!("at most {} in {}", cap.at_most, cap.per)));
    if play.rollout != Share::ALL {
        rules.push(format!("for {} of users", play.rollout));
    }
    if !play.holdout.is_none() {
        rules.push(format!("{} held out", play.holdout));
    }
    if !policy.quiet_hours.is_empty() {
        rules.push(match play.quiet_hours {
            InQuietHours::Hold => format!("in quiet hours held for at most {}", play.valid_for),
            InQuietHours::Skip => "not sent in quiet hours".to_owned(),
            InQuietHours::Send => "sent in quiet hours, too".to_owned(),
        });
    }
    if play.to_control_group && !policy.control_group.is_none() {
        rules.push("to the control group, too".to_owned());
    }
    rules
}

fn show_cost(cost: &Cost, all: bool, style: Style) {
    line(style.bold("\nWhat is remembered of each user"));
    let allowed = Cost::bytes_allowed();
    indented(
        &format!(
            "{}: about {} bytes for a usual user, never more than {} (of {} allowed)",
            counted(cost.registers.len(), "register"),
            thousands(cost.bytes_typical() as u64),
            thousands(cost.bytes_max() as u64),
            thousands(allowed as u64),
        ),
        3,
    );
    let shown = if all { cost.registers.len() } else { REGISTERS_SHOWN };
    for register in cost.registers.iter().take(shown) {
        let asked = match register.questions {
            0 | 1 => String::new(),
            count => format!(", shared by {count} questions"),
        };
        let bytes = thousands(register.bytes_max as u64);
        wrapped(&format!("{}{asked}", register.what), COLUMNS - 16).into_iter().enumerate().for_each(
            |(number, text)| {
                line(format!("   {:>6}  {text}", if number == 0 { bytes.as_str() } else { "" }));
            },
        );
        if all {
            wrapped(&register.asked_by.join(", "), COLUMNS - 16)
                .into_iter()
                .for_each(|text| line(format!("           {}", style.dim(text))));
        }
    }
    if cost.registers.len() > shown {
        let rest = cost.registers.len() - shown;
        line(format!("           {}", style.dim(format!("… and {rest} smaller; `kairos check --cost` shows all"))));
    }
    if cost.follows_products {
        indented(
            "Whom a product interests is written into the table of interests: one write for each user and product.",
            3,
        );
    }
}

/// A text in lines, each behind so many blanks.
fn indented(text: &str, blanks: usize) {
    wrapped(text, COLUMNS - blanks).into_iter().for_each(|text| line(format!("{}{text}", " ".repeat(blanks))));
}
