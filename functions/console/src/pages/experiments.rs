//! Experiments: what the daily report has found, in words and with intervals.

use askama::Template;
use kairos_engine::money::Micros;
use kairos_engine::playbook::Playbook;
use kairos_insights::StoredReport;
use kairos_insights::experiments::Reading;
use kairos_statistics::Interval;
use kairos_statistics::experiment::{Comparison, ExperimentResult, Figure};
use kairos_statistics::verdict::VerdictKind;

use crate::format::{self, ShopClock};
use crate::page::Rendered;
use crate::pages::parts::play_title;
use crate::request::{PageRequest, encoded};
use crate::tables::{Cell, Table};

/// The groups that are held out, by their names in facts.
const HELD_OUT: [&str; 2] = ["holdout", "control_group"];

/// What an experiment is about, in words.
fn about(name: &str) -> String {
    match name {
        "holdout" => "Messages against the play's holdout".to_owned(),
        "control_group" => "Messages against the global control group".to_owned(),
        split => format!("Split {split}"),
    }
}

/// A verdict, in a word.
fn badge(kind: VerdictKind) -> Cell {
    let (badge, words) = match kind {
        VerdictKind::SampleRatioMismatch => ("bad", "Not divided as declared"),
        VerdictKind::Better => ("good", "Better"),
        VerdictKind::Worse => ("bad", "Worse"),
        VerdictKind::TooEarly => ("warn", "Too early to tell"),
        VerdictKind::NoDifferenceSeen => ("plain", "No difference seen"),
    };
    Cell::Badge(badge, words.to_owned())
}

fn signed(value: f64, write: &impl Fn(f64) -> String) -> String {
    let sign = if value > 0.0 {
        "+"
    } else if value < 0.0 {
        "−"
    } else {
        ""
    };
    format!("{sign}{}", write(value.abs()))
}

fn between(interval: Option<Interval>, write: &impl Fn(f64) -> String) -> Cell {
    Cell::figure(
        interval.map(|interval| format!("{} to {}", signed(interval.low, write), signed(interval.high, write))),
    )
}

/// Amounts of experiments are units of the shop's currency.
fn money(currency: &str) -> impl Fn(f64) -> String + '_ {
    move |units| format::money_short(Micros::new((units * 1e6).round() as i64), currency)
}

fn points(part: f64) -> String {
    format!("{:.2} pp", part * 100.0)
}

/// What messages earned that would not have come anyway, for each play that holds somebody out.
pub(super) fn lift(report: &StoredReport, playbook: &Playbook, currency: &str, clock: &ShopClock) -> Table {
    let columns = vec![
        ("play", "Play"),
        ("against", "Against"),
        ("verdict", "Verdict"),
        ("people", "People"),
        ("difference", "More goals"),
        ("difference_between", "is between"),
        ("revenue", "Came on top"),
        ("revenue_between", "is between"),
    ];
    let note = format!(
        "From the report of {}. The intervals hold however often you look at them (95 %).",
        clock.time(report.made_at)
    );
    let mut table = Table::new("lift", "What would not have come anyway", columns).with_note(note).or_when_empty(
        "No play holds anybody out, so nobody knows what would have come anyway. Give a play `holdout: 10 %`, or the policy a \
         `control_group`.",
    );
    let held_out = |reading: &&Reading| HELD_OUT.contains(&reading.about.as_str());
    for reading in report.experiments.iter().filter(held_out) {
        let link = Cell::link(play_title(playbook, &reading.play), format!("/plays/{}", encoded(&reading.play)));
        let against = if reading.about == "holdout" { "its holdout" } else { "control group" };
        let mut row = vec![link, Cell::text(against)];
        match &reading.result {
            // Where people were not divided as declared, nothing else may be read.
            Some(result) if result.sample_ratio.mismatch => {
                let first = result.conversion.comparisons.first();
                row.extend([badge(result.verdict.kind), people(result, first)]);
                row.extend((0..4).map(|_| Cell::Nothing));
            }
            None => row.extend([
                Cell::Badge("warn", "Too early to tell".to_owned()),
                Cell::Nothing,
                Cell::Nothing,
                Cell::Nothing,
                Cell::Nothing,
                Cell::Nothing,
            ]),
            Some(result) => {
                let first = result.conversion.comparisons.first();
                let difference = first.and_then(|one| one.difference);
                let revenue = result.revenue.as_ref().and_then(|metric| metric.comparisons.first()?.incremental);
                let anytime = |figure: Figure| figure.anytime_interval.or(figure.interval);
                let money = money(currency);
                row.extend([
                    badge(result.verdict.kind),
                    people(result, first),
                    Cell::figure(difference.map(|it| signed(it.estimate, &points))),
                    between(difference.and_then(anytime), &points),
                    Cell::figure(revenue.map(|it| signed(it.total, &money))),
                    between(revenue.and_then(|it| it.anytime_interval.or(it.interval)), &money),
                ]);
            }
        }
        table.rows.push(row);
    }
    table
}

fn people(result: &ExperimentResult, of: Option<&Comparison>) -> Cell {
    let found = of.and_then(|one| result.conversion.variants.iter().find(|variant| variant.name == one.variant));
    found.map_or(Cell::Nothing, |variant| Cell::Count(variant.users))
}

/// One experiment on its play's page.
struct Shown {
    title: String,
    badge: &'static str,
    word: String,
    says: Vec<String>,
    tables: Vec<Rendered>,
}

#[derive(Template)]
#[template(path = "experiments.html")]
struct Html {
    shown: Vec<Shown>,
    note: String,
}

/// The experiments of a play, with their tables for export.
pub(super) fn of_play(
    report: Option<&StoredReport>,
    play: &str,
    currency: &str,
    request: &PageRequest,
    clock: &ShopClock,
) -> (Rendered, Vec<Table>) {
    let Some(report) = report else {
        let note = "The first daily report is still to come: experiments are read once a day.".to_owned();
        return (Rendered::of(&Html { shown: Vec::new(), note }), Vec::new());
    };
    let mut tables = Vec::new();
    let mut shown = Vec::new();
    for (place, reading) in report.experiments.iter().filter(|reading| reading.play == play).enumerate() {
        let title = about(&reading.about);
        let Some(result) = &reading.result else {
            let says = vec![reading.cannot_be_read.clone().unwrap_or_default()];
            shown.push(Shown { title, badge: "warn", word: "Cannot be read yet".to_owned(), says, tables: Vec::new() });
            continue;
        };
        let mut own = vec![groups(result, &title, currency, place)];
        if !result.sample_ratio.mismatch {
            own.push(comparisons(result, &title, currency, place));
        }
        let mut says = result.verdict.says.clone();
        if reading.mixed > 0 {
            let people = format::counted(reading.mixed, "person", "people");
            says.push(format!(
                "{people} got both and are left out: the shares were changed meanwhile, or two identities became one."
            ));
        }
        let Cell::Badge(badge, word) = badge(result.verdict.kind) else { continue };
        let html = own.iter().map(|table| table.html(request, clock)).collect();
        shown.push(Shown { title, badge, word, says, tables: html });
        tables.extend(own);
    }
    let days = format!("{} to {}", clock.date(report.period.from), clock.date(report.period.until));
    let note = match shown.is_empty() {
        true => "Nobody is held out of this play and it has no split, so nothing is compared. `holdout: 10 %` would tell what it \
                 earns that would not have come anyway."
            .to_owned(),
        false => format!("From the report of {} ({days}).", clock.time(report.made_at)),
    };
    (Rendered::of(&Html { shown, note }), tables)
}

fn groups(result: &ExperimentResult, title: &str, currency: &str, place: usize) -> Table {
    let columns = vec![
        ("group", "Group"),
        ("people", "People"),
        ("expected", "As declared"),
        ("converted", "Reached the goal"),
        ("rate", "Rate"),
        ("rate_between", "is between"),
        ("best", "Best of all, by chance"),
        ("revenue", "Per person"),
        ("revenue_between", "is between"),
    ];
    let mut table = Table::new(format!("groups_{place}"), format!("{title}: the groups"), columns);
    let plain = |interval: Option<Interval>, write: &dyn Fn(f64) -> String| {
        Cell::figure(interval.map(|it| format!("{} to {}", write(it.low), write(it.high))))
    };
    let money = money(currency);
    for (place, variant) in result.conversion.variants.iter().enumerate() {
        let revenue = result.revenue.as_ref().and_then(|metric| metric.variants.get(place));
        let expected = result.sample_ratio.expected.get(place).map(|expected| expected.round() as u64);
        table.rows.push(vec![
            Cell::text(&variant.name),
            Cell::Count(variant.users),
            expected.map_or(Cell::Nothing, Cell::Count),
            Cell::Count(variant.converted),
            Cell::Percent(variant.estimate),
            plain(variant.interval, &format::percent),
            Cell::figure(variant.probability_best.map(format::chance)),
            Cell::figure(revenue.and_then(|it| it.estimate).map(&money)),
            plain(revenue.and_then(|it| it.interval), &money),
        ]);
    }
    table
}

fn comparisons(result: &ExperimentResult, title: &str, currency: &str, place: usize) -> Table {
    let columns = vec![
        ("variant", "Variant"),
        ("metric", "What"),
        ("difference", "Difference"),
        ("between", "is between"),
        ("lift", "In proportion"),
        ("on_top", "Came on top"),
        ("on_top_between", "is between"),
        ("beats", "Beats the control, by chance"),
    ];
    let note = format!("The intervals hold however often you look at them ({}).", format::percent(result.level.get()));
    let mut table =
        Table::new(format!("comparisons_{place}"), format!("{title}: the difference"), columns).with_note(note);
    let money = money(currency);
    let mut add = |one: &Comparison, what: &str, write: &dyn Fn(f64) -> String, total: &dyn Fn(f64) -> String| {
        let write = |value: f64| write(value);
        let total = |value: f64| total(value);
        let anytime = |figure: Figure| figure.anytime_interval.or(figure.interval);
        let on_top = one.incremental;
        table.rows.push(vec![
            Cell::text(&one.variant),
            Cell::text(what),
            Cell::figure(one.difference.map(|it| signed(it.estimate, &write))),
            between(one.difference.and_then(anytime), &write),
            Cell::figure(one.lift.map(|it| signed(it.estimate, &format::percent))),
            Cell::figure(on_top.map(|it| signed(it.total, &total))),
            between(on_top.and_then(|it| it.anytime_interval.or(it.interval)), &total),
            Cell::figure(one.belief.map(|belief| format::chance(belief.chance_to_beat_control))),
        ]);
    };
    let whole = |number: f64| format::count(number.round() as u64);
    result.conversion.comparisons.iter().for_each(|one| add(one, "Goals reached", &points, &whole));
    let revenue = result.revenue.iter().flat_map(|metric| &metric.comparisons);
    revenue.for_each(|one| add(one, "Revenue per person", &money, &money));
    table
}
